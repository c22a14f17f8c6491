// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Resets: the core's state machine decides, this file does. */
#include <errno.h>

#include "../error.h"
#include "rack.h"

static void axl_lock_queues(struct axl_rack_device *device)
{
	for (uint32_t i = 0; i < AXL_MAX_QUEUES; i++) {
		if (device->queues[i])
			pthread_mutex_lock(&device->queues[i]->lock);
	}
}

static void axl_unlock_queues(struct axl_rack_device *device)
{
	for (uint32_t i = AXL_MAX_QUEUES; i-- > 0;) {
		if (device->queues[i])
			pthread_mutex_unlock(&device->queues[i]->lock);
	}
}

/* Every queue lock is held. */
static void axl_end_queues(struct axl_rack_device *device, int over)
{
	for (uint32_t i = 0; i < AXL_MAX_QUEUES; i++) {
		struct axl_rack_queue *queue = device->queues[i];

		if (!queue || queue->over)
			continue;
		axl_qp_stop(&queue->qp);
		axl_rack_queue_end(queue, over);
	}
}

/* The function was reset: nothing made before means anything to the device now. */
static void axl_begin_generation(struct axl_rack_device *device)
{
	uint32_t old = atomic_load(&device->generation);
	uint32_t new = device->function_generation;

	axl_end_queues(device, -ESTALE);
	device->contexts = 0;
	device->memory_fresh = device->ident.memory_bytes; /* what it holds now is unknown */
	axl_range_deinit(&device->memory_range);
	/* If this fails, allocations of device memory do, until the next reset. */
	axl_range_init(&device->memory_range, &device->os, 0, device->ident.memory_bytes,
		       1u << AXL_PAGE_SHIFT);
	atomic_store(&device->generation, new == old ? old + 1 : new);
}

static int axl_do_queue_reset(struct axl_rack_device *device, struct axl_rack_queue *queue)
{
	int err = axl_reset_perform(&device->os, AXL_RESET_ACTION_QUEUE, queue->base.index);

	if (!err)
		err = axl_qp_stop(&queue->qp);
	if (err)
		return err;
	axl_rack_queue_end(queue, 0);
	queue->lost = false;
	axl_qp_set_clock(&queue->qp, &device->clock.line);
	return axl_qp_start(&queue->qp);
}

/* Reset the function or the bus, or take note that somebody else did. */
static int axl_do_function_reset(struct axl_rack_device *device, enum axl_reset_action action)
{
	int err = 0;

	if (action != AXL_RESET_ACTION_HOLD)
		err = axl_reset_perform(&device->os, action, 0);
	if (!err)
		err = axl_rack_setup(device);
	if (!err)
		axl_begin_generation(device);
	return err;
}

static int axl_do_action(struct axl_rack_device *device, enum axl_reset_action action,
			 struct axl_rack_queue *queue)
{
	if (action == AXL_RESET_ACTION_QUEUE)
		return axl_do_queue_reset(device, queue);
	return axl_do_function_reset(device, action);
}

/* Change the state, but never back from GONE: anybody may set that at any time. */
static void axl_set_state(struct axl_rack_device *device, uint32_t state)
{
	uint32_t old = atomic_load(&device->state);

	while (old != AXL_DEVICE_GONE && !atomic_compare_exchange_weak(&device->state, &old, state))
		;
}

/* The state machine is content: say so to everybody. */
static void axl_publish_state(struct axl_rack_device *device)
{
	switch (device->reset.state) {
	case AXL_RESET_STATE_GONE:
		axl_rack_mark_gone(device);
		axl_end_queues(device, -ENODEV);
		break;
	case AXL_RESET_STATE_WEDGED:
		axl_set_state(device, AXL_DEVICE_WEDGED);
		axl_end_queues(device, -EIO);
		break;
	default:
		axl_set_state(device, AXL_DEVICE_ONLINE);
		break;
	}
}

int axl_rack_recover(struct axl_rack_device *device, uint32_t event, struct axl_rack_queue *queue)
{
	enum axl_reset_action action;
	int err = 0;

	axl_set_state(device, AXL_DEVICE_RESETTING);
	if (atomic_load(&device->state) == AXL_DEVICE_GONE)
		event = AXL_RESET_EVENT_GONE;
	axl_lock_queues(device);
	action = axl_reset_feed(&device->reset, axl_now_ns(), event);
	while (axl_reset_is_reset(action) || action == AXL_RESET_ACTION_HOLD) {
		err = axl_do_action(device, action, queue);
		action = axl_reset_feed(&device->reset, axl_now_ns(), axl_reset_outcome(err));
	}
	axl_publish_state(device);
	axl_unlock_queues(device);
	if (atomic_load(&device->state) == AXL_DEVICE_GONE)
		return AXL_ERR_GONE;
	return err;
}

int axl_rack_device_reset(struct axl_device *base, uint32_t kind)
{
	struct axl_rack_device *device = axl_rack_device(base);
	bool bus = kind == AXL_RESET_KIND_BUS;
	int status = 0;
	int err;

	pthread_mutex_lock(&device->lock);
	if (!bus || atomic_load(&device->state) != AXL_DEVICE_WEDGED)
		status = axl_rack_usable(device);
	if (!status) {
		err = axl_rack_recover(
			device, bus ? AXL_RESET_EVENT_ASK_BUS : AXL_RESET_EVENT_ASK_FUNCTION, NULL);
		if (err)
			status = axl_rack_fail(device, err, "reset");
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

int axl_rack_queue_reset(struct axl_queue *base)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	struct axl_rack_device *device = axl_rack_device(base->context->device);
	int status, err;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, queue->generation, "queue");
	if (!status) {
		/* Somebody asked: that is no storm of a device in trouble. */
		device->reset.storm_count[AXL_RESET_KIND_QUEUE] = 0;
		err = axl_rack_recover(device, AXL_RESET_EVENT_QUEUE_HUNG, queue);
		axl_rack_context_release(axl_rack_context(base->context));
		if (err)
			status = axl_rack_fail(device, err, "queue reset");
		else
			status = axl_rack_current(device, queue->generation, "queue");
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

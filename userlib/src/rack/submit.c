// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Submission: wait for room, copy a batch into the ring, let the core check it there. */
#include <errno.h>
#include <string.h>

#include "../batch.h"
#include "../error.h"
#include "rack.h"

#define AXL_NEVER UINT64_MAX

/* Wait until slot_count slots fit, or say why that will not happen. */
static int axl_await_room(struct axl_rack_queue *queue, size_t slot_count, bool block)
{
	struct axl_rack_device *device = axl_queue_device(queue);
	int status;

	for (;;) {
		status = axl_rack_current(device, queue->generation, "queue");
		if (status)
			return status;
		if (axl_qp_space(&queue->qp) >= slot_count)
			return 0;
		if (axl_rack_queue_reap(queue))
			continue;
		if (!block)
			return axl_fail(-EAGAIN, "queue %u is full", queue->base.index);
		axl_rack_queue_sleep(queue, queue->qp.next_sequence - 1, AXL_NEVER);
	}
}

/*
 * Whether the last command of the batch should interrupt: when asked for, and at least
 * once per half ring so that whoever waits for room is woken.
 */
static bool axl_wants_interrupt(const struct axl_rack_queue *queue, size_t slot_count,
				uint32_t flags)
{
	return !(flags & AXL_SUBMIT_NO_INTERRUPT) ||
	       queue->quiet_slots + slot_count > queue->result_mask / 2;
}

/* There is room. */
static int axl_fill_ring(struct axl_rack_queue *queue, const struct axl_slot *slots,
			 const struct axl_qp_batch *batch, struct axl_qp_refusal *why)
{
	struct axl_qp_room room;
	int err = axl_qp_find_room(&queue->qp, batch->slot_count, &room);

	if (err)
		return err;
	memcpy(room.part[0], slots, room.bytes[0]);
	memcpy(room.part[1], (const char *)slots + room.bytes[0], room.bytes[1]);
	return axl_qp_accept(&queue->qp, batch, why);
}

static int axl_push_batch(struct axl_rack_queue *queue, const struct axl_slot *slots,
			  size_t slot_count, uint32_t flags)
{
	struct axl_rack_context *context = axl_rack_context(queue->base.context);
	struct axl_qp_batch batch = {
		.slot_count = (uint32_t)slot_count,
		.context = (uint16_t)context->number,
		.interrupt = axl_wants_interrupt(queue, slot_count, flags),
	};
	struct axl_qp_refusal why = { 0 };
	int err = axl_fill_ring(queue, slots, &batch, &why);

	if (why.problem)
		return axl_batch_refused(why.command, why.slot, why.problem);
	if (err)
		return axl_rack_fail(axl_queue_device(queue), err, "submitting");
	axl_qp_ring(&queue->qp);
	queue->quiet_slots = batch.interrupt ? 0 : queue->quiet_slots + batch.slot_count;
	if (batch.interrupt)
		queue->interrupt_sequence = queue->qp.next_sequence - 1;
	return 0;
}

int axl_rack_queue_submit(struct axl_queue *base, const struct axl_slot *slots, size_t slot_count,
			  uint32_t flags, uint64_t *last_out)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	int status;

	if (slot_count > queue->result_mask + 1)
		return axl_batch_too_big(slot_count, queue->result_mask + 1);
	pthread_mutex_lock(&queue->lock);
	status = axl_await_room(queue, slot_count, !(flags & AXL_SUBMIT_NONBLOCK));
	if (!status)
		status = axl_push_batch(queue, slots, slot_count, flags);
	if (!status && last_out)
		*last_out = queue->qp.next_sequence - 1;
	pthread_mutex_unlock(&queue->lock);
	return status;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Submission: check a batch, wait for room, push it in one piece. */
#include <errno.h>

#include "../batch.h"
#include "../error.h"
/* The core's; plain "axl_cmd.h" is the public header of the same name. */
#include "../../../drivers/core/include/axl_cmd.h"
#include "rack.h"

#define AXL_NEVER UINT64_MAX
#define AXL_PUSHES 32 /* commands that are pushed in one piece */

/* --- direction ------------------------------------------------------------------------- */

static unsigned int axl_va_kind(bool has, uint64_t va)
{
	uint64_t kind = va >> AXL_VA_KIND_SHIFT;

	return has && kind < AXL_VA_KIND_END ? (unsigned int)kind : 0;
}

/* Rows: source (none, device, host, peer); columns: destination, likewise. */
static uint8_t axl_direction(const struct axl_cmd_summary *command)
{
	static const uint8_t table[AXL_VA_KIND_END][AXL_VA_KIND_END] = {
		{AXL_DIRECTION_NONE,  AXL_DIRECTION_DEVICE_TO_DEVICE, AXL_DIRECTION_DEVICE_TO_HOST,
		  AXL_DIRECTION_PEER										   },
		{ AXL_DIRECTION_NONE, AXL_DIRECTION_DEVICE_TO_DEVICE, AXL_DIRECTION_DEVICE_TO_HOST,
		  AXL_DIRECTION_PEER										   },
		{ AXL_DIRECTION_NONE, AXL_DIRECTION_HOST_TO_DEVICE,   AXL_DIRECTION_HOST_TO_HOST,
		  AXL_DIRECTION_PEER										   },
		{ AXL_DIRECTION_NONE, AXL_DIRECTION_PEER,		  AXL_DIRECTION_PEER,	      AXL_DIRECTION_PEER},
	};

	return table[axl_va_kind(command->has_src, command->src_va)]
		    [axl_va_kind(command->has_dst, command->dst_va)];
}

/* --- batch -------------------------------------------------------------------------------- */

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
static bool axl_wants_interrupt(struct axl_rack_queue *queue, size_t slot_count, uint32_t flags)
{
	queue->quiet_slots += (uint32_t)slot_count;
	if ((flags & AXL_SUBMIT_NO_INTERRUPT) && queue->quiet_slots <= queue->result_mask / 2)
		return false;
	queue->quiet_slots = 0;
	return true;
}

/* The commands at slots, as many as pushes has room for; how many slots they take. */
static size_t axl_collect(const struct axl_slot *slots, size_t slot_count,
			  struct axl_qp_push *pushes, uint32_t *count_out)
{
	struct axl_cmd_summary summary;
	size_t at;

	*count_out = 0;
	for (at = 0; at < slot_count && *count_out < AXL_PUSHES; at += summary.slots) {
		axl_cmd_check(&slots[at], slot_count - at, &summary);
		pushes[(*count_out)++] = (struct axl_qp_push){
			.slots = &slots[at],
			.bytes = summary.bytes,
			.slot_count = (uint8_t)summary.slots,
			.direction = axl_direction(&summary),
		};
	}
	return at;
}

static int axl_push_batch(struct axl_rack_queue *queue, const struct axl_slot *slots,
			  size_t slot_count, uint32_t flags)
{
	struct axl_rack_context *context = axl_rack_context(queue->base.context);
	bool interrupt = axl_wants_interrupt(queue, slot_count, flags);
	struct axl_qp_push pushes[AXL_PUSHES];
	struct axl_qp_batch batch = { .pushes = pushes, .context = (uint16_t)context->number };
	size_t at = 0;

	while (at < slot_count) {
		int err;

		at += axl_collect(slots + at, slot_count - at, pushes, &batch.count);
		batch.interrupt = interrupt && at == slot_count;
		err = axl_qp_push(&queue->qp, &batch, NULL);
		/* Room was made sure of and the slots were checked. */
		if (err)
			return axl_rack_fail(axl_queue_device(queue), err, "submitting");
	}
	axl_qp_ring(&queue->qp);
	if (interrupt)
		queue->interrupt_sequence = queue->qp.next_sequence - 1;
	return 0;
}

int axl_rack_queue_submit(struct axl_queue *base, const struct axl_slot *slots, size_t slot_count,
			  uint32_t flags, uint64_t *last_out)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	/* Nothing reaches the ring unless every command of the batch is well formed. */
	int status = axl_batch_check(slots, slot_count);

	if (status)
		return status;
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

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The submitting side of a queue pair: may run with interrupts off. */
#include "axl_cmd.h"
#include "axl_qp_priv.h"

uint32_t axl_qp_space(const struct axl_qp *qp)
{
	if (!qp->running)
		return 0;
	return qp->sq_mask + 1u - (qp->sq_tail - qp->sq_head);
}

uint32_t axl_qp_in_flight(const struct axl_qp *qp)
{
	return (uint32_t)(qp->next_sequence - qp->oldest_sequence);
}

/*
 * The device stalls when the completion ring is full. Completions taken but not
 * acknowledged and those still to come, `count` more than now, must fit together.
 */
static void keep_room(struct axl_qp *qp, uint32_t count)
{
	uint32_t unacknowledged = qp->cq_head - qp->cq_acked;

	if (unacknowledged &&
	    axl_qp_in_flight(qp) + unacknowledged + count > 1u << qp->config.cq_log2)
		axl_qp_acknowledge(qp);
}

static void *slot_at(const struct axl_qp *qp, uint32_t position)
{
	uint8_t *ring = qp->sq.cpu;

	return ring + (size_t)(position & qp->sq_mask) * AXL_SLOT_BYTES;
}

static int check_room(const struct axl_qp *qp, uint32_t slot_count)
{
	if (!qp->running)
		return AXL_ERR_BUSY;
	if (!slot_count)
		return AXL_ERR_INVAL;
	return axl_qp_space(qp) < slot_count ? AXL_ERR_AGAIN : AXL_OK;
}

int axl_qp_find_room(const struct axl_qp *qp, uint32_t slot_count, struct axl_qp_room *room_out)
{
	uint32_t to_end = qp->sq_mask + 1u - (qp->sq_tail & qp->sq_mask);
	uint32_t first = slot_count < to_end ? slot_count : to_end;
	int err = check_room(qp, slot_count);

	if (err)
		return err;
	room_out->part[0] = slot_at(qp, qp->sq_tail);
	room_out->bytes[0] = (size_t)first * AXL_SLOT_BYTES;
	room_out->part[1] = qp->sq.cpu;
	room_out->bytes[1] = (size_t)(slot_count - first) * AXL_SLOT_BYTES;
	return AXL_OK;
}

/* How far a batch has been gone through. Nothing of it is the queue's before the end. */
struct progress {
	uint32_t left; /* slots */
	uint64_t sequence; /* of the next command */
	uint64_t bytes;
	uint64_t now_ns;
};

/* Put into the header of a command what is the host's. */
static void stamp(const struct axl_qp_batch *batch, const struct axl_cmd_summary *command,
		  const struct progress *at, struct axl_cmd_header *header)
{
	bool interrupt = batch->interrupt && at->left == command->header.slots;

	header->flags = (uint8_t)((command->header.flags & ~AXL_COMMAND_FLAG_INTERRUPT) |
				  (interrupt ? AXL_COMMAND_FLAG_INTERRUPT : 0));
	header->context = axl_cpu_to_le16(batch->context);
	header->sequence = axl_cpu_to_le64(at->sequence);
}

static void record(const struct axl_qp_batch *batch, const struct axl_cmd_summary *command,
		   const struct progress *at, struct axl_qp_flight *flight)
{
	flight->header = command->header;
	flight->submit_ns = at->now_ns;
	flight->bytes = command->bytes;
	flight->context = batch->context;
	flight->direction = command->direction;
}

/* Up to the end, or to the first that is no command: what is wrong with it. */
static const char *go_through(const struct axl_qp *qp, const struct axl_qp_batch *batch,
			      struct progress *at)
{
	struct axl_cmd_place place = { qp->sq.cpu, qp->sq_mask, qp->sq_tail };
	struct axl_cmd_summary command;

	for (; at->left; at->left -= command.header.slots) {
		if (axl_cmd_check(&place, at->left, &command))
			return command.problem;
		stamp(batch, &command, at, slot_at(qp, place.first));
		record(batch, &command, at, axl_qp_flight(qp, at->sequence));
		place.first += command.header.slots;
		at->bytes += command.bytes;
		at->sequence++;
	}
	return NULL;
}

static void take_in(struct axl_qp *qp, uint32_t slot_count, const struct progress *end)
{
	uint64_t sequence = qp->next_sequence;
	uint32_t count = (uint32_t)(end->sequence - sequence);

	keep_room(qp, count);
	qp->sq_tail += slot_count;
	qp->next_sequence = end->sequence;
	qp->stats.bytes += end->bytes;
	qp->stats.submitted += count;
	/* Asked once for the batch: it is an indirect call. */
	if (axl_trace_on(qp->os))
		for (; sequence < qp->next_sequence; sequence++)
			axl_qp_trace_submit(qp, sequence);
}

int axl_qp_accept(struct axl_qp *qp, const struct axl_qp_batch *batch,
		  struct axl_qp_refusal *why_out)
{
	struct progress at = {
		.left = batch->slot_count,
		.sequence = qp->next_sequence,
		.now_ns = batch->submit_ns,
	};
	int err = check_room(qp, batch->slot_count);

	why_out->problem = NULL;
	if (err)
		return err;
	if (!at.now_ns)
		at.now_ns = axl_time_ns(qp->os);
	why_out->problem = go_through(qp, batch, &at);
	if (why_out->problem) {
		why_out->command = (uint32_t)(at.sequence - qp->next_sequence);
		why_out->slot = batch->slot_count - at.left;
		return AXL_ERR_INVAL;
	}
	take_in(qp, batch->slot_count, &at);
	return AXL_OK;
}

void axl_qp_ring(struct axl_qp *qp)
{
	if (!qp->running || qp->sq_rung == qp->sq_tail)
		return;
	/* The device may complete a command only once it has been told of it. */
	qp->rung_sequence = qp->next_sequence;
	qp->sq_rung = qp->sq_tail;
	qp->stats.doorbells++;
	if (axl_trace_on(qp->os))
		axl_qp_trace_doorbell(qp);
	axl_dma_wmb(); /* the slots come before the tail that shows them */
	qp->os->ops->sq_doorbell(qp->os->ctx, qp->config.index, qp->sq_tail);
}

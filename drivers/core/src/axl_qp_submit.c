/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The submitting side of a queue pair: may run with interrupts off. */
#include "axl_qp_priv.h"

uint32_t axl_qp_space(const struct axl_qp *qp)
{
	if (!qp->running)
		return 0;
	return (1u << qp->config.sq_log2) - (qp->sq_tail - qp->sq_head);
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

static uint8_t *slot_at(const struct axl_qp *qp, uint32_t position)
{
	uint8_t *ring = qp->sq.cpu;

	return ring + (size_t)(position & axl_qp_slot_mask(qp)) * AXL_SLOT_BYTES;
}

static void copy_slots(struct axl_qp *qp, const struct axl_qp_push *push,
		       const struct axl_cmd_header *header)
{
	const uint8_t *from = push->slots;
	uint8_t *to = slot_at(qp, qp->sq_tail);
	uint32_t i;

	memcpy(to, header, sizeof(*header));
	memcpy(to + sizeof(*header), from + sizeof(*header), AXL_SLOT_BYTES - sizeof(*header));
	for (i = 1; i < push->slot_count; i++)
		memcpy(slot_at(qp, qp->sq_tail + i), from + (size_t)i * AXL_SLOT_BYTES,
		       AXL_SLOT_BYTES);
	qp->sq_tail += push->slot_count;
}

static int push_one(struct axl_qp *qp, const struct axl_qp_push *push, uint16_t context,
		    uint64_t now_ns, uint8_t interrupt)
{
	struct axl_qp_flight *flight = axl_qp_flight(qp, qp->next_sequence);
	struct axl_cmd_header header;

	memcpy(&header, push->slots, sizeof(header));
	if (push->slot_count == 0 || push->slot_count > AXL_MAX_COMMAND_SLOTS ||
	    push->slot_count != header.slots)
		return AXL_ERR_INVAL;
	if (axl_qp_space(qp) < push->slot_count)
		return AXL_ERR_AGAIN;
	header.flags = (uint8_t)((header.flags & ~AXL_COMMAND_FLAG_INTERRUPT) | interrupt);
	header.context = axl_cpu_to_le16(context);
	header.sequence = axl_cpu_to_le64(qp->next_sequence);
	copy_slots(qp, push, &header);
	flight->submit_ns = now_ns;
	flight->bytes = push->bytes;
	flight->context = context;
	flight->slots = header.slots;
	flight->opcode = header.opcode;
	flight->op = header.op;
	flight->direction = push->direction;
	qp->stats.bytes += push->bytes;
	qp->next_sequence++;
	return AXL_OK;
}

/* The device has not been told of what goes beyond the tail: it can be taken back. */
static int push_all(struct axl_qp *qp, const struct axl_qp_batch *batch)
{
	uint64_t now_ns = batch->submit_ns ? batch->submit_ns : axl_time_ns(qp->os);
	uint64_t first = qp->next_sequence, bytes = qp->stats.bytes;
	uint32_t i, tail = qp->sq_tail;

	for (i = 0; i < batch->count; i++) {
		bool interrupt = batch->interrupt && i + 1 == batch->count;
		int err = push_one(qp, &batch->pushes[i], batch->context, now_ns,
				   interrupt ? AXL_COMMAND_FLAG_INTERRUPT : 0);

		if (err) {
			qp->next_sequence = first;
			qp->stats.bytes = bytes;
			qp->sq_tail = tail;
			return err;
		}
	}
	qp->stats.submitted += batch->count;
	return AXL_OK;
}

int axl_qp_push(struct axl_qp *qp, const struct axl_qp_batch *batch, uint64_t *last_out)
{
	uint64_t sequence = qp->next_sequence;
	int err;

	if (!qp->running)
		return AXL_ERR_BUSY;
	if (!batch->count)
		return AXL_ERR_INVAL;
	keep_room(qp, batch->count);
	err = push_all(qp, batch);
	if (err)
		return err;
	if (last_out)
		*last_out = qp->next_sequence - 1;
	/* Asked once for the batch: it is an indirect call. */
	if (axl_trace_on(qp->os))
		for (; sequence < qp->next_sequence; sequence++)
			axl_qp_trace_submit(qp, sequence);
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

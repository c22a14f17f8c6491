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
 * acknowledged and those still to come must fit together.
 */
static void keep_room(struct axl_qp *qp)
{
	uint32_t unacknowledged = qp->cq_head - qp->cq_acked;

	if (unacknowledged && axl_qp_in_flight(qp) + unacknowledged >= 1u << qp->config.cq_log2)
		axl_qp_acknowledge(qp);
}

static void copy_slots(const struct axl_qp *qp, const struct axl_qp_push *push,
		       const struct axl_cmd_header *header)
{
	const uint8_t *from = push->slots;
	uint8_t *ring = qp->sq.cpu;
	uint8_t *to = ring + (size_t)(qp->sq_tail & axl_qp_slot_mask(qp)) * AXL_SLOT_BYTES;
	uint32_t i;

	memcpy(to, header, sizeof(*header));
	memcpy(to + sizeof(*header), from + sizeof(*header), AXL_SLOT_BYTES - sizeof(*header));
	for (i = 1; i < push->slot_count; i++) {
		to = ring + (size_t)((qp->sq_tail + i) & axl_qp_slot_mask(qp)) * AXL_SLOT_BYTES;
		memcpy(to, from + (size_t)i * AXL_SLOT_BYTES, AXL_SLOT_BYTES);
	}
}

static void remember(struct axl_qp *qp, const struct axl_qp_push *push,
		     const struct axl_cmd_header *header)
{
	*axl_qp_flight(qp, qp->next_sequence) = (struct axl_qp_flight){
		.submit_ns = push->submit_ns ? push->submit_ns : axl_time_ns(qp->os),
		.bytes = push->bytes,
		.context = push->context,
		.slots = header->slots,
		.opcode = header->opcode,
		.op = header->op,
		.direction = push->direction,
	};
}

int axl_qp_push(struct axl_qp *qp, const struct axl_qp_push *push, uint64_t *sequence_out)
{
	struct axl_cmd_header header;

	if (!qp->running)
		return AXL_ERR_BUSY;
	if (push->slot_count == 0 || push->slot_count > AXL_MAX_COMMAND_SLOTS)
		return AXL_ERR_INVAL;
	memcpy(&header, push->slots, sizeof(header));
	if (header.slots != push->slot_count)
		return AXL_ERR_INVAL;
	if (axl_qp_space(qp) < push->slot_count)
		return AXL_ERR_AGAIN;
	keep_room(qp);
	header.flags = (uint8_t)((header.flags & ~AXL_COMMAND_FLAG_INTERRUPT) |
				 (push->interrupt ? AXL_COMMAND_FLAG_INTERRUPT : 0));
	header.context = axl_cpu_to_le16(push->context);
	header.sequence = axl_cpu_to_le64(qp->next_sequence);
	copy_slots(qp, push, &header);
	remember(qp, push, &header);
	qp->sq_tail += push->slot_count;
	qp->stats.submitted++;
	qp->stats.bytes += push->bytes;
	if (sequence_out)
		*sequence_out = qp->next_sequence;
	if (axl_trace_on(qp->os))
		axl_qp_trace_submit(qp, qp->next_sequence);
	qp->next_sequence++;
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

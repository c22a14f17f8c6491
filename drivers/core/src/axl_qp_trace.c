/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Events of a queue pair. */
#include "axl_qp_priv.h"

static void send(const struct axl_qp *qp, struct axl_event *event, uint64_t time_ns, uint8_t stage,
		 uint8_t origin)
{
	event->time_ns = axl_cpu_to_le64(time_ns);
	event->queue = axl_cpu_to_le16((uint16_t)qp->config.index);
	event->stage = stage;
	event->origin = origin;
	qp->os->ops->trace(qp->os->ctx, event);
}

void axl_qp_trace_submit(const struct axl_qp *qp, uint64_t sequence)
{
	const struct axl_qp_flight *flight = axl_qp_flight(qp, sequence);
	struct axl_event event = {
		.sequence = axl_cpu_to_le64(sequence),
		.bytes = axl_cpu_to_le64(flight->bytes),
		.context = axl_cpu_to_le16(flight->context),
		.opcode = flight->header.opcode,
		.direction = flight->direction,
		.op = flight->header.op,
	};

	send(qp, &event, flight->submit_ns, AXL_STAGE_SUBMIT, qp->os->origin);
}

void axl_qp_trace_doorbell(const struct axl_qp *qp)
{
	struct axl_event event = {
		.sequence = axl_cpu_to_le64(qp->next_sequence - 1),
	};

	send(qp, &event, axl_time_ns(qp->os), AXL_STAGE_DOORBELL, qp->os->origin);
}

void axl_qp_trace_cqe(const struct axl_qp *qp, const struct axl_cqe *cqe)
{
	struct axl_event event = {
		.sequence = axl_cpu_to_le64(cqe->sequence),
		.bytes = axl_cpu_to_le64(cqe->bytes),
		.context = axl_cpu_to_le16(cqe->context),
		.opcode = cqe->opcode,
		.direction = cqe->direction,
		.op = cqe->op,
	};

	if (cqe->timing_valid) {
		send(qp, &event, cqe->fetch_ns, AXL_STAGE_FETCH, AXL_ORIGIN_RECONSTRUCTED);
		send(qp, &event, cqe->start_ns, AXL_STAGE_START, AXL_ORIGIN_RECONSTRUCTED);
		send(qp, &event, cqe->finish_ns, AXL_STAGE_FINISH, AXL_ORIGIN_RECONSTRUCTED);
	}
	event.status = axl_cpu_to_le16(cqe->status);
	event.value = axl_cpu_to_le32(cqe->result);
	send(qp, &event, cqe->complete_ns, AXL_STAGE_COMPLETE, qp->os->origin);
}

void axl_qp_trace_queue(const struct axl_qp *qp, enum axl_stage stage)
{
	struct axl_event event = {
		.address = axl_cpu_to_le64(qp->sq.bus),
		.bytes = axl_cpu_to_le64(qp->sq.bytes),
	};

	if (axl_trace_on(qp->os))
		send(qp, &event, axl_time_ns(qp->os), (uint8_t)stage, qp->os->origin);
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A queue pair: making it, starting and stopping it. */
#include "axl_qp.h"

#include "axl_ctrl.h"
#include "axl_field.h"
#include "axl_qp_priv.h"
#include "axl_regs.h"

static bool config_is_valid(const struct axl_ident *ident, const struct axl_qp_config *config)
{
	return config->index < ident->queue_count && config->index < AXL_MAX_QUEUES &&
	       config->sq_log2 >= AXL_MIN_RING_LOG2 && config->sq_log2 <= ident->max_ring_log2 &&
	       config->cq_log2 >= config->sq_log2 && config->cq_log2 <= ident->max_ring_log2 &&
	       ident->max_ring_log2 <= AXL_MAX_RING_LOG2 && config->vector < AXL_MSIX_VECTORS &&
	       config->coalesce_count <= 0xffff && config->coalesce_us <= 0xffff;
}

int axl_qp_init(struct axl_qp *qp, const struct axl_os *os, const struct axl_ident *ident,
		const struct axl_qp_config *config)
{
	const struct axl_os_ops *ops = os->ops;
	int err = AXL_ERR_NOMEM;

	memset(qp, 0, sizeof(*qp));
	qp->os = os;
	qp->config = *config;
	if (!qp->config.cq_log2)
		qp->config.cq_log2 = config->sq_log2 < ident->max_ring_log2 ? config->sq_log2 + 1 :
									      config->sq_log2;
	if (!config_is_valid(ident, &qp->config))
		return AXL_ERR_INVAL;
	qp->next_sequence = config->first_sequence ? config->first_sequence : 1;
	qp->sq_mask = (1u << config->sq_log2) - 1u;
	qp->rung_sequence = qp->next_sequence;
	qp->oldest_sequence = qp->next_sequence;
	qp->flights = ops->alloc(os->ctx, sizeof(*qp->flights) << qp->config.sq_log2);
	if (!qp->flights)
		return AXL_ERR_NOMEM;
	err = ops->dma_alloc(os->ctx, (size_t)AXL_SLOT_BYTES << qp->config.sq_log2, &qp->sq);
	if (err)
		goto err_free_flights;
	err = ops->dma_alloc(os->ctx, (size_t)AXL_COMPLETION_BYTES << qp->config.cq_log2, &qp->cq);
	if (err)
		goto err_free_sq;
	return AXL_OK;

err_free_sq:
	ops->dma_free(os->ctx, &qp->sq);
err_free_flights:
	ops->free(os->ctx, qp->flights);
	memset(qp, 0, sizeof(*qp));
	return err;
}

void axl_qp_deinit(struct axl_qp *qp)
{
	const struct axl_os *os = qp->os;

	if (!qp->flights)
		return;
	os->ops->dma_free(os->ctx, &qp->cq);
	os->ops->dma_free(os->ctx, &qp->sq);
	os->ops->free(os->ctx, qp->flights);
	memset(qp, 0, sizeof(*qp));
}

/* The queue's state register: READY and so on, or a negative error. */
static int read_state(const struct axl_qp *qp)
{
	uint32_t status = axl_read32(qp->os, AXL_REG_QUEUE_STATUS(qp->config.index));

	if (status == AXL_ALL_ONES32)
		return axl_is_gone(qp->os) ? AXL_ERR_GONE : AXL_ERR_DEVICE;
	return (int)AXL_GET(status, AXL_QUEUE_STATUS_STATE);
}

static void program(const struct axl_qp *qp)
{
	const struct axl_qp_config *config = &qp->config;
	const struct axl_os *os = qp->os;
	uint32_t n = config->index;

	axl_write64(os, AXL_REG_QUEUE_SQ_BASE(n), qp->sq.bus);
	axl_write64(os, AXL_REG_QUEUE_CQ_BASE(n), qp->cq.bus);
	axl_write32(os, AXL_REG_QUEUE_SIZE(n),
		    AXL_PUT(AXL_QUEUE_SIZE_SQ_LOG2, config->sq_log2) |
			    AXL_PUT(AXL_QUEUE_SIZE_CQ_LOG2, config->cq_log2));
	axl_write32(os, AXL_REG_QUEUE_INTERRUPT(n),
		    AXL_PUT(AXL_QUEUE_INTERRUPT_VECTOR, config->vector) |
			    AXL_PUT(AXL_QUEUE_INTERRUPT_ENABLE, (uint32_t)config->irq_enable));
	axl_write32(os, AXL_REG_QUEUE_COALESCE(n),
		    AXL_PUT(AXL_QUEUE_COALESCE_COUNT, config->coalesce_count) |
			    AXL_PUT(AXL_QUEUE_COALESCE_MICROSECONDS, config->coalesce_us));
	axl_write32(os, AXL_REG_QUEUE_CONTROL(n), AXL_QUEUE_CONTROL_ENABLE_MASK);
}

static void rewind_rings(struct axl_qp *qp)
{
	qp->sq_tail = 0;
	qp->sq_head = 0;
	qp->sq_rung = 0;
	qp->cq_head = 0;
	qp->cq_acked = 0;
	qp->rung_sequence = qp->next_sequence;
	qp->pending.valid = false;
	/* Old completions carry the phase that the first pass is going to look for. */
	memset(qp->cq.cpu, 0, qp->cq.bytes);
	axl_dma_wmb(); /* the zeroes come before the enabling register write */
}

int axl_qp_start(struct axl_qp *qp)
{
	int state;

	if (qp->running || axl_qp_in_flight(qp))
		return AXL_ERR_BUSY;
	state = read_state(qp);
	if (state > AXL_QUEUE_STATE_DISABLED)
		state = axl_ctrl_reset_queue(qp->os, qp->config.index);
	if (state < 0)
		return state;
	rewind_rings(qp);
	program(qp);
	state = read_state(qp);
	if (state != AXL_QUEUE_STATE_READY) {
		int err = axl_ctrl_reset_queue(qp->os, qp->config.index);

		axl_log(qp->os, AXL_LOG_ERROR, "queue 0x%llx did not start: state 0x%llx",
			qp->config.index, (uint64_t)(int64_t)state);
		return err == AXL_ERR_GONE ? err : AXL_ERR_DEVICE;
	}
	qp->running = true;
	axl_qp_trace_queue(qp, AXL_STAGE_QUEUE_CREATE);
	return AXL_OK;
}

int axl_qp_stop(struct axl_qp *qp)
{
	int err = axl_ctrl_reset_queue(qp->os, qp->config.index);

	if (qp->running)
		axl_qp_trace_queue(qp, AXL_STAGE_QUEUE_DESTROY);
	qp->running = false;
	return err;
}

void axl_qp_set_clock(struct axl_qp *qp, const struct axl_clock_line *line)
{
	qp->clock = *line;
}

bool axl_qp_inflight_at(const struct axl_qp *qp, uint32_t i, struct axl_qp_inflight *out)
{
	uint64_t sequence = qp->oldest_sequence + i;
	const struct axl_qp_flight *flight;

	if (i >= axl_qp_in_flight(qp))
		return false;
	flight = axl_qp_flight(qp, sequence);
	*out = (struct axl_qp_inflight){
		.sequence = sequence,
		.submit_ns = flight->submit_ns,
		.bytes = flight->bytes,
		.context = flight->context,
		.opcode = flight->header.opcode,
		.op = flight->header.op,
		.direction = flight->direction,
	};
	return true;
}

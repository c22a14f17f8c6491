/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Shared by the files of a queue pair: setting it up, submitting, completing, events. */
#ifndef AXL_QP_PRIV_H
#define AXL_QP_PRIV_H

#include "axl_qp.h"

/* What the host remembers of a command: the device's word is checked against it. */
struct axl_qp_flight {
	struct axl_cmd_header header; /* as the user wrote it */
	uint64_t submit_ns;
	uint64_t bytes;
	uint16_t context;
	uint8_t direction;
};

/* Commands in flight occupy at least a slot each, so that records never collide. */
static inline struct axl_qp_flight *axl_qp_flight(const struct axl_qp *qp, uint64_t sequence)
{
	return &qp->flights[(uint32_t)sequence & qp->sq_mask];
}

/* Tell the device how far completions have been taken. */
void axl_qp_acknowledge(struct axl_qp *qp);

/* Events; the caller has asked axl_trace_on(). */
void axl_qp_trace_submit(const struct axl_qp *qp, uint64_t sequence);
void axl_qp_trace_doorbell(const struct axl_qp *qp);
void axl_qp_trace_cqe(const struct axl_qp *qp, const struct axl_cqe *cqe);
void axl_qp_trace_queue(const struct axl_qp *qp, enum axl_stage stage);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * What the core itself costs: push, ring and poll of commands whose completions a
 * trivial device writes. Prints ns per command, without and with a listener.
 */
#include <stdio.h>
#include <time.h>

#include "axl_os_host.h"
#include "axl_qp.h"
#include "push.h"

#define BATCH 64u
#define ROUNDS 40000u

static uint64_t real_time_ns(void *os)
{
	struct timespec now;

	(void)os;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static void complete(struct axl_qp *qp, uint64_t sequence, uint32_t index)
{
	uint32_t entries = 1u << qp->config.cq_log2;
	struct axl_completion *entry = (struct axl_completion *)qp->cq.cpu + index % entries;

	entry->sequence = sequence;
	entry->flags = index / entries & 1 ? 0 : AXL_COMPLETION_FLAG_PHASE;
}

static uint64_t run(struct axl_qp *qp)
{
	static struct axl_cqe out[BATCH];
	uint64_t begin, spent = 0;
	uint32_t round, i;
	static uint32_t index;

	for (round = 0; round < ROUNDS; round++) {
		uint64_t first = qp->next_sequence;

		begin = real_time_ns(NULL);
		for (i = 0; i < BATCH; i++)
			(void)push_nop(qp);
		axl_qp_ring(qp);
		spent += real_time_ns(NULL) - begin;
		for (i = 0; i < BATCH; i++)
			complete(qp, first + i, index++);
		begin = real_time_ns(NULL);
		if (axl_qp_poll(qp, out, BATCH) != BATCH)
			return 0;
		spent += real_time_ns(NULL) - begin;
	}
	return spent / ROUNDS;
}

static void ignore(const struct axl_event *event)
{
	(void)event;
}

int main(void)
{
	struct axl_qp_config config = { .sq_log2 = 10, .irq_enable = true };
	struct axl_host *host = axl_host_create();
	struct axl_ident ident;
	struct axl_qp qp;
	int traced;

	host->ops.time_ns = real_time_ns;
	if (axl_ident_read(&host->os, &ident) || axl_qp_init(&qp, &host->os, &ident, &config) ||
	    axl_qp_start(&qp))
		return 1;
	host->on_event = ignore;
	for (traced = 0; traced < 2; traced++) {
		uint64_t tenths;

		host->trace_on = traced;
		tenths = run(&qp) * 10 / BATCH;
		printf("core_queue trace=%d ns_per_command=%u.%u\n", traced,
		       (unsigned)(tenths / 10), (unsigned)(tenths % 10));
	}
	axl_qp_deinit(&qp);
	axl_host_destroy(host);
	return 0;
}

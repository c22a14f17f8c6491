/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * A host thread and a device thread on one queue pair, for ThreadSanitizer: the only
 * memory they share is the two rings and the doorbells.
 */
#include <pthread.h>
#include <sched.h>
#include <stdio.h>

#include "axl_os_host.h"
#include "axl_qp.h"
#include "axl_regs.h"
#include "push.h"

#define COMMANDS 200000u
#define SQ_LOG2 6u
#define CQ_LOG2 7u

struct device {
	struct axl_host *host;
	uint8_t *sq;
	uint8_t *cq;
};

static uint32_t load_doorbell(struct axl_host *host, uint32_t offset)
{
	return __atomic_load_n((uint32_t *)(void *)(host->bar0 + offset), __ATOMIC_ACQUIRE);
}

static void write_completion(uint8_t *cq, uint32_t index, uint64_t sequence)
{
	struct axl_completion *entry =
		(struct axl_completion *)(void *)cq + (index & ((1u << CQ_LOG2) - 1));
	uint32_t phase = index >> CQ_LOG2 & 1 ? 0 : AXL_COMPLETION_FLAG_PHASE;

	entry->sequence = sequence;
	entry->fetch_ticks = sequence;
	entry->start_delta = 1;
	entry->finish_delta = 2;
	entry->result = (uint32_t)sequence;
	__atomic_store_n((uint32_t *)(void *)&entry->status, phase << 24, __ATOMIC_RELEASE);
}

static void *run_device(void *argument)
{
	struct device *device = argument;
	uint32_t head = 0;

	while (head != COMMANDS) {
		uint32_t tail = load_doorbell(device->host, AXL_REG_DOORBELL_SQ_TAIL(0));
		uint32_t taken = load_doorbell(device->host, AXL_REG_DOORBELL_CQ_HEAD(0));

		if (head == tail || head - taken == 1u << CQ_LOG2) {
			sched_yield();
			continue;
		}
		write_completion(device->cq, head,
				 ((const struct axl_cmd_header *)(const void *)
					  device->sq)[(head & ((1u << SQ_LOG2) - 1)) * 4]
					 .sequence);
		head++;
	}
	return NULL;
}

static int drive(struct axl_qp *qp)
{
	struct axl_cqe out[16];
	uint64_t ended = 0;

	while (ended < COMMANDS) {
		uint32_t count, i;

		for (i = 0; i < 8 && qp->stats.submitted < COMMANDS; i++)
			(void)push_nop(qp);
		axl_qp_ring(qp);
		count = axl_qp_poll(qp, out, 16);
		for (i = 0; i < count; i++) {
			if (out[i].sequence != ++ended || out[i].status ||
			    out[i].result != (uint32_t)ended)
				return 1;
		}
		if (!count)
			sched_yield();
	}
	return qp->stats.malformed != 0;
}

int main(void)
{
	struct axl_qp_config config = { .sq_log2 = SQ_LOG2, .cq_log2 = CQ_LOG2 };
	struct axl_host *host = axl_host_create();
	struct axl_ident ident;
	struct axl_qp qp;
	struct device device = { .host = host };
	pthread_t thread;
	int bad;

	if (!host || axl_ident_read(&host->os, &ident) ||
	    axl_qp_init(&qp, &host->os, &ident, &config) || axl_qp_start(&qp))
		return 2;
	device.sq = qp.sq.cpu;
	device.cq = qp.cq.cpu;
	if (pthread_create(&thread, NULL, run_device, &device))
		return 2;
	bad = drive(&qp);
	if (bad)
		return bad; /* the device thread ends with the process */
	pthread_join(thread, NULL);
	axl_qp_deinit(&qp);
	bad = host->live || host->live_dma;
	axl_host_destroy(host);
	puts(bad ? "leak" : "ok");
	return bad;
}

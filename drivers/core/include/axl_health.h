/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Is the endpoint alive? By progress, not by time alone: a queue that has work and
 * completes none, a heartbeat that stands still, a bus that reads all-ones.
 */
#ifndef AXL_HEALTH_H
#define AXL_HEALTH_H

#include "axl_os.h"

enum axl_health_verdict {
	AXL_HEALTH_OK = 0,
	AXL_HEALTH_QUEUE_HUNG = 1,
	AXL_HEALTH_FIRMWARE = 2, /* heartbeat stopped, or the device halted itself */
	AXL_HEALTH_GONE = 3,
};

/* What the caller knows of one queue pair. Poll it first: an interrupt may be lost. */
struct axl_health_queue {
	uint64_t completed; /* axl_qp.stats.completed */
	uint32_t in_flight; /* 0: also for queues that do not exist */
};

struct axl_health_watch {
	uint64_t completed;
	uint64_t since_ns; /* time of the last progress */
	bool busy; /* had work at the last check */
};

struct axl_health {
	uint64_t queue_timeout_ns; /* without progress although there is work */
	uint64_t heartbeat_timeout_ns;
	uint64_t heartbeat_since_ns;
	uint32_t heartbeat;
	bool primed; /* the first check has happened */
	struct axl_health_watch queues[AXL_MAX_QUEUES];
};

/* 0 for a timeout means its default: 10 s for queues, 2 s for the heartbeat. */
void axl_health_init(struct axl_health *health, uint64_t queue_timeout_ns,
		     uint64_t heartbeat_timeout_ns);

/* Start over, after a reset. */
void axl_health_restart(struct axl_health *health);

/*
 * Look once. queues[i] is queue pair i. *queue_out (may be NULL) is the hung queue.
 * A queue that waits in a FENCE_WAIT is not hung: its timeout is the command's.
 * queue_count above AXL_MAX_QUEUES is cut. May sleep: yes.
 */
enum axl_health_verdict axl_health_check(struct axl_health *health, const struct axl_os *os,
					 uint64_t now_ns, const struct axl_health_queue *queues,
					 uint32_t queue_count, uint32_t *queue_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_health.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

#define QUEUE_TIMEOUT_NS 10000000000ull
#define HEARTBEAT_TIMEOUT_NS 2000000000ull

void axl_health_init(struct axl_health *health, uint64_t queue_timeout_ns,
		     uint64_t heartbeat_timeout_ns)
{
	memset(health, 0, sizeof(*health));
	health->queue_timeout_ns = queue_timeout_ns ? queue_timeout_ns : QUEUE_TIMEOUT_NS;
	health->heartbeat_timeout_ns =
		heartbeat_timeout_ns ? heartbeat_timeout_ns : HEARTBEAT_TIMEOUT_NS;
}

void axl_health_restart(struct axl_health *health)
{
	axl_health_init(health, health->queue_timeout_ns, health->heartbeat_timeout_ns);
}

static enum axl_health_verdict check_firmware(struct axl_health *health, const struct axl_os *os,
					      uint64_t now_ns)
{
	uint32_t heartbeat = axl_read32(os, AXL_REG_TELEMETRY_HEARTBEAT);
	uint32_t status = axl_read32(os, AXL_REG_CTRL_STATUS);

	if ((heartbeat == AXL_ALL_ONES32 || status == AXL_ALL_ONES32) && axl_is_gone(os))
		return AXL_HEALTH_GONE;
	if (AXL_GET(status, AXL_CTRL_STATUS_HALTED))
		return AXL_HEALTH_FIRMWARE;
	if (!health->primed || heartbeat != health->heartbeat) {
		health->heartbeat = heartbeat;
		health->heartbeat_since_ns = now_ns;
		return AXL_HEALTH_OK;
	}
	return now_ns - health->heartbeat_since_ns >= health->heartbeat_timeout_ns ?
		       AXL_HEALTH_FIRMWARE :
		       AXL_HEALTH_OK;
}

/* Whether the queue says that it waits for a fence: that may take as long as it takes. */
static bool waits_for_fence(const struct axl_os *os, uint32_t queue)
{
	uint32_t status = axl_read32(os, AXL_REG_QUEUE_STATUS(queue));

	return status != AXL_ALL_ONES32 &&
	       AXL_GET(status, AXL_QUEUE_STATUS_STATE) == AXL_QUEUE_STATE_READY &&
	       AXL_GET(status, AXL_QUEUE_STATUS_WAITING) != 0;
}

static bool queue_is_hung(struct axl_health *health, const struct axl_os *os, uint64_t now_ns,
			  const struct axl_health_queue *queue, uint32_t index)
{
	struct axl_health_watch *watch = &health->queues[index];

	/* A queue that was idle when last looked at may have got its work just now. */
	if (!watch->busy || !queue->in_flight || queue->completed != watch->completed) {
		watch->busy = queue->in_flight != 0;
		watch->completed = queue->completed;
		watch->since_ns = now_ns;
		return false;
	}
	if (now_ns - watch->since_ns < health->queue_timeout_ns)
		return false;
	return !waits_for_fence(os, index);
}

enum axl_health_verdict axl_health_check(struct axl_health *health, const struct axl_os *os,
					 uint64_t now_ns, const struct axl_health_queue *queues,
					 uint32_t queue_count, uint32_t *queue_out)
{
	enum axl_health_verdict verdict = check_firmware(health, os, now_ns);
	uint32_t hung = AXL_MAX_QUEUES;
	uint32_t i;

	if (queue_count > AXL_MAX_QUEUES)
		queue_count = AXL_MAX_QUEUES;
	/* Every queue is looked at, so that all their clocks stay right. */
	for (i = 0; verdict == AXL_HEALTH_OK && i < queue_count; i++) {
		if (queue_is_hung(health, os, now_ns, &queues[i], i) && hung == AXL_MAX_QUEUES)
			hung = i;
	}
	health->primed = true;
	if (hung == AXL_MAX_QUEUES)
		return verdict;
	/* All-ones while asking about the fence looks like a hang; the truth is worse. */
	if (axl_is_gone(os))
		return AXL_HEALTH_GONE;
	if (queue_out)
		*queue_out = hung;
	return AXL_HEALTH_QUEUE_HUNG;
}

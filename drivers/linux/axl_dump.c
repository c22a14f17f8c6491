// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the driver knows of an endpoint, as text, for debugfs and for dumps. Nothing here
 * touches the endpoint, so all of it works while that is reset, wedged or gone.
 */
#include "axl_accel.h"
#include "axl_queue.h"
#include "axl_watch.h"

#define AXL_DUMP_FLIGHTS 16 /* of each queue, the oldest */

void axl_dump_identity(struct drm_printer *p, struct axl_device *adev)
{
	const struct axl_ident *ident = &adev->ident;

	drm_printf(p, "bdf: %s\n", pci_name(adev->pdev));
	drm_printf(p, "card: 0x%016llx\n", ident->board_serial);
	drm_printf(p, "endpoint: %u of %u\n", ident->endpoint_index, ident->endpoint_count);
	drm_printf(p, "hw_version: 0x%08x\n", ident->hw_version);
	drm_printf(p, "fw_version: 0x%08x\n", ident->fw_version);
	drm_printf(p, "spec_version: %u\n", ident->spec_version);
	drm_printf(p, "features: 0x%x\n", ident->features);
	drm_printf(p, "memory_bytes: %llu\n", ident->memory_bytes);
	drm_printf(p, "queues: %u\n", ident->queue_count);
	drm_printf(p, "contexts: %u\n", ident->context_count);
	drm_printf(p, "vectors: %u\n", adev->vector_count);
}

void axl_dump_state(struct drm_printer *p, struct axl_device *adev)
{
	drm_printf(p, "time_ns: %llu\n", ktime_get_ns());
	drm_printf(p, "state: %s\n", axl_reset_state_name(READ_ONCE(adev->reset.state)));
	drm_printf(p, "asleep: %d\n", READ_ONCE(adev->asleep));
	drm_printf(p, "generation: %u\n", READ_ONCE(adev->reset.generation));
	drm_printf(p, "address_state: %u\n", READ_ONCE(adev->address_state));
	drm_printf(p, "address_reason: %u\n", READ_ONCE(adev->address_reason));
	drm_printf(p, "peer_count: %u\n", READ_ONCE(adev->peer_count));
}

void axl_dump_error(struct drm_printer *p, struct axl_device *adev)
{
	const struct axl_errblk *last = &adev->last_error;

	lockdep_assert_held(&adev->lock);
	drm_printf(p, "errors: %llu\n", adev->error_records);
	if (!adev->error_records)
		return;
	drm_printf(p, "last_error: time_ns=%llu code=%u count=%u", adev->last_error_ns, last->code,
		   last->count);
	if (last->has_command)
		drm_printf(p, " queue=%u context=%u opcode=%u sequence=%llu", last->queue,
			   last->context, last->opcode, last->sequence);
	if (last->has_address)
		drm_printf(p, " va=0x%llx", last->address);
	drm_puts(p, "\n");
}

/* --- queues ------------------------------------------------------------------------ */

/* Taken under the queue lock, printed without it: a printer may sleep. */
struct axl_dump_queue {
	struct axl_qp_stats stats;
	u64 ended_sequence;
	u64 next_sequence;
	u32 sq_head, sq_tail, sq_rung, cq_head;
	int over;
	bool closed;
	u32 in_flight;
	struct axl_qp_inflight flights[AXL_DUMP_FLIGHTS];
};

/* Of a closed queue the rings belong to somebody else, and may be on their way out. */
static void axl_dump_take(struct axl_queue *queue, struct axl_dump_queue *out)
{
	const struct axl_qp *qp = &queue->qp;
	u32 i;

	*out = (struct axl_dump_queue){};
	spin_lock(&queue->lock);
	out->closed = queue->closed;
	out->over = queue->over;
	out->ended_sequence = queue->ended_sequence;
	out->stats = queue->closed ? queue->stats : qp->stats;
	if (!queue->closed) {
		out->next_sequence = qp->next_sequence;
		out->sq_head = qp->sq_head;
		out->sq_tail = qp->sq_tail;
		out->sq_rung = qp->sq_rung;
		out->cq_head = qp->cq_head;
		out->in_flight = axl_qp_in_flight(qp);
		for (i = 0; i < AXL_DUMP_FLIGHTS; i++)
			axl_qp_inflight_at(qp, i, &out->flights[i]);
	}
	spin_unlock(&queue->lock);
}

static void axl_dump_queue(struct drm_printer *p, struct axl_queue *queue,
			   const struct axl_dump_queue *seen)
{
	const struct axl_qp_stats *stats = &seen->stats;

	drm_printf(p, "queue=%u context=%u slots=%u closed=%d over=%d", queue->index,
		   queue->vm->number, queue->slot_count, seen->closed, seen->over);
	drm_printf(p, " submitted=%llu completed=%llu failed=%llu lost=%llu aborted=%llu",
		   stats->submitted, stats->completed, stats->failed, stats->lost, stats->aborted);
	drm_printf(p, " malformed=%llu bad_times=%llu ended_sequence=%llu", stats->malformed,
		   stats->bad_times, seen->ended_sequence);
	if (!seen->closed) {
		drm_printf(p, " next_sequence=%llu in_flight=%u", seen->next_sequence,
			   seen->in_flight);
		drm_printf(p, " sq_head=%u sq_tail=%u sq_rung=%u cq_head=%u", seen->sq_head,
			   seen->sq_tail, seen->sq_rung, seen->cq_head);
	}
	drm_puts(p, "\n");
}

static void axl_dump_queue_flights(struct drm_printer *p, struct axl_queue *queue,
				   const struct axl_dump_queue *seen)
{
	u32 shown = min_t(u32, seen->in_flight, AXL_DUMP_FLIGHTS);
	u64 now_ns = ktime_get_ns();
	u32 i;

	for (i = 0; i < shown; i++) {
		const struct axl_qp_inflight *flight = &seen->flights[i];

		drm_printf(p, "queue=%u sequence=%llu opcode=%u op=%u context=%u", queue->index,
			   flight->sequence, flight->opcode, flight->op, flight->context);
		drm_printf(p, " direction=%u bytes=%llu age_ns=%llu\n", flight->direction,
			   flight->bytes, now_ns - flight->submit_ns);
	}
	if (seen->in_flight > shown)
		drm_printf(p, "queue=%u more=%u\n", queue->index, seen->in_flight - shown);
}

static void axl_dump_each(struct drm_printer *p, struct axl_device *adev,
			  void (*print)(struct drm_printer *p, struct axl_queue *queue,
					const struct axl_dump_queue *seen))
{
	unsigned int i;

	for (i = 0; i < adev->ident.queue_count; i++) {
		struct axl_queue *queue = axl_queue_get_by_index(adev, i);
		struct axl_dump_queue seen;

		if (!queue)
			continue;
		axl_dump_take(queue, &seen);
		print(p, queue, &seen);
		axl_queue_put(queue);
	}
}

void axl_dump_queues(struct drm_printer *p, struct axl_device *adev)
{
	axl_dump_each(p, adev, axl_dump_queue);
}

void axl_dump_flights(struct drm_printer *p, struct axl_device *adev)
{
	axl_dump_each(p, adev, axl_dump_queue_flights);
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The completing side of a queue pair. The completion ring is memory that the device
 * writes at will: each entry is copied once, and only what fits the host's own record
 * of commands in flight counts.
 */
#include "axl_qp_priv.h"

/* Where the fields of a completion are, in 32-bit words. */
#define TAIL_WORD 7u
#define TAIL_BYTE ((size_t)TAIL_WORD * 4)
AXL_STATIC_ASSERT(offsetof(struct axl_completion, status) == TAIL_BYTE, "tail: status");
AXL_STATIC_ASSERT(offsetof(struct axl_completion, queue) == TAIL_BYTE + 2, "tail: queue");
AXL_STATIC_ASSERT(offsetof(struct axl_completion, flags) == TAIL_BYTE + 3, "tail: flags");
AXL_STATIC_ASSERT(offsetof(struct axl_completion, result) == 24, "result before the tail");
AXL_STATIC_ASSERT(sizeof(struct axl_completion) == AXL_COMPLETION_BYTES, "ring stride");

#define KNOWN_FLAGS (AXL_COMPLETION_FLAG_PHASE | AXL_COMPLETION_FLAG_ERROR_RECORDED)

/*
 * How far device times may lie outside submit and poll before they are disbelieved:
 * scheduling of the reading itself, plus what a clock off by 1 % gathers since then.
 */
#define TIME_SLACK_NS 1000000ull
#define TIME_SLACK_SHIFT 7

void axl_qp_acknowledge(struct axl_qp *qp)
{
	qp->cq_acked = qp->cq_head;
	qp->os->ops->cq_doorbell(qp->os->ctx, qp->config.index, qp->cq_head);
}

/* Acknowledge by quarters of the ring: every doorbell costs more than a completion. */
static void acknowledge_some(struct axl_qp *qp)
{
	if (qp->running && qp->cq_head - qp->cq_acked >= 1u << (qp->config.cq_log2 - 2))
		axl_qp_acknowledge(qp);
}

/* Copy the next entry out of the ring; false: the device has not written it yet. */
static bool copy_entry(const struct axl_qp *qp, struct axl_completion *entry_out)
{
	uint32_t mask = (1u << qp->config.cq_log2) - 1u;
	uint8_t phase = qp->cq_head >> qp->config.cq_log2 & 1 ? 0 : AXL_COMPLETION_FLAG_PHASE;
	const uint8_t *ring = qp->cq.cpu;
	const void *at = ring + (size_t)(qp->cq_head & mask) * AXL_COMPLETION_BYTES;
	const struct axl_completion *entry = at;
	const axl_le32 *words = at;
	uint32_t tail = axl_le32_to_cpu(axl_load_acquire_le32(&words[TAIL_WORD]));

	entry_out->flags = (uint8_t)(tail >> 24);
	if ((entry_out->flags & AXL_COMPLETION_FLAG_PHASE) != phase)
		return false;
	entry_out->queue = (uint8_t)(tail >> 16);
	entry_out->status = axl_cpu_to_le16((uint16_t)tail);
	entry_out->sequence = axl_load_once_le64(&entry->sequence);
	entry_out->fetch_ticks = axl_load_once_le64(&entry->fetch_ticks);
	entry_out->start_delta = axl_load_once_le32(&entry->start_delta);
	entry_out->finish_delta = axl_load_once_le32(&entry->finish_delta);
	entry_out->result = axl_load_once_le32(&entry->result);
	return true;
}

bool axl_qp_is_ready(const struct axl_qp *qp)
{
	struct axl_completion entry;

	return qp->pending.valid || (qp->running && copy_entry(qp, &entry));
}

/* Whether the device may have written this. */
static bool is_plausible(const struct axl_qp *qp, const struct axl_completion *entry)
{
	uint64_t known = qp->rung_sequence - qp->oldest_sequence;
	uint16_t status = axl_le16_to_cpu(entry->status);

	return entry->queue == qp->config.index && !(entry->flags & ~KNOWN_FLAGS) &&
	       status < AXL_STATUS_END && status != AXL_STATUS_ABORTED &&
	       status != AXL_STATUS_LOST &&
	       axl_le64_to_cpu(entry->sequence) - qp->oldest_sequence < known;
}

/* Take entries until one makes sense; *budget limits how many are looked at. */
static bool find(struct axl_qp *qp, uint32_t *budget)
{
	struct axl_completion entry;

	while (*budget && copy_entry(qp, &entry)) {
		(*budget)--;
		qp->cq_head++;
		if (!is_plausible(qp, &entry)) {
			qp->stats.malformed++;
			continue;
		}
		qp->pending = (struct axl_qp_found){
			.sequence = axl_le64_to_cpu(entry.sequence),
			.fetch_ticks = axl_le64_to_cpu(entry.fetch_ticks),
			.start_delta = axl_le32_to_cpu(entry.start_delta),
			.finish_delta = axl_le32_to_cpu(entry.finish_delta),
			.result = axl_le32_to_cpu(entry.result),
			.status = axl_le16_to_cpu(entry.status),
			.flags = entry.flags,
			.valid = true,
		};
		return true;
	}
	return false;
}

/* End the oldest command in flight. */
static void conclude(struct axl_qp *qp, uint16_t status, uint64_t now_ns, struct axl_cqe *cqe)
{
	const struct axl_qp_flight *flight = axl_qp_flight(qp, qp->oldest_sequence);

	*cqe = (struct axl_cqe){
		.sequence = qp->oldest_sequence,
		.bytes = flight->bytes,
		.submit_ns = flight->submit_ns,
		.complete_ns = now_ns,
		.status = status,
		.context = flight->context,
		.opcode = flight->header.opcode,
		.op = flight->header.op,
		.direction = flight->direction,
	};
	qp->sq_head += flight->header.slots;
	qp->oldest_sequence++;
	qp->stats.completed++;
}

static uint64_t within(uint64_t value, uint64_t low, uint64_t high)
{
	if (value < low)
		return low;
	return value > high ? high : value;
}

/*
 * Host times of the three device times. They lie between submit and now: what is
 * outside by no more than the clocks may disagree is moved to the border, what is
 * further out is nonsense. All three move together: the line may be off, but what lies
 * between them is the device's own measure.
 */
static bool convert_times(const struct axl_qp *qp, struct axl_cqe *cqe)
{
	const struct axl_clock_line *clock = &qp->clock;
	uint64_t low = cqe->submit_ns, high = cqe->complete_ns;
	uint64_t age = high > clock->host_ns ? high - clock->host_ns : 0;
	uint64_t slack = TIME_SLACK_NS + clock->uncertainty_ns + (age >> TIME_SLACK_SHIFT);
	uint64_t fetch, start, finish;

	if (axl_clock_to_ns(clock, cqe->fetch_ticks, &fetch) ||
	    axl_clock_to_ns(clock, cqe->start_ticks, &start) ||
	    axl_clock_to_ns(clock, cqe->finish_ticks, &finish))
		return false;
	/* A time before the host clock began wraps to one that is not in order. */
	if (fetch > start || start > finish || fetch + slack < low || finish > high + slack)
		return false;
	if (finish > high) {
		start -= finish - high;
		fetch -= finish - high;
		finish = high;
	} else if (fetch < low) {
		start += low - fetch;
		finish += low - fetch;
		fetch = low;
	}
	cqe->fetch_ns = within(fetch, low, high);
	cqe->start_ns = within(start, cqe->fetch_ns, high);
	cqe->finish_ns = within(finish, cqe->start_ns, high);
	return true;
}

static void add_times(struct axl_qp *qp, const struct axl_qp_found *found, struct axl_cqe *cqe)
{
	if (found->start_delta > found->finish_delta) {
		qp->stats.bad_times++;
		return;
	}
	if (found->finish_delta == AXL_DELTA_SATURATED)
		return; /* unknown, not wrong */
	cqe->ticks_valid = true;
	cqe->fetch_ticks = found->fetch_ticks;
	cqe->start_ticks = found->fetch_ticks + found->start_delta;
	cqe->finish_ticks = found->fetch_ticks + found->finish_delta;
	if (!qp->clock.rate_q32)
		return;
	cqe->timing_valid = convert_times(qp, cqe);
	if (!cqe->timing_valid)
		qp->stats.bad_times++;
}

/*
 * Hand out the next command up to the pending completion. Commands of a queue complete
 * in order: those before it that have not ended never will.
 */
static void deliver(struct axl_qp *qp, uint64_t now_ns, struct axl_cqe *cqe)
{
	struct axl_qp_found *found = &qp->pending;

	if (qp->oldest_sequence != found->sequence) {
		conclude(qp, AXL_STATUS_LOST, now_ns, cqe);
		qp->stats.lost++;
		return;
	}
	conclude(qp, found->status, now_ns, cqe);
	cqe->result = found->result;
	cqe->error_recorded = (found->flags & AXL_COMPLETION_FLAG_ERROR_RECORDED) != 0;
	add_times(qp, found, cqe);
	if (found->status != AXL_STATUS_OK)
		qp->stats.failed++;
	found->valid = false;
}

static void abort_one(struct axl_qp *qp, uint64_t now_ns, struct axl_cqe *cqe)
{
	conclude(qp, AXL_STATUS_ABORTED, now_ns, cqe);
	qp->stats.aborted++;
}

static void trace(const struct axl_qp *qp, const struct axl_cqe *out, uint32_t count)
{
	uint32_t i;

	if (!count || !axl_trace_on(qp->os))
		return;
	for (i = 0; i < count; i++)
		axl_qp_trace_cqe(qp, &out[i]);
}

uint32_t axl_qp_poll(struct axl_qp *qp, struct axl_cqe *out, uint32_t max)
{
	uint32_t budget = 1u << qp->config.cq_log2;
	uint64_t now_ns = 0;
	uint32_t count = 0;

	while (count < max && (qp->pending.valid || find(qp, &budget))) {
		if (!now_ns)
			now_ns = axl_time_ns(qp->os);
		deliver(qp, now_ns, &out[count++]);
	}
	acknowledge_some(qp);
	trace(qp, out, count);
	return count;
}

uint32_t axl_qp_abort(struct axl_qp *qp, struct axl_cqe *out, uint32_t max)
{
	uint64_t now_ns = axl_time_ns(qp->os);
	uint32_t count = 0;

	if (qp->running)
		return 0;
	while (count < max && axl_qp_in_flight(qp)) {
		if (qp->pending.valid)
			deliver(qp, now_ns, &out[count++]);
		else
			abort_one(qp, now_ns, &out[count++]);
	}
	trace(qp, out, count);
	return count;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * How commands ended, read from the driver's memory without a system call. The driver
 * clears the sequence of an entry, writes the rest, then the sequence, and at last
 * ended_sequence; an entry is whole if its sequence is the same before and after.
 */
#include <errno.h>

#include "../outcome.h"
#include "kernel.h"

uint64_t axl_kernel_results_ended(const struct axl_kernel_queue *queue)
{
	/* Pairs with the driver's release: the entries up to here are written. */
	return __atomic_load_n(&queue->results->ended_sequence, __ATOMIC_ACQUIRE);
}

int axl_kernel_results_over(const struct axl_kernel_queue *queue)
{
	return __atomic_load_n(&queue->results->over, __ATOMIC_ACQUIRE);
}

/*
 * A field of an entry. Acquire, so that the second look at the sequence comes after it:
 * a fence would do the same, but ThreadSanitizer does not know fences.
 */
#define AXL_TAKE(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)

/* The result of a command that has ended; false: overwritten by a later one. */
static bool axl_kernel_results_read(const struct axl_kernel_queue *queue, uint64_t sequence,
				    struct axl_result *out)
{
	const struct drm_axl_result *entries = (const void *)(queue->results + 1);
	const struct drm_axl_result *entry = &entries[sequence & (queue->results->entry_count - 1)];

	/* Pairs with the driver's release of the sequence: the rest is written. */
	if (AXL_TAKE(entry->sequence) != sequence)
		return false;
	*out = (struct axl_result){
		.sequence = sequence,
		.status = AXL_TAKE(entry->status),
		.result = AXL_TAKE(entry->result),
		.opcode = AXL_TAKE(entry->opcode),
		.timing_valid = !!(AXL_TAKE(entry->flags) & DRM_AXL_RESULT_TIMING_VALID),
		.submit_ns = AXL_TAKE(entry->submit_ns),
		.fetch_ns = AXL_TAKE(entry->fetch_ns),
		.start_ns = AXL_TAKE(entry->start_ns),
		.finish_ns = AXL_TAKE(entry->finish_ns),
		.complete_ns = AXL_TAKE(entry->complete_ns),
	};
	return AXL_TAKE(entry->sequence) == sequence;
}

/* --- failures --------------------------------------------------------------------------- */

static void axl_kernel_results_blame(struct axl_kernel_queue *queue,
				     const struct axl_result *result)
{
	if (result->sequence > queue->failed)
		queue->failed = result->sequence;
	if (queue->has_error)
		return;
	queue->error = *result;
	queue->has_error = true;
}

void axl_kernel_results_note(struct axl_kernel_queue *queue, const struct drm_axl_wait *told)
{
	struct axl_result result = {
		.sequence = told->failed_sequence,
		.status = told->failed_status,
		.result = told->failed_result,
	};

	if (told->failed_sequence > queue->failed)
		axl_kernel_results_blame(queue, &result);
}

/* The driver remembers the first failure since it was last asked. */
static void axl_kernel_results_ask(struct axl_kernel_queue *queue)
{
	struct drm_axl_wait args = { .queue_id = queue->id };

	axl_kernel_ioctl(axl_kernel_queue_device(queue), DRM_IOCTL_AXL_WAIT, &args);
	axl_kernel_results_note(queue, &args);
}

void axl_kernel_results_scan(struct axl_kernel_queue *queue)
{
	uint64_t ended = axl_kernel_results_ended(queue);
	uint64_t count = queue->results->entry_count;
	uint64_t failed = queue->failed;
	bool gap = false;

	if (ended - queue->scanned > count) {
		queue->scanned = ended - count;
		gap = true;
	}
	while (queue->scanned < ended) {
		struct axl_result result;

		if (!axl_kernel_results_read(queue, ++queue->scanned, &result)) {
			gap = true;
			continue;
		}
		axl_kernel_probe_result(queue, &result);
		if (result.status != AXL_STATUS_OK)
			axl_kernel_results_blame(queue, &result);
	}
	/*
	 * After a gap the driver may know of a failure in it. After a failure, so that it
	 * remembers the next one instead of the one that we know.
	 */
	if (gap || queue->failed != failed)
		axl_kernel_results_ask(queue);
}

/* --- public operations --------------------------------------------------------------------- */

int axl_kernel_queue_result(struct axl_queue *base, uint64_t sequence, struct axl_result *result)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);

	if (sequence == 0 || sequence > atomic_load(&queue->submitted))
		return axl_fail_unknown(base->index, sequence);
	if (sequence > axl_kernel_results_ended(queue))
		axl_kernel_queue_look(queue);
	if (sequence > axl_kernel_results_ended(queue))
		return axl_fail_pending(base->index, sequence);
	return axl_kernel_results_read(queue, sequence, result) ?
		       0 :
		       axl_fail_forgotten(base->index, sequence);
}

int axl_kernel_queue_take_error(struct axl_queue *base, struct axl_result *result)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);
	int status = 0;

	axl_kernel_queue_look(queue);
	pthread_mutex_lock(&queue->lock);
	axl_kernel_results_scan(queue);
	if (queue->has_error)
		*result = queue->error;
	else
		status = axl_fail_blameless(base->index);
	queue->has_error = false;
	pthread_mutex_unlock(&queue->lock);
	return status;
}

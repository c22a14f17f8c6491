// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Waiting for completions: first in the driver's memory, then asleep in the driver. */
#include <errno.h>

#include "../eventfd.h"
#include "../outcome.h"
#include "kernel.h"

/* What a wait for a sequence that has ended returns. queue->lock held. */
static int axl_kernel_queue_verdict(struct axl_kernel_queue *queue, uint64_t sequence)
{
	const struct axl_result *error = &queue->error;

	if (!queue->has_error || error->sequence > sequence)
		return 0;
	if (error->status == AXL_STATUS_ABORTED && axl_kernel_results_over(queue) == -ENODEV)
		return axl_kernel_fail(axl_kernel_queue_device(queue), -ENODEV, "waiting", "queue");
	return axl_fail_command(queue->base.index, error);
}

/* Look for spin_us; whether the sequence has ended. */
static bool axl_kernel_queue_spin(struct axl_kernel_queue *queue, uint64_t sequence)
{
	uint64_t until;

	if (axl_kernel_results_ended(queue) >= sequence)
		return true;
	if (!queue->spin_us)
		return false;
	until = axl_now_ns() + queue->spin_us * 1000ull;
	while (axl_now_ns() < until) {
		if (axl_kernel_results_ended(queue) >= sequence)
			return true;
	}
	return false;
}

/* Sleep in the driver until the sequence has ended, or it says why it will not. */
static int axl_kernel_queue_sleep(struct axl_kernel_queue *queue, uint64_t sequence,
				  int64_t deadline_ns)
{
	struct drm_axl_wait args = {
		.queue_id = queue->id,
		.sequence = sequence,
		.timeout_ns = deadline_ns,
	};
	int status = axl_kernel_ioctl(axl_kernel_queue_device(queue), DRM_IOCTL_AXL_WAIT, &args);

	pthread_mutex_lock(&queue->lock);
	axl_kernel_results_scan(queue);
	axl_kernel_results_note(queue, &args);
	pthread_mutex_unlock(&queue->lock);
	/* A queue that is over still tells how its commands ended. */
	if (!status || axl_kernel_results_ended(queue) >= sequence)
		return 0;
	if (status == -ETIMEDOUT)
		return axl_fail_late(queue->base.index, sequence);
	return axl_kernel_fail(axl_kernel_queue_device(queue), status, "waiting", "queue");
}

static int64_t axl_kernel_deadline(int64_t timeout_ns)
{
	int64_t now = (int64_t)axl_now_ns();

	return timeout_ns < 0 || timeout_ns > INT64_MAX - now ? INT64_MAX : now + timeout_ns;
}

int axl_kernel_queue_wait(struct axl_queue *base, uint64_t sequence, int64_t timeout_ns)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);
	int status = 0;

	if (sequence > atomic_load(&queue->submitted))
		return axl_fail_unknown(base->index, sequence);
	if (!axl_kernel_queue_spin(queue, sequence))
		status = axl_kernel_queue_sleep(queue, sequence, axl_kernel_deadline(timeout_ns));
	if (!status) {
		pthread_mutex_lock(&queue->lock);
		axl_kernel_results_scan(queue);
		status = axl_kernel_queue_verdict(queue, sequence);
		pthread_mutex_unlock(&queue->lock);
	}
	if (status != -ETIMEDOUT)
		axl_kernel_probe_queue(queue, AXL_STAGE_WAKE, sequence);
	return status;
}

/* Only commands that interrupt make the driver write their results by itself. */
void axl_kernel_queue_look(struct axl_kernel_queue *queue)
{
	uint64_t ended = axl_kernel_results_ended(queue);
	struct drm_axl_wait args = { .queue_id = queue->id };

	if (ended < atomic_load(&queue->audible) || ended >= atomic_load(&queue->submitted) ||
	    axl_kernel_results_over(queue))
		return;
	axl_kernel_ioctl(axl_kernel_queue_device(queue), DRM_IOCTL_AXL_WAIT, &args);
	pthread_mutex_lock(&queue->lock);
	axl_kernel_results_scan(queue);
	axl_kernel_results_note(queue, &args);
	pthread_mutex_unlock(&queue->lock);
}

uint64_t axl_kernel_queue_poll(struct axl_queue *base)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);

	/* Before looking, so that a later signal is seen. */
	if (atomic_load(&queue->watched))
		axl_eventfd_drain(queue->event_fd);
	axl_kernel_queue_look(queue);
	pthread_mutex_lock(&queue->lock);
	axl_kernel_results_scan(queue);
	pthread_mutex_unlock(&queue->lock);
	return axl_kernel_results_ended(queue);
}

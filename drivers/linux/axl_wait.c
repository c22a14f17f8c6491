// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Waiting until commands of a queue have ended. */
#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"
#include "axl_trace.h"

#define AXL_WAIT_QUIET_FIRST_NS (50ull * NSEC_PER_USEC)
#define AXL_WAIT_QUIET_LAST_NS (2ull * NSEC_PER_MSEC)

/* Whether there is nothing to wait for. */
static bool axl_wait_has_ended(struct axl_queue *queue, u64 sequence)
{
	bool ended;

	spin_lock(&queue->lock);
	ended = queue->ended_sequence >= sequence || queue->over;
	spin_unlock(&queue->lock);
	return ended;
}

/* Whether no interrupt will tell of it. */
static bool axl_wait_is_quiet(struct axl_queue *queue, u64 sequence)
{
	bool quiet;

	spin_lock(&queue->lock);
	quiet = sequence > queue->interrupt_sequence;
	spin_unlock(&queue->lock);
	return quiet;
}

/* Look, and say how long to sleep now, in ns: after quiet batches at growing intervals. */
static u64 axl_wait_look(struct axl_queue *queue, u64 sequence, u64 *quiet_ns)
{
	u64 nap_ns = *quiet_ns;

	if (!axl_wait_is_quiet(queue, sequence))
		return axl_queue_look(queue);
	axl_queue_reap(queue);
	*quiet_ns = min(2 * nap_ns, AXL_WAIT_QUIET_LAST_NS);
	return nap_ns;
}

static int axl_wait_sleep(struct axl_queue *queue, const struct drm_axl_wait *args)
{
	u64 quiet_ns = AXL_WAIT_QUIET_FIRST_NS;
	int ret = -ETIME;

	while (ret == -ETIME) {
		u64 nap_ns = axl_wait_look(queue, args->sequence, &quiet_ns);
		s64 now_ns = ktime_get_ns();

		if (args->timeout_ns <= now_ns)
			return 0;
		nap_ns = min_t(u64, nap_ns, args->timeout_ns - now_ns);
		ret = wait_event_interruptible_hrtimeout(queue->wait,
							 axl_wait_has_ended(queue, args->sequence),
							 ns_to_ktime(nap_ns));
	}
	return ret;
}

static int axl_wait_until(struct axl_queue *queue, const struct drm_axl_wait *args)
{
	int ret;

	axl_queue_reap(queue);
	if (axl_wait_has_ended(queue, args->sequence))
		return 0;
	ret = axl_wait_sleep(queue, args);
	axl_trace_wake(queue, args->sequence);
	return ret;
}

/* Queue lock taken: fill in the outcome. */
static int axl_wait_outcome(struct axl_queue *queue, struct drm_axl_wait *args)
{
	int ret = 0;

	spin_lock(&queue->lock);
	args->ended_sequence = queue->ended_sequence;
	args->failed_sequence = queue->failure.sequence;
	args->failed_status = queue->failure.status;
	args->failed_result = queue->failure.result;
	queue->failure = (struct axl_failure){};
	if (queue->over)
		ret = queue->over;
	else if (queue->ended_sequence < args->sequence)
		ret = -ETIMEDOUT;
	spin_unlock(&queue->lock);
	return ret;
}

static bool axl_wait_was_submitted(struct axl_queue *queue, u64 sequence)
{
	bool known;

	spin_lock(&queue->lock);
	known = queue->over || sequence < queue->qp.next_sequence;
	spin_unlock(&queue->lock);
	return known;
}

int axl_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_wait *args = data;
	struct axl_queue *queue;
	int ret = -EINVAL;

	if (args->pad)
		return -EINVAL;
	queue = axl_file_queue_get(file, args->queue_id);
	if (!queue)
		return -ENOENT;
	if (axl_wait_was_submitted(queue, args->sequence))
		ret = axl_wait_until(queue, args);
	if (!ret)
		ret = axl_wait_outcome(queue, args);
	axl_queue_put(queue);
	return ret;
}

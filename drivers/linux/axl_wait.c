// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Waiting until commands of a queue have ended. */
#include <drm/drm_utils.h>

#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"
#include "axl_trace.h"

/* Whether there is nothing to wait for. */
static bool axl_wait_has_ended(struct axl_queue *queue, u64 sequence)
{
	bool ended;

	spin_lock(&queue->lock);
	ended = queue->ended_sequence >= sequence || queue->over;
	spin_unlock(&queue->lock);
	return ended;
}

static int axl_wait_sleep(struct axl_queue *queue, const struct drm_axl_wait *args)
{
	long left;

	axl_queue_reap(queue);
	if (axl_wait_has_ended(queue, args->sequence))
		return 0;
	left = wait_event_interruptible_timeout(queue->wait,
						axl_wait_has_ended(queue, args->sequence),
						drm_timeout_abs_to_jiffies(args->timeout_ns));
	axl_trace_wake(queue, args->sequence);
	return left < 0 ? -ERESTARTSYS : 0;
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
		ret = axl_wait_sleep(queue, args);
	if (!ret)
		ret = axl_wait_outcome(queue, args);
	axl_queue_put(queue);
	return ret;
}

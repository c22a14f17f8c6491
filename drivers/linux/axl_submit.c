// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Submission: wait for what a batch depends on and for room, copy it into the ring, let the
 * core check it there, tell the endpoint.
 *
 * All from the copy on happens under the queue lock: a reset, or another submitter, comes
 * before or after it. Pages that are not there cannot be brought in under a spinlock; the
 * copy stops at them, and begins again after they were brought in without the lock, as
 * writes into the page cache do.
 */
#include <linux/pagemap.h>
#include <linux/sched/signal.h>
#include <linux/uaccess.h>

#include <drm/drm_syncobj.h>

#include "axl_accel.h"
#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"

struct axl_batch {
	const u8 __user *slots;
	u32 slot_count;
	bool nonblock;
	bool quiet; /* no interrupt is wanted */
	struct axl_job *job;
	size_t copied; /* bytes, when last tried */
	struct axl_qp_refusal refusal;
	u64 sequence; /* out: of the last command */
};

/* --- batch --------------------------------------------------------------------------- */

/* Queue lock held. Whether all of it could be read. */
static bool axl_submit_copy(struct axl_batch *batch, void *to, size_t bytes)
{
	size_t left;

	pagefault_disable();
	left = __copy_from_user_inatomic(to, batch->slots + batch->copied, bytes);
	pagefault_enable();
	batch->copied += bytes - left;
	return !left;
}

/* Queue lock held. -EAGAIN: no room now; -EFAULT: not all of the slots could be read. */
static int axl_submit_fill(struct axl_queue *queue, struct axl_batch *batch)
{
	struct axl_qp_room room;
	int err = axl_qp_find_room(&queue->qp, batch->slot_count, &room);

	if (err)
		return axl_errno(err);
	batch->copied = 0;
	if (!axl_submit_copy(batch, room.part[0], room.bytes[0]))
		return -EFAULT;
	if (room.bytes[1] && !axl_submit_copy(batch, room.part[1], room.bytes[1]))
		return -EFAULT;
	return 0;
}

/*
 * Queue lock held: whether the batch ends with an interrupt. Of quiet ones at least each
 * half ring does, for those who wait for room.
 */
static bool axl_submit_wants_interrupt(const struct axl_queue *queue, const struct axl_batch *batch)
{
	return !batch->quiet || queue->quiet_slots + batch->slot_count > queue->slot_count / 2;
}

/* Queue lock held. */
static int axl_submit_accept(struct axl_queue *queue, struct axl_batch *batch)
{
	struct axl_qp_batch filled = {
		.slot_count = batch->slot_count,
		.context = queue->vm->number,
		.interrupt = axl_submit_wants_interrupt(queue, batch),
	};
	struct axl_job *job = batch->job;
	int err;

	job->first_sequence = queue->qp.next_sequence;
	err = axl_qp_accept(&queue->qp, &filled, &batch->refusal);
	if (err)
		return axl_errno(err);
	batch->sequence = queue->qp.next_sequence - 1;
	job->last_sequence = batch->sequence;
	job->interrupt = filled.interrupt;
	if (job->interrupt)
		queue->interrupt_sequence = batch->sequence;
	queue->quiet_slots = job->interrupt ? 0 : queue->quiet_slots + batch->slot_count;
	return 0;
}

/* Queue lock held. */
static int axl_submit_push(struct axl_queue *queue, struct axl_batch *batch)
{
	int ret = axl_submit_fill(queue, batch);

	if (!ret)
		ret = axl_submit_accept(queue, batch);
	if (ret)
		return ret;
	axl_job_begin(batch->job, queue);
	dma_fence_get(&batch->job->fence);
	axl_qp_ring(&queue->qp);
	return 0;
}

/* On success the job belongs to the queue; a reference is ours. */
static int axl_submit_try(struct axl_queue *queue, struct axl_batch *batch)
{
	int ret;

	spin_lock(&queue->lock);
	if (queue->over)
		ret = queue->over;
	else if (queue->closed)
		ret = -EAGAIN;
	else
		ret = axl_submit_push(queue, batch);
	spin_unlock(&queue->lock);
	return ret;
}

/* For wait_event_*(), which asks again each time something ended. */
static bool axl_submit_is_decided(struct axl_queue *queue, struct axl_batch *batch, int *ret)
{
	*ret = axl_submit_try(queue, batch);
	return *ret != -EAGAIN;
}

static int axl_submit_sleep(struct axl_queue *queue, struct axl_batch *batch, int *ret)
{
	ktime_t nap = ns_to_ktime(axl_queue_look(queue));

	return wait_event_interruptible_hrtimeout(queue->wait,
						  axl_submit_is_decided(queue, batch, ret), nap);
}

/* -EFAULT: as axl_submit_try(). */
static int axl_submit_when_room(struct axl_queue *queue, struct axl_batch *batch)
{
	int ret, woken;

	if (axl_submit_is_decided(queue, batch, &ret))
		return ret;
	axl_queue_reap(queue);
	if (axl_submit_is_decided(queue, batch, &ret) || batch->nonblock)
		return ret;
	do {
		woken = axl_submit_sleep(queue, batch, &ret);
	} while (woken == -ETIME);
	return woken ? woken : ret;
}

static int axl_submit_batch(struct axl_queue *queue, struct axl_batch *batch)
{
	size_t bytes = (size_t)batch->slot_count * AXL_SLOT_BYTES;
	int ret;

	for (;;) {
		ret = axl_submit_when_room(queue, batch);
		if (ret != -EFAULT)
			break;
		/* From where it stopped: that very byte may be what can never be read. */
		if (fault_in_readable(batch->slots + batch->copied, bytes - batch->copied))
			break;
		/* Another thread may take the pages away each time. */
		if (fatal_signal_pending(current))
			return -EINTR;
		cond_resched();
	}
	if (batch->refusal.problem)
		drm_dbg(&queue->adev->drm, "queue=%u slot=%u: %s\n", queue->index,
			batch->refusal.slot, batch->refusal.problem);
	return ret;
}

/* --- arguments ----------------------------------------------------------------------- */

static int axl_submit_wait_one(struct axl_queue *queue, struct drm_file *file, u32 handle)
{
	struct dma_fence *fence;
	int ret = drm_syncobj_find_fence(file, handle, 0, 0, &fence);

	if (ret)
		return ret;
	/* Our own queue keeps its order by itself. */
	if (fence->context != queue->fence_context) {
		ret = dma_fence_wait(fence, true);
		if (!ret && dma_fence_get_status(fence) < 0)
			ret = -ECANCELED; /* what this batch would work on is not there */
	}
	dma_fence_put(fence);
	return ret;
}

static int axl_submit_wait(struct axl_queue *queue, struct drm_file *file,
			   const struct drm_axl_submit *args)
{
	u32 handles[DRM_AXL_MAX_IN_SYNCS];
	u32 i;
	int ret = 0;

	if (copy_from_user(handles, u64_to_user_ptr(args->in_syncs),
			   args->in_sync_count * sizeof(*handles)))
		return -EFAULT;
	for (i = 0; i < args->in_sync_count && !ret; i++)
		ret = axl_submit_wait_one(queue, file, handles[i]);
	return ret;
}

static int axl_submit_out(struct axl_queue *queue, struct axl_batch *batch, struct drm_syncobj *out)
{
	int ret;

	batch->job = axl_job_create(queue);
	if (!batch->job)
		return -ENOMEM;
	ret = axl_submit_batch(queue, batch);
	if (ret) {
		axl_job_abandon(batch->job);
		return ret;
	}
	if (out)
		drm_syncobj_replace_fence(out, &batch->job->fence);
	dma_fence_put(&batch->job->fence);
	return 0;
}

static int axl_submit_args(struct axl_queue *queue, struct drm_file *file,
			   struct drm_axl_submit *args, struct axl_batch *batch)
{
	struct drm_syncobj *out = NULL;
	int ret = 0;

	if (args->out_sync) {
		out = drm_syncobj_find(file, args->out_sync);
		if (!out)
			return -ENOENT;
	}
	if (args->in_sync_count)
		ret = axl_submit_wait(queue, file, args);
	if (!ret)
		ret = axl_submit_out(queue, batch, out);
	if (!ret)
		args->sequence = batch->sequence;
	if (out)
		drm_syncobj_put(out);
	return ret;
}

static int axl_submit_slots(struct axl_queue *queue, struct drm_file *file,
			    struct drm_axl_submit *args)
{
	struct axl_batch batch = {
		.slots = u64_to_user_ptr(args->slots),
		.slot_count = args->slot_count,
		.nonblock = args->flags & DRM_AXL_SUBMIT_NONBLOCK,
		.quiet = args->flags & DRM_AXL_SUBMIT_NO_INTERRUPT,
	};

	if (!args->slot_count)
		return -EINVAL;
	if (args->slot_count > queue->slot_count)
		return -E2BIG;
	/* For all copies: those under the lock do not ask. */
	if (!access_ok(batch.slots, (size_t)args->slot_count * AXL_SLOT_BYTES))
		return -EFAULT;
	return axl_submit_args(queue, file, args, &batch);
}

int axl_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_submit *args = data;
	struct axl_queue *queue;
	int ret;

	if (args->flags & ~(DRM_AXL_SUBMIT_NONBLOCK | DRM_AXL_SUBMIT_NO_INTERRUPT) || args->pad ||
	    args->in_sync_count > DRM_AXL_MAX_IN_SYNCS)
		return -EINVAL;
	/* Others wait for a fence without looking here: it must signal by itself. */
	if (args->flags & DRM_AXL_SUBMIT_NO_INTERRUPT && args->out_sync)
		return -EINVAL;
	args->sequence = 0;
	queue = axl_file_queue_get(file, args->queue_id);
	if (!queue)
		return -ENOENT;
	ret = axl_submit_slots(queue, file, args);
	axl_queue_put(queue);
	return ret;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Submission: copy a batch, check it, wait for what it depends on, push it in one piece. */
#include <linux/slab.h>
#include <linux/uaccess.h>

#include <drm/drm_syncobj.h>

#include "axl_accel.h"
#include "axl_cmd.h"
#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"

struct axl_batch {
	const u8 *slots; /* the kernel's copy */
	struct axl_qp_push *pushes; /* one for each command: at most slot_count */
	u32 slot_count;
	u32 push_count;
	bool nonblock;
	bool quiet; /* no interrupt is wanted */
	struct axl_job *job;
	u64 sequence; /* out: of the last command */
};

/* --- direction --------------------------------------------------------------------- */

static u8 axl_submit_direction(const struct axl_cmd_summary *command)
{
	u64 src = command->has_src ? command->src_va >> AXL_VM_KIND_SHIFT : AXL_VM_DEVICE;
	u64 dst = command->dst_va >> AXL_VM_KIND_SHIFT;

	if (!command->has_dst || dst == 0 || dst >= AXL_VM_KIND_END)
		return AXL_DIRECTION_NONE;
	if (src == AXL_VM_PEER || dst == AXL_VM_PEER)
		return AXL_DIRECTION_PEER;
	if (dst == AXL_VM_DEVICE)
		return src == AXL_VM_HOST ? AXL_DIRECTION_HOST_TO_DEVICE :
					    AXL_DIRECTION_DEVICE_TO_DEVICE;
	return src == AXL_VM_HOST ? AXL_DIRECTION_HOST_TO_HOST : AXL_DIRECTION_DEVICE_TO_HOST;
}

/* --- batch --------------------------------------------------------------------------- */

/*
 * Nothing reaches the ring unless every command of the batch is well formed. What the
 * check finds out is kept for the push, which happens under the queue lock.
 */
static int axl_submit_check(struct axl_queue *queue, struct axl_batch *batch)
{
	struct axl_cmd_summary summary;
	u32 at;

	for (at = 0; at < batch->slot_count; at += summary.slots) {
		const u8 *slots = batch->slots + (size_t)at * AXL_SLOT_BYTES;

		if (axl_cmd_check(slots, batch->slot_count - at, &summary)) {
			drm_dbg(&queue->adev->drm, "queue=%u slot=%u: %s\n", queue->index, at,
				summary.problem ? summary.problem : "malformed");
			return -EINVAL;
		}
		batch->pushes[batch->push_count++] = (struct axl_qp_push){
			.slots = slots,
			.slot_count = summary.slots,
			.direction = axl_submit_direction(&summary),
			.bytes = summary.bytes,
		};
	}
	return 0;
}

/*
 * Queue lock held: whether the batch ends with an interrupt. Of quiet ones at least each
 * half ring does, for those who wait for room.
 */
static bool axl_submit_wants_interrupt(struct axl_queue *queue, const struct axl_batch *batch)
{
	queue->quiet_slots += batch->slot_count;
	if (batch->quiet && queue->quiet_slots <= queue->slot_count / 2)
		return false;
	queue->quiet_slots = 0;
	return true;
}

/* Queue lock held; there is room and every command was checked. */
static int axl_submit_push(struct axl_queue *queue, struct axl_batch *batch)
{
	struct axl_qp_batch pushed = {
		.pushes = batch->pushes,
		.count = batch->push_count,
		.context = queue->vm->number,
		.interrupt = axl_submit_wants_interrupt(queue, batch),
	};
	int err;

	batch->job->first_sequence = queue->qp.next_sequence;
	batch->job->interrupt = pushed.interrupt;
	err = axl_qp_push(&queue->qp, &pushed, &batch->sequence);
	if (WARN_ON_ONCE(err))
		return axl_errno(err);
	batch->job->last_sequence = batch->sequence;
	if (batch->job->interrupt)
		queue->interrupt_sequence = batch->sequence;
	axl_job_begin(batch->job, queue);
	axl_qp_ring(&queue->qp);
	return 0;
}

/* -EAGAIN: no room now. On success the job belongs to the queue; a reference is ours. */
static int axl_submit_try(struct axl_queue *queue, struct axl_batch *batch)
{
	int ret;

	spin_lock(&queue->lock);
	if (queue->over)
		ret = queue->over;
	else if (queue->closed || axl_qp_space(&queue->qp) < batch->slot_count)
		ret = -EAGAIN;
	else
		ret = axl_submit_push(queue, batch);
	if (!ret)
		dma_fence_get(&batch->job->fence);
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

static int axl_submit_batch(struct axl_queue *queue, struct axl_batch *batch)
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
	int ret = axl_submit_check(queue, batch);

	if (ret)
		return ret;
	if (args->out_sync) {
		out = drm_syncobj_find(file, args->out_sync);
		if (!out)
			return -ENOENT;
	}
	ret = axl_submit_wait(queue, file, args);
	if (!ret)
		ret = axl_submit_out(queue, batch, out);
	if (!ret)
		args->sequence = batch->sequence;
	if (out)
		drm_syncobj_put(out);
	return ret;
}

static int axl_submit_copy(struct axl_queue *queue, struct drm_file *file,
			   struct drm_axl_submit *args)
{
	struct axl_batch batch = {
		.slot_count = args->slot_count,
		.nonblock = args->flags & DRM_AXL_SUBMIT_NONBLOCK,
		.quiet = args->flags & DRM_AXL_SUBMIT_NO_INTERRUPT,
	};
	u8 *slots;
	int ret = -EFAULT;

	if (!args->slot_count)
		return -EINVAL;
	if (args->slot_count > queue->slot_count)
		return -E2BIG;
	/* In one piece: the pushes, then the slots. */
	batch.pushes = kvmalloc_array(args->slot_count, sizeof(*batch.pushes) + AXL_SLOT_BYTES,
				      GFP_KERNEL);
	if (!batch.pushes)
		return -ENOMEM;
	slots = (u8 *)(batch.pushes + args->slot_count);
	batch.slots = slots;
	if (!copy_from_user(slots, u64_to_user_ptr(args->slots),
			    (size_t)args->slot_count * AXL_SLOT_BYTES))
		ret = axl_submit_args(queue, file, args, &batch);
	kvfree(batch.pushes);
	return ret;
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
	ret = axl_submit_copy(queue, file, args);
	axl_queue_put(queue);
	return ret;
}

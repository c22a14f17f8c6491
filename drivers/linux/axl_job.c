// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Jobs: a batch of commands and its fence. */
#include <linux/eventfd.h>
#include <linux/module.h>
#include <linux/slab.h>

#include "axl_power.h"
#include "axl_queue.h"

static struct axl_job *axl_job_from_fence(struct dma_fence *fence)
{
	return container_of(fence, struct axl_job, fence);
}

static const char *axl_job_driver_name(struct dma_fence *fence)
{
	return "axl";
}

static const char *axl_job_timeline_name(struct dma_fence *fence)
{
	return "axl-queue";
}

/* A fence keeps the module: other drivers call into it for as long as they like. */
static void axl_job_release(struct dma_fence *fence)
{
	kfree_rcu(axl_job_from_fence(fence), fence.rcu);
	module_put(THIS_MODULE);
}

static const struct dma_fence_ops axl_job_fence_ops = {
	.get_driver_name = axl_job_driver_name,
	.get_timeline_name = axl_job_timeline_name,
	.release = axl_job_release,
};

struct axl_job *axl_job_create(struct axl_queue *queue)
{
	struct axl_job *job = kzalloc(sizeof(*job), GFP_KERNEL);

	if (!job)
		return NULL;
	INIT_LIST_HEAD(&job->node);
	spin_lock_init(&job->fence_lock);
	job->vm = queue->vm;
	return job;
}

void axl_job_abandon(struct axl_job *job)
{
	kfree(job);
}

void axl_job_begin(struct axl_job *job, struct axl_queue *queue)
{
	lockdep_assert_held(&queue->lock);
	__module_get(THIS_MODULE);
	axl_power_get_more(queue->adev); /* until axl_job_signal() */
	dma_fence_init(&job->fence, &axl_job_fence_ops, &job->fence_lock, queue->fence_context,
		       ++queue->fence_seqno);
	atomic_inc(&job->vm->in_flight);
	list_add_tail(&job->node, &queue->jobs);
}

static int axl_job_error(const struct axl_queue *queue, const struct axl_cqe *cqe)
{
	if (cqe->status == AXL_STATUS_OK)
		return 0;
	if (cqe->status != AXL_STATUS_ABORTED)
		return -EIO;
	return queue->over == -ENODEV ? -ENODEV : -ECANCELED;
}

/* Commands of a queue may overlap: time counts once. */
static void axl_job_account_time(struct axl_queue *queue, const struct axl_cqe *cqe)
{
	u64 start_ns = max(cqe->start_ns, queue->busy_until_ns);

	if (!cqe->timing_valid || cqe->finish_ns <= start_ns)
		return;
	queue->busy_ns += cqe->finish_ns - start_ns;
	queue->busy_until_ns = cqe->finish_ns;
}

void axl_job_account(struct axl_queue *queue, const struct axl_cqe *cqe, struct list_head *done)
{
	struct axl_job *job = list_first_entry_or_null(&queue->jobs, struct axl_job, node);
	int error = axl_job_error(queue, cqe);

	lockdep_assert_held(&queue->lock);
	queue->ended_sequence = cqe->sequence;
	axl_results_add(queue->results, cqe);
	axl_job_account_time(queue, cqe);
	if (cqe->status == AXL_STATUS_LOST && !queue->lost) {
		queue->lost = true;
		axl_vm_queue_lost(queue->vm);
	}
	if (error && !queue->failure.sequence)
		queue->failure = (struct axl_failure){
			.sequence = cqe->sequence,
			.status = cqe->status,
			.result = cqe->result,
		};
	/* The core hands out each sequence once and in order. */
	if (WARN_ON_ONCE(!job))
		return;
	if (error && !job->error)
		job->error = error;
	if (cqe->sequence >= job->last_sequence)
		list_move_tail(&job->node, done);
}

void axl_job_signal(struct axl_queue *queue, struct list_head *done)
{
	struct axl_job *job, *next;
	bool cookie = dma_fence_begin_signalling();

	list_for_each_entry_safe(job, next, done, node) {
		list_del_init(&job->node);
		if (job->error)
			dma_fence_set_error(&job->fence, job->error);
		dma_fence_signal(&job->fence);
		axl_vm_job_done(job->vm);
		dma_fence_put(&job->fence);
		axl_power_put(queue->adev);
	}
	dma_fence_end_signalling(cookie);
	wake_up_all(&queue->wait);
	if (queue->event)
		eventfd_signal(queue->event);
}

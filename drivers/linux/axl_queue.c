// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Queues: making them, taking in completions, ending them. */
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "axl_queue.h"

#define AXL_QUEUE_DEFAULT_LOG2 10
#define AXL_QUEUE_LOOK_NS (100ull * NSEC_PER_MSEC) /* interrupts get lost: look so often */
#define AXL_QUEUE_GRACE_NS (50ull * NSEC_PER_MSEC)
#define AXL_QUEUE_BATCH 8 /* completions taken in at once: they lie on the stack */

/* --- life ------------------------------------------------------------------------ */

static void axl_queue_release(struct kref *ref)
{
	struct axl_queue *queue = container_of(ref, struct axl_queue, ref);

	if (queue->event)
		eventfd_ctx_put(queue->event);
	if (!IS_ERR_OR_NULL(queue->results))
		axl_results_put(queue->results);
	axl_vm_put(queue->vm);
	kfree(queue);
}

void axl_queue_put(struct axl_queue *queue)
{
	kref_put(&queue->ref, axl_queue_release);
}

/*
 * Interrupt threads look queues up and must not wait for the device lock, which a reset
 * holds for long: the table has a spinlock of its own.
 */
struct axl_queue *axl_queue_get_by_index(struct axl_device *adev, unsigned int index)
{
	struct axl_queue *queue;

	spin_lock(&adev->queues_lock);
	queue = adev->queues[index];
	if (queue)
		kref_get(&queue->ref);
	spin_unlock(&adev->queues_lock);
	return queue;
}

static void axl_queue_set(struct axl_device *adev, unsigned int index, struct axl_queue *queue)
{
	spin_lock(&adev->queues_lock);
	adev->queues[index] = queue;
	spin_unlock(&adev->queues_lock);
}

/* Device lock held. */
static int axl_queue_start(struct axl_queue *queue, const struct axl_queue_attr *attr)
{
	struct axl_device *adev = queue->adev;
	struct axl_qp_config config = {
		.sq_log2 = ilog2(queue->slot_count),
		.irq_enable = true,
		.coalesce_count = attr->coalesce_count,
		.coalesce_us = attr->coalesce_us,
	};
	int err;

	while (config.index < adev->ident.queue_count && adev->queues[config.index])
		config.index++;
	if (config.index == adev->ident.queue_count)
		return -ENOSPC;
	config.vector = axl_irq_queue_vector(adev, config.index);
	queue->index = config.index;
	err = axl_qp_init(&queue->qp, &adev->os, &adev->ident, &config);
	if (err)
		return axl_errno(err);
	axl_qp_set_clock(&queue->qp, &adev->clock.line);
	err = axl_qp_start(&queue->qp);
	if (err) {
		/* The endpoint may know the rings: they can go only after a reset. */
		axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
		axl_qp_deinit(&queue->qp);
		return axl_errno(err);
	}
	axl_queue_set(adev, queue->index, queue);
	return 0;
}

static int axl_queue_start_in(struct axl_queue *queue, const struct axl_queue_attr *attr)
{
	struct axl_device *adev = queue->adev;
	int ret = axl_recovery_lock_usable(adev);

	if (ret)
		return ret;
	ret = READ_ONCE(queue->vm->over); /* changes under the device lock only */
	if (!ret)
		ret = axl_queue_start(queue, attr);
	if (!ret)
		atomic_inc(&queue->vm->queue_count);
	mutex_unlock(&adev->lock);
	return ret;
}

static int axl_queue_make(struct axl_queue *queue, const struct axl_queue_attr *attr)
{
	struct axl_device *adev = queue->adev;
	u32 log2 = attr->slots_log2 ? attr->slots_log2 : AXL_QUEUE_DEFAULT_LOG2;

	queue->slot_count = 1u << min(log2, adev->ident.max_ring_log2);
	queue->grace_ns = AXL_QUEUE_GRACE_NS + attr->coalesce_us * NSEC_PER_USEC;
	queue->results = axl_results_create(adev, queue->slot_count);
	if (IS_ERR(queue->results))
		return PTR_ERR(queue->results);
	return axl_queue_start_in(queue, attr);
}

int axl_queue_create(struct axl_vm *vm, const struct axl_queue_attr *attr,
		     struct axl_queue **queue_out)
{
	struct axl_queue *queue = kzalloc(sizeof(*queue), GFP_KERNEL);
	int ret;

	if (!queue)
		return -ENOMEM;
	kref_init(&queue->ref);
	queue->adev = vm->adev;
	queue->vm = vm;
	kref_get(&vm->ref);
	spin_lock_init(&queue->lock);
	init_waitqueue_head(&queue->wait);
	INIT_LIST_HEAD(&queue->jobs);
	queue->fence_context = dma_fence_context_alloc(1);
	ret = axl_queue_make(queue, attr);
	if (ret) {
		axl_queue_put(queue);
		return ret;
	}
	queue->event = attr->event;
	*queue_out = queue;
	return 0;
}

void axl_queue_close(struct axl_queue *queue, int over)
{
	lockdep_assert_held(&queue->adev->lock);
	spin_lock(&queue->lock);
	if (!queue->closed)
		queue->stats = queue->qp.stats;
	queue->closed = true;
	if (!queue->over || over == -ENODEV)
		queue->over = over;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
}

void axl_queue_destroy(struct axl_queue *queue)
{
	struct axl_device *adev = queue->adev;
	int err;

	mutex_lock(&adev->lock);
	if (adev->queues[queue->index] == queue) {
		axl_queue_close(queue, -ECANCELED);
		err = axl_qp_stop(&queue->qp);
		if (err && err != AXL_ERR_GONE)
			axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
		axl_queue_retire(queue);
	}
	mutex_unlock(&adev->lock);
	atomic_dec(&queue->vm->queue_count);
	axl_queue_put(queue);
}

/* --- completions ------------------------------------------------------------------- */

/* Queue lock held. Bounded: a command that is not in flight never comes out. */
static bool axl_queue_poll(struct axl_queue *queue, struct list_head *done)
{
	struct axl_cqe batch[AXL_QUEUE_BATCH];
	bool found = false;
	u32 count, i;

	do {
		count = axl_qp_poll(&queue->qp, batch, AXL_QUEUE_BATCH);
		for (i = 0; i < count; i++)
			axl_job_account(queue, &batch[i], done);
		found |= count;
	} while (count == AXL_QUEUE_BATCH);
	return found;
}

/* Why completions are looked for. */
enum axl_queue_cause {
	AXL_QUEUE_CALL,
	AXL_QUEUE_INTERRUPT,
	AXL_QUEUE_MISSED, /* an interrupt that never came */
};

static bool axl_queue_asked_interrupt(const struct list_head *done)
{
	const struct axl_job *job;

	list_for_each_entry(job, done, node) {
		if (job->interrupt)
			return true;
	}
	return false;
}

/* Queue lock held, something was found. */
static void axl_queue_count(struct axl_queue *queue, enum axl_queue_cause cause,
			    const struct list_head *done)
{
	if (cause == AXL_QUEUE_INTERRUPT)
		queue->interrupts++;
	if (cause == AXL_QUEUE_MISSED && axl_queue_asked_interrupt(done))
		queue->missed_interrupts++;
	axl_results_set_interrupts(queue->results, queue->interrupts, queue->missed_interrupts);
}

static bool axl_queue_take(struct axl_queue *queue, enum axl_queue_cause cause)
{
	bool found = false;
	LIST_HEAD(done);

	spin_lock(&queue->lock);
	if (!queue->closed)
		found = axl_queue_poll(queue, &done);
	if (found)
		axl_queue_count(queue, cause, &done);
	spin_unlock(&queue->lock);
	if (found)
		axl_job_signal(queue, &done);
	return found;
}

bool axl_queue_reap(struct axl_queue *queue)
{
	return axl_queue_take(queue, AXL_QUEUE_CALL);
}

void axl_queue_interrupt(struct axl_queue *queue)
{
	axl_queue_take(queue, AXL_QUEUE_INTERRUPT);
}

/*
 * Queue lock held: how long the oldest completion has been seen lying there, in ns. A
 * busy queue has always some, but never the same ones.
 */
static u64 axl_queue_suspect(struct axl_queue *queue)
{
	u64 completed = queue->qp.stats.completed;
	u64 now = ktime_get_ns();

	if (queue->closed || !axl_qp_is_ready(&queue->qp)) {
		queue->suspect_ns = 0;
		return 0;
	}
	if (!queue->suspect_ns || queue->suspect_completed != completed)
		queue->suspect_ns = now;
	queue->suspect_completed = completed;
	return now - queue->suspect_ns;
}

u64 axl_queue_look(struct axl_queue *queue)
{
	bool suspicion;
	u64 age;

	spin_lock(&queue->lock);
	age = axl_queue_suspect(queue);
	suspicion = queue->suspect_ns;
	spin_unlock(&queue->lock);
	if (age < queue->grace_ns)
		return suspicion ? queue->grace_ns - age : AXL_QUEUE_LOOK_NS;
	axl_queue_take(queue, AXL_QUEUE_MISSED);
	return AXL_QUEUE_LOOK_NS;
}

void axl_queue_get_stats(struct axl_queue *queue, struct drm_axl_queue_stats *stats_out)
{
	const struct axl_qp_stats *stats = &queue->stats;

	spin_lock(&queue->lock);
	if (!queue->closed)
		queue->stats = queue->qp.stats;
	*stats_out = (struct drm_axl_queue_stats){
		.queue_id = stats_out->queue_id,
		.in_flight = stats->submitted - stats->completed,
		.submitted = stats->submitted,
		.completed = stats->completed,
		.failed = stats->failed,
		.lost = stats->lost,
		.aborted = stats->aborted,
		.malformed = stats->malformed,
		.bad_times = stats->bad_times,
		.doorbells = stats->doorbells,
		.interrupts = queue->interrupts,
		.missed_interrupts = queue->missed_interrupts,
		.bytes_submitted = stats->bytes,
	};
	spin_unlock(&queue->lock);
}

/*
 * Queue lock held, the pair stopped: what came in time counts, the rest is aborted. No
 * command can touch memory any more, not even a lost one.
 */
static void axl_queue_abort(struct axl_queue *queue, struct list_head *done)
{
	struct axl_cqe batch[AXL_QUEUE_BATCH];
	u32 count, i;

	axl_queue_poll(queue, done);
	do {
		count = axl_qp_abort(&queue->qp, batch, AXL_QUEUE_BATCH);
		for (i = 0; i < count; i++)
			axl_job_account(queue, &batch[i], done);
	} while (count);
	queue->stats = queue->qp.stats;
	if (queue->lost)
		axl_vm_queue_found(queue->vm);
	queue->lost = false;
}

void axl_queue_retire(struct axl_queue *queue)
{
	struct axl_device *adev = queue->adev;
	LIST_HEAD(done);

	lockdep_assert_held(&adev->lock);
	if (adev->queues[queue->index] != queue)
		return;
	axl_qp_stop(&queue->qp); /* for its state: the device may be past answering */
	spin_lock(&queue->lock);
	axl_queue_abort(queue, &done);
	axl_results_set_over(queue->results, queue->over);
	spin_unlock(&queue->lock);
	axl_queue_set(adev, queue->index, NULL);
	axl_qp_deinit(&queue->qp);
	axl_job_signal(queue, &done);
	axl_lies_tell(queue);
}

int axl_queue_pause(struct axl_queue *queue)
{
	LIST_HEAD(done);
	int err;

	axl_queue_close(queue, 0);
	err = axl_qp_stop(&queue->qp);
	if (err)
		return err;
	spin_lock(&queue->lock);
	axl_queue_abort(queue, &done);
	spin_unlock(&queue->lock);
	/* Whoever waits for the eventfd would wake the endpoint that falls asleep. */
	if (!list_empty(&done))
		axl_job_signal(queue, &done);
	return AXL_OK;
}

int axl_queue_resume(struct axl_queue *queue)
{
	int err;

	axl_qp_set_clock(&queue->qp, &queue->adev->clock.line);
	err = axl_qp_start(&queue->qp);
	if (err)
		return err;
	spin_lock(&queue->lock);
	queue->over = 0;
	queue->closed = false;
	spin_unlock(&queue->lock);
	wake_up_all(&queue->wait);
	return AXL_OK;
}

int axl_queue_restart(struct axl_queue *queue)
{
	int err = axl_queue_pause(queue);

	return err ? err : axl_queue_resume(queue);
}

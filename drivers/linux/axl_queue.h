/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Queues, and the jobs in them. */
#ifndef AXL_QUEUE_H
#define AXL_QUEUE_H

#include <linux/dma-fence.h>
#include <linux/kref.h>
#include <linux/wait.h>

#include "axl_device.h"
#include "axl_qp.h"
#include "axl_results.h"
#include "axl_vm.h"

/* One batch. Its fence signals when its last command has ended. */
struct axl_job {
	struct dma_fence fence;
	spinlock_t fence_lock; /* the fence's: it may outlive the queue */
	struct list_head node; /* in axl_queue.jobs; holds a reference to the fence */
	struct axl_vm *vm; /* valid while in the list */
	u64 first_sequence;
	u64 last_sequence;
	int error; /* the first failure, for the fence */
	bool interrupt; /* the endpoint was asked for one at its end */
};

/* The first command that failed and was not reported yet. */
struct axl_failure {
	u64 sequence; /* 0: none */
	u32 status;
	u32 result;
};

struct axl_queue {
	struct kref ref;
	struct axl_device *adev;
	struct axl_vm *vm; /* one reference */
	wait_queue_head_t wait; /* something ended, or the queue is over */
	u64 fence_context;
	u32 slot_count; /* of the ring */
	u32 index; /* queue pair */
	u64 grace_ns; /* an interrupt comes so late at most */
	struct eventfd_ctx *event; /* or NULL */
	struct axl_results *results; /* one reference; written under the queue lock */

	spinlock_t lock; /* the queue lock: guards all below */
	bool closed; /* qp belongs to the holder of the device lock */
	int over; /* 0, or why there is nothing more to hope for */
	struct axl_qp qp;
	struct list_head jobs; /* in order of submission */
	u64 fence_seqno;
	u64 ended_sequence; /* every command up to here has ended */
	struct axl_failure failure;
	bool lost; /* a command since the last start: it may still touch memory */
	struct axl_qp_stats stats; /* as last seen: qp's own end with it */
	struct axl_qp_stats told; /* as last told in the kernel log */
	struct axl_qp_stats counted; /* as last added to what its file did */
	u64 busy_ns; /* commands at work */
	u64 busy_until_ns; /* the time up to here counts already */
	u64 counted_busy_ns; /* as counted */
	u64 interrupt_sequence; /* last one that an interrupt was asked for */
	u32 quiet_slots; /* submitted since then */
	u64 interrupts;
	u64 missed_interrupts;
	u64 suspect_completed; /* completions were there, so many taken in before: ... */
	u64 suspect_ns; /* ... since when; 0: no suspicion */
};

struct axl_queue_attr {
	u32 slots_log2;
	u32 coalesce_count;
	u32 coalesce_us;
	struct eventfd_ctx *event; /* becomes the queue's if that could be made */
};

int axl_queue_create(struct axl_vm *vm, const struct axl_queue_attr *attr,
		     struct axl_queue **queue_out);
void axl_queue_destroy(struct axl_queue *queue);
void axl_queue_put(struct axl_queue *queue);

/* The queue of a queue pair with a reference, or NULL. */
struct axl_queue *axl_queue_get_by_index(struct axl_device *adev, unsigned int index);

/*
 * Take in what has completed and signal it; whether anything had. May sleep: yes (fences
 * have callbacks).
 */
bool axl_queue_reap(struct axl_queue *queue);

/* The same on an interrupt. */
void axl_queue_interrupt(struct axl_queue *queue);

/*
 * The same by a waiter that nothing has woken for long. Completions that were there
 * before are taken in only if their interrupt does not come even now: counted as missed.
 * How long to sleep until the next look, in ns.
 */
u64 axl_queue_look(struct axl_queue *queue);

struct drm_axl_queue_stats;
void axl_queue_get_stats(struct axl_queue *queue, struct drm_axl_queue_stats *stats_out);

/* Device lock held for all below. Close: nobody but the caller touches qp from now on. */
void axl_queue_close(struct axl_queue *queue, int over);

/* After a reset, or when DMA is off: end what is in flight and free the rings. */
void axl_queue_retire(struct axl_queue *queue);

/*
 * Close it, end what is in flight, stop the pair: an enum axl_err. It has come to rest
 * unless that says otherwise, and axl_queue_resume() lets it go on.
 */
int axl_queue_pause(struct axl_queue *queue);
int axl_queue_resume(struct axl_queue *queue);

/* A closed queue whose pair was reset: end what is in flight and start again. */
int axl_queue_restart(struct axl_queue *queue);

/* axl_lies.c: say in the kernel log what the endpoint's completions claimed in vain. */
void axl_lies_tell(struct axl_queue *queue);

/* axl_job.c */
struct axl_job *axl_job_create(struct axl_queue *queue);
void axl_job_abandon(struct axl_job *job); /* it never got a fence */
void axl_job_begin(struct axl_job *job, struct axl_queue *queue); /* queue lock held */

/* Queue lock held: note how a command ended; move jobs that are over to done. */
void axl_job_account(struct axl_queue *queue, const struct axl_cqe *cqe, struct list_head *done);

/* No lock held: signal the fences of done, wake and tell who waits for them. */
void axl_job_signal(struct axl_queue *queue, struct list_head *done);

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Waiting for completions. Of all threads that wait on a queue one sleeps in poll() on
 * behalf of the others, which sleep on the condition variable; whoever takes completions
 * in wakes them. Nothing is lost in between: an eventfd counts signals that nobody is
 * there to see.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <time.h>

#include "../outcome.h"
#include "rack.h"

#define AXL_REAP_BATCH 16
/* How long to trust that an interrupt will come before looking at the endpoint itself. */
#define AXL_SLICE_NS 100000000u
/* How often to look for completions that were asked not to interrupt. */
#define AXL_QUIET_FIRST_NS 50000u
#define AXL_QUIET_LAST_NS 2000000u
#define AXL_NEVER UINT64_MAX

/* --- taking completions in ----------------------------------------------------------- */

static void axl_rack_queue_record(struct axl_rack_queue *queue, const struct axl_cqe *cqe)
{
	struct axl_result *result = &queue->results[cqe->sequence & queue->result_mask];

	*result = (struct axl_result){
		.sequence = cqe->sequence,
		.status = cqe->status,
		.result = cqe->result,
		.opcode = cqe->opcode,
		.timing_valid = cqe->timing_valid,
		.submit_ns = cqe->submit_ns,
		.fetch_ns = cqe->timing_valid ? cqe->fetch_ns : 0,
		.start_ns = cqe->timing_valid ? cqe->start_ns : 0,
		.finish_ns = cqe->timing_valid ? cqe->finish_ns : 0,
		.complete_ns = cqe->complete_ns,
	};
	queue->ended = cqe->sequence;
	queue->lost |= cqe->status == AXL_STATUS_LOST;
	if (cqe->status == AXL_STATUS_OK || queue->has_error)
		return;
	queue->error = *result;
	queue->has_error = true;
}

/* Something ended: tell those who wait here and those who poll the descriptor. */
static void axl_rack_queue_wake(struct axl_rack_queue *queue)
{
	if (queue->waiters)
		pthread_cond_broadcast(&queue->changed);
	if (queue->epoll >= 0)
		axl_eventfd_signal(queue->news);
}

uint32_t axl_rack_queue_reap(struct axl_rack_queue *queue)
{
	struct axl_cqe batch[AXL_REAP_BATCH];
	uint32_t total = 0;
	uint32_t count;

	do {
		count = axl_qp_poll(&queue->qp, batch, AXL_REAP_BATCH);
		for (uint32_t i = 0; i < count; i++)
			axl_rack_queue_record(queue, &batch[i]);
		total += count;
	} while (count == AXL_REAP_BATCH);
	if (total)
		axl_rack_queue_wake(queue);
	return total;
}

void axl_rack_queue_end(struct axl_rack_queue *queue, int over)
{
	struct axl_cqe batch[AXL_REAP_BATCH];
	uint32_t count;

	axl_rack_queue_reap(queue);
	do {
		count = axl_qp_abort(&queue->qp, batch, AXL_REAP_BATCH);
		for (uint32_t i = 0; i < count; i++)
			axl_rack_queue_record(queue, &batch[i]);
	} while (count);
	if (over)
		queue->over = over;
	queue->interrupt_sequence = queue->ended;
	axl_rack_queue_wake(queue);
	axl_eventfd_signal(queue->kick);
}

/* --- interrupts ------------------------------------------------------------------------ */

static void axl_rack_queue_emit(struct axl_rack_queue *queue, uint8_t stage, uint64_t sequence,
				uint64_t value)
{
	struct axl_rack_device *device = axl_queue_device(queue);
	struct axl_event event = {
		.sequence = sequence,
		.value = (uint32_t)value,
		.queue = (uint16_t)queue->base.index,
		.stage = stage,
	};

	if (axl_recorder_on(&device->recorder))
		axl_recorder_emit(&device->recorder, &event);
}

/* Others that use the vector we drained must look, too. No lock is held. */
static void axl_rack_pass_on(struct axl_rack_device *device, const struct axl_rack_queue *self)
{
	pthread_mutex_lock(&device->lock);
	for (uint32_t i = 0; i < AXL_MAX_QUEUES; i++) {
		struct axl_rack_queue *other = device->queues[i];

		if (!other || other == self || other->vector != self->vector)
			continue;
		axl_eventfd_signal(other->kick);
		axl_eventfd_signal(other->news);
	}
	if (self->vector == 0)
		axl_eventfd_signal(device->event_kick);
	pthread_mutex_unlock(&device->lock);
}

/* Take the interrupts that have arrived. No lock is held. Returns how many. */
static uint64_t axl_rack_queue_drain(struct axl_rack_queue *queue)
{
	struct axl_rack_device *device = axl_queue_device(queue);
	uint64_t count = axl_eventfd_drain(device->irq.fds[queue->vector]);

	if (!count)
		return 0;
	axl_rack_queue_emit(queue, AXL_STAGE_IRQ, 0, count);
	if (axl_rack_irq_is_shared(&device->irq, queue->vector))
		axl_rack_pass_on(device, queue);
	return count;
}

/* A link that is down signals nothing. During a reset all-ones is no news. */
static void axl_rack_look(struct axl_rack_device *device)
{
	if (atomic_load(&device->state) != AXL_DEVICE_ONLINE || !axl_is_gone(&device->os))
		return;
	if (atomic_load(&device->state) == AXL_DEVICE_ONLINE)
		axl_rack_mark_gone(device);
}

/*
 * Sleep in the kernel until something happens or the deadline (*timed_out). No lock is
 * held. Returns how many interrupts that took.
 */
static uint64_t axl_rack_queue_doze(struct axl_rack_queue *queue, uint64_t wake_ns, bool look,
				    bool *timed_out)
{
	struct axl_rack_device *device = axl_queue_device(queue);
	struct pollfd fds[] = {
		{.fd = device->irq.fds[queue->vector], .events = POLLIN	 },
		{ .fd = queue->kick,		     .events = POLLIN   },
		{ .fd = device->vfu.fd,		.events = POLLRDHUP},
	};
	uint64_t now = axl_now_ns();
	uint64_t left = wake_ns > now ? wake_ns - now : 0;
	struct timespec timeout = { (time_t)(left / 1000000000u), (long)(left % 1000000000u) };
	int ready = ppoll(fds, 3, &timeout, NULL);
	uint64_t count = 0;

	*timed_out = ready == 0;
	if (ready == 0 && look)
		axl_rack_look(device);
	if (ready <= 0)
		return 0;
	if (fds[0].revents)
		count = axl_rack_queue_drain(queue);
	if (fds[1].revents)
		axl_eventfd_drain(queue->kick);
	if (fds[2].revents && axl_vfu_check(&device->vfu))
		axl_rack_mark_gone(device);
	return count;
}

/* --- sleeping ---------------------------------------------------------------------------- */

/*
 * Whether we were told after all, a moment too late for the sleep that timed out. A shared
 * vector tells nothing: it may be another queue's interrupt, and ours would be a kick.
 */
static bool axl_rack_queue_is_told(struct axl_rack_queue *queue)
{
	struct axl_rack_irq *irq = &axl_queue_device(queue)->irq;
	struct pollfd fds[] = {
		{.fd = queue->kick,		     .events = POLLIN},
		{ .fd = irq->fds[queue->vector], .events = POLLIN},
	};

	return poll(fds, axl_rack_irq_is_shared(irq, queue->vector) ? 1 : 2, 0) != 0;
}

static void axl_rack_queue_join(struct axl_rack_queue *queue, uint64_t deadline_ns)
{
	struct timespec until = {
		(time_t)(deadline_ns / 1000000000u),
		(long)(deadline_ns % 1000000000u),
	};

	queue->waiters++;
	if (deadline_ns == AXL_NEVER)
		pthread_cond_wait(&queue->changed, &queue->lock);
	else
		pthread_cond_timedwait(&queue->changed, &queue->lock, &until);
	queue->waiters--;
}

/* Sleep on behalf of all; the lock is given up meanwhile. */
static void axl_rack_queue_take_post(struct axl_rack_queue *queue, uint64_t wake_ns, uint64_t slice,
				     bool quiet)
{
	uint64_t interrupts;
	bool timed_out;
	uint32_t found;

	queue->sleeping = true;
	pthread_mutex_unlock(&queue->lock);
	interrupts = axl_rack_queue_doze(queue, wake_ns, slice >= AXL_QUIET_LAST_NS, &timed_out);
	pthread_mutex_lock(&queue->lock);
	queue->sleeping = false;
	queue->interrupts += interrupts;
	found = axl_rack_queue_reap(queue);
	if (found && timed_out && !quiet && !axl_rack_queue_is_told(queue))
		queue->missed_interrupts++;
	if (found || !quiet)
		queue->quiet_ns = AXL_QUIET_FIRST_NS;
	else if (queue->quiet_ns < AXL_QUIET_LAST_NS)
		queue->quiet_ns *= 2;
	/* Somebody else may have to take over the post. */
	if (queue->waiters)
		pthread_cond_broadcast(&queue->changed);
}

int axl_rack_queue_sleep(struct axl_rack_queue *queue, uint64_t watched, uint64_t deadline_ns)
{
	uint64_t now = axl_now_ns();
	bool quiet = watched > queue->interrupt_sequence;
	uint64_t slice = quiet ? queue->quiet_ns : AXL_SLICE_NS;
	uint64_t wake_ns = now + slice < deadline_ns ? now + slice : deadline_ns;

	if (now >= deadline_ns)
		return -ETIMEDOUT;
	if (queue->sleeping)
		axl_rack_queue_join(queue, deadline_ns);
	else
		axl_rack_queue_take_post(queue, wake_ns, slice, quiet);
	return 0;
}

/* --- public operations ---------------------------------------------------------------------- */

/* What a wait for a sequence that has ended returns. */
static int axl_rack_queue_verdict(struct axl_rack_queue *queue, uint64_t sequence)
{
	const struct axl_result *error = &queue->error;

	if (!queue->has_error || error->sequence > sequence)
		return 0;
	if (error->status == AXL_STATUS_ABORTED && queue->over == -ENODEV)
		return axl_rack_usable(axl_queue_device(queue));
	return axl_fail_command(queue->base.index, error);
}

/* Poll for spin_us; whether the sequence has ended. */
static bool axl_rack_queue_spin(struct axl_rack_queue *queue, uint64_t sequence)
{
	uint64_t until = axl_now_ns() + queue->spin_us * 1000ull;

	while (queue->ended < sequence && axl_now_ns() < until) {
		pthread_mutex_unlock(&queue->lock);
		pthread_mutex_lock(&queue->lock);
		axl_rack_queue_reap(queue);
	}
	return queue->ended >= sequence;
}

/* The endpoint is gone: end what is in flight. */
static void axl_rack_queue_notice(struct axl_rack_queue *queue)
{
	struct axl_rack_device *device = axl_queue_device(queue);

	if (queue->over || atomic_load(&device->state) != AXL_DEVICE_GONE)
		return;
	axl_qp_stop(&queue->qp);
	axl_rack_queue_end(queue, -ENODEV);
}

static int axl_rack_queue_await(struct axl_rack_queue *queue, uint64_t sequence,
				uint64_t deadline_ns)
{
	axl_rack_queue_reap(queue);
	if (queue->spin_us && axl_rack_queue_spin(queue, sequence))
		return 0;
	for (;;) {
		axl_rack_queue_notice(queue);
		if (queue->ended >= sequence)
			return 0;
		if (queue->over)
			return axl_rack_current(axl_queue_device(queue), queue->generation,
						"queue");
		if (axl_rack_queue_sleep(queue, sequence, deadline_ns))
			break;
	}
	return axl_fail_late(queue->base.index, sequence);
}

int axl_rack_queue_wait(struct axl_queue *base, uint64_t sequence, int64_t timeout_ns)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	struct axl_rack_device *device = axl_queue_device(queue);
	uint64_t deadline_ns = AXL_NEVER;
	uint64_t drained = 0;
	int status;

	if (timeout_ns >= 0)
		deadline_ns = axl_now_ns() + (uint64_t)timeout_ns;
	/* All interrupts are in the record even if the completions were there first. */
	if (axl_recorder_on(&device->recorder))
		drained = axl_rack_queue_drain(queue);
	pthread_mutex_lock(&queue->lock);
	queue->interrupts += drained;
	if (drained && queue->sleeping)
		axl_eventfd_signal(queue->kick);
	if (sequence >= queue->qp.next_sequence)
		status = axl_fail_unknown(base->index, sequence);
	else
		status = axl_rack_queue_await(queue, sequence, deadline_ns);
	if (!status)
		status = axl_rack_queue_verdict(queue, sequence);
	pthread_mutex_unlock(&queue->lock);
	if (status != -ETIMEDOUT && status != -EINVAL)
		axl_rack_queue_emit(queue, AXL_STAGE_WAKE, sequence, 0);
	return status;
}

uint64_t axl_rack_queue_poll(struct axl_queue *base)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	struct axl_rack_device *device = axl_queue_device(queue);
	uint64_t drained = 0, ended;
	uint32_t found;
	bool watched;

	pthread_mutex_lock(&queue->lock);
	watched = queue->epoll >= 0;
	pthread_mutex_unlock(&queue->lock);
	/* Before looking at the ring, so that a later signal is seen. */
	if (watched) {
		drained = axl_rack_queue_drain(queue);
		if (axl_vfu_check(&device->vfu))
			axl_rack_mark_gone(device);
	}
	pthread_mutex_lock(&queue->lock);
	queue->interrupts += drained;
	found = axl_rack_queue_reap(queue);
	axl_rack_queue_notice(queue);
	if (watched)
		axl_eventfd_drain(queue->news);
	/* A sleeper may have gone back to sleep on a descriptor that we drained. */
	if (queue->sleeping && (drained || found))
		axl_eventfd_signal(queue->kick);
	ended = queue->ended;
	pthread_mutex_unlock(&queue->lock);
	return ended;
}

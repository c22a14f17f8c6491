// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Queues: making, destroying, asking about what ended. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "../outcome.h"
#include "rack.h"

#define AXL_QUIET_FIRST_NS 50000u

/* --- making --------------------------------------------------------------------------- */

static int axl_rack_queue_pick(struct axl_rack_device *device, uint32_t wanted, uint32_t *out)
{
	uint32_t count = device->ident.queue_count;

	if (wanted != AXL_QUEUE_ANY && wanted >= count)
		return axl_fail(-EINVAL, "queue %u: %s has queues 0 to %u", wanted,
				device->endpoint.id, count - 1);
	if (wanted != AXL_QUEUE_ANY && device->queues[wanted])
		return axl_fail(-EBUSY, "queue %u of %s is taken", wanted, device->endpoint.id);
	if (wanted != AXL_QUEUE_ANY) {
		*out = wanted;
		return 0;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (device->queues[i])
			continue;
		*out = i;
		return 0;
	}
	return axl_fail(-ENOSPC, "all %u queues of %s are taken", count, device->endpoint.id);
}

static void axl_rack_queue_free(struct axl_rack_queue *queue)
{
	if (queue->qp.os)
		axl_qp_deinit(&queue->qp);
	if (queue->kick >= 0)
		close(queue->kick);
	if (queue->news >= 0)
		close(queue->news);
	if (queue->epoll >= 0)
		close(queue->epoll);
	pthread_cond_destroy(&queue->changed);
	pthread_mutex_destroy(&queue->lock);
	free(queue->results);
	free(queue);
}

static struct axl_rack_queue *axl_rack_queue_alloc(struct axl_context *context, uint32_t index,
						   uint32_t slots_log2)
{
	struct axl_rack_queue *queue = calloc(1, sizeof(*queue));
	pthread_condattr_t monotonic;

	if (!queue)
		return NULL;
	queue->base = (struct axl_queue){ context, index };
	queue->result_mask = ((uint64_t)1 << slots_log2) - 1;
	queue->quiet_ns = AXL_QUIET_FIRST_NS;
	queue->epoll = -1;
	pthread_mutex_init(&queue->lock, NULL);
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_cond_init(&queue->changed, &monotonic);
	pthread_condattr_destroy(&monotonic);
	queue->kick = axl_eventfd();
	queue->news = axl_eventfd();
	queue->results = calloc(queue->result_mask + 1, sizeof(*queue->results));
	if (queue->kick >= 0 && queue->news >= 0 && queue->results)
		return queue;
	axl_rack_queue_free(queue);
	return NULL;
}

/* device->lock held, no queue's: err is what axl_qp_stop() of a queue returned. */
static void axl_rack_queue_let_go(struct axl_rack_device *device, int err)
{
	/* It would go on writing into freed rings: only a reset of the function helps. */
	if (err && err != AXL_ERR_GONE)
		axl_rack_recover(device, AXL_RESET_EVENT_DEVICE_DEAD, NULL);
}

static int axl_rack_queue_start(struct axl_rack_device *device, struct axl_rack_queue *queue,
				const struct axl_queue_attr *attr, uint32_t slots_log2)
{
	struct axl_qp_config config = {
		.index = queue->base.index,
		.sq_log2 = slots_log2,
		.vector = axl_rack_irq_vector(&device->irq, queue->base.index),
		.irq_enable = true,
		.coalesce_count = attr->coalesce_count,
		.coalesce_us = attr->coalesce_us,
	};
	int err = axl_qp_init(&queue->qp, &device->os, &device->ident, &config);

	queue->vector = config.vector;
	queue->spin_us = attr->spin_us;
	queue->generation = atomic_load(&device->generation);
	if (err) {
		queue->qp.os = NULL;
		return axl_rack_fail(device, err, "making a queue");
	}
	axl_qp_set_clock(&queue->qp, &device->clock.line);
	err = axl_qp_start(&queue->qp);
	if (!err)
		return 0;
	axl_rack_queue_let_go(device, axl_qp_stop(&queue->qp));
	return axl_rack_fail(device, err, "starting a queue");
}

static int axl_rack_queue_make(struct axl_rack_device *device, struct axl_context *context,
			       const struct axl_queue_attr *attr, struct axl_rack_queue **out)
{
	uint32_t log2 = 0, index = 0;
	int status = axl_rack_queue_pick(device, attr->index, &index);

	if (!status)
		status = axl_queue_attr_check(attr, device->ident.max_ring_log2, &log2);
	if (status)
		return status;
	*out = axl_rack_queue_alloc(context, index, log2);
	if (!*out)
		return axl_fail(-ENOMEM, "no memory for a queue");
	status = axl_rack_queue_start(device, *out, attr, log2);
	if (status)
		axl_rack_queue_free(*out);
	return status;
}

int axl_rack_queue_create(struct axl_context *base, const struct axl_queue_attr *attr,
			  struct axl_queue **out)
{
	struct axl_rack_device *device = axl_rack_device(base->device);
	struct axl_rack_queue *queue = NULL;
	int status;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, axl_rack_context(base)->generation, "context");
	if (!status)
		status = axl_rack_queue_make(device, base, attr, &queue);
	if (!status && queue) {
		device->queues[queue->base.index] = queue;
		*out = &queue->base;
	}
	pthread_mutex_unlock(&device->lock);
	return status;
}

/* --- destroying ------------------------------------------------------------------------- */

void axl_rack_queue_destroy(struct axl_queue *base)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	struct axl_rack_device *device = axl_rack_device(base->context->device);
	int err = 0;

	pthread_mutex_lock(&device->lock);
	pthread_mutex_lock(&queue->lock);
	if (!queue->over) {
		err = axl_qp_stop(&queue->qp);
		axl_rack_queue_end(queue, -ESTALE);
	}
	pthread_mutex_unlock(&queue->lock);
	axl_rack_queue_let_go(device, err);
	device->queues[base->index] = NULL;
	axl_rack_context_release(axl_rack_context(base->context));
	pthread_mutex_unlock(&device->lock);
	axl_rack_queue_free(queue);
}

/* --- asking ------------------------------------------------------------------------------- */

static int axl_rack_queue_epoll(struct axl_rack_queue *queue)
{
	struct axl_rack_device *device = axl_rack_device(queue->base.context->device);
	int fd = epoll_create1(EPOLL_CLOEXEC);
	int error;

	if (fd >= 0 && !axl_epoll_add(fd, device->irq.fds[queue->vector], EPOLLIN) &&
	    !axl_epoll_add(fd, queue->news, EPOLLIN) &&
	    !axl_epoll_add(fd, device->vfu.fd, EPOLLRDHUP))
		return fd;
	error = errno;
	if (fd >= 0)
		close(fd);
	return axl_fail(-error, "epoll: %s", strerror(error));
}

int axl_rack_queue_fd(struct axl_queue *base)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	int fd;

	pthread_mutex_lock(&queue->lock);
	fd = queue->epoll;
	if (fd < 0) {
		fd = axl_rack_queue_epoll(queue);
		queue->epoll = fd < 0 ? -1 : fd;
	}
	pthread_mutex_unlock(&queue->lock);
	return fd;
}

static int axl_rack_queue_find(struct axl_rack_queue *queue, uint64_t sequence,
			       struct axl_result *result)
{
	const struct axl_result *kept = &queue->results[sequence & queue->result_mask];

	if (sequence == 0 || sequence >= queue->qp.next_sequence)
		return axl_fail_unknown(queue->base.index, sequence);
	if (sequence > queue->ended)
		return axl_fail_pending(queue->base.index, sequence);
	if (kept->sequence != sequence)
		return axl_fail_forgotten(queue->base.index, sequence);
	*result = *kept;
	return 0;
}

int axl_rack_queue_result(struct axl_queue *base, uint64_t sequence, struct axl_result *result)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	int status;

	pthread_mutex_lock(&queue->lock);
	axl_rack_queue_reap(queue);
	status = axl_rack_queue_find(queue, sequence, result);
	pthread_mutex_unlock(&queue->lock);
	return status;
}

int axl_rack_queue_take_error(struct axl_queue *base, struct axl_result *result)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	int status = 0;

	pthread_mutex_lock(&queue->lock);
	axl_rack_queue_reap(queue);
	if (queue->has_error)
		*result = queue->error;
	else
		status = axl_fail_blameless(base->index);
	queue->has_error = false;
	pthread_mutex_unlock(&queue->lock);
	return status;
}

int axl_rack_queue_stats(struct axl_queue *base, struct axl_queue_stats *stats)
{
	struct axl_rack_queue *queue = axl_rack_queue(base);
	const struct axl_qp_stats *core = &queue->qp.stats;

	pthread_mutex_lock(&queue->lock);
	*stats = (struct axl_queue_stats){
		.submitted = core->submitted,
		.completed = core->completed,
		.failed = core->failed,
		.lost = core->lost,
		.malformed = core->malformed,
		.doorbells = core->doorbells,
		.interrupts = queue->interrupts,
		.missed_interrupts = queue->missed_interrupts,
		.bytes_submitted = core->bytes,
		.in_flight = axl_qp_in_flight(&queue->qp),
	};
	pthread_mutex_unlock(&queue->lock);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Queues: making, destroying, resetting, counting. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "../eventfd.h"
#include "kernel.h"

/* --- letting go ------------------------------------------------------------------------- */

static void axl_kernel_queue_free(struct axl_kernel_queue *queue)
{
	struct drm_axl_queue_destroy args = { .queue_id = queue->id };

	if (queue->id)
		axl_kernel_ioctl(axl_kernel_queue_device(queue), DRM_IOCTL_AXL_QUEUE_DESTROY,
				 &args);
	if (queue->results)
		munmap((void *)(uintptr_t)queue->results, queue->results_bytes);
	if (queue->event_fd >= 0)
		close(queue->event_fd);
	pthread_mutex_destroy(&queue->lock);
	free(queue);
}

void axl_kernel_queue_destroy(struct axl_queue *base)
{
	axl_kernel_probe_queue(axl_kernel_queue(base), AXL_STAGE_QUEUE_DESTROY, 0);
	axl_kernel_queue_free(axl_kernel_queue(base));
}

/* --- making ------------------------------------------------------------------------------- */

/* The driver is trusted, a version of it that lays results out otherwise is not. */
static bool axl_kernel_results_fit(const struct drm_axl_results *results, size_t bytes)
{
	uint64_t count = results->entry_count;

	return count && !(count & (count - 1)) &&
	       bytes >= sizeof(*results) + count * sizeof(struct drm_axl_result);
}

static int axl_kernel_queue_map(struct axl_kernel_queue *queue, uint64_t offset, uint32_t bytes)
{
	struct axl_kernel_device *device = axl_kernel_queue_device(queue);
	const char *id = device->endpoint.id;
	void *map;

	if (bytes < sizeof(struct drm_axl_results))
		return axl_fail(-EPROTO, "%s: the driver has no results for a queue", id);
	map = mmap(NULL, bytes, PROT_READ, MAP_SHARED, device->fd, (off_t)offset);
	if (map == MAP_FAILED)
		return axl_fail(-errno, "%s: mmap of a queue's results: %s", id, strerror(errno));
	queue->results = map;
	queue->results_bytes = bytes;
	if (!axl_kernel_results_fit(queue->results, bytes))
		return axl_fail(-EPROTO,
				"%s: the driver's results of a queue are not laid out as "
				"this library knows them",
				id);
	return 0;
}

static int axl_kernel_queue_start(struct axl_kernel_queue *queue, const struct axl_queue_attr *attr)
{
	struct axl_kernel_device *device = axl_kernel_queue_device(queue);
	struct drm_axl_queue_create args = {
		.context_id = axl_kernel_context(queue->base.context)->id,
		.flags = DRM_AXL_QUEUE_EVENT_FD,
		.coalesce_count = attr->coalesce_count,
		.coalesce_us = attr->coalesce_us,
	};
	int status = axl_queue_attr_check(attr, device->max_ring_log2, &args.slots_log2);

	if (status)
		return status;
	queue->event_fd = axl_eventfd();
	if (queue->event_fd < 0)
		return queue->event_fd;
	args.event_fd = queue->event_fd;
	status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_QUEUE_CREATE, &args);
	if (status == -ENOSPC)
		return axl_fail(status, "all %u queues of %s are taken", device->queue_count,
				device->endpoint.id);
	if (status)
		return axl_kernel_fail(device, status, "making a queue", "context");
	queue->id = args.queue_id;
	queue->base.index = args.queue_index;
	queue->slot_count = args.slot_count;
	return axl_kernel_queue_map(queue, args.results_offset, args.results_bytes);
}

int axl_kernel_queue_create(struct axl_context *base, const struct axl_queue_attr *attr,
			    struct axl_queue **out)
{
	struct axl_kernel_queue *queue;
	int status;

	if (attr->index != AXL_QUEUE_ANY)
		return axl_fail(-EOPNOTSUPP, "the kernel driver chooses the queue pair, as others "
					     "use the endpoint, too: ask for AXL_QUEUE_ANY");
	queue = calloc(1, sizeof(*queue));
	if (!queue)
		return axl_fail(-ENOMEM, "no memory for a queue");
	queue->base.context = base;
	queue->event_fd = -1;
	queue->spin_us = attr->spin_us;
	pthread_mutex_init(&queue->lock, NULL);
	status = axl_kernel_queue_start(queue, attr);
	if (status) {
		axl_kernel_queue_free(queue);
		return status;
	}
	axl_kernel_probe_queue(queue, AXL_STAGE_QUEUE_CREATE, 0);
	*out = &queue->base;
	return 0;
}

/* --- asking ------------------------------------------------------------------------------- */

int axl_kernel_queue_fd(struct axl_queue *base)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);

	atomic_store(&queue->watched, true);
	return queue->event_fd;
}

int axl_kernel_queue_reset(struct axl_queue *base)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);
	struct axl_kernel_device *device = axl_kernel_queue_device(queue);
	struct drm_axl_queue_reset args = { .queue_id = queue->id };
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_QUEUE_RESET, &args);

	if (status == -EIO)
		return axl_fail(status,
				"%s did not stop queue %u, and was reset instead: what was made on "
				"it is stale; axl_device_check() tells how it is",
				device->endpoint.id, base->index);
	return status ? axl_kernel_fail(device, status, "queue reset", "queue") : 0;
}

int axl_kernel_queue_stats(struct axl_queue *base, struct axl_queue_stats *stats)
{
	struct axl_kernel_queue *queue = axl_kernel_queue(base);
	struct axl_kernel_device *device = axl_kernel_queue_device(queue);
	struct drm_axl_queue_stats args = { .queue_id = queue->id };
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_QUEUE_STATS, &args);

	if (status)
		return axl_kernel_fail(device, status, "counts of a queue", "queue");
	*stats = (struct axl_queue_stats){
		.submitted = args.submitted,
		.completed = args.completed,
		.failed = args.failed,
		.lost = args.lost,
		.malformed = args.malformed,
		.doorbells = args.doorbells,
		.interrupts = args.interrupts,
		.missed_interrupts = args.missed_interrupts,
		.bytes_submitted = args.bytes_submitted,
		.in_flight = args.in_flight,
	};
	return 0;
}

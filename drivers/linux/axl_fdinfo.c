// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What one client uses, in /proc/PID/fdinfo/FD, as Documentation/gpu/drm-usage-stats.rst has
 * it. Reading it never waits for the endpoint.
 */
#include <drm/drm_gem.h>

#include "axl_bo.h"
#include "axl_file.h"

/* --- commands ---------------------------------------------------------------------- */

void axl_fdinfo_count(struct axl_file *owner, struct axl_queue *queue)
{
	struct axl_usage *usage = &owner->usage;
	struct axl_qp_stats *now = &queue->stats;
	struct axl_qp_stats *then = &queue->counted;

	spin_lock(&owner->usage_lock);
	spin_lock(&queue->lock);
	if (!queue->closed)
		*now = queue->qp.stats;
	usage->submitted += now->submitted - then->submitted;
	usage->completed += now->completed - then->completed;
	usage->failed +=
		now->failed - then->failed + now->lost - then->lost + now->aborted - then->aborted;
	usage->bytes += now->bytes - then->bytes;
	usage->busy_ns += queue->busy_ns - queue->counted_busy_ns;
	*then = *now;
	queue->counted_busy_ns = queue->busy_ns;
	spin_unlock(&queue->lock);
	spin_unlock(&owner->usage_lock);
}

/* The first queue from *index on, with a reference; NULL: there is none. */
static struct axl_queue *axl_fdinfo_next(struct axl_file *owner, unsigned long *index)
{
	struct axl_queue *queue;

	xa_lock(&owner->queues);
	queue = xa_find(&owner->queues, index, ULONG_MAX, XA_PRESENT);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&owner->queues);
	return queue;
}

static struct axl_usage axl_fdinfo_usage(struct axl_file *owner, unsigned int *queue_count)
{
	struct axl_usage usage;
	struct axl_queue *queue;
	unsigned long index;

	*queue_count = 0;
	for (index = 0; (queue = axl_fdinfo_next(owner, &index)); index++) {
		axl_fdinfo_count(owner, queue);
		axl_queue_put(queue);
		++*queue_count;
	}
	spin_lock(&owner->usage_lock);
	usage = owner->usage;
	spin_unlock(&owner->usage_lock);
	return usage;
}

static void axl_fdinfo_show_commands(struct drm_printer *p, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(file->minor->dev);
	unsigned int queue_count;
	struct axl_usage usage = axl_fdinfo_usage(file->driver_priv, &queue_count);

	/* Every queue pair can be at work at the same time. */
	drm_printf(p, "drm-engine-compute:\t%llu ns\n", usage.busy_ns);
	drm_printf(p, "drm-engine-capacity-compute:\t%u\n", adev->ident.queue_count);
	drm_printf(p, "axl-queues:\t%u\n", queue_count);
	drm_printf(p, "axl-commands-submitted:\t%llu\n", usage.submitted);
	drm_printf(p, "axl-commands-completed:\t%llu\n", usage.completed);
	drm_printf(p, "axl-commands-failed:\t%llu\n", usage.failed);
	drm_printf(p, "axl-bytes-submitted:\t%llu\n", usage.bytes);
}

/* --- memory ------------------------------------------------------------------------ */

struct axl_fdinfo_memory {
	u64 total;
	u64 shared;
};

/* For idr_for_each(). */
static int axl_fdinfo_add(int handle, void *object, void *data)
{
	struct axl_fdinfo_memory *sums = data;
	struct drm_gem_object *gem = object;
	struct axl_fdinfo_memory *sum;

	if (!gem)
		return 0; /* a handle in the making */
	sum = &sums[axl_bo_from_gem(gem)->ops->va_kind];
	sum->total += gem->size;
	if (drm_gem_object_is_shared_for_memory_stats(gem))
		sum->shared += gem->size;
	return 0;
}

/* As the file has handles of it: a buffer with two counts twice, as with other drivers. */
static void axl_fdinfo_sum(struct drm_file *file, struct axl_fdinfo_memory *sums)
{
	spin_lock(&file->table_lock);
	idr_for_each(&file->object_idr, axl_fdinfo_add, sums);
	spin_unlock(&file->table_lock);
}

/*
 * Not drm_print_memory_stats(): it says that nothing is active where nobody knows. All
 * memory is resident: it is pinned.
 */
static void axl_fdinfo_show_memory(struct drm_printer *p, struct drm_file *file)
{
	static const char *const names[AXL_VA_KIND_END] = {
		[AXL_VA_DEVICE] = "device",
		[AXL_VA_HOST] = "memory",
		[AXL_VA_PEER] = "peer",
	};
	struct axl_fdinfo_memory sums[AXL_VA_KIND_END] = {};
	unsigned int i;

	axl_fdinfo_sum(file, sums);
	for (i = AXL_VA_DEVICE; i < AXL_VA_KIND_END; i++) {
		drm_printf(p, "drm-total-%s:\t%llu KiB\n", names[i], sums[i].total >> 10);
		drm_printf(p, "drm-shared-%s:\t%llu KiB\n", names[i], sums[i].shared >> 10);
		drm_printf(p, "drm-resident-%s:\t%llu KiB\n", names[i], sums[i].total >> 10);
	}
}

/* Within drm_dev_enter(). */
void axl_fdinfo_show(struct drm_printer *p, struct drm_file *file)
{
	axl_fdinfo_show_commands(p, file);
	axl_fdinfo_show_memory(p, file);
}

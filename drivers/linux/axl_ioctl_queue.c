// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ioctls on queues, but for SUBMIT and WAIT. */
#include <linux/eventfd.h>

#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"

/* NULL: none is wanted. */
static struct eventfd_ctx *axl_ioctl_queue_event(const struct drm_axl_queue_create *args)
{
	if (args->flags & DRM_AXL_QUEUE_EVENT_FD)
		return eventfd_ctx_fdget(args->event_fd);
	return args->event_fd ? ERR_PTR(-EINVAL) : NULL;
}

/* The queue is lent: until it has a number nobody else knows it. */
static int axl_ioctl_queue_publish(struct drm_file *file, struct axl_queue *queue,
				   struct drm_axl_queue_create *args)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_gem_object *results = &queue->results->base;
	int ret = drm_vma_node_allow(&results->vma_node, file);

	if (ret)
		return ret;
	args->queue_index = queue->index;
	args->results_offset = drm_vma_node_offset_addr(&results->vma_node);
	args->results_bytes = results->size;
	args->slot_count = queue->slot_count;
	ret = xa_alloc(&owner->queues, &args->queue_id, queue, xa_limit_31b, GFP_KERNEL);
	if (ret)
		drm_vma_node_revoke(&results->vma_node, file);
	return ret;
}

static int axl_ioctl_queue_make(struct axl_vm *vm, const struct drm_axl_queue_create *args,
				struct axl_queue **queue_out)
{
	struct axl_queue_attr attr = {
		.slots_log2 = args->slots_log2,
		.coalesce_count = args->coalesce_count,
		.coalesce_us = args->coalesce_us,
		.event = axl_ioctl_queue_event(args),
	};
	int ret;

	if (IS_ERR(attr.event))
		return PTR_ERR(attr.event);
	ret = axl_queue_create(vm, &attr, queue_out);
	if (ret && attr.event)
		eventfd_ctx_put(attr.event);
	return ret;
}

int axl_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_queue_create *args = data;
	struct axl_queue *queue;
	struct axl_vm *vm;
	int ret;

	if (args->flags & ~DRM_AXL_QUEUE_EVENT_FD || args->slots_log2 > AXL_MAX_RING_LOG2 ||
	    args->coalesce_count > U16_MAX || args->coalesce_us > U16_MAX)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_ioctl_queue_make(vm, args, &queue);
	axl_vm_put(vm);
	if (ret)
		return ret;
	ret = axl_ioctl_queue_publish(file, queue, args);
	if (ret)
		axl_queue_destroy(queue);
	return ret;
}

int axl_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_queue_destroy *args = data;
	struct axl_queue *queue;

	if (args->pad)
		return -EINVAL;
	queue = xa_erase(&owner->queues, args->queue_id);
	if (!queue)
		return -ENOENT;
	axl_file_queue_drop(file, queue);
	return 0;
}

int axl_ioctl_queue_reset(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_queue_reset *args = data;
	struct axl_queue *queue;
	int ret;

	if (args->pad)
		return -EINVAL;
	queue = axl_file_queue_get(file, args->queue_id);
	if (!queue)
		return -ENOENT;
	ret = axl_recovery_reset_own(queue);
	axl_queue_put(queue);
	return ret;
}

int axl_ioctl_queue_stats(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_queue_stats *args = data;
	struct axl_queue *queue = axl_file_queue_get(file, args->queue_id);

	if (!queue)
		return -ENOENT;
	axl_queue_get_stats(queue, args);
	axl_queue_put(queue);
	return 0;
}

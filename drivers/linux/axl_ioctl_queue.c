// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ioctls on queues, but for SUBMIT and WAIT. */
#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_queue.h"

int axl_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_queue_create *args = data;
	struct axl_queue_attr attr = {
		.slots_log2 = args->slots_log2,
		.coalesce_count = args->coalesce_count,
		.coalesce_us = args->coalesce_us,
	};
	struct axl_queue *queue;
	struct axl_vm *vm;
	int ret;

	if (args->flags || args->pad || args->slots_log2 > AXL_MAX_RING_LOG2 ||
	    args->coalesce_count > U16_MAX || args->coalesce_us > U16_MAX)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_queue_create(vm, &attr, &queue);
	axl_vm_put(vm);
	if (ret)
		return ret;
	args->queue_index = queue->index;
	ret = xa_alloc(&owner->queues, &args->queue_id, queue, xa_limit_31b, GFP_KERNEL);
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
	axl_queue_destroy(queue);
	return 0;
}

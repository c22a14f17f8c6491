// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Open files: what they own, found by number, given back when they close. */
#include <linux/eventfd.h>
#include <linux/slab.h>

#include "axl_file.h"
#include "axl_power.h"

int axl_file_open(struct drm_device *drm, struct drm_file *file)
{
	struct axl_file *owner = kzalloc(sizeof(*owner), GFP_KERNEL);

	if (!owner)
		return -ENOMEM;
	/* From 1: a forgotten field is not an object. */
	xa_init_flags(&owner->vms, XA_FLAGS_ALLOC1);
	xa_init_flags(&owner->queues, XA_FLAGS_ALLOC1);
	spin_lock_init(&owner->usage_lock);
	file->driver_priv = owner;
	return 0;
}

void axl_file_queue_drop(struct drm_file *file, struct axl_queue *queue)
{
	drm_vma_node_revoke(&queue->results->base.vma_node, file);
	kref_get(&queue->ref);
	axl_queue_destroy(queue);
	axl_fdinfo_count(file->driver_priv, queue); /* for the last time: nothing runs any more */
	axl_queue_put(queue);
}

/* Queues first: a context with queues cannot go. */
static void axl_file_drop_all(struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct axl_queue *queue;
	unsigned long index;
	struct axl_vm *vm;

	xa_for_each(&owner->queues, index, queue)
		axl_file_queue_drop(file, queue);
	xa_for_each(&owner->vms, index, vm) {
		axl_vm_kill(vm);
		axl_vm_put(vm);
	}
}

void axl_file_close(struct drm_device *drm, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct axl_file *owner = file->driver_priv;
	/* Who has no context has nothing on the endpoint: that is not woken for nothing. */
	bool awake = !xa_empty(&owner->vms) && !axl_power_get(adev);

	axl_file_drop_all(file);
	if (awake)
		axl_power_put(adev);
	/* DRM has taken the file off its list: nobody notifies it any more. */
	if (owner->notify)
		eventfd_ctx_put(owner->notify);
	xa_destroy(&owner->queues);
	xa_destroy(&owner->vms);
	kfree(owner);
}

struct axl_vm *axl_file_vm_get(struct drm_file *file, u32 id)
{
	struct axl_file *owner = file->driver_priv;
	struct axl_vm *vm;

	/* The array's lock keeps the file's reference while ours is taken. */
	xa_lock(&owner->vms);
	vm = xa_load(&owner->vms, id);
	if (vm)
		kref_get(&vm->ref);
	xa_unlock(&owner->vms);
	return vm;
}

struct axl_queue *axl_file_queue_get(struct drm_file *file, u32 id)
{
	struct axl_file *owner = file->driver_priv;
	struct axl_queue *queue;

	xa_lock(&owner->queues);
	queue = xa_load(&owner->queues, id);
	if (queue)
		kref_get(&queue->ref);
	xa_unlock(&owner->queues);
	return queue;
}

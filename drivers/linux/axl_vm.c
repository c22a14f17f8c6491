// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Contexts: device page tables, and what is mapped in them. */
#include <linux/slab.h>

#include "axl_bo.h"
#include "axl_ctx.h"
#include "axl_trace.h"
#include "axl_vm.h"

struct axl_mapping {
	struct list_head node; /* in axl_vm.unmapped */
	struct axl_bo *bo; /* one reference */
	u64 va;
	bool revoked; /* no longer in the page table: the memory was another endpoint's */
};

/* --- life ------------------------------------------------------------------------ */

static void axl_vm_free_mapping(struct axl_vm *vm, struct axl_mapping *mapping)
{
	axl_range_free(&vm->va[mapping->va >> AXL_VA_KIND_SHIFT], mapping->va);
	drm_gem_object_put(&mapping->bo->base);
	kfree(mapping);
}

/* Context lock held: give back what no command can reach any more. */
static void axl_vm_reap(struct axl_vm *vm)
{
	struct axl_mapping *mapping, *next;

	/* Pairs with the increment in axl_submit: no job that began before is left. */
	if (atomic_read(&vm->in_flight) || atomic_read(&vm->lost_queues))
		return;
	list_for_each_entry_safe(mapping, next, &vm->unmapped, node) {
		list_del(&mapping->node);
		axl_vm_free_mapping(vm, mapping);
	}
}

static void axl_vm_reap_work(struct work_struct *work)
{
	struct axl_vm *vm = container_of(work, struct axl_vm, reap_work);

	mutex_lock(&vm->lock);
	axl_vm_reap(vm);
	mutex_unlock(&vm->lock);
	axl_vm_put(vm);
}

static void axl_vm_reap_later(struct axl_vm *vm)
{
	kref_get(&vm->ref);
	if (!schedule_work(&vm->reap_work))
		axl_vm_put(vm);
}

void axl_vm_job_done(struct axl_vm *vm)
{
	if (atomic_dec_and_test(&vm->in_flight))
		axl_vm_reap_later(vm);
}

/* Comes before axl_vm_job_done() for the job of the lost command: see axl_vm_reap(). */
void axl_vm_queue_lost(struct axl_vm *vm)
{
	atomic_inc(&vm->lost_queues);
}

void axl_vm_queue_found(struct axl_vm *vm)
{
	if (atomic_dec_and_test(&vm->lost_queues))
		axl_vm_reap_later(vm);
}

static void axl_vm_release(struct kref *ref)
{
	struct axl_vm *vm = container_of(ref, struct axl_vm, ref);
	unsigned int i;

	axl_bo_peer_forget(vm);
	for (i = 1; i < AXL_VA_KIND_END; i++)
		axl_range_deinit(&vm->va[i]);
	xa_destroy(&vm->mappings);
	mutex_destroy(&vm->lock);
	drm_dev_put(&vm->adev->drm);
	kfree(vm);
}

void axl_vm_put(struct axl_vm *vm)
{
	kref_put(&vm->ref, axl_vm_release);
}

static int axl_vm_init_ranges(struct axl_vm *vm)
{
	unsigned int i;
	int err = AXL_OK;

	for (i = 1; i < AXL_VA_KIND_END && !err; i++)
		err = axl_range_init(&vm->va[i], &vm->adev->os, (u64)i << AXL_VA_KIND_SHIFT,
				     1ull << AXL_VA_KIND_SHIFT, PAGE_SIZE);
	return axl_errno(err);
}

/* Device lock held. */
static int axl_vm_enable(struct axl_vm *vm)
{
	struct axl_device *adev = vm->adev;
	unsigned int n;
	int err;

	for (n = 0; n < adev->ident.context_count && adev->vms[n]; n++)
		;
	if (n == adev->ident.context_count)
		return -ENOSPC;
	err = axl_pt_init(&vm->pt, &adev->os,
			  adev->ident.features & AXL_IDENT_FEATURES_LARGE_PAGES_MASK);
	if (err)
		return axl_errno(err);
	err = axl_ctx_enable(&adev->os, n, axl_pt_root(&vm->pt));
	if (err) {
		axl_pt_deinit(&vm->pt);
		return axl_errno(err);
	}
	vm->number = n;
	adev->vms[n] = vm;
	return 0;
}

int axl_vm_create(struct axl_device *adev, struct axl_vm **vm_out)
{
	struct axl_vm *vm = kzalloc(sizeof(*vm), GFP_KERNEL);
	int ret;

	if (!vm)
		return -ENOMEM;
	kref_init(&vm->ref);
	vm->adev = adev;
	drm_dev_get(&adev->drm);
	mutex_init(&vm->lock);
	xa_init(&vm->mappings);
	INIT_LIST_HEAD(&vm->unmapped);
	INIT_LIST_HEAD(&vm->peer_node);
	INIT_WORK(&vm->reap_work, axl_vm_reap_work);
	ret = axl_vm_init_ranges(vm);
	if (!ret)
		ret = axl_recovery_lock_usable(adev);
	if (!ret) {
		ret = axl_vm_enable(vm);
		mutex_unlock(&adev->lock);
	}
	if (ret) {
		axl_vm_put(vm);
		return ret;
	}
	*vm_out = vm;
	return 0;
}

/* Device lock and context lock held. */
static void axl_vm_retire_locked(struct axl_vm *vm, int over)
{
	if (vm->over)
		return;
	vm->over = over;
	axl_pt_deinit(&vm->pt);
	vm->adev->vms[vm->number] = NULL;
}

void axl_vm_retire(struct axl_vm *vm, int over)
{
	lockdep_assert_held(&vm->adev->lock);
	mutex_lock(&vm->lock);
	axl_vm_retire_locked(vm, over);
	mutex_unlock(&vm->lock);
}

/*
 * Device lock held: make the endpoint forget the page table, by force if need be. The
 * context lock keeps out those who unmap just now: their invalidation enables the context.
 */
static void axl_vm_disable(struct axl_vm *vm)
{
	struct axl_device *adev = vm->adev;
	int err = AXL_OK;

	mutex_lock(&vm->lock);
	if (!vm->over)
		err = axl_ctx_disable(&adev->os, vm->number);
	if (!err)
		axl_vm_retire_locked(vm, -ENOENT);
	mutex_unlock(&vm->lock);
	if (!err)
		return;
	if (err != AXL_ERR_GONE)
		axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
	axl_vm_retire(vm, -ENOENT);
}

int axl_vm_kill(struct axl_vm *vm)
{
	struct axl_device *adev = vm->adev;
	struct axl_mapping *mapping;
	unsigned long index;
	bool busy;

	mutex_lock(&adev->lock);
	busy = atomic_read(&vm->queue_count);
	if (!busy)
		axl_vm_disable(vm);
	mutex_unlock(&adev->lock);
	if (busy)
		return -EBUSY;
	mutex_lock(&vm->lock);
	xa_for_each(&vm->mappings, index, mapping) {
		xa_erase(&vm->mappings, index);
		axl_trace_dma_unmap(vm, mapping->va, mapping->bo->base.size);
		axl_vm_free_mapping(vm, mapping);
	}
	axl_vm_reap(vm);
	mutex_unlock(&vm->lock);
	return 0;
}

/* --- mapping ----------------------------------------------------------------------- */

/* Context lock held. */
static int axl_vm_map_at(struct axl_vm *vm, struct axl_mapping *mapping, bool writable)
{
	int ret = xa_err(xa_store(&vm->mappings, mapping->va >> PAGE_SHIFT, mapping, GFP_KERNEL));

	if (ret)
		return ret;
	ret = mapping->bo->ops->map(mapping->bo, &vm->pt, mapping->va, writable);
	if (ret)
		xa_erase(&vm->mappings, mapping->va >> PAGE_SHIFT);
	return ret;
}

static int axl_vm_map_locked(struct axl_vm *vm, struct axl_mapping *mapping, bool writable)
{
	struct axl_bo *bo = mapping->bo;
	struct axl_range *range = &vm->va[bo->ops->va_kind];
	u64 align = bo->base.size >= SZ_2M ? SZ_2M : PAGE_SIZE;
	int ret;

	if (vm->over)
		return vm->over;
	ret = axl_errno(axl_range_alloc(range, bo->base.size, align, &mapping->va));
	if (ret)
		return ret;
	ret = axl_vm_map_at(vm, mapping, writable);
	if (ret)
		axl_range_free(range, mapping->va);
	return ret;
}

static int axl_vm_map_held(struct axl_vm *vm, struct axl_mapping *mapping, bool writable,
			   u64 *va_out)
{
	struct axl_bo *bo = mapping->bo;
	int ret;

	mutex_lock(&vm->lock);
	ret = axl_vm_map_locked(vm, mapping, writable);
	if (!ret) {
		drm_gem_object_get(&bo->base);
		*va_out = mapping->va;
		axl_trace_dma_map(vm, mapping->va, bo->base.size);
	}
	mutex_unlock(&vm->lock);
	return ret;
}

int axl_vm_map(struct axl_vm *vm, struct axl_bo *bo, bool writable, u64 *va_out)
{
	struct axl_mapping *mapping;
	int ret = 0;

	if (writable && bo->read_only)
		return -EACCES;
	mapping = kzalloc(sizeof(*mapping), GFP_KERNEL);
	if (!mapping)
		return -ENOMEM;
	mapping->bo = bo;
	if (bo->ops->begin_map)
		ret = bo->ops->begin_map(bo, vm);
	if (!ret) {
		ret = axl_vm_map_held(vm, mapping, writable, va_out);
		if (bo->ops->end_map)
			bo->ops->end_map(bo);
	}
	if (ret)
		kfree(mapping);
	return ret;
}

/* Context lock held; an enum axl_err. */
static int axl_vm_invalidate(struct axl_vm *vm)
{
	int err = axl_ctx_invalidate(&vm->adev->os, vm->number);

	if (!err)
		axl_pt_reclaim(&vm->pt);
	return err;
}

/* Context lock held. The endpoint forgets the range before its memory can be reused. */
static int axl_vm_unmap_pages(struct axl_vm *vm, const struct axl_mapping *mapping)
{
	int err;

	if (vm->over || mapping->revoked)
		return 0;
	err = axl_pt_unmap(&vm->pt, mapping->va, mapping->bo->base.size);
	if (err)
		return axl_errno(err);
	if (vm->asleep) {
		vm->stale = true; /* no command runs before axl_vm_resume() */
		return 0;
	}
	return axl_errno(axl_vm_invalidate(vm));
}

int axl_vm_unmap(struct axl_vm *vm, u64 va)
{
	struct axl_mapping *mapping;
	int ret = 0;

	if (va & ~PAGE_MASK)
		return -EINVAL;
	mutex_lock(&vm->lock);
	mapping = xa_erase(&vm->mappings, va >> PAGE_SHIFT);
	if (mapping) {
		ret = axl_vm_unmap_pages(vm, mapping);
		axl_trace_dma_unmap(vm, va, mapping->bo->base.size);
		list_add_tail(&mapping->node, &vm->unmapped);
		/* An endpoint that did not answer may still know it: kept until later. */
		if (!ret)
			axl_vm_reap(vm);
	} else {
		ret = -ENOENT;
	}
	mutex_unlock(&vm->lock);
	return ret;
}

void axl_vm_revoke(struct axl_vm *vm, const struct axl_device *owner)
{
	struct axl_mapping *mapping;
	unsigned long index;

	mutex_lock(&vm->lock);
	xa_for_each(&vm->mappings, index, mapping) {
		if (mapping->revoked || axl_bo_peer_owner(mapping->bo) != owner)
			continue;
		/* An endpoint that does not answer is found, and reset, by its health check. */
		if (axl_vm_unmap_pages(vm, mapping))
			pci_warn(vm->adev->pdev, "context=%u va=0x%llx: cannot be revoked\n",
				 vm->number, mapping->va);
		mapping->revoked = true;
		axl_trace_dma_unmap(vm, mapping->va, mapping->bo->base.size);
	}
	mutex_unlock(&vm->lock);
}

void axl_vm_pause(struct axl_vm *vm)
{
	lockdep_assert_held(&vm->adev->lock);
	mutex_lock(&vm->lock);
	vm->asleep = true;
	mutex_unlock(&vm->lock);
}

int axl_vm_resume(struct axl_vm *vm)
{
	int err = AXL_OK;

	lockdep_assert_held(&vm->adev->lock);
	mutex_lock(&vm->lock);
	vm->asleep = false;
	if (vm->stale && !vm->over)
		err = axl_vm_invalidate(vm);
	vm->stale = err;
	mutex_unlock(&vm->lock);
	return err;
}

int axl_vm_fault_state(struct axl_vm *vm, bool clear)
{
	int state;

	mutex_lock(&vm->lock);
	if (vm->over) {
		state = vm->over;
	} else if (vm->asleep) {
		state = -EAGAIN;
	} else {
		state = axl_ctx_fault_state(&vm->adev->os, vm->number);
		if (state == 1 && clear) {
			int err = axl_ctx_clear_fault(&vm->adev->os, vm->number);

			state = err < 0 ? err : 1;
		}
		state = state < 0 ? axl_errno(state) : state;
	}
	mutex_unlock(&vm->lock);
	return state;
}

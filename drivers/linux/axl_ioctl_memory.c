// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ioctls on contexts and buffers. */
#include <linux/mm.h>

#include "axl_bo.h"
#include "axl_file.h"
#include "axl_ioctl.h"

/* --- contexts ------------------------------------------------------------------------ */

int axl_ioctl_context_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_context_create *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->flags)
		return -EINVAL;
	ret = axl_vm_create(axl_from_drm(drm), &vm);
	if (ret)
		return ret;
	ret = xa_alloc(&owner->vms, &args->context_id, vm, xa_limit_31b, GFP_KERNEL);
	if (ret) {
		axl_vm_kill(vm);
		axl_vm_put(vm);
	}
	return ret;
}

int axl_ioctl_context_destroy(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_context_destroy *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_kill(vm);
	/* Of several threads that destroy it one drops the file's reference. */
	if (!ret && xa_cmpxchg(&owner->vms, args->context_id, vm, NULL, GFP_KERNEL) == vm)
		axl_vm_put(vm);
	axl_vm_put(vm);
	return ret;
}

int axl_ioctl_context_state(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_context_state *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->flags & ~DRM_AXL_CONTEXT_CLEAR_FAULT || args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_fault_state(vm, args->flags & DRM_AXL_CONTEXT_CLEAR_FAULT);
	axl_vm_put(vm);
	args->faulted = ret == 1;
	return min(ret, 0);
}

/* --- buffers ------------------------------------------------------------------------- */

static int axl_ioctl_bo_publish(struct drm_file *file, struct axl_bo *bo,
				struct drm_axl_bo_create *args)
{
	int ret = drm_gem_handle_create(file, &bo->base, &args->handle);

	args->bytes = bo->base.size;
	args->mmap_offset = bo->ops->pfn ? drm_vma_node_offset_addr(&bo->base.vma_node) : 0;
	/* The handle has a reference of its own now, or there is none. */
	drm_gem_object_put(&bo->base);
	return ret;
}

/* More than this can never be had; said before anything is tried. */
static bool axl_ioctl_can_be_had(const struct axl_device *adev, u64 bytes, u32 memory)
{
	if (memory == DRM_AXL_MEMORY_DEVICE)
		return bytes <= adev->ident.memory_bytes;
	return bytes <= (u64)totalram_pages() << PAGE_SHIFT;
}

static bool axl_ioctl_bo_is_valid(const struct drm_axl_bo_create *args)
{
	if (args->pad || !args->bytes || args->memory > DRM_AXL_MEMORY_USER)
		return false;
	if (args->memory != DRM_AXL_MEMORY_USER)
		return !args->flags && !args->user_address;
	return !(args->flags & ~DRM_AXL_BO_CREATE_READ_ONLY) && PAGE_ALIGNED(args->user_address) &&
	       PAGE_ALIGNED(args->bytes);
}

static struct axl_bo *axl_ioctl_bo_user(struct axl_device *adev,
					const struct drm_axl_bo_create *args)
{
	if (!access_ok(u64_to_user_ptr(args->user_address), args->bytes))
		return ERR_PTR(-EFAULT);
	return axl_bo_user_create(adev, args->user_address, args->bytes,
				  args->flags & DRM_AXL_BO_CREATE_READ_ONLY);
}

static struct axl_bo *axl_ioctl_bo_own(struct axl_device *adev, u64 bytes, u32 memory)
{
	struct axl_bo *bo;
	int idx;

	/* Memory is cleared through BAR2 and mapped for DMA: both end with the removal. */
	if (!drm_dev_enter(&adev->drm, &idx))
		return ERR_PTR(-ENODEV);
	bo = axl_bo_create(adev, PAGE_ALIGN(bytes),
			   memory == DRM_AXL_MEMORY_DEVICE ? &axl_bo_device_ops : &axl_bo_host_ops);
	drm_dev_exit(idx);
	return bo;
}

int axl_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_bo_create *args = data;
	struct axl_bo *bo;

	if (!axl_ioctl_bo_is_valid(args))
		return -EINVAL;
	if (!axl_ioctl_can_be_had(adev, args->bytes, args->memory))
		return -ENOMEM;
	if (args->memory == DRM_AXL_MEMORY_USER)
		bo = axl_ioctl_bo_user(adev, args);
	else
		bo = axl_ioctl_bo_own(adev, args->bytes, args->memory);
	return IS_ERR(bo) ? PTR_ERR(bo) : axl_ioctl_bo_publish(file, bo, args);
}

int axl_ioctl_bo_map(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_bo_map *args = data;
	struct drm_gem_object *gem;
	struct axl_vm *vm;
	int ret = -ENOENT;

	if (args->flags & ~DRM_AXL_BO_MAP_READ_ONLY || args->pad)
		return -EINVAL;
	args->va = 0;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	gem = drm_gem_object_lookup(file, args->handle);
	if (gem) {
		ret = axl_vm_map(vm, axl_bo_from_gem(gem),
				 !(args->flags & DRM_AXL_BO_MAP_READ_ONLY), &args->va);
		drm_gem_object_put(gem);
	}
	axl_vm_put(vm);
	return ret;
}

int axl_ioctl_bo_unmap(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct drm_axl_bo_unmap *args = data;
	struct axl_vm *vm;
	int ret;

	if (args->pad)
		return -EINVAL;
	vm = axl_file_vm_get(file, args->context_id);
	if (!vm)
		return -ENOENT;
	ret = axl_vm_unmap(vm, args->va);
	axl_vm_put(vm);
	return ret;
}

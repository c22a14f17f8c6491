// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers: what is the same for every kind of memory. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>

#include "axl_bo.h"
#include "axl_power.h"

#define AXL_BO_FAULT_PAGES 64

/* --- life ------------------------------------------------------------------------ */

static void axl_bo_free(struct drm_gem_object *gem)
{
	struct axl_bo *bo = axl_bo_from_gem(gem);
	struct axl_device *adev = axl_bo_device(bo);

	mutex_lock(&adev->memory_lock);
	list_del(&bo->node);
	if (bo->ops->unmap_dma)
		bo->ops->unmap_dma(bo);
	mutex_unlock(&adev->memory_lock);
	bo->ops->release(bo);
	drm_gem_object_release(gem);
	kfree(bo);
}

void axl_bo_unmap_all(struct axl_device *adev)
{
	struct axl_bo *bo;

	mutex_lock(&adev->memory_lock);
	list_for_each_entry(bo, &adev->bos, node) {
		if (bo->ops->unmap_dma)
			bo->ops->unmap_dma(bo);
	}
	mutex_unlock(&adev->memory_lock);
}

/* --- CPU access ---------------------------------------------------------------- */

/* The page asked for and some after it: who touches one mostly wants the next. */
static vm_fault_t axl_bo_fault_pages(struct vm_fault *vmf, struct axl_bo *bo)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PAGE_MASK;
	/* Not from vm_start: a mapping may have been cut, or begin inside a dma-buf. */
	pgoff_t page = vmf->pgoff - drm_vma_node_start(&bo->base.vma_node);
	pgoff_t last = min(page + AXL_BO_FAULT_PAGES, bo->base.size >> PAGE_SHIFT);
	vm_fault_t ret = VM_FAULT_SIGBUS;

	for (; page < last && address < vma->vm_end; page++, address += PAGE_SIZE) {
		vm_fault_t one = vmf_insert_pfn(vma, address, bo->ops->pfn(bo, page));

		if (address == (vmf->address & PAGE_MASK))
			ret = one;
		if (one != VM_FAULT_NOPAGE)
			break;
	}
	return ret;
}

/* drm_dev_unplug() takes every mapping away; afterwards an access is a SIGBUS. */
static vm_fault_t axl_bo_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *gem = vmf->vma->vm_private_data;
	vm_fault_t ret;
	int idx;

	if (!drm_dev_enter(gem->dev, &idx))
		return VM_FAULT_SIGBUS;
	ret = axl_bo_fault_pages(vmf, axl_bo_from_gem(gem));
	drm_dev_exit(idx);
	return ret;
}

/* A mapping of device memory keeps the endpoint awake: in D3hot it reads all-ones. */
static void axl_bo_vm_open(struct vm_area_struct *vma)
{
	const struct axl_bo *bo = axl_bo_from_gem(vma->vm_private_data);

	drm_gem_vm_open(vma);
	if (bo->ops->in_endpoint)
		axl_power_get_more(axl_bo_device(bo));
}

static void axl_bo_vm_close(struct vm_area_struct *vma)
{
	const struct axl_bo *bo = axl_bo_from_gem(vma->vm_private_data);

	if (bo->ops->in_endpoint)
		axl_power_put(axl_bo_device(bo));
	drm_gem_vm_close(vma);
}

static const struct vm_operations_struct axl_bo_vm_ops = {
	.fault = axl_bo_fault,
	.open = axl_bo_vm_open,
	.close = axl_bo_vm_close,
};

/* The device file maps whole buffers, a dma-buf any part of one: both were checked. */
static int axl_bo_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	const struct axl_bo *bo = axl_bo_from_gem(gem);

	/* A private copy of device memory is no buffer of the device. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	if (!bo->ops->pfn)
		return -EOPNOTSUPP;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_IO);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	if (bo->ops->write_combined)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	/* Until axl_bo_vm_close(), as if this had been axl_bo_vm_open(). */
	return bo->ops->in_endpoint ? axl_power_get(axl_bo_device(bo)) : 0;
}

/* --- for other drivers ------------------------------------------------------------- */

static struct sg_table *axl_bo_get_sg_table(struct drm_gem_object *gem)
{
	return drm_prime_pages_to_sg(gem->dev, axl_bo_from_gem(gem)->pages,
				     gem->size >> PAGE_SHIFT);
}

/* Host memory only: a kernel mapping of BAR2 would outlive the endpoint. */
static int axl_bo_vmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	const struct axl_bo *bo = axl_bo_from_gem(gem);
	void *address;

	if (!bo->pages)
		return -EOPNOTSUPP;
	address = vmap(bo->pages, gem->size >> PAGE_SHIFT, VM_MAP, PAGE_KERNEL);
	if (!address)
		return -ENOMEM;
	iosys_map_set_vaddr(map, address);
	return 0;
}

static void axl_bo_vunmap(struct drm_gem_object *gem, struct iosys_map *map)
{
	vunmap(map->vaddr);
}

static const struct drm_gem_object_funcs axl_bo_funcs = {
	.free = axl_bo_free,
	.export = axl_dmabuf_export,
	.get_sg_table = axl_bo_get_sg_table,
	.vmap = axl_bo_vmap,
	.vunmap = axl_bo_vunmap,
	.mmap = axl_bo_mmap,
	.vm_ops = &axl_bo_vm_ops,
};

/* --- making one ------------------------------------------------------------------ */

void axl_bo_discard(struct axl_bo *bo)
{
	drm_gem_object_release(&bo->base);
	kfree(bo);
}

struct axl_bo *axl_bo_alloc(struct axl_device *adev, u64 bytes, const struct axl_bo_ops *ops)
{
	struct axl_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	int ret = 0;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->node);
	bo->ops = ops;
	bo->base.funcs = &axl_bo_funcs;
	if (ops->shmem)
		ret = drm_gem_object_init(&adev->drm, &bo->base, bytes);
	else
		drm_gem_private_object_init(&adev->drm, &bo->base, bytes);
	if (ret) {
		axl_bo_discard(bo);
		return ERR_PTR(ret);
	}
	return bo;
}

void axl_bo_publish(struct axl_bo *bo)
{
	struct axl_device *adev = axl_bo_device(bo);

	mutex_lock(&adev->memory_lock);
	list_add(&bo->node, &adev->bos);
	mutex_unlock(&adev->memory_lock);
}

struct axl_bo *axl_bo_create(struct axl_device *adev, u64 bytes, const struct axl_bo_ops *ops)
{
	struct axl_bo *bo = axl_bo_alloc(adev, bytes, ops);
	int ret;

	if (IS_ERR(bo))
		return bo;
	ret = drm_gem_create_mmap_offset(&bo->base);
	if (!ret)
		ret = ops->back(bo);
	if (ret) {
		axl_bo_discard(bo);
		return ERR_PTR(ret);
	}
	axl_bo_publish(bo);
	return bo;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers: device memory or host memory, as GEM objects. */
#include <linux/dma-mapping.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/shmem_fs.h>
#include <linux/slab.h>

#include <drm/drm_prime.h>
#include <drm/drm_vma_manager.h>

#include "axl_bo.h"
#include "axl_device.h"
#include "axl_accel.h"

#define AXL_BO_FAULT_PAGES 64

/* --- backing ------------------------------------------------------------------- */

/* Another file may have had it before: nobody sees what it held. */
static void axl_bo_clear_device(struct axl_device *adev, u64 start, u64 bytes)
{
	memset_io(adev->bar2 + start, 0, bytes);
}

static int axl_bo_back_device(struct axl_device *adev, struct axl_bo *bo)
{
	u64 bytes = bo->base.size;
	u64 align = bytes >= SZ_2M ? SZ_2M : PAGE_SIZE; /* so that large pages can be used */
	int err;

	mutex_lock(&adev->memory_lock);
	err = axl_range_alloc(&adev->memory, bytes, align, &bo->start);
	if (!err)
		list_add(&bo->node, &adev->bos);
	mutex_unlock(&adev->memory_lock);
	if (err)
		return err == AXL_ERR_NOSPACE ? -ENOMEM : axl_errno(err);
	axl_bo_clear_device(adev, bo->start, bytes);
	return 0;
}

static int axl_bo_back_host(struct axl_device *adev, struct axl_bo *bo)
{
	struct sg_table *sgt;
	struct page **pages;
	int ret;

	pages = drm_gem_get_pages(&bo->base);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	sgt = drm_prime_pages_to_sg(&adev->drm, pages, bo->base.size >> PAGE_SHIFT);
	if (IS_ERR(sgt)) {
		ret = PTR_ERR(sgt);
		goto err_put_pages;
	}
	ret = dma_map_sgtable(&adev->pdev->dev, sgt, DMA_BIDIRECTIONAL, 0);
	if (ret)
		goto err_free_sgt;
	bo->pages = pages;
	mutex_lock(&adev->memory_lock);
	bo->sgt = sgt;
	list_add(&bo->node, &adev->bos);
	mutex_unlock(&adev->memory_lock);
	return 0;

err_free_sgt:
	sg_free_table(sgt);
	kfree(sgt);
err_put_pages:
	drm_gem_put_pages(&bo->base, pages, false, false);
	return ret;
}

static void axl_bo_unmap(struct axl_device *adev, struct axl_bo *bo)
{
	lockdep_assert_held(&adev->memory_lock);
	if (!bo->sgt)
		return;
	dma_unmap_sgtable(&adev->pdev->dev, bo->sgt, DMA_BIDIRECTIONAL, 0);
	sg_free_table(bo->sgt);
	kfree(bo->sgt);
	bo->sgt = NULL;
}

void axl_bo_unmap_all(struct axl_device *adev)
{
	struct axl_bo *bo;

	mutex_lock(&adev->memory_lock);
	list_for_each_entry(bo, &adev->bos, node)
		axl_bo_unmap(adev, bo);
	mutex_unlock(&adev->memory_lock);
}

static void axl_bo_free(struct drm_gem_object *gem)
{
	struct axl_device *adev = axl_from_drm(gem->dev);
	struct axl_bo *bo = axl_bo_from_gem(gem);

	mutex_lock(&adev->memory_lock);
	if (!list_empty(&bo->node)) {
		list_del(&bo->node);
		axl_bo_unmap(adev, bo);
		if (bo->memory == DRM_AXL_MEMORY_DEVICE)
			axl_range_free(&adev->memory, bo->start);
	}
	mutex_unlock(&adev->memory_lock);
	if (bo->pages)
		drm_gem_put_pages(gem, bo->pages, true, true);
	drm_gem_object_release(gem);
	kfree(bo);
}

/* --- CPU access ---------------------------------------------------------------- */

static unsigned long axl_bo_pfn(struct axl_device *adev, struct axl_bo *bo, pgoff_t page)
{
	if (bo->memory == DRM_AXL_MEMORY_DEVICE)
		return PHYS_PFN(adev->bar2_pa + bo->start) + page;
	return page_to_pfn(bo->pages[page]);
}

/* The page asked for and some after it: who touches one mostly wants the next. */
static vm_fault_t axl_bo_fault_pages(struct vm_fault *vmf, struct axl_device *adev,
				     struct axl_bo *bo)
{
	struct vm_area_struct *vma = vmf->vma;
	unsigned long address = vmf->address & PAGE_MASK;
	pgoff_t page = (address - vma->vm_start) >> PAGE_SHIFT;
	pgoff_t last = min(page + AXL_BO_FAULT_PAGES, vma_pages(vma));
	vm_fault_t ret = VM_FAULT_SIGBUS;

	last = min(last, bo->base.size >> PAGE_SHIFT);
	for (; page < last; page++, address += PAGE_SIZE) {
		vm_fault_t one = vmf_insert_pfn(vma, address, axl_bo_pfn(adev, bo, page));

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
	ret = axl_bo_fault_pages(vmf, axl_from_drm(gem->dev), axl_bo_from_gem(gem));
	drm_dev_exit(idx);
	return ret;
}

static const struct vm_operations_struct axl_bo_vm_ops = {
	.fault = axl_bo_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

/* The whole buffer from its start: drm_gem_mmap() has checked offset and size. */
static int axl_bo_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	/* A private copy of device memory is no buffer of the device. */
	if ((vma->vm_flags & (VM_SHARED | VM_MAYWRITE)) == VM_MAYWRITE)
		return -EINVAL;
	vm_flags_set(vma, VM_PFNMAP | VM_DONTEXPAND | VM_DONTDUMP | VM_IO);
	vma->vm_page_prot = vm_get_page_prot(vma->vm_flags);
	if (axl_bo_from_gem(gem)->memory == DRM_AXL_MEMORY_DEVICE)
		vma->vm_page_prot = pgprot_writecombine(vma->vm_page_prot);
	return 0;
}

/* A dma-buf's mappings would outlive a removal: not offered before that is solved. */
static struct dma_buf *axl_bo_export(struct drm_gem_object *gem, int flags)
{
	return ERR_PTR(-EOPNOTSUPP);
}

static const struct drm_gem_object_funcs axl_bo_funcs = {
	.free = axl_bo_free,
	.export = axl_bo_export,
	.mmap = axl_bo_mmap,
	.vm_ops = &axl_bo_vm_ops,
};

/* --- making one ------------------------------------------------------------------ */

static int axl_bo_init_gem(struct axl_device *adev, struct axl_bo *bo, u64 bytes)
{
	int ret = 0;

	if (bo->memory == DRM_AXL_MEMORY_DEVICE)
		drm_gem_private_object_init(&adev->drm, &bo->base, bytes);
	else
		ret = drm_gem_object_init(&adev->drm, &bo->base, bytes);
	if (ret)
		return ret;
	if (bo->base.filp)
		/* Pinned for as long as the buffer lives: not where pages must be movable. */
		mapping_set_gfp_mask(bo->base.filp->f_mapping,
				     GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	return drm_gem_create_mmap_offset(&bo->base);
}

struct axl_bo *axl_bo_create(struct axl_device *adev, u64 bytes, u32 memory)
{
	struct axl_bo *bo = kzalloc(sizeof(*bo), GFP_KERNEL);
	int ret;

	if (!bo)
		return ERR_PTR(-ENOMEM);
	INIT_LIST_HEAD(&bo->node);
	bo->memory = memory;
	bo->generation = READ_ONCE(adev->reset.generation);
	bo->base.funcs = &axl_bo_funcs;
	ret = axl_bo_init_gem(adev, bo, bytes);
	if (!ret)
		ret = memory == DRM_AXL_MEMORY_DEVICE ? axl_bo_back_device(adev, bo) :
							axl_bo_back_host(adev, bo);
	if (ret) {
		drm_gem_object_put(&bo->base);
		return ERR_PTR(ret);
	}
	return bo;
}

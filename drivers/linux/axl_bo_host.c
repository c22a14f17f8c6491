// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers in host memory of the driver's own, and what all host memory has in common. */
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/slab.h>

#include <drm/drm_prime.h>

#include "axl_bo.h"
#include "axl_vm.h"

int axl_bo_host_map_dma(struct axl_bo *bo, enum dma_data_direction direction)
{
	struct drm_device *drm = bo->base.dev;
	struct sg_table *sgt = drm_prime_pages_to_sg(drm, bo->pages, bo->base.size >> PAGE_SHIFT);
	int ret;

	if (IS_ERR(sgt))
		return PTR_ERR(sgt);
	ret = dma_map_sgtable(drm->dev, sgt, direction, 0);
	if (ret) {
		sg_free_table(sgt);
		kfree(sgt);
		return ret;
	}
	bo->sgt = sgt;
	return 0;
}

/* Context lock held. All or nothing. */
static int axl_bo_host_map_sgt(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable)
{
	struct scatterlist *sg;
	u64 done = 0;
	int err = AXL_OK;
	int i;

	for_each_sgtable_dma_sg(bo->sgt, sg, i) {
		u64 bytes = min_t(u64, sg_dma_len(sg), bo->base.size - done);

		if (!bytes)
			break;
		err = axl_pt_map(pt, va + done, sg_dma_address(sg), bytes, AXL_SPACE_HOST,
				 writable);
		if (err)
			break;
		done += bytes;
	}
	/* Another driver's list need not be as long as its buffer says. */
	if (!err && done < bo->base.size)
		err = AXL_ERR_INVAL;
	if (err && done)
		axl_pt_unmap(pt, va, done);
	return axl_errno(err);
}

int axl_bo_host_map(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable)
{
	struct axl_device *adev = axl_bo_device(bo);
	int ret;

	mutex_lock(&adev->memory_lock);
	ret = bo->sgt ? axl_bo_host_map_sgt(bo, pt, va, writable) : -ENODEV;
	mutex_unlock(&adev->memory_lock);
	return ret;
}

void axl_bo_host_unmap_dma(struct axl_bo *bo, enum dma_data_direction direction)
{
	lockdep_assert_held(&axl_bo_device(bo)->memory_lock);
	if (!bo->sgt)
		return;
	dma_unmap_sgtable(bo->base.dev->dev, bo->sgt, direction, 0);
	sg_free_table(bo->sgt);
	kfree(bo->sgt);
	bo->sgt = NULL;
}

/* --- memory of the driver's own ------------------------------------------------------ */

static int axl_bo_host_get_pages(struct axl_bo *bo)
{
	struct page **pages;

	/* Pinned for as long as the buffer lives: not where pages must be movable. */
	mapping_set_gfp_mask(bo->base.filp->f_mapping,
			     GFP_HIGHUSER | __GFP_RETRY_MAYFAIL | __GFP_NOWARN);
	pages = drm_gem_get_pages(&bo->base);
	if (IS_ERR(pages))
		return PTR_ERR(pages);
	bo->pages = pages;
	return 0;
}

static int axl_bo_host_back(struct axl_bo *bo)
{
	int ret = axl_bo_host_get_pages(bo);

	if (ret)
		return ret;
	ret = axl_bo_host_map_dma(bo, DMA_BIDIRECTIONAL);
	if (ret)
		drm_gem_put_pages(&bo->base, bo->pages, false, false);
	return ret;
}

static unsigned long axl_bo_host_pfn(const struct axl_bo *bo, pgoff_t page)
{
	return page_to_pfn(bo->pages[page]);
}

static void axl_bo_host_unmap_own(struct axl_bo *bo)
{
	axl_bo_host_unmap_dma(bo, DMA_BIDIRECTIONAL);
}

static void axl_bo_host_release(struct axl_bo *bo)
{
	drm_gem_put_pages(&bo->base, bo->pages, true, true);
}

const struct axl_bo_ops axl_bo_host_ops = {
	.va_kind = AXL_VA_HOST,
	.exportable = true,
	.shmem = true,
	.back = axl_bo_host_back,
	.map = axl_bo_host_map,
	.pfn = axl_bo_host_pfn,
	.unmap_dma = axl_bo_host_unmap_own,
	.release = axl_bo_host_release,
};

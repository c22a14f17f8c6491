// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Buffers as dma-bufs, and the other way round.
 *
 * Exported host memory is anybody's: an importer's mapping leads to pages that live as
 * long as the dma-buf, whatever becomes of the endpoint. Exported device memory is for
 * the CPU (drm_dev_unplug() takes those mappings away: they hang on the device file) and
 * for endpoints of ours, which map it as a peer's (axl_bo_peer.c) and lose it with the
 * next reset. Another driver could only be told that its mapping ends if it imports
 * dynamically, and reach the memory only with PCI_P2PDMA: it is refused.
 *
 * What is imported stays attached and mapped, so pinned by its owner, until the buffer
 * goes or the endpoint is removed: a page table cannot wait for memory that moves.
 */
#include <linux/dma-buf.h>
#include <linux/module.h>

#include <drm/drm_prime.h>

#include "axl_bo.h"
#include "axl_vm.h"

/* --- export -------------------------------------------------------------------------- */

static int axl_dmabuf_attach(struct dma_buf *dmabuf, struct dma_buf_attachment *attachment)
{
	return axl_bo_from_gem(dmabuf->priv)->pages ? 0 : -EOPNOTSUPP;
}

static const struct dma_buf_ops axl_dmabuf_ops = {
	.attach = axl_dmabuf_attach,
	.map_dma_buf = drm_gem_map_dma_buf,
	.unmap_dma_buf = drm_gem_unmap_dma_buf,
	.release = drm_gem_dmabuf_release,
	.mmap = drm_gem_dmabuf_mmap,
	.vmap = drm_gem_dmabuf_vmap,
	.vunmap = drm_gem_dmabuf_vunmap,
};

struct dma_buf *axl_dmabuf_export(struct drm_gem_object *gem, int flags)
{
	struct dma_buf_export_info info = {
		.exp_name = KBUILD_MODNAME,
		.owner = THIS_MODULE,
		.ops = &axl_dmabuf_ops,
		.size = gem->size,
		.flags = flags,
		.priv = gem,
		.resv = gem->resv,
	};

	if (!axl_bo_from_gem(gem)->ops->exportable)
		return ERR_PTR(-EOPNOTSUPP);
	return drm_gem_dmabuf_export(gem->dev, &info);
}

/* --- import -------------------------------------------------------------------------- */

/*
 * Detached here, not at release: exporters may keep their mapping until then, whatever
 * dma_buf_unmap_attachment() says (udmabuf's cache_sgt_mapping), and it is one of the
 * device that is being removed.
 */
static void axl_dmabuf_unmap_dma(struct axl_bo *bo)
{
	if (!bo->sgt)
		return;
	/* Both take the dma-buf's reservation lock: it comes after the memory lock. */
	dma_buf_unmap_attachment_unlocked(bo->attachment, bo->sgt, DMA_BIDIRECTIONAL);
	dma_buf_detach(bo->imported, bo->attachment);
	bo->sgt = NULL;
	bo->attachment = NULL;
}

static void axl_dmabuf_release(struct axl_bo *bo)
{
	dma_buf_put(bo->imported);
}

static const struct axl_bo_ops axl_dmabuf_bo_ops = {
	.va_kind = AXL_VA_HOST,
	.map = axl_bo_host_map,
	.unmap_dma = axl_dmabuf_unmap_dma,
	.release = axl_dmabuf_release,
};

static int axl_dmabuf_map_dma(struct axl_bo *bo)
{
	struct dma_buf *dmabuf = bo->imported;
	struct dma_buf_attachment *attachment = dma_buf_attach(dmabuf, bo->base.dev->dev);
	struct sg_table *sgt;

	if (IS_ERR(attachment))
		return PTR_ERR(attachment);
	sgt = dma_buf_map_attachment_unlocked(attachment, DMA_BIDIRECTIONAL);
	if (IS_ERR(sgt)) {
		dma_buf_detach(dmabuf, attachment);
		return PTR_ERR(sgt);
	}
	bo->attachment = attachment;
	bo->sgt = sgt;
	return 0;
}

/*
 * drm_gem_prime_import() would do for the mapping, but its attachment lives until the last
 * reference to the buffer goes, and so beyond remove().
 */
static struct drm_gem_object *axl_dmabuf_import_host(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct axl_bo *bo;
	int ret;

	if (!dmabuf->size || !PAGE_ALIGNED(dmabuf->size))
		return ERR_PTR(-EINVAL);
	bo = axl_bo_alloc(axl_from_drm(drm), dmabuf->size, &axl_dmabuf_bo_ops);
	if (IS_ERR(bo))
		return ERR_CAST(bo);
	bo->imported = dmabuf;
	ret = axl_dmabuf_map_dma(bo);
	if (ret) {
		axl_bo_discard(bo);
		return ERR_PTR(ret);
	}
	get_dma_buf(dmabuf); /* put in axl_dmabuf_release() */
	axl_bo_publish(bo);
	return &bo->base;
}

static struct drm_gem_object *axl_dmabuf_import_ours(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct drm_gem_object *gem = dmabuf->priv;
	struct axl_bo *bo;

	/* A buffer of this endpoint is the buffer itself, not a new one. */
	if (gem->dev == drm) {
		drm_gem_object_get(gem);
		return gem;
	}
	if (axl_bo_from_gem(gem)->pages)
		return axl_dmabuf_import_host(drm, dmabuf);
	bo = axl_bo_peer_create(axl_from_drm(drm), dmabuf);
	return IS_ERR(bo) ? ERR_CAST(bo) : &bo->base;
}

struct drm_gem_object *axl_dmabuf_import(struct drm_device *drm, struct dma_buf *dmabuf)
{
	struct drm_gem_object *gem;
	int idx;

	/* Mapped for DMA: that ends with the removal. */
	if (!drm_dev_enter(drm, &idx))
		return ERR_PTR(-ENODEV);
	if (dmabuf->ops == &axl_dmabuf_ops)
		gem = axl_dmabuf_import_ours(drm, dmabuf);
	else
		gem = axl_dmabuf_import_host(drm, dmabuf);
	drm_dev_exit(idx);
	return gem;
}

/* The macro MODULE_IMPORT_NS() takes a word in older kernels and a string in newer ones. */
MODULE_INFO(import_ns, "DMA_BUF");

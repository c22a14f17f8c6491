/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Buffers: GEM objects, with one table of operations for each kind of memory behind them. */
#ifndef AXL_BO_H
#define AXL_BO_H

#include <linux/dma-buf.h>

#include <drm/drm_gem.h>

#include "axl_device.h"
#include "axl_pt.h"

struct axl_bo;
struct axl_vm;

/* One kind of memory. What is NULL never happens to it. */
struct axl_bo_ops {
	u32 va_kind; /* enum axl_va_kind: its part of the device address space */
	bool exportable; /* as a dma-buf */
	bool write_combined; /* for the CPU */
	bool in_endpoint; /* so the CPU reaches it only while the endpoint is awake */
	bool shmem; /* the GEM object has a file, whose pages are the memory */

	/* Get the memory; a GEM object of that size exists. Within drm_dev_enter(). */
	int (*back)(struct axl_bo *bo);

	/* Around the context lock: what must hold still while the buffer is mapped in vm. */
	int (*begin_map)(struct axl_bo *bo, struct axl_vm *vm);
	void (*end_map)(struct axl_bo *bo);

	/* Context lock held: enter all of it in a page table, or nothing. */
	int (*map)(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable);

	/* Within drm_dev_enter(): the page that the CPU sees. */
	unsigned long (*pfn)(const struct axl_bo *bo, pgoff_t page);

	/* Memory lock held: the endpoint must not reach host memory any more. */
	void (*unmap_dma)(struct axl_bo *bo);

	/* No reference is left; DMA is unmapped. */
	void (*release)(struct axl_bo *bo);
};

struct axl_bo {
	struct drm_gem_object base;
	const struct axl_bo_ops *ops;
	struct list_head node; /* in axl_device.bos, under memory_lock */
	bool read_only; /* commands may not write to it */

	/* Device memory and a peer's. */
	u64 start; /* offset in the endpoint's own memory, or bus address of a peer's */
	u32 generation; /* of the endpoint: the content is lost with the next reset */
	struct dma_buf *peer; /* keeps a peer's buffer */

	/* Host memory. */
	struct page **pages; /* NULL for an imported dma-buf: its owner has them */
	struct sg_table *sgt; /* the DMA mapping; NULL after removal; under memory_lock */
	struct mm_struct *mm; /* pinned user pages: who pays for them */
	struct dma_buf *imported; /* another's dma-buf, kept */
	struct dma_buf_attachment *attachment; /* to it, as long as sgt */
};

static inline struct axl_bo *axl_bo_from_gem(struct drm_gem_object *gem)
{
	return container_of(gem, struct axl_bo, base);
}

static inline struct axl_device *axl_bo_device(const struct axl_bo *bo)
{
	return axl_from_drm(bo->base.dev);
}

/* axl_bo.c */

/* Device or host memory, zero-filled, with one reference. Within drm_dev_enter(). */
struct axl_bo *axl_bo_create(struct axl_device *adev, u64 bytes, const struct axl_bo_ops *ops);

/*
 * A buffer without memory yet, for those that bring their own. bytes is a multiple of
 * the page size. After axl_bo_publish() it is freed by drm_gem_object_put(), before it
 * by axl_bo_discard().
 */
struct axl_bo *axl_bo_alloc(struct axl_device *adev, u64 bytes, const struct axl_bo_ops *ops);
void axl_bo_discard(struct axl_bo *bo);
void axl_bo_publish(struct axl_bo *bo);

/* remove(): the device must not reach any host memory any more. */
void axl_bo_unmap_all(struct axl_device *adev);

/* axl_bo_device.c */
extern const struct axl_bo_ops axl_bo_device_ops;

/* axl_bo_host.c */
extern const struct axl_bo_ops axl_bo_host_ops;

/* What kinds of host memory share: bo->pages or an import become a mapping, and a page table. */
int axl_bo_host_map_dma(struct axl_bo *bo, enum dma_data_direction direction);
void axl_bo_host_unmap_dma(struct axl_bo *bo, enum dma_data_direction direction);
int axl_bo_host_map(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable);

/* axl_bo_user.c: pages of the calling process, pinned. Not within drm_dev_enter(). */
struct axl_bo *axl_bo_user_create(struct axl_device *adev, u64 address, u64 bytes, bool read_only);

/* axl_bo_peer.c: device memory of another endpoint. -EXDEV: it cannot be reached. */
struct axl_bo *axl_bo_peer_create(struct axl_device *adev, struct dma_buf *dmabuf);

/* Whose memory a buffer is, if it is a peer's; NULL otherwise. */
struct axl_device *axl_bo_peer_owner(const struct axl_bo *bo);

/* axl_dmabuf.c */
struct dma_buf *axl_dmabuf_export(struct drm_gem_object *gem, int flags);
struct drm_gem_object *axl_dmabuf_import(struct drm_device *drm, struct dma_buf *dmabuf);

#endif

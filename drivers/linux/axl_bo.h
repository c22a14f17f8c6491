/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Buffers: device memory or host memory, as GEM objects. */
#ifndef AXL_BO_H
#define AXL_BO_H

#include <drm/drm_gem.h>

#include "axl_device.h"

struct axl_bo {
	struct drm_gem_object base;
	struct list_head node; /* in axl_device.bos, under memory_lock */
	u32 memory; /* enum drm_axl_memory */
	u32 generation; /* device memory: its content is lost with the next reset */
	u64 start; /* device memory: offset in it */
	struct page **pages; /* host memory, pinned until freed */
	struct sg_table *sgt; /* host memory: DMA mapping; NULL after removal; memory_lock */
};

static inline struct axl_bo *axl_bo_from_gem(struct drm_gem_object *gem)
{
	return container_of(gem, struct axl_bo, base);
}

/* Zero-filled, with one reference. bytes is a multiple of the page size. May sleep: yes. */
struct axl_bo *axl_bo_create(struct axl_device *adev, u64 bytes, u32 memory);

/* remove(): the device must not reach any host memory any more. */
void axl_bo_unmap_all(struct axl_device *adev);

#endif

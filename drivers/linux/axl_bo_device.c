// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers in the endpoint's own memory. */
#include <linux/io.h>

#include "axl_accel.h"
#include "axl_bo.h"
#include "axl_vm.h"

/* Another file may have had the memory before: nobody sees what it held. */
static int axl_bo_device_back(struct axl_bo *bo)
{
	struct axl_device *adev = axl_bo_device(bo);
	u64 bytes = bo->base.size;
	u64 align = bytes >= SZ_2M ? SZ_2M : PAGE_SIZE; /* so that large pages can be used */
	int err;

	bo->generation = READ_ONCE(adev->reset.generation);
	mutex_lock(&adev->memory_lock);
	err = axl_range_alloc(&adev->memory, bytes, align, &bo->start);
	mutex_unlock(&adev->memory_lock);
	if (err)
		return err == AXL_ERR_NOSPACE ? -ENOMEM : axl_errno(err);
	memset_io(adev->bar2 + bo->start, 0, bytes);
	return 0;
}

static int axl_bo_device_map(struct axl_bo *bo, struct axl_pt *pt, u64 va, bool writable)
{
	if (bo->generation != READ_ONCE(axl_bo_device(bo)->reset.generation))
		return -ESTALE;
	return axl_errno(axl_pt_map(pt, va, bo->start, bo->base.size, AXL_SPACE_DEVICE, writable));
}

static unsigned long axl_bo_device_pfn(const struct axl_bo *bo, pgoff_t page)
{
	return PHYS_PFN(axl_bo_device(bo)->bar2_pa + bo->start) + page;
}

static void axl_bo_device_release(struct axl_bo *bo)
{
	struct axl_device *adev = axl_bo_device(bo);

	mutex_lock(&adev->memory_lock);
	axl_range_free(&adev->memory, bo->start);
	mutex_unlock(&adev->memory_lock);
}

const struct axl_bo_ops axl_bo_device_ops = {
	.va_kind = AXL_VA_DEVICE,
	.exportable = true,
	.write_combined = true,
	.in_endpoint = true,
	.back = axl_bo_device_back,
	.map = axl_bo_device_map,
	.pfn = axl_bo_device_pfn,
	.release = axl_bo_device_release,
};

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers in pages of a process, pinned for as long as a command may use them. */
#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/mm.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/slab.h>

#include "axl_bo.h"
#include "axl_vm.h"

/* At once, so that a signal is noticed. */
#define AXL_BO_PIN_PAGES 1024

static unsigned long axl_bo_page_count(const struct axl_bo *bo)
{
	return bo->base.size >> PAGE_SHIFT;
}

/* --- who pays ---------------------------------------------------------------------- */

/*
 * VmPin of the process, as RDMA counts it: an atomic, because the memory may be given back
 * where taking the mmap lock could wait for that process. -EPERM: RLIMIT_MEMLOCK.
 */
static int axl_bo_user_charge(struct axl_bo *bo)
{
	unsigned long pages = axl_bo_page_count(bo);
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;
	struct mm_struct *mm = current->mm;

	if ((unsigned long)atomic64_add_return(pages, &mm->pinned_vm) > limit &&
	    !capable(CAP_IPC_LOCK)) {
		atomic64_sub(pages, &mm->pinned_vm);
		drm_dbg(bo->base.dev, "pinning %lu pages: more than RLIMIT_MEMLOCK\n", pages);
		return -EPERM;
	}
	mmgrab(mm);
	bo->mm = mm;
	return 0;
}

/* The process itself may be gone; its struct is not. */
static void axl_bo_user_uncharge(struct axl_bo *bo)
{
	atomic64_sub(axl_bo_page_count(bo), &bo->mm->pinned_vm);
	mmdrop(bo->mm);
}

/* --- pinning ------------------------------------------------------------------------ */

static int axl_bo_user_pin(struct axl_bo *bo, u64 address)
{
	unsigned int flags = FOLL_LONGTERM | (bo->read_only ? 0 : FOLL_WRITE);
	unsigned long count = axl_bo_page_count(bo);
	unsigned long done = 0;
	long got = 0;

	while (done < count) {
		got = pin_user_pages_fast(address + done * PAGE_SIZE,
					  min(count - done, AXL_BO_PIN_PAGES), flags,
					  bo->pages + done);
		if (got <= 0)
			break;
		done += got;
		got = fatal_signal_pending(current) ? -EINTR : 0;
		if (got)
			break;
		cond_resched();
	}
	if (done == count)
		return 0;
	unpin_user_pages(bo->pages, done);
	return got ? got : -EFAULT;
}

static void axl_bo_user_unpin(struct axl_bo *bo)
{
	unpin_user_pages_dirty_lock(bo->pages, axl_bo_page_count(bo), !bo->read_only);
}

static enum dma_data_direction axl_bo_user_direction(const struct axl_bo *bo)
{
	return bo->read_only ? DMA_TO_DEVICE : DMA_BIDIRECTIONAL;
}

static int axl_bo_user_publish(struct axl_bo *bo)
{
	int idx, ret;

	if (!drm_dev_enter(bo->base.dev, &idx))
		return -ENODEV;
	ret = axl_bo_host_map_dma(bo, axl_bo_user_direction(bo));
	if (!ret)
		axl_bo_publish(bo);
	drm_dev_exit(idx);
	return ret;
}

static int axl_bo_user_fill(struct axl_bo *bo, u64 address)
{
	int ret;

	bo->pages = kvcalloc(axl_bo_page_count(bo), sizeof(*bo->pages), GFP_KERNEL_ACCOUNT);
	if (!bo->pages)
		return -ENOMEM;
	ret = axl_bo_user_charge(bo);
	if (ret)
		goto err_free;
	/* Faults in pages, for as long as their owner likes: nothing of ours is held. */
	ret = axl_bo_user_pin(bo, address);
	if (ret)
		goto err_uncharge;
	ret = axl_bo_user_publish(bo);
	if (ret)
		goto err_unpin;
	return 0;

err_unpin:
	axl_bo_user_unpin(bo);
err_uncharge:
	axl_bo_user_uncharge(bo);
err_free:
	kvfree(bo->pages);
	return ret;
}

/* At removal the pages are given back at once: who has the file open may keep it for long. */
static void axl_bo_user_unmap_dma(struct axl_bo *bo)
{
	if (!bo->sgt)
		return;
	axl_bo_host_unmap_dma(bo, axl_bo_user_direction(bo));
	axl_bo_user_unpin(bo);
	axl_bo_user_uncharge(bo);
}

static void axl_bo_user_release(struct axl_bo *bo)
{
	kvfree(bo->pages);
}

/* No pages for the CPU: the process has them mapped. Not exported: they are its own. */
static const struct axl_bo_ops axl_bo_user_ops = {
	.va_kind = AXL_VA_HOST,
	.map = axl_bo_host_map,
	.unmap_dma = axl_bo_user_unmap_dma,
	.release = axl_bo_user_release,
};

struct axl_bo *axl_bo_user_create(struct axl_device *adev, u64 address, u64 bytes, bool read_only)
{
	struct axl_bo *bo = axl_bo_alloc(adev, bytes, &axl_bo_user_ops);
	int ret;

	if (IS_ERR(bo))
		return bo;
	bo->read_only = read_only;
	ret = axl_bo_user_fill(bo, address);
	if (ret) {
		axl_bo_discard(bo);
		return ERR_PTR(ret);
	}
	return bo;
}

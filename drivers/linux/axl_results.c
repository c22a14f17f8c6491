// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The results of a queue: written here, read through read-only mappings. */
#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/vmalloc.h>

#include "axl_results.h"

/* --- mapping ----------------------------------------------------------------------- */

/*
 * Page by page rather than all at once: drm_dev_unplug() takes every mapping of the file
 * away, and this one has to come back. How commands ended stays true without a device.
 */
static vm_fault_t axl_results_fault(struct vm_fault *vmf)
{
	struct drm_gem_object *gem = vmf->vma->vm_private_data;
	struct axl_results *results = container_of(gem, struct axl_results, base);
	unsigned long offset = (vmf->address & PAGE_MASK) - vmf->vma->vm_start;

	if (offset >= gem->size)
		return VM_FAULT_SIGBUS;
	vmf->page = vmalloc_to_page(results->memory + offset);
	get_page(vmf->page);
	return 0;
}

static const struct vm_operations_struct axl_results_vm_ops = {
	.fault = axl_results_fault,
	.open = drm_gem_vm_open,
	.close = drm_gem_vm_close,
};

static int axl_results_mmap(struct drm_gem_object *gem, struct vm_area_struct *vma)
{
	if (vma->vm_flags & VM_WRITE)
		return -EACCES;
	vm_flags_mod(vma, VM_DONTEXPAND | VM_DONTDUMP, VM_MAYWRITE); /* nor by mprotect() */
	return 0;
}

/* --- life -------------------------------------------------------------------------- */

static void axl_results_free(struct drm_gem_object *gem)
{
	struct axl_results *results = container_of(gem, struct axl_results, base);

	drm_gem_object_release(gem);
	vfree(results->memory);
	kfree(results);
}

static const struct drm_gem_object_funcs axl_results_funcs = {
	.free = axl_results_free,
	.mmap = axl_results_mmap,
	.vm_ops = &axl_results_vm_ops,
};

static int axl_results_init(struct axl_results *results)
{
	struct drm_axl_results *head;

	results->memory = __vmalloc(results->base.size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);
	if (!results->memory)
		return -ENOMEM;
	head = results->memory;
	head->entry_count = results->entry_count;
	return drm_gem_create_mmap_offset(&results->base);
}

struct axl_results *axl_results_create(struct axl_device *adev, u32 entry_count)
{
	size_t bytes = sizeof(struct drm_axl_results) +
		       (size_t)entry_count * sizeof(struct drm_axl_result);
	struct axl_results *results = kzalloc(sizeof(*results), GFP_KERNEL_ACCOUNT);
	int ret;

	if (!results)
		return ERR_PTR(-ENOMEM);
	results->entry_count = entry_count;
	results->base.funcs = &axl_results_funcs;
	drm_gem_private_object_init(&adev->drm, &results->base, PAGE_ALIGN(bytes));
	ret = axl_results_init(results);
	if (ret) {
		axl_results_put(results);
		return ERR_PTR(ret);
	}
	return results;
}

void axl_results_put(struct axl_results *results)
{
	drm_gem_object_put(&results->base);
}

/* --- writing ----------------------------------------------------------------------- */

static void axl_results_write(struct drm_axl_result *entry, const struct axl_cqe *cqe)
{
	WRITE_ONCE(entry->status, cqe->status);
	WRITE_ONCE(entry->result, cqe->result);
	WRITE_ONCE(entry->opcode, cqe->opcode);
	WRITE_ONCE(entry->flags, cqe->timing_valid ? DRM_AXL_RESULT_TIMING_VALID : 0);
	WRITE_ONCE(entry->submit_ns, cqe->submit_ns);
	WRITE_ONCE(entry->fetch_ns, cqe->fetch_ns);
	WRITE_ONCE(entry->start_ns, cqe->start_ns);
	WRITE_ONCE(entry->finish_ns, cqe->finish_ns);
	WRITE_ONCE(entry->complete_ns, cqe->complete_ns);
}

void axl_results_add(struct axl_results *results, const struct axl_cqe *cqe)
{
	struct drm_axl_results *head = results->memory;
	struct drm_axl_result *entries = results->memory + sizeof(*head);
	struct drm_axl_result *entry = &entries[cqe->sequence & (results->entry_count - 1)];

	WRITE_ONCE(entry->sequence, 0);
	smp_wmb(); /* who sees a new field sees that the old entry is not valid any more */
	axl_results_write(entry, cqe);
	smp_store_release(&entry->sequence, cqe->sequence); /* the fields come before it */
	smp_store_release(&head->ended_sequence, cqe->sequence); /* the entry does */
}

void axl_results_set_interrupts(struct axl_results *results, u64 interrupts, u64 missed)
{
	struct drm_axl_results *head = results->memory;

	WRITE_ONCE(head->interrupts, interrupts);
	WRITE_ONCE(head->missed_interrupts, missed);
}

void axl_results_set_over(struct axl_results *results, int over)
{
	struct drm_axl_results *head = results->memory;

	smp_store_release(&head->over, over); /* all that ended before says so first */
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A context: a device page table, and what is mapped in it. */
#ifndef AXL_VM_H
#define AXL_VM_H

#include <linux/kref.h>

#include "axl_bo.h"
#include "axl_device.h"
#include "axl_pt.h"
#include "axl_va.h"

struct axl_vm {
	struct kref ref;
	struct axl_device *adev;
	unsigned int number; /* of the context on the endpoint */
	atomic_t queue_count; /* queues that use it */
	atomic_t in_flight; /* jobs that may touch its memory */
	atomic_t lost_queues; /* queues with a command whose end nobody saw */
	struct work_struct reap_work; /* gives back what was unmapped */
	struct list_head peer_node; /* it may map memory of peers; under axl_peer_vms_lock */

	struct mutex lock; /* the context lock: guards all below and the context's registers */
	int over; /* 0, or why it cannot be used any more */
	bool asleep; /* the endpoint is: its registers must not be touched */
	bool stale; /* something was unmapped meanwhile, which the endpoint may still know */
	struct axl_pt pt;
	struct axl_range va[AXL_VA_KIND_END]; /* [0] is unused */
	struct xarray mappings; /* struct axl_mapping by page number */
	struct list_head unmapped; /* mappings that commands in flight may still use */
};

int axl_vm_create(struct axl_device *adev, struct axl_vm **vm_out);
void axl_vm_put(struct axl_vm *vm);

/*
 * Give back its context and all that it maps; who still has a reference keeps an empty
 * shell. -EBUSY: queues use it, nothing was done. May be called more than once.
 */
int axl_vm_kill(struct axl_vm *vm);

/* Device lock held; the function was reset or cannot do DMA any more. */
void axl_vm_retire(struct axl_vm *vm, int over);

int axl_vm_map(struct axl_vm *vm, struct axl_bo *bo, bool writable, u64 *va_out);
int axl_vm_unmap(struct axl_vm *vm, u64 va);

/* The memory of another endpoint is lost: commands fault instead of touching it. */
void axl_vm_revoke(struct axl_vm *vm, const struct axl_device *owner);

/* Device lock held, around sleep: no registers meanwhile. Resume: an enum axl_err. */
void axl_vm_pause(struct axl_vm *vm);
int axl_vm_resume(struct axl_vm *vm);

/* 0 or 1, or an error; clears it if asked to. */
int axl_vm_fault_state(struct axl_vm *vm, bool clear);

/* A job of this context has ended. May sleep: no. */
void axl_vm_job_done(struct axl_vm *vm);

/*
 * A queue of this context lost a command, which may be at work for ever: memory stays
 * taken until the queue was reset. May sleep: no.
 */
void axl_vm_queue_lost(struct axl_vm *vm);
void axl_vm_queue_found(struct axl_vm *vm);

#endif

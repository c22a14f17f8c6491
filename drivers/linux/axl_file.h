/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What an open file owns. */
#ifndef AXL_FILE_H
#define AXL_FILE_H

#include "axl_queue.h"
#include "axl_vm.h"

struct eventfd_ctx;

/* What the queues of a file did, gone ones included. */
struct axl_usage {
	u64 submitted; /* commands */
	u64 completed; /* all that ended, also those that did not end well */
	u64 failed; /* those that did not: failed, lost, aborted */
	u64 bytes; /* of submitted commands */
	u64 busy_ns; /* commands at work, as the endpoint says */
};

struct axl_file {
	struct xarray vms; /* struct axl_vm by context_id, one reference each */
	struct xarray queues; /* struct axl_queue by queue_id, one reference each */
	struct eventfd_ctx *notify; /* or NULL; under drm_device.filelist_mutex */

	spinlock_t usage_lock; /* queue locks come after it */
	struct axl_usage usage; /* never goes back: queues are counted by what they did since */
};

int axl_file_open(struct drm_device *drm, struct drm_file *file);
void axl_file_close(struct drm_device *drm, struct drm_file *file);

/* With a reference; NULL: the file has none of that number. */
struct axl_vm *axl_file_vm_get(struct drm_file *file, u32 id);
struct axl_queue *axl_file_queue_get(struct drm_file *file, u32 id);

/* Of a queue that was taken out of the array: the file cannot map its results any more. */
void axl_file_queue_drop(struct drm_file *file, struct axl_queue *queue);

/* axl_fdinfo.c */
void axl_fdinfo_show(struct drm_printer *p, struct drm_file *file);
void axl_fdinfo_count(struct axl_file *owner, struct axl_queue *queue); /* what it did since */

#endif

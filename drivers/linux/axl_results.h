/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The results of a queue: memory that user space maps read-only and the driver only
 * writes. It lives as long as somebody has it mapped, so longer than queue and endpoint.
 */
#ifndef AXL_RESULTS_H
#define AXL_RESULTS_H

#include <drm/drm_gem.h>

#include "axl_device.h"
#include "axl_qp.h"

struct axl_results {
	struct drm_gem_object base; /* no handle: found by its mmap offset */
	void *memory; /* struct drm_axl_results and the entries; never read back */
	u32 entry_count; /* a power of two */
};

/* With one reference. May sleep: yes. */
struct axl_results *axl_results_create(struct axl_device *adev, u32 entry_count);
void axl_results_put(struct axl_results *results);

/* The queue lock held for all below: a single writer. */
void axl_results_add(struct axl_results *results, const struct axl_cqe *cqe);
void axl_results_set_interrupts(struct axl_results *results, u64 interrupts, u64 missed);
void axl_results_set_over(struct axl_results *results, int over);

#endif

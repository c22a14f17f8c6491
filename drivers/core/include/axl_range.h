/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Allocator of address ranges: device virtual addresses, device memory. It never
 * touches what it hands out. First fit among free ranges binned by size: constant
 * time for the sizes that occur, and a free range that fits is always found.
 */
#ifndef AXL_RANGE_H
#define AXL_RANGE_H

#include "axl_os.h"

#define AXL_RANGE_BINS 64u

struct axl_range_node;

struct axl_range {
	const struct axl_os *os;
	uint64_t base;
	uint64_t size;
	uint64_t granule; /* a power of two; sizes are rounded up to it */
	uint64_t free_bytes;
	uint64_t bin_mask; /* bit b: free[b] has a node */
	struct axl_range_node *first; /* lowest address */
	struct axl_range_node *free[AXL_RANGE_BINS]; /* by floor(log2(size)) */
	struct axl_range_node **used; /* hash of start -> node */
	uint32_t used_log2;
	uint32_t used_count;
};

/*
 * Manage [base, base + size), both multiples of granule, a power of two.
 * AXL_ERR_INVAL, AXL_ERR_NOMEM. May sleep: yes.
 */
int axl_range_init(struct axl_range *range, const struct axl_os *os, uint64_t base, uint64_t size,
		   uint64_t granule);

/* Forget everything, also what is still allocated. May sleep: yes. */
void axl_range_deinit(struct axl_range *range);

/*
 * Take size bytes (rounded up to the granule) at a multiple of align (a power of two;
 * 0: the granule). Failure changes nothing. AXL_ERR_INVAL: size 0 or overflow, align
 * no power of two. AXL_ERR_NOSPACE: no free range holds it. AXL_ERR_NOMEM.
 * May sleep: yes.
 */
int axl_range_alloc(struct axl_range *range, uint64_t size, uint64_t align, uint64_t *start_out);

/*
 * Give back what was allocated at start. Needs no memory.
 * AXL_ERR_NOT_FOUND: nothing was; the state is unchanged.
 */
int axl_range_free(struct axl_range *range, uint64_t start);

/* Bytes that are free, in any number of pieces. */
uint64_t axl_range_free_bytes(const struct axl_range *range);

/* Size of what was allocated at start, 0 if nothing was. */
uint64_t axl_range_size_at(const struct axl_range *range, uint64_t start);

/* Largest single allocation that can succeed now, at granule alignment. */
uint64_t axl_range_largest(const struct axl_range *range);

#endif

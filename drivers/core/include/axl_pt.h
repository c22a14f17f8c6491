/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Page table of one context, in host memory that the device reads (PTE in
 * formats.yaml). What is mapped is remembered on the CPU's side: entries are written,
 * never read back.
 */
#ifndef AXL_PT_H
#define AXL_PT_H

#include "axl_os.h"

struct axl_pt_table;

struct axl_pt {
	const struct axl_os *os;
	struct axl_pt_table *root;
	struct axl_pt_table *retired; /* unlinked; the device may still hold their addresses */
	uint64_t mapped_bytes;
	uint32_t table_count; /* tables in use, the root included */
	bool large_pages;
};

/*
 * An empty page table. large_pages: IDENT.FEATURES.LARGE_PAGES.
 * AXL_ERR_NOMEM. May sleep: yes.
 */
int axl_pt_init(struct axl_pt *pt, const struct axl_os *os, bool large_pages);

/* Free all tables. The context must be disabled, reset or gone. May sleep: yes. */
void axl_pt_deinit(struct axl_pt *pt);

/* Bus address of the top-level table, for axl_ctx_enable(). */
uint64_t axl_pt_root(const struct axl_pt *pt);

/*
 * Map [va, va + bytes) to [address, address + bytes) of space (enum axl_space). All
 * are multiples of 4 KiB; where alignment allows, 2 MiB pages are used. All or
 * nothing. No invalidation is needed: a page that was not valid is not cached.
 * AXL_ERR_INVAL, AXL_ERR_EXISTS: something is mapped inside; AXL_ERR_NOMEM.
 * May sleep: yes.
 */
int axl_pt_map(struct axl_pt *pt, uint64_t va, uint64_t address, uint64_t bytes, uint32_t space,
	       bool writable);

/*
 * Unmap [va, va + bytes). All or nothing. The device may hold translations until
 * axl_ctx_invalidate(); only after that call axl_pt_reclaim() and reuse the memory.
 * AXL_ERR_INVAL: misaligned, or an end cuts a 2 MiB page; AXL_ERR_NOT_FOUND: not all of
 * it is mapped. May sleep: no.
 */
int axl_pt_unmap(struct axl_pt *pt, uint64_t va, uint64_t bytes);

/* Free tables that unmapping emptied. After axl_ctx_invalidate(). May sleep: yes. */
void axl_pt_reclaim(struct axl_pt *pt);

#endif

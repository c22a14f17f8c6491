/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The portable core's operating system in tests: registers are an array, memory is
 * counted and can be refused, time stands still unless told otherwise. Tests put their
 * own behaviour behind the two hooks.
 */
#ifndef AXL_OS_HOST_H
#define AXL_OS_HOST_H

#include "axl_os.h"

struct axl_host_dma; /* one piece of DMA memory */

struct axl_host {
	struct axl_os os; /* what the core is given; ctx is this struct */
	struct axl_os_ops ops; /* a test may replace any of them */
	/* Called before a read with what the array holds; gives what the core gets. */
	uint64_t (*on_read)(uint32_t offset, uint32_t bytes, uint64_t value);
	/* Called after a write has been stored. */
	void (*on_write)(uint32_t offset, uint32_t bytes, uint64_t value);
	int (*on_reset)(int is_bus);
	void (*on_event)(const struct axl_event *event);
	uint64_t now_ns;
	uint64_t step_ns; /* added by every look at the clock */
	uint64_t slept_us;
	uint64_t next_bus; /* address of the next DMA memory */
	uint64_t allocations; /* calls so far */
	uint64_t refuse_at; /* this call (counted from 1) and all later ones fail; 0: none */
	uint64_t live; /* pieces of memory not yet freed */
	uint64_t live_dma;
	uint64_t sq_doorbells;
	uint64_t cq_doorbells;
	uint32_t sq_tail;
	uint32_t cq_head;
	int trace_on;
	int is_gone; /* reads give all-ones, writes vanish */
	struct axl_host_dma *dma;
	uint8_t bar0[AXL_BAR0_BYTES];
};

/* Identity registers and queue states as after power-on. */
struct axl_host *axl_host_create(void);
void axl_host_destroy(struct axl_host *host);

/* CPU address of a bus address in DMA memory that is alive, NULL if it is in none. */
void *axl_host_cpu(const struct axl_host *host, uint64_t bus);

/* Addresses for bindings that cannot take the address of a member. */
const struct axl_os *axl_host_os(const struct axl_host *host);

#endif

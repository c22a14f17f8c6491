/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Host memory that an embedded endpoint reaches: memfds, sealed against shrinking, made
 * known to the server in big pieces at 2 MiB aligned bus addresses, and handed out in
 * small ones. Freed memory is given back to the system and reads as zero again.
 */
#ifndef AXL_RACK_DMA_H
#define AXL_RACK_DMA_H

#include <pthread.h>

#include "axl_os.h"
#include "axl_range.h"
#include "vfio_user.h"

#define AXL_RACK_BUS_BASE 0x100000000ull /* first bus address of host memory */
#define AXL_RACK_BUS_END 0x4000000000ull /* BARs lie above */
#define AXL_LARGE_PAGE_BYTES (1ull << AXL_LARGE_PAGE_SHIFT)

struct axl_rack_chunk;

struct axl_rack_dma {
	struct axl_vfu *vfu;
	const struct axl_os *os;
	pthread_mutex_t lock; /* guards everything below; taken after device and queue locks */
	struct axl_range bus; /* which bus addresses are taken */
	struct axl_rack_chunk *chunks;
};

int axl_rack_dma_init(struct axl_rack_dma *dma, struct axl_vfu *vfu, const struct axl_os *os);
void axl_rack_dma_deinit(struct axl_rack_dma *dma);

/* Zeroed, contiguous on the bus; from 2 MiB on also 2 MiB aligned. Negative errno. */
int axl_rack_dma_alloc(struct axl_rack_dma *dma, uint64_t bytes, struct axl_dma_mem *mem_out);

/* Map somebody else's memfd (checked here) instead of new memory. */
int axl_rack_dma_import(struct axl_rack_dma *dma, int fd, uint64_t offset, uint64_t bytes,
			struct axl_dma_mem *mem_out);
void axl_rack_dma_free(struct axl_rack_dma *dma, struct axl_dma_mem *mem);

/* Make shared memory read as zero, giving whole pages back to the system. */
void axl_zero_shared(void *memory, uint64_t bytes);

#endif

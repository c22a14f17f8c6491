// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "../memfd.h"
#include "dma.h"

#define AXL_PAGE_BYTES (1ull << AXL_PAGE_SHIFT)
#define AXL_CHUNK_BYTES (16ull << 20) /* smallest piece that the server is told of */
#define AXL_ZERO_BY_STORE_BYTES (64u << 10) /* below, storing is cheaper than a system call */

/* One mapping that the server knows. */
struct axl_rack_chunk {
	struct axl_rack_chunk *next;
	char *cpu;
	uint64_t bus;
	uint64_t bytes;
	uint64_t bus_bytes; /* bytes, rounded up to what was taken of the bus */
	bool imported; /* somebody else's memory: never handed out again */
	uint64_t fresh; /* from this offset on nothing was ever handed out: it reads as zero */
	struct axl_range range; /* offsets within the chunk */
};

static uint64_t axl_round_up(uint64_t value, uint64_t step)
{
	return (value + step - 1) & ~(step - 1);
}

void axl_zero_shared(void *memory, uint64_t bytes)
{
	if (bytes >= AXL_ZERO_BY_STORE_BYTES && madvise(memory, bytes, MADV_REMOVE) == 0)
		return;
	memset(memory, 0, bytes);
}

/* --- memory files ---------------------------------------------------------------- */

static int axl_memfd(uint64_t bytes)
{
	int fd = memfd_create("axl-dma", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return axl_fail(-errno, "memfd_create: %s", strerror(errno));
	if (ftruncate(fd, (off_t)bytes) == 0 &&
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) == 0)
		return fd;
	axl_fail(-ENOMEM, "cannot set up %llu bytes of shared memory: %s",
		 (unsigned long long)bytes, strerror(errno));
	close(fd);
	return -ENOMEM;
}

/* --- chunks ---------------------------------------------------------------------- */

/* Take a place on the bus and tell the server; what fd holds is mapped already. */
static int axl_chunk_attach(struct axl_rack_dma *dma, struct axl_rack_chunk *chunk, int fd,
			    uint64_t offset)
{
	int status;

	chunk->bus_bytes = axl_round_up(chunk->bytes, AXL_LARGE_PAGE_BYTES);
	if (axl_range_alloc(&dma->bus, chunk->bus_bytes, AXL_LARGE_PAGE_BYTES, &chunk->bus))
		return axl_fail(-ENOMEM, "no bus addresses left for %llu bytes of host memory",
				(unsigned long long)chunk->bytes);
	status = axl_range_init(&chunk->range, dma->os, 0, chunk->bytes, AXL_PAGE_BYTES);
	if (status) {
		axl_range_free(&dma->bus, chunk->bus);
		return axl_fail(-ENOMEM, "no memory for an allocator");
	}
	status = axl_vfu_dma_map(dma->vfu, fd, offset, chunk->bus, chunk->bytes);
	if (status) {
		axl_range_deinit(&chunk->range);
		axl_range_free(&dma->bus, chunk->bus);
		return axl_fail_in(status, "sharing %llu bytes with the endpoint",
				   (unsigned long long)chunk->bytes);
	}
	chunk->next = dma->chunks;
	dma->chunks = chunk;
	return 0;
}

static int axl_chunk_create(struct axl_rack_dma *dma, int fd, uint64_t offset, uint64_t bytes,
			    struct axl_rack_chunk **chunk_out)
{
	struct axl_rack_chunk *chunk = calloc(1, sizeof(*chunk));
	int status = -ENOMEM;

	if (!chunk)
		return axl_fail(-ENOMEM, "no memory for a mapping");
	chunk->bytes = bytes;
	chunk->cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (chunk->cpu == MAP_FAILED) {
		axl_fail(status, "mmap of %llu bytes: %s", (unsigned long long)bytes,
			 strerror(errno));
		goto err_free;
	}
	status = axl_chunk_attach(dma, chunk, fd, offset);
	if (status)
		goto err_unmap;
	*chunk_out = chunk;
	return 0;

err_unmap:
	munmap(chunk->cpu, bytes);
err_free:
	free(chunk);
	return status;
}

/* The server may be gone: then there is nobody to tell. */
static void axl_chunk_destroy(struct axl_rack_dma *dma, struct axl_rack_chunk *chunk)
{
	struct axl_rack_chunk **link = &dma->chunks;

	while (*link != chunk)
		link = &(*link)->next;
	*link = chunk->next;
	axl_vfu_dma_unmap(dma->vfu, chunk->bus, chunk->bytes);
	axl_range_free(&dma->bus, chunk->bus);
	axl_range_deinit(&chunk->range);
	munmap(chunk->cpu, chunk->bytes);
	free(chunk);
}

/* --- pieces ----------------------------------------------------------------------- */

int axl_rack_dma_init(struct axl_rack_dma *dma, struct axl_vfu *vfu, const struct axl_os *os)
{
	*dma = (struct axl_rack_dma){ .vfu = vfu, .os = os };
	if (axl_range_init(&dma->bus, os, AXL_RACK_BUS_BASE, AXL_RACK_BUS_END - AXL_RACK_BUS_BASE,
			   AXL_LARGE_PAGE_BYTES)) {
		dma->os = NULL;
		return axl_fail(-ENOMEM, "no memory for an allocator");
	}
	pthread_mutex_init(&dma->lock, NULL);
	return 0;
}

void axl_rack_dma_deinit(struct axl_rack_dma *dma)
{
	while (dma->chunks)
		axl_chunk_destroy(dma, dma->chunks);
	axl_range_deinit(&dma->bus);
	pthread_mutex_destroy(&dma->lock);
}

static bool axl_chunk_take(struct axl_rack_chunk *chunk, uint64_t bytes, struct axl_dma_mem *out)
{
	uint64_t align = bytes >= AXL_LARGE_PAGE_BYTES ? AXL_LARGE_PAGE_BYTES : AXL_PAGE_BYTES;
	uint64_t start, used;

	if (axl_range_alloc(&chunk->range, bytes, align, &start))
		return false;
	used = start < chunk->fresh ? chunk->fresh - start : 0;
	axl_zero_shared(chunk->cpu + start, used < bytes ? used : bytes);
	if (chunk->fresh < start + bytes)
		chunk->fresh = start + bytes;
	*out = (struct axl_dma_mem){
		.cpu = chunk->cpu + start,
		.bus = chunk->bus + start,
		.bytes = bytes,
		.os_handle = chunk,
	};
	return true;
}

static int axl_dma_grow(struct axl_rack_dma *dma, uint64_t bytes, struct axl_rack_chunk **out)
{
	uint64_t size = axl_round_up(bytes, AXL_LARGE_PAGE_BYTES);
	int fd, status;

	if (size < AXL_CHUNK_BYTES)
		size = AXL_CHUNK_BYTES;
	fd = axl_memfd(size);
	if (fd < 0)
		return fd;
	status = axl_chunk_create(dma, fd, 0, size, out);
	close(fd);
	return status;
}

int axl_rack_dma_alloc(struct axl_rack_dma *dma, uint64_t bytes, struct axl_dma_mem *mem_out)
{
	struct axl_rack_chunk *chunk;
	int status = 0;

	if (bytes == 0 || bytes > AXL_RACK_BUS_END)
		return axl_fail(-ENOMEM, "%llu bytes of host memory are too many",
				(unsigned long long)bytes);
	bytes = axl_round_up(bytes, AXL_PAGE_BYTES);
	pthread_mutex_lock(&dma->lock);
	for (chunk = dma->chunks; chunk; chunk = chunk->next) {
		if (!chunk->imported && axl_chunk_take(chunk, bytes, mem_out))
			break;
	}
	if (!chunk) {
		status = axl_dma_grow(dma, bytes, &chunk);
		if (!status && (!chunk || !axl_chunk_take(chunk, bytes, mem_out)))
			status = axl_fail(-ENOMEM, "no memory for an allocator");
	}
	pthread_mutex_unlock(&dma->lock);
	return status;
}

int axl_rack_dma_import(struct axl_rack_dma *dma, int fd, uint64_t offset, uint64_t bytes,
			struct axl_dma_mem *mem_out)
{
	struct axl_rack_chunk *chunk = NULL;
	int status = axl_memfd_check(fd, offset, bytes);

	if (status)
		return status;
	pthread_mutex_lock(&dma->lock);
	status = axl_chunk_create(dma, fd, offset, bytes, &chunk);
	/* Nothing of it is fresh and nothing is zeroed: it is somebody's data. */
	if (!status && chunk) {
		chunk->imported = true;
		*mem_out = (struct axl_dma_mem){ chunk->cpu, chunk->bus, bytes, chunk };
	}
	pthread_mutex_unlock(&dma->lock);
	return status;
}

/* Whether nobody needs it any more. One small empty chunk stays for the next taker. */
static bool axl_chunk_is_spent(const struct axl_rack_dma *dma, const struct axl_rack_chunk *chunk)
{
	bool only = dma->chunks == chunk && !chunk->next;

	if (chunk->imported)
		return true;
	if (axl_range_free_bytes(&chunk->range) < chunk->bytes)
		return false;
	return chunk->bytes > AXL_CHUNK_BYTES || !only;
}

void axl_rack_dma_free(struct axl_rack_dma *dma, struct axl_dma_mem *mem)
{
	struct axl_rack_chunk *chunk = mem->os_handle;

	if (!chunk)
		return;
	pthread_mutex_lock(&dma->lock);
	if (!chunk->imported)
		axl_range_free(&chunk->range, mem->bus - chunk->bus);
	if (axl_chunk_is_spent(dma, chunk))
		axl_chunk_destroy(dma, chunk);
	pthread_mutex_unlock(&dma->lock);
	*mem = (struct axl_dma_mem){ 0 };
}

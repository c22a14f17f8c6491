/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_os_host.h"

#include <stdlib.h>

#include "axl_regs.h"

#define PAGE 4096u

struct axl_host_dma {
	struct axl_host_dma *next;
	void *cpu;
	uint64_t bus;
	size_t bytes;
};

static void store(struct axl_host *host, uint32_t offset, uint64_t value, size_t bytes)
{
	memcpy(host->bar0 + offset, &value, bytes);
}

static uint64_t load(const struct axl_host *host, uint32_t offset, size_t bytes)
{
	uint64_t value = 0;

	memcpy(&value, host->bar0 + offset, bytes);
	return value;
}

static uint64_t host_read(struct axl_host *host, uint32_t offset, uint32_t bytes)
{
	uint64_t value;

	if (offset > AXL_BAR0_BYTES - bytes || offset % bytes)
		abort(); /* the core must never do that */
	value = host->is_gone ? ~(uint64_t)0 : load(host, offset, bytes);
	return host->on_read ? host->on_read(offset, bytes, value) : value;
}

static uint32_t read32(void *os, uint32_t offset)
{
	return (uint32_t)host_read(os, offset, 4);
}

static uint64_t read64(void *os, uint32_t offset)
{
	return host_read(os, offset, 8);
}

/* The little that a queue pair needs of a device: it starts and stops. */
static void react(struct axl_host *host, uint32_t offset, uint64_t value)
{
	uint32_t queue;

	for (queue = 0; queue < AXL_QUEUE_COUNT; queue++) {
		if (offset == AXL_REG_QUEUE_CONTROL(queue) && (value & 1))
			store(host, AXL_REG_QUEUE_STATUS(queue), AXL_QUEUE_STATE_READY, 4);
		if (offset == AXL_REG_CTRL_QUEUE_RESET && (value >> queue & 1))
			store(host, AXL_REG_QUEUE_STATUS(queue), AXL_QUEUE_STATE_DISABLED, 4);
	}
}

static void host_write(struct axl_host *host, uint32_t offset, uint64_t value, uint32_t bytes)
{
	if (offset > AXL_BAR0_BYTES - bytes || offset % bytes)
		abort();
	if (!host->is_gone) {
		store(host, offset, value, bytes);
		react(host, offset, value);
	}
	if (host->on_write)
		host->on_write(offset, bytes, value);
}

static void write32(void *os, uint32_t offset, uint32_t value)
{
	host_write(os, offset, value, 4);
}

static void write64(void *os, uint32_t offset, uint64_t value)
{
	host_write(os, offset, value, 8);
}

static void sq_doorbell(void *os, uint32_t queue, uint32_t tail)
{
	struct axl_host *host = os;

	host->sq_doorbells++;
	host->sq_tail = tail;
	__atomic_store_n((uint32_t *)(void *)(host->bar0 + AXL_REG_DOORBELL_SQ_TAIL(queue)), tail,
			 __ATOMIC_RELEASE);
}

static void cq_doorbell(void *os, uint32_t queue, uint32_t head)
{
	struct axl_host *host = os;

	host->cq_doorbells++;
	host->cq_head = head;
	__atomic_store_n((uint32_t *)(void *)(host->bar0 + AXL_REG_DOORBELL_CQ_HEAD(queue)), head,
			 __ATOMIC_RELEASE);
}

static bool is_refused(struct axl_host *host)
{
	host->allocations++;
	return host->refuse_at && host->allocations >= host->refuse_at;
}

static void *host_alloc(void *os, size_t bytes)
{
	struct axl_host *host = os;
	void *memory = is_refused(host) ? NULL : calloc(1, bytes);

	if (memory)
		host->live++;
	return memory;
}

static void host_free(void *os, void *memory)
{
	struct axl_host *host = os;

	if (memory)
		host->live--;
	free(memory);
}

static int dma_alloc(void *os, size_t bytes, struct axl_dma_mem *mem_out)
{
	struct axl_host *host = os;
	struct axl_host_dma *dma;

	if (is_refused(host))
		return AXL_ERR_NOMEM;
	bytes = (bytes + PAGE - 1) & ~(size_t)(PAGE - 1);
	dma = calloc(1, sizeof(*dma));
	if (!dma)
		return AXL_ERR_NOMEM;
	dma->cpu = aligned_alloc(PAGE, bytes);
	if (!dma->cpu) {
		free(dma);
		return AXL_ERR_NOMEM;
	}
	memset(dma->cpu, 0, bytes);
	dma->bytes = bytes;
	dma->bus = host->next_bus;
	host->next_bus += bytes + PAGE; /* a hole: neighbours are an accident */
	dma->next = host->dma;
	host->dma = dma;
	host->live_dma++;
	*mem_out = (struct axl_dma_mem){
		.cpu = dma->cpu, .bus = dma->bus, .bytes = bytes, .os_handle = dma
	};
	return AXL_OK;
}

static void dma_free(void *os, struct axl_dma_mem *mem)
{
	struct axl_host *host = os;
	struct axl_host_dma **link = &host->dma;
	struct axl_host_dma *dma = mem->os_handle;

	while (*link && *link != dma)
		link = &(*link)->next;
	if (!*link)
		abort(); /* freed twice, or never allocated */
	*link = dma->next;
	host->live_dma--;
	free(dma->cpu);
	free(dma);
	memset(mem, 0, sizeof(*mem));
}

static uint64_t time_ns(void *os)
{
	struct axl_host *host = os;

	host->now_ns += host->step_ns;
	return host->now_ns;
}

static void sleep_us(void *os, uint32_t us)
{
	struct axl_host *host = os;

	host->slept_us += us;
	host->now_ns += (uint64_t)us * 1000;
}

static int host_reset(struct axl_host *host, int is_bus)
{
	uint32_t generation = (uint32_t)load(host, AXL_REG_CTRL_GENERATION, 4);

	if (host->on_reset)
		return host->on_reset(is_bus);
	store(host, AXL_REG_CTRL_GENERATION, generation + 1, 4);
	return AXL_OK;
}

static int function_reset(void *os)
{
	return host_reset(os, 0);
}

static int bus_reset(void *os)
{
	return host_reset(os, 1);
}

static int trace_on(void *os)
{
	const struct axl_host *host = os;

	return host->trace_on;
}

static void trace(void *os, const struct axl_event *event)
{
	struct axl_host *host = os;

	if (host->on_event)
		host->on_event(event);
}

static const struct axl_os_ops host_ops = {
	.read32 = read32,
	.write32 = write32,
	.read64 = read64,
	.write64 = write64,
	.sq_doorbell = sq_doorbell,
	.cq_doorbell = cq_doorbell,
	.dma_alloc = dma_alloc,
	.dma_free = dma_free,
	.alloc = host_alloc,
	.free = host_free,
	.time_ns = time_ns,
	.sleep_us = sleep_us,
	.function_reset = function_reset,
	.bus_reset = bus_reset,
	.trace_on = trace_on,
	.trace = trace,
};

static void power_on(struct axl_host *host)
{
	store(host, AXL_REG_IDENT_MAGIC, AXL_MAGIC, 4);
	store(host, AXL_REG_IDENT_HW_VERSION, AXL_IDENT_HW_VERSION_RESET, 4);
	store(host, AXL_REG_IDENT_FW_VERSION, AXL_IDENT_FW_VERSION_RESET, 4);
	store(host, AXL_REG_IDENT_SPEC_VERSION, AXL_SPEC_VERSION, 4);
	store(host, AXL_REG_IDENT_BOARD_SERIAL, 0x00a0c00000000001ull, 8);
	store(host, AXL_REG_IDENT_ENDPOINT, AXL_IDENT_ENDPOINT_RESET, 4);
	store(host, AXL_REG_IDENT_FEATURES, AXL_IDENT_FEATURES_RESET, 4);
	store(host, AXL_REG_IDENT_LIMITS, AXL_IDENT_LIMITS_RESET, 4);
	store(host, AXL_REG_IDENT_PEER_LIMIT, AXL_IDENT_PEER_LIMIT_RESET, 4);
	store(host, AXL_REG_IDENT_MEMORY_BYTES, 1u << 30, 8);
	store(host, AXL_REG_CTRL_STATUS, AXL_CTRL_STATUS_RESET, 4);
	store(host, AXL_REG_CLOCK_FREQUENCY, AXL_CLOCK_FREQUENCY_RESET, 8);
}

struct axl_host *axl_host_create(void)
{
	struct axl_host *host = calloc(1, sizeof(*host));

	if (!host)
		return NULL;
	host->ops = host_ops;
	host->os = (struct axl_os){ .ops = &host->ops, .ctx = host, .origin = AXL_ORIGIN_LIBRARY };
	host->now_ns = 1000000000;
	host->next_bus = 0x100000000ull;
	power_on(host);
	return host;
}

void axl_host_destroy(struct axl_host *host)
{
	struct axl_host_dma *dma = host->dma;

	while (dma) {
		struct axl_host_dma *next = dma->next;

		free(dma->cpu);
		free(dma);
		dma = next;
	}
	free(host);
}

void *axl_host_cpu(const struct axl_host *host, uint64_t bus)
{
	const struct axl_host_dma *dma;

	for (dma = host->dma; dma; dma = dma->next) {
		if (bus - dma->bus < dma->bytes)
			return (uint8_t *)dma->cpu + (bus - dma->bus);
	}
	return NULL;
}

const struct axl_os *axl_host_os(const struct axl_host *host)
{
	return &host->os;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The whole seam between the portable core and an operating system: one table of
 * operations, and the barriers that C has no portable word for.
 */
#ifndef AXL_OS_H
#define AXL_OS_H

#include "axl_types.h"
#include "axl_formats.h"
#include "axl_err.h"

/* --- memory ordering -------------------------------------------------------- */

#if defined(__KERNEL__)

#include <linux/compiler.h>
#include <linux/string.h>
#include <asm/barrier.h>

#define axl_dma_wmb() dma_wmb()

static inline axl_le32 axl_load_acquire_le32(const axl_le32 *p)
{
	axl_le32 value = READ_ONCE(*p);

	dma_rmb(); /* orders this load before the caller's loads of the same record */
	return value;
}

#elif defined(_MSC_VER)

#include <string.h>
#include <intrin.h>

#if defined(_M_IX86) || defined(_M_X64)
/* x86 keeps stores in order and loads in order; only the compiler must be held. */
#define axl_dma_wmb() _ReadWriteBarrier()
#define axl_dma_rmb() _ReadWriteBarrier()
#else
#define axl_dma_wmb() __dmb(_ARM64_BARRIER_OSHST)
#define axl_dma_rmb() __dmb(_ARM64_BARRIER_OSHLD)
#endif

static __inline axl_le32 axl_load_acquire_le32(const axl_le32 *p)
{
	axl_le32 value = *(const volatile axl_le32 *)p;

	axl_dma_rmb(); /* orders this load before the caller's loads of the same record */
	return value;
}

#else

#include <string.h>

#if defined(__SANITIZE_THREAD__)
#define AXL_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define AXL_THREAD_SANITIZER 1
#endif
#endif

/*
 * Everything written before becomes visible to the device before anything written
 * after. ThreadSanitizer does not know fences: there the release store that every
 * doorbell operation must be (see sq_doorbell) stands in.
 */
#ifdef AXL_THREAD_SANITIZER
#define axl_dma_wmb() __atomic_signal_fence(__ATOMIC_RELEASE)
#else
#define axl_dma_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* This load happens before the caller's later loads of the same record. */
static inline axl_le32 axl_load_acquire_le32(const axl_le32 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

#endif

/*
 * Loads and stores that happen exactly once. Memory that a device can write may
 * change at any time: what was checked must be what is used.
 */
static inline axl_le32 axl_load_once_le32(const axl_le32 *p)
{
	return *(const volatile axl_le32 *)p;
}

static inline axl_le64 axl_load_once_le64(const axl_le64 *p)
{
	return *(const volatile axl_le64 *)p;
}

static inline void axl_store_once_le64(axl_le64 *p, axl_le64 value)
{
	*(volatile axl_le64 *)p = value;
}

/* --- operations ------------------------------------------------------------- */

/* Memory that both the CPU and the device reach. */
struct axl_dma_mem {
	void *cpu;
	uint64_t bus; /* address for the device */
	size_t bytes;
	void *os_handle; /* the OS's own */
};

enum axl_log_level {
	AXL_LOG_ERROR = 0,
	AXL_LOG_WARNING = 1,
	AXL_LOG_INFO = 2,
	AXL_LOG_DEBUG = 3,
};

/*
 * What an OS provides. os is struct axl_os.ctx. All are required except those that
 * say optional. Those that return int return 0 or a negative enum axl_err.
 */
struct axl_os_ops {
	/*
	 * Registers of BAR0, offset in bytes, naturally aligned. A read of an endpoint
	 * that is gone gives all-ones. May sleep: as the OS chooses; the core calls them
	 * only from functions that say "may sleep: yes", and doorbells from the others.
	 */
	uint32_t (*read32)(void *os, uint32_t offset);
	void (*write32)(void *os, uint32_t offset, uint32_t value);
	uint64_t (*read64)(void *os, uint32_t offset);
	void (*write64)(void *os, uint32_t offset, uint64_t value);

	/*
	 * DOORBELL.SQ_TAIL and DOORBELL.CQ_HEAD of a queue. Must be at least a release
	 * store and must not sleep.
	 */
	void (*sq_doorbell)(void *os, uint32_t queue, uint32_t tail);
	void (*cq_doorbell)(void *os, uint32_t queue, uint32_t head);

	/* Zeroed, 4 KiB aligned and contiguous on the bus. May sleep: yes. */
	int (*dma_alloc)(void *os, size_t bytes, struct axl_dma_mem *mem_out);
	void (*dma_free)(void *os, struct axl_dma_mem *mem);

	/* Zeroed memory for the CPU; NULL when there is none. May sleep: yes. */
	void *(*alloc)(void *os, size_t bytes);
	void (*free)(void *os, void *memory);

	/* CLOCK_MONOTONIC in ns (Windows: the performance counter in ns). May sleep: no. */
	uint64_t (*time_ns)(void *os);
	void (*sleep_us)(void *os, uint32_t us);

	/*
	 * Reset the function (FLR, PCIe 6.0 s6.6.2) or the bus above it, configuration
	 * space saved before and restored after. May sleep: yes.
	 * AXL_ERR_UNSUPPORTED: the OS has no such reset for this endpoint.
	 */
	int (*function_reset)(void *os);
	int (*bus_reset)(void *os);

	/*
	 * Events. trace_on: non-zero when somebody listens; asked before each event, so
	 * keep it cheap. trace: fills in endpoint, pid and tid and records. No sleeping.
	 * Optional, both or none.
	 */
	int (*trace_on)(void *os);
	void (*trace)(void *os, const struct axl_event *event);

	/* text has at most two conversions, "%llx" for a and b. Optional. */
	void (*log)(void *os, enum axl_log_level level, const char *text, uint64_t a, uint64_t b);
};

/* How the core reaches the OS. Must stay valid as long as the objects made with it. */
struct axl_os {
	const struct axl_os_ops *ops;
	void *ctx; /* first argument of every operation */
	uint8_t origin; /* AXL_ORIGIN_DRIVER or AXL_ORIGIN_LIBRARY: put into events */
	/*
	 * A register write has taken effect when write32() returns. Memory writes of PCIe
	 * are posted, so it has not; register accesses by message and reply are not.
	 */
	bool writes_complete;
};

static inline uint32_t axl_read32(const struct axl_os *os, uint32_t offset)
{
	return os->ops->read32(os->ctx, offset);
}

static inline void axl_write32(const struct axl_os *os, uint32_t offset, uint32_t value)
{
	os->ops->write32(os->ctx, offset, value);
}

static inline uint64_t axl_read64(const struct axl_os *os, uint32_t offset)
{
	return os->ops->read64(os->ctx, offset);
}

static inline void axl_write64(const struct axl_os *os, uint32_t offset, uint64_t value)
{
	os->ops->write64(os->ctx, offset, value);
}

static inline uint64_t axl_time_ns(const struct axl_os *os)
{
	return os->ops->time_ns(os->ctx);
}

static inline bool axl_trace_on(const struct axl_os *os)
{
	return os->ops->trace_on && os->ops->trace_on(os->ctx);
}

static inline void axl_log(const struct axl_os *os, enum axl_log_level level, const char *text,
			   uint64_t a, uint64_t b)
{
	if (os->ops->log)
		os->ops->log(os->ctx, level, text, a, b);
}

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * libaxl: the user library of AXL accelerators.
 *
 * Conventions
 *   - Functions that can fail return 0 or a negative errno value. axl_last_error()
 *     then holds a sentence for the calling thread: what failed, where, what to do.
 *   - Objects are opaque. Destroying NULL does nothing. An object must outlive those
 *     made from it: device > context > buffer, queue.
 *   - Any function may be called from any thread at any time, except that destroying
 *     an object must not race with other calls on it.
 *   - Structures that the library fills in are passed with their size, so that they
 *     can grow: the library writes min(size, its own) bytes and zeroes the rest.
 *   - Nothing here spins unless asked to: waiting sleeps in the kernel.
 */
#ifndef AXL_H
#define AXL_H

#include <stddef.h>
#include <stdint.h>

#include "axl_formats.h"

#ifdef __cplusplus
extern "C" {
#endif

#if defined(_WIN32) && defined(AXL_BUILDING)
#define AXL_API __declspec(dllexport)
#elif defined(_WIN32)
#define AXL_API __declspec(dllimport)
#else
#define AXL_API __attribute__((visibility("default")))
#endif

#define AXL_VERSION_MAJOR 0
#define AXL_VERSION_MINOR 1
#define AXL_VERSION_PATCH 0

struct axl_device;
struct axl_context;
struct axl_buffer;
struct axl_queue;

/* --- library -------------------------------------------------------------- */

/* Version of the library in use: major << 16 | minor << 8 | patch. */
AXL_API uint32_t axl_version(void);

/*
 * Why the last failing call of this thread failed, in words. Never NULL; empty if
 * nothing failed yet. Valid until the thread's next failing call.
 */
AXL_API const char *axl_last_error(void);

/* Name of a code, for messages: "page_fault". Never NULL: "unknown" for no such code. */
AXL_API const char *axl_status_name(uint32_t status);
AXL_API const char *axl_opcode_name(uint32_t opcode);
AXL_API const char *axl_error_code_name(uint32_t code);

/* --- finding endpoints ---------------------------------------------------- */

enum axl_backend {
	AXL_BACKEND_KERNEL = 0, /* the kernel driver */
	AXL_BACKEND_RACK = 1, /* an embedded rack */
};

#define AXL_MAX_PATH 16 /* ports above an endpoint */
#define AXL_SLOT_UNKNOWN 0xffffu

/* Bus, device and function with their segment: 16, 8, 5 and 3 bits. */
#define AXL_BDF(segment, bus, device, function) \
	(((uint32_t)(segment) << 16) | ((uint32_t)(bus) << 8) | ((uint32_t)(device) << 3) | \
	 (uint32_t)(function))

/*
 * Where an endpoint is, without opening it. It is part of struct axl_device_info, whose
 * later fields must not move: what is added here comes out of reserved.
 */
struct axl_endpoint_info {
	char uri[128]; /* opens exactly this endpoint */
	char id[40]; /* stable: "card:0x00a0c00000000001/0" */
	uint64_t board_serial;
	uint32_t endpoint_index;
	uint32_t endpoint_count;
	uint32_t bdf; /* AXL_BDF() */
	uint32_t slot; /* physical slot, AXL_SLOT_UNKNOWN if none */
	uint32_t ordinal; /* position in this enumeration: a locator, never an identity */
	uint32_t backend; /* enum axl_backend */
	uint32_t path_depth;
	uint32_t path[AXL_MAX_PATH]; /* ports above it, root port first, AXL_BDF() */
	uint64_t memory_bytes; /* size of BAR2 */
	uint64_t memory_address; /* bus address of BAR2 */
	uint64_t reserved[8]; /* zero */
};

/*
 * List the endpoints of a source in stable order (board serial, endpoint index).
 * source: NULL or "auto", "kernel", "rack", "rack:NAME", "rack:/run/dir".
 * AXL_VISIBLE_DEVICES (stable ids, separated by commas) filters and orders them.
 * Fills at most capacity entries of info_bytes each; *count_out is the number that
 * exist. -ENODEV: no driver and no rack; -EINVAL: malformed source or filter.
 */
AXL_API int axl_enumerate(const char *source, struct axl_endpoint_info *infos, size_t info_bytes,
			  size_t capacity, size_t *count_out);

/* --- devices -------------------------------------------------------------- */

/*
 * Open an endpoint, set up its device address and enable it. uri:
 *   NULL                         the first endpoint that is visible
 *   "3"                          by ordinal
 *   "0000:05:00.0"               by place
 *   "card:0x00a0c00000000001/0"  by stable id
 *   "rack:NAME#SELECTOR", "rack:/run/dir#SELECTOR"  one of the above in a given rack
 *   "kernel#SELECTOR"            one of the kernel driver's
 * -EBUSY: another process holds it (embedded rack); -EACCES: no right to its device file
 * or its rack; -ENODEV: no such endpoint or it is gone; -EPROTO: it or its driver speaks
 * another version, or its server breaks the protocol; -ETIMEDOUT: its server does not
 * answer; -ESTALE: its address was rejected (it is not where it says it is). In a forked
 * child every call answers -EOWNERDEAD.
 */
AXL_API int axl_device_open(const char *uri, uint32_t flags, struct axl_device **device_out);
AXL_API void axl_device_close(struct axl_device *device);

enum axl_device_state {
	AXL_DEVICE_ONLINE = 0,
	AXL_DEVICE_RESETTING = 1,
	AXL_DEVICE_WEDGED = 2,
	AXL_DEVICE_GONE = 3,
};

struct axl_device_info {
	struct axl_endpoint_info endpoint;
	uint32_t hw_version; /* as IDENT.HW_VERSION */
	uint32_t fw_version;
	uint32_t spec_version;
	uint32_t features; /* IDENT.FEATURES */
	uint32_t queue_count;
	uint32_t context_count;
	uint32_t max_ring_entries;
	uint32_t generation; /* resets of the function */
	uint32_t state; /* enum axl_device_state */
	uint32_t address_state; /* enum axl_address_state of axl_regs.h */
	uint32_t address_reason; /* enum axl_address_reason */
	uint32_t vectors; /* interrupt vectors granted */
	uint32_t link_speed; /* encoded as in the Link Status register, 0 unknown */
	uint32_t link_width;
	uint32_t peer_count; /* rows of the peer table, this endpoint included */
	uint32_t reserved;
	uint64_t memory_bytes;
	uint64_t memory_free_bytes;
};

AXL_API int axl_device_info(struct axl_device *device, struct axl_device_info *info,
			    size_t info_bytes);

enum axl_telemetry_valid {
	AXL_TELEMETRY_VALID_TEMPERATURE = 1,
	AXL_TELEMETRY_VALID_POWER = 2,
	AXL_TELEMETRY_VALID_CLOCK = 4,
	AXL_TELEMETRY_VALID_UTILISATION = 8,
};

struct axl_telemetry {
	uint32_t valid; /* which sensors work; the value of one that does not is 0 */
	int32_t temperature_millicelsius;
	uint32_t power_milliwatt;
	uint32_t clock_khz;
	uint32_t utilisation_permille;
	uint32_t memory_corrected;
	uint32_t memory_uncorrected;
	uint32_t heartbeat;
	uint64_t progress; /* commands finished */
	uint64_t bytes_host_to_device;
	uint64_t bytes_device_to_host;
	uint64_t bytes_device_to_device;
	uint64_t bytes_peer;
	uint64_t device_ticks; /* device clock now ... */
	uint64_t host_ns; /* ... and CLOCK_MONOTONIC then */
	uint64_t clock_uncertainty_ns; /* half the time the reading took */
};

/* Sample the telemetry block. -ENODEV if the endpoint is gone. */
AXL_API int axl_device_telemetry(struct axl_device *device, struct axl_telemetry *telemetry,
				 size_t telemetry_bytes);

/*
 * The device's first error since it was last cleared. With the kernel driver: the last one
 * of those that it took in since the device was opened or this handle cleared it.
 */
struct axl_device_error {
	uint32_t code; /* enum axl_error_code of axl_regs.h; 0: none recorded */
	uint32_t count;
	uint32_t has_command; /* queue, opcode, context, sequence are meaningful */
	uint32_t has_address;
	uint32_t queue;
	uint32_t opcode;
	uint32_t context;
	uint32_t reserved;
	uint64_t sequence;
	uint64_t address;
	uint64_t time_ns; /* CLOCK_MONOTONIC, from the device clock */
};

/* Read the error block; with clear != 0 also clear it. */
AXL_API int axl_device_error(struct axl_device *device, int clear, struct axl_device_error *error,
			     size_t error_bytes);

/*
 * Reset the function (AXL_RESET_KIND_FUNCTION or AXL_RESET_KIND_BUS) and set it up
 * again. Work in flight ends with -ECANCELED; contexts, buffers and queues of older
 * generations answer -ESTALE and can only be destroyed. Device memory is lost.
 * -EPERM: with the kernel driver only for processes with CAP_SYS_ADMIN.
 */
AXL_API int axl_device_reset(struct axl_device *device, uint32_t kind);

/* Counts resets; a change tells that handles made before are stale. */
AXL_API uint32_t axl_device_generation(struct axl_device *device);

/*
 * Descriptor that becomes readable when the endpoint raised an event: an error, an
 * address change, its end. To be polled, not read: axl_device_error() and
 * axl_device_check() make it quiet again. Owned by the device.
 */
AXL_API int axl_device_event_fd(struct axl_device *device);

/*
 * Look for trouble by progress, not by time alone: 0 if the endpoint is healthy,
 * -EIO hung queue, -EREMOTEIO firmware stopped, -ENODEV gone. Call it at intervals.
 * -EIO also says that no reset helped; the device's state is AXL_DEVICE_WEDGED then. The
 * kernel driver finds hangs and stopped firmware by itself and resets what is needed: there
 * -EIO means nothing else.
 */
AXL_API int axl_device_check(struct axl_device *device);

/* --- contexts ------------------------------------------------------------- */

/* A device page table: commands of one context cannot touch another's memory. */
AXL_API int axl_context_create(struct axl_device *device, struct axl_context **context_out);
AXL_API void axl_context_destroy(struct axl_context *context);

/*
 * 1 if a command of this context faulted: its later commands fail with
 * AXL_STATUS_CONTEXT_FAULTED until axl_context_recover().
 */
AXL_API int axl_context_is_faulted(struct axl_context *context);
AXL_API int axl_context_recover(struct axl_context *context);

/* --- buffers -------------------------------------------------------------- */

enum axl_memory {
	AXL_MEMORY_DEVICE = 0, /* device memory, reached by the CPU through BAR2 */
	AXL_MEMORY_HOST = 1, /* host memory that the device reaches by DMA */
};

/*
 * Allocate and map memory; zero-filled. bytes is rounded up to 4 KiB.
 * -ENOMEM: the message says how much is free.
 */
AXL_API int axl_buffer_create(struct axl_context *context, uint64_t bytes, uint32_t memory,
			      uint32_t flags, struct axl_buffer **buffer_out);

enum axl_buffer_flag {
	AXL_BUFFER_READ_ONLY = 1, /* commands may only read it */
};

/*
 * Pin memory that the caller has, from malloc() or mmap(), and map it: no copy, and the
 * CPU goes on using address. Both numbers are multiples of 4 KiB. The memory must not
 * be unmapped before the buffer is destroyed; it counts against RLIMIT_MEMLOCK: -EPERM
 * beyond that, and the message says how to raise it.
 * flags: enum axl_buffer_flag; memory that the caller may only read needs READ_ONLY.
 * Kernel driver only: -EOPNOTSUPP on an embedded rack, which reaches memory by
 * descriptor; axl_buffer_import() works on both.
 */
AXL_API int axl_buffer_create_user(struct axl_context *context, void *address, uint64_t bytes,
				   uint32_t flags, struct axl_buffer **buffer_out);

/*
 * Map memory that another part of the system owns by descriptor (memfd; a dma-buf
 * with the kernel driver). The descriptor is duplicated. offset and bytes are
 * multiples of 4 KiB.
 */
AXL_API int axl_buffer_import(struct axl_context *context, int fd, uint64_t offset, uint64_t bytes,
			      struct axl_buffer **buffer_out);

/*
 * Make a device-memory buffer of another endpoint reachable for this context, for
 * peer-to-peer copies. -EXDEV: no path between the two; use host memory then.
 * The original must outlive the result.
 */
AXL_API int axl_buffer_import_peer(struct axl_context *context, struct axl_buffer *peer,
				   struct axl_buffer **buffer_out);

/*
 * Unmap and free. Work that uses it must have completed. While a queue of the context has
 * lost a command (AXL_STATUS_LOST), memory and addresses stay taken until that queue or
 * the function is reset, or the queue destroyed.
 */
AXL_API void axl_buffer_destroy(struct axl_buffer *buffer);

AXL_API uint64_t axl_buffer_va(const struct axl_buffer *buffer); /* device virtual address */
AXL_API uint64_t axl_buffer_bytes(const struct axl_buffer *buffer);
AXL_API uint32_t axl_buffer_memory(const struct axl_buffer *buffer); /* enum axl_memory */

/* Address for the CPU, valid until destroyed. NULL for a peer's buffer, or if mmap() fails. */
AXL_API void *axl_buffer_map(struct axl_buffer *buffer);

/* --- queues --------------------------------------------------------------- */

#define AXL_QUEUE_ANY 0xffffffffu

struct axl_queue_attr {
	uint32_t index; /* which queue pair, AXL_QUEUE_ANY for a free one (kernel: always) */
	uint32_t slots_log2; /* log2 of ring slots, 0 for the default (1024) */
	uint32_t coalesce_count; /* see QUEUE.COALESCE */
	uint32_t coalesce_us;
	uint32_t spin_us; /* poll this long before sleeping in a wait; 0: sleep at once */
	uint32_t reserved[3]; /* zero */
};

/* attr may be NULL. -EBUSY: that index is taken; -ENOSPC: none is free. */
AXL_API int axl_queue_create(struct axl_context *context, const struct axl_queue_attr *attr,
			     size_t attr_bytes, struct axl_queue **queue_out);
AXL_API void axl_queue_destroy(struct axl_queue *queue);
AXL_API uint32_t axl_queue_index(const struct axl_queue *queue);

/* One 64-byte slot; a command is 1 to 8 of them, see axl_cmd.h. */
struct axl_slot {
	uint64_t words[8];
};

enum axl_submit_flag {
	AXL_SUBMIT_NO_INTERRUPT = 1, /* nobody will wait for this batch itself */
	AXL_SUBMIT_NONBLOCK = 2, /* -EAGAIN instead of waiting for ring space */
};

/*
 * Submit slot_count slots that hold whole commands, as one batch: all or nothing,
 * one doorbell, one interrupt. The library fills in sequence, context and the
 * INTERRUPT flag. *last_sequence_out (may be NULL) is the sequence of the last
 * command; the batch's commands are numbered consecutively.
 * Waits for room in the ring. -EINVAL names the first malformed command; -E2BIG: the
 * batch can never fit; -ESTALE, -ENODEV, -EIO (wedged): see axl_device_reset().
 */
AXL_API int axl_queue_submit(struct axl_queue *queue, const struct axl_slot *slots,
			     size_t slot_count, uint32_t flags, uint64_t *last_sequence_out);

/*
 * Wait until every command up to sequence has ended. timeout_ns < 0 waits for ever.
 * 0: all succeeded. -EIO: a command failed; axl_queue_take_error() tells which.
 * -ETIMEDOUT: not yet; nothing is lost and one may wait again. -ECANCELED: given up
 * by a reset. -ENODEV: gone.
 */
AXL_API int axl_queue_wait(struct axl_queue *queue, uint64_t sequence, int64_t timeout_ns);

/* Take in what has completed, without waiting; the highest sequence that has ended. */
AXL_API uint64_t axl_queue_poll(struct axl_queue *queue);

/*
 * Descriptor that becomes readable when this queue may have completions or the endpoint
 * is gone. To be polled, not read: axl_queue_poll() makes it quiet again. A completion
 * may be taken in just before it is announced: then the descriptor becomes readable once
 * more for it. Owned by the queue.
 */
AXL_API int axl_queue_fd(struct axl_queue *queue);

/* How one command ended. Times are CLOCK_MONOTONIC, converted from the device clock. */
struct axl_result {
	uint64_t sequence;
	uint32_t status; /* enum axl_status */
	uint32_t result;
	uint32_t opcode;
	uint32_t timing_valid; /* 0: start_ns and finish_ns are unknown */
	uint64_t submit_ns;
	uint64_t fetch_ns;
	uint64_t start_ns;
	uint64_t finish_ns;
	uint64_t complete_ns;
};

/* -EAGAIN: not ended yet; -ENOENT: too long ago (as many as the ring has slots are kept). */
AXL_API int axl_queue_result(struct axl_queue *queue, uint64_t sequence, struct axl_result *result,
			     size_t result_bytes);

/*
 * The first failed command since the last call, and forget it. -ENOENT: none.
 * AXL_STATUS_LOST: its completion never came although a later one did. The device may
 * still be at it: axl_queue_reset() before its memory is used for something else.
 */
AXL_API int axl_queue_take_error(struct axl_queue *queue, struct axl_result *result,
				 size_t result_bytes);

/*
 * Stop the queue, end everything in flight with AXL_STATUS_ABORTED and start it
 * again: the mildest way out of a hang.
 */
AXL_API int axl_queue_reset(struct axl_queue *queue);

struct axl_queue_stats {
	uint64_t submitted; /* commands */
	uint64_t completed;
	uint64_t failed;
	uint64_t lost; /* completions that never came */
	uint64_t malformed; /* completions that made no sense and were refused */
	uint64_t doorbells;
	uint64_t interrupts;
	uint64_t bytes_submitted;
	uint32_t in_flight;
	uint32_t reserved;
	/* Waits that found completions only because they looked: no interrupt told of them. */
	uint64_t missed_interrupts;
};

AXL_API int axl_queue_stats(struct axl_queue *queue, struct axl_queue_stats *stats,
			    size_t stats_bytes);

#ifdef __cplusplus
}
#endif

#endif

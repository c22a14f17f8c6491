/* SPDX-License-Identifier: (Apache-2.0 OR GPL-2.0-only) WITH Linux-syscall-note */
/*
 * The interface between axl.ko and user space.
 *
 * Rules
 *   - Fields have fixed widths and natural alignment; padding is explicit. No unions,
 *     no bit-fields, no enums as fields, no pointers but __u64 user addresses.
 *   - Padding and reserved fields must be zero and are refused (-EINVAL) if they are
 *     not; so are flags that this kernel does not know. Output fields are ignored on
 *     the way in and all written on the way out.
 *   - Structures grow at their end only. The kernel reads a shorter structure as if it
 *     were filled up with zeroes, and zero means "as before". Flags are added, never
 *     given another meaning.
 *   - Objects belong to the file that made them; their numbers mean nothing elsewhere.
 *   - Errors: -EINVAL malformed, -ENOENT no such object, -ESTALE the object is from
 *     before a reset, -ENODEV the endpoint is gone, -EIO it is wedged, -EAGAIN try
 *     again, -ECANCELED given up by a reset.
 *   - Times are CLOCK_MONOTONIC in ns.
 */
#ifndef AXL_ACCEL_H
#define AXL_ACCEL_H

#include <drm/drm.h>

#if defined(__cplusplus)
extern "C" {
#endif

/* Since 1.0 beside a name: the driver version that introduced it. */
#define DRM_AXL_VERSION_MAJOR 1
#define DRM_AXL_VERSION_MINOR 0

#define DRM_AXL_GET_INFO 0x00
#define DRM_AXL_TELEMETRY 0x01
#define DRM_AXL_ERROR 0x02
#define DRM_AXL_CONTEXT_CREATE 0x03
#define DRM_AXL_CONTEXT_DESTROY 0x04
#define DRM_AXL_CONTEXT_STATE 0x05
#define DRM_AXL_BO_CREATE 0x06
#define DRM_AXL_BO_MAP 0x07
#define DRM_AXL_BO_UNMAP 0x08
#define DRM_AXL_QUEUE_CREATE 0x09
#define DRM_AXL_QUEUE_DESTROY 0x0a
#define DRM_AXL_SUBMIT 0x0b
#define DRM_AXL_WAIT 0x0c
#define DRM_AXL_RESET 0x0d
#define DRM_AXL_QUEUE_RESET 0x0e
#define DRM_AXL_QUEUE_STATS 0x0f
#define DRM_AXL_NOTIFY 0x10

/* --- who the endpoint is and how it is --------------------------------------- */

#define DRM_AXL_MAX_PATH 16
#define DRM_AXL_SLOT_UNKNOWN 0xffff

/* Since 1.0 */
enum drm_axl_state {
	DRM_AXL_STATE_ONLINE = 0,
	DRM_AXL_STATE_RESETTING = 1,
	DRM_AXL_STATE_WEDGED = 2, /* no reset helped: remove it, or reset the bus */
	DRM_AXL_STATE_GONE = 3,
};

/* Since 1.0 */
struct drm_axl_get_info {
	__u64 flags; /* in: zero */
	__u64 board_serial;
	__u64 memory_bytes;
	__u64 memory_free_bytes;
	__u64 memory_address; /* bus address of BAR2 */
	__u32 endpoint_index; /* on the card */
	__u32 endpoint_count;
	__u32 bdf; /* segment << 16 | bus << 8 | device << 3 | function; a locator */
	__u32 slot; /* physical slot of the card, DRM_AXL_SLOT_UNKNOWN if none */
	__u32 path_depth; /* ports above the endpoint */
	__u32 path[DRM_AXL_MAX_PATH]; /* as bdf, root port first */
	__u32 hw_version;
	__u32 fw_version;
	__u32 spec_version;
	__u32 features; /* IDENT.FEATURES */
	__u32 queue_count;
	__u32 context_count;
	__u32 max_ring_log2;
	__u32 generation; /* resets of the function; older objects answer -ESTALE */
	__u32 state; /* enum drm_axl_state */
	__u32 address_state; /* enum axl_address_state */
	__u32 address_reason; /* enum axl_address_reason */
	__u32 address_generation; /* commits */
	__u32 peer_count; /* rows of the peer table, this endpoint included */
	__u32 vectors; /* interrupt vectors granted */
	__u32 link_speed; /* as in the Link Status register, 0: unknown */
	__u32 link_width;
	__u32 pad; /* zero */
};

/* Since 1.0; a sensor that is not in valid has no value */
struct drm_axl_telemetry {
	__u64 flags; /* in: zero */
	__u32 valid; /* TELEMETRY.VALID */
	__s32 temperature_millicelsius;
	__u32 power_milliwatt;
	__u32 clock_khz;
	__u32 utilisation_permille;
	__u32 memory_corrected;
	__u32 memory_uncorrected;
	__u32 heartbeat;
	__u64 progress; /* commands finished */
	__u64 bytes_host_to_device;
	__u64 bytes_device_to_host;
	__u64 bytes_device_to_device;
	__u64 bytes_peer;
	__u64 device_ticks; /* device clock ... */
	__u64 host_ns; /* ... and CLOCK_MONOTONIC at the same moment */
	__u64 clock_uncertainty_ns;
};

#define DRM_AXL_ERROR_HAS_COMMAND 0x1
#define DRM_AXL_ERROR_HAS_ADDRESS 0x2

/*
 * Tell an eventfd of this file when the endpoint raised an error, was reset, was given
 * another device address, was wedged or is gone. One per open file: the newest counts.
 * -EBADF: not a descriptor; -EINVAL: not an eventfd. Since 1.0
 */
struct drm_axl_notify {
	__s32 event_fd; /* -1: nothing any more */
	__u32 flags; /* zero */
};

/* The last record of the error block. Since 1.0 */
struct drm_axl_error {
	__u64 flags; /* in: zero; out: DRM_AXL_ERROR_HAS_* */
	__u64 records; /* how many the driver has taken in; 0: the rest is zero */
	__u32 code; /* enum axl_error_code */
	__u32 count; /* errors that the record stands for */
	__u32 queue;
	__u32 opcode;
	__u32 context;
	__u32 pad; /* zero */
	__u64 sequence;
	__u64 address;
	__u64 time_ns; /* when the driver took it in */
};

/* --- contexts ------------------------------------------------------------------ */

/* Since 1.0 */
struct drm_axl_context_create {
	__u32 flags; /* in: zero */
	__u32 context_id; /* out */
};

/* -EBUSY: a queue still uses it. Since 1.0 */
struct drm_axl_context_destroy {
	__u32 context_id;
	__u32 pad; /* zero */
};

#define DRM_AXL_CONTEXT_CLEAR_FAULT 0x1

/* Since 1.0 */
struct drm_axl_context_state {
	__u32 context_id;
	__u32 flags; /* DRM_AXL_CONTEXT_CLEAR_FAULT */
	__u32 faulted; /* out: 1 if a command faulted; before clearing */
	__u32 pad; /* zero */
};

/* --- buffers ------------------------------------------------------------------- */

enum drm_axl_memory {
	DRM_AXL_MEMORY_DEVICE = 0,
	DRM_AXL_MEMORY_HOST = 1,
	DRM_AXL_MEMORY_USER = 2, /* pages of the caller's own, pinned while the buffer lives */
};

/* USER: the pages need not be writable; then a mapping that is not READ_ONLY is -EACCES. */
#define DRM_AXL_BO_CREATE_READ_ONLY 0x1

/*
 * DEVICE and HOST: zero-filled memory. USER: the pages at user_address, bytes of them,
 * both multiples of the page size; no mmap_offset, as the caller has them mapped.
 * -ENOMEM: none left; USER: -EPERM: it would exceed RLIMIT_MEMLOCK and the caller has no
 * CAP_IPC_LOCK, -EFAULT: not all of the range is mapped, or not writable, or cannot be
 * pinned. Close it with DRM_IOCTL_GEM_CLOSE. Since 1.0
 *
 * DEVICE and HOST can be exported with DRM_IOCTL_PRIME_HANDLE_TO_FD; other drivers can map
 * HOST only (-EOPNOTSUPP). DRM_IOCTL_PRIME_FD_TO_HANDLE takes any dma-buf of host memory,
 * and device memory of another endpoint: -EXDEV if this one cannot reach it (axl/peers in
 * sysfs says why). What is mapped of it faults once the other endpoint was reset or removed.
 */
struct drm_axl_bo_create {
	__u64 bytes; /* in: rounded up to pages; out: what it became */
	__u32 memory; /* enum drm_axl_memory */
	__u32 flags; /* DRM_AXL_BO_CREATE_* */
	__u64 mmap_offset; /* out: for mmap() of the device file */
	__u32 handle; /* out: GEM handle */
	__u32 pad; /* zero */
	__u64 user_address; /* USER only, else zero */
};

#define DRM_AXL_BO_MAP_READ_ONLY 0x1

/* Make a buffer visible for the commands of a context. Since 1.0 */
struct drm_axl_bo_map {
	__u32 context_id;
	__u32 handle;
	__u32 flags; /* DRM_AXL_BO_MAP_READ_ONLY */
	__u32 pad; /* zero */
	__u64 va; /* out: device virtual address */
};

/*
 * Take it away again. Commands in flight may use the memory until they end; only then
 * is it given back. Since 1.0
 */
struct drm_axl_bo_unmap {
	__u32 context_id;
	__u32 pad; /* zero */
	__u64 va;
};

/* --- queues -------------------------------------------------------------------- */

/*
 * How the commands of a queue ended, without a system call: mmap(results_offset,
 * results_bytes) of the device file, read-only, shows one struct drm_axl_results and
 * behind it entry_count of struct drm_axl_result. The mapping outlives the queue.
 *
 * The result of a sequence is in entry sequence % entry_count. Read its sequence
 * (acquire), the rest, and its sequence again: it is whole if both are the one that was
 * looked for; a greater one says that it was too long ago.
 */
struct drm_axl_results {
	__u64 ended_sequence; /* every command up to here has ended; written after its entry */
	__u64 interrupts; /* that found completions of this queue */
	__u64 missed_interrupts; /* waits that found completions that no interrupt told of */
	__s32 over; /* 0, or -errno: why nothing more will end */
	__u32 entry_count; /* a power of two, at least the slots of the ring */
	__u64 reserved[4]; /* zero */
};

#define DRM_AXL_RESULT_TIMING_VALID 0x1 /* fetch_ns, start_ns and finish_ns are known */

struct drm_axl_result {
	__u64 sequence; /* 0: none yet, or being written */
	__u32 status; /* enum axl_status */
	__u32 result; /* see axl_status */
	__u32 opcode;
	__u32 flags; /* DRM_AXL_RESULT_* */
	__u64 submit_ns;
	__u64 fetch_ns; /* device times, converted; 0 if unknown */
	__u64 start_ns;
	__u64 finish_ns;
	__u64 complete_ns;
};

#define DRM_AXL_QUEUE_EVENT_FD 0x1 /* event_fd is an eventfd: told of every completion */

/* -ENOSPC: all queues of the endpoint are in use. Since 1.0 */
struct drm_axl_queue_create {
	__u32 context_id;
	__u32 flags; /* DRM_AXL_QUEUE_* */
	__u32 slots_log2; /* 0: the default */
	__u32 coalesce_count; /* QUEUE.COALESCE, up to 65535 */
	__u32 coalesce_us; /* likewise */
	__s32 event_fd; /* with EVENT_FD, else zero */
	__u32 queue_id; /* out */
	__u32 queue_index; /* out: queue pair of the endpoint, as in events */
	__u64 results_offset; /* out: for mmap() of the device file */
	__u32 results_bytes; /* out */
	__u32 slot_count; /* out: of the ring */
};

/* What is in flight ends with -ECANCELED. Since 1.0 */
struct drm_axl_queue_destroy {
	__u32 queue_id;
	__u32 pad; /* zero */
};

/*
 * Stop the queue, end what is in flight with the status ABORTED, and start it again: the
 * mildest way out of a hang, and after a lost command the way to get its memory back.
 * -EIO: the endpoint did not stop it, and was reset instead. Since 1.0
 */
struct drm_axl_queue_reset {
	__u32 queue_id;
	__u32 pad; /* zero */
};

/* Counts since the queue was made; resets of the queue do not clear them. Since 1.0 */
struct drm_axl_queue_stats {
	__u32 queue_id;
	__u32 in_flight; /* out */
	__u64 submitted; /* out: commands, like all below unless they say otherwise */
	__u64 completed; /* all that ended, also failed, lost and aborted ones */
	__u64 failed;
	__u64 lost; /* completion never came although a later one did */
	__u64 aborted; /* given up by a reset */
	__u64 malformed; /* completions that made no sense and were refused */
	__u64 bad_times; /* completions whose times made no sense */
	__u64 doorbells;
	__u64 interrupts; /* that found completions of this queue */
	__u64 missed_interrupts; /* waits that found completions that no interrupt told of */
	__u64 bytes_submitted;
};

#define DRM_AXL_SUBMIT_NONBLOCK 0x1 /* -EAGAIN rather than waiting for ring space */
#define DRM_AXL_SUBMIT_NO_INTERRUPT 0x2 /* nobody waits for this batch itself */

/*
 * One batch of whole commands: all or nothing, one doorbell, one interrupt at its end
 * unless NO_INTERRUPT (then its fence signals when somebody looks; -EINVAL with out_sync).
 * The kernel fills in sequence, context and the INTERRUPT flag. Waits for the fences
 * in in_syncs, then for room; only then are the slots read, so what is wrong with them
 * (-EFAULT, -EINVAL) is said after that. Since 1.0
 */
struct drm_axl_submit {
	__u32 queue_id;
	__u32 flags; /* DRM_AXL_SUBMIT_* */
	__u64 slots; /* user address of slot_count 64-byte slots */
	__u32 slot_count;
	__u32 in_sync_count; /* up to DRM_AXL_MAX_IN_SYNCS */
	__u64 in_syncs; /* user address of in_sync_count __u32 syncobj handles */
	__u32 out_sync; /* syncobj handle that gets the batch's fence, 0: none */
	__u32 pad; /* zero */
	__u64 sequence; /* out: of the last command */
};

#define DRM_AXL_MAX_IN_SYNCS 64

/*
 * Wait until every command up to sequence has ended. -ETIMEDOUT: not yet. -ECANCELED,
 * -ENODEV: given up. 0 does not mean success: look at failed_status, which is of the
 * first command of the queue that failed since it was last reported here. Since 1.0
 */
struct drm_axl_wait {
	__u32 queue_id;
	__u32 pad; /* zero */
	__u64 sequence;
	__s64 timeout_ns; /* CLOCK_MONOTONIC, absolute */
	__u64 ended_sequence; /* out: every command up to here has ended */
	__u64 failed_sequence; /* out: 0 if none failed */
	__u32 failed_status; /* out: enum axl_status */
	__u32 failed_result; /* out: see axl_status */
};

/* --- reset ----------------------------------------------------------------------- */

/* Reset the endpoint for everybody; needs CAP_SYS_ADMIN. Since 1.0 */
struct drm_axl_reset {
	__u32 kind; /* enum axl_reset_kind: function or bus */
	__u32 flags; /* zero */
	__u32 generation; /* out: after it */
	__u32 pad; /* zero */
};

#define DRM_AXL_IOWR(nr, type) DRM_IOWR(DRM_COMMAND_BASE + (nr), struct type)
#define DRM_IOCTL_AXL_GET_INFO DRM_AXL_IOWR(DRM_AXL_GET_INFO, drm_axl_get_info)
#define DRM_IOCTL_AXL_TELEMETRY DRM_AXL_IOWR(DRM_AXL_TELEMETRY, drm_axl_telemetry)
#define DRM_IOCTL_AXL_ERROR DRM_AXL_IOWR(DRM_AXL_ERROR, drm_axl_error)
#define DRM_IOCTL_AXL_CONTEXT_CREATE DRM_AXL_IOWR(DRM_AXL_CONTEXT_CREATE, drm_axl_context_create)
#define DRM_IOCTL_AXL_CONTEXT_DESTROY DRM_AXL_IOWR(DRM_AXL_CONTEXT_DESTROY, drm_axl_context_destroy)
#define DRM_IOCTL_AXL_CONTEXT_STATE DRM_AXL_IOWR(DRM_AXL_CONTEXT_STATE, drm_axl_context_state)
#define DRM_IOCTL_AXL_BO_CREATE DRM_AXL_IOWR(DRM_AXL_BO_CREATE, drm_axl_bo_create)
#define DRM_IOCTL_AXL_BO_MAP DRM_AXL_IOWR(DRM_AXL_BO_MAP, drm_axl_bo_map)
#define DRM_IOCTL_AXL_BO_UNMAP DRM_AXL_IOWR(DRM_AXL_BO_UNMAP, drm_axl_bo_unmap)
#define DRM_IOCTL_AXL_QUEUE_CREATE DRM_AXL_IOWR(DRM_AXL_QUEUE_CREATE, drm_axl_queue_create)
#define DRM_IOCTL_AXL_QUEUE_DESTROY DRM_AXL_IOWR(DRM_AXL_QUEUE_DESTROY, drm_axl_queue_destroy)
#define DRM_IOCTL_AXL_SUBMIT DRM_AXL_IOWR(DRM_AXL_SUBMIT, drm_axl_submit)
#define DRM_IOCTL_AXL_WAIT DRM_AXL_IOWR(DRM_AXL_WAIT, drm_axl_wait)
#define DRM_IOCTL_AXL_RESET DRM_AXL_IOWR(DRM_AXL_RESET, drm_axl_reset)
#define DRM_IOCTL_AXL_QUEUE_RESET DRM_AXL_IOWR(DRM_AXL_QUEUE_RESET, drm_axl_queue_reset)
#define DRM_IOCTL_AXL_QUEUE_STATS DRM_AXL_IOWR(DRM_AXL_QUEUE_STATS, drm_axl_queue_stats)
#define DRM_IOCTL_AXL_NOTIFY DRM_AXL_IOWR(DRM_AXL_NOTIFY, drm_axl_notify)

#if defined(__cplusplus)
}
#endif

#endif

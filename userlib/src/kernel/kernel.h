/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Objects of the kernel back end: thin, the driver keeps the state.
 *
 * Locks, none taken while another is held:
 *   device->lock    imported handles, CPU mappings, the count of error records
 *   queue->lock     what this process knows of a queue's commands
 *   recorder.lock   leaf
 * A thread that sleeps in the driver holds none of them.
 */
#ifndef AXL_KERNEL_KERNEL_H
#define AXL_KERNEL_KERNEL_H

#include <pthread.h>
#include <stdatomic.h>

#include "../backend.h"
#include "../events.h"
#include "axl_accel.h"

/* A GEM handle of an imported dma-buf: the driver gives the same one for every import. */
struct axl_kernel_handle {
	struct axl_kernel_handle *next;
	uint32_t handle;
	uint32_t uses;
};

struct axl_kernel_device {
	struct axl_device base;
	struct axl_endpoint_info endpoint;
	int fd;
	int event_fd; /* eventfd that the driver tells of errors, resets and the end */
	uint32_t max_ring_log2;
	uint32_t context_count;
	uint32_t queue_count;
	struct axl_recorder recorder; /* probes only: the driver's tracepoints are the record */
	atomic_uint generation; /* as last seen, for when the endpoint is gone */
	pthread_mutex_t lock; /* guards what follows, and buffers' mappings */
	struct axl_kernel_handle *handles;
	uint64_t records_seen; /* error records that were cleared, or older than this handle */
};

struct axl_kernel_context {
	struct axl_context base;
	uint32_t id;
};

enum axl_kernel_origin {
	AXL_KERNEL_OWN, /* memory of the driver, mapped through its file */
	AXL_KERNEL_USER, /* the caller's pages */
	AXL_KERNEL_MEMFD, /* a memfd's pages, mapped here so that they can be pinned */
	AXL_KERNEL_DMABUF,
	AXL_KERNEL_PEER, /* a dma-buf of another endpoint: nothing to see for the CPU */
};

struct axl_kernel_buffer {
	struct axl_buffer base;
	enum axl_kernel_origin origin;
	uint32_t handle; /* GEM */
	uint64_t mapped_va; /* base.va, less the offset into a dma-buf */
	int map_fd; /* what mmap() takes; a dma-buf's is our duplicate; -1: none */
	uint64_t map_offset;
	void *cpu; /* NULL until asked for */
};

struct axl_kernel_queue {
	struct axl_queue base;
	uint32_t id;
	uint32_t slot_count;
	uint32_t spin_us;
	int event_fd; /* told of every completion */
	atomic_bool watched; /* somebody asked for event_fd: keep it quiet */
	const struct drm_axl_results *results; /* the driver's, mapped */
	size_t results_bytes;
	atomic_ullong submitted; /* last sequence */
	atomic_ullong audible; /* last sequence that interrupts */
	pthread_mutex_t lock; /* guards what follows */
	uint64_t scanned; /* every command up to here was looked at */
	uint64_t failed; /* last failed command that was looked at */
	struct axl_result error; /* first failure nobody took yet */
	bool has_error;
};

static inline struct axl_kernel_device *axl_kernel_device(struct axl_device *device)
{
	return (struct axl_kernel_device *)device;
}

static inline struct axl_kernel_context *axl_kernel_context(struct axl_context *context)
{
	return (struct axl_kernel_context *)context;
}

static inline struct axl_kernel_buffer *axl_kernel_buffer(struct axl_buffer *buffer)
{
	return (struct axl_kernel_buffer *)buffer;
}

static inline struct axl_kernel_queue *axl_kernel_queue(struct axl_queue *queue)
{
	return (struct axl_kernel_queue *)queue;
}

static inline struct axl_kernel_device *
axl_kernel_queue_device(const struct axl_kernel_queue *queue)
{
	return axl_kernel_device(queue->base.context->device);
}

/* --- ioctl.c --- */

/* 0 or a negative errno, without a message; signals do not end it. */
int axl_kernel_ioctl(const struct axl_kernel_device *device, unsigned long request, void *args);

/*
 * What a refusal of the driver means. doing: "making a queue"; handle: what was used for it
 * ("context"), and is to blame if it is from before a reset.
 */
int axl_kernel_fail(const struct axl_kernel_device *device, int err, const char *doing,
		    const char *handle);

/* GET_INFO; with a message. */
int axl_kernel_get_info(struct axl_kernel_device *device, struct drm_axl_get_info *info);

/* --- list.c --- */

#define AXL_KERNEL_NODE_BYTES 48

/* Endpoints that the driver drives. -ENODEV: none, and why. place is NULL. */
int axl_kernel_list(const char *place, struct axl_found_list *list);

/* --- node.c --- */

/* Open /dev/accel/accelN; the descriptor, or a negative errno with what to do. */
int axl_kernel_node_open(const char *path, const char *id);

/* Whether the driver speaks a version of the interface that this library does. */
int axl_kernel_node_check(const struct axl_kernel_device *device);

/* --- device.c --- */

int axl_kernel_device_open(const struct axl_found *found, struct axl_device **out);
void axl_kernel_device_close(struct axl_device *base);

/* --- status.c --- */

int axl_kernel_device_info(struct axl_device *base, struct axl_device_info *info);
int axl_kernel_device_telemetry(struct axl_device *base, struct axl_telemetry *telemetry);
int axl_kernel_device_error(struct axl_device *base, bool clear, struct axl_device_error *error);
int axl_kernel_device_reset(struct axl_device *base, uint32_t kind);
uint32_t axl_kernel_device_generation(struct axl_device *base);
int axl_kernel_device_event_fd(struct axl_device *base);
int axl_kernel_device_check(struct axl_device *base);

/* --- context.c --- */

int axl_kernel_context_create(struct axl_device *base, struct axl_context **out);
void axl_kernel_context_destroy(struct axl_context *base);
int axl_kernel_context_is_faulted(struct axl_context *base);
int axl_kernel_context_recover(struct axl_context *base);

/* --- buffer.c, import.c --- */

int axl_kernel_buffer_create(struct axl_context *base, uint64_t bytes, uint32_t memory,
			     struct axl_buffer **out);
int axl_kernel_buffer_create_user(struct axl_context *base, void *address, uint64_t bytes,
				  uint32_t flags, struct axl_buffer **out);
int axl_kernel_buffer_import(struct axl_context *base, int fd, uint64_t offset, uint64_t bytes,
			     struct axl_buffer **out);
int axl_kernel_buffer_import_peer(struct axl_context *base, struct axl_buffer *peer,
				  struct axl_buffer **out);
void axl_kernel_buffer_destroy(struct axl_buffer *base);
void *axl_kernel_buffer_map(struct axl_buffer *base);

/* A buffer without memory yet; NULL with a message. */
struct axl_kernel_buffer *axl_kernel_buffer_alloc(struct axl_context *context, uint64_t bytes,
						  enum axl_kernel_origin origin);

/* Pin the caller's pages; flags: DRM_AXL_BO_CREATE_*. */
int axl_kernel_buffer_pin(struct axl_kernel_buffer *buffer, void *address, uint32_t flags);

/* Give a buffer with a handle its device address, offset bytes into it. Frees it on failure. */
int axl_kernel_buffer_publish(struct axl_kernel_buffer *buffer, uint32_t flags, uint64_t offset,
			      struct axl_buffer **out);

/* Let go of everything that the buffer has. */
void axl_kernel_buffer_free(struct axl_kernel_buffer *buffer);

/* Drop one use of an imported handle. */
void axl_kernel_handle_put(struct axl_kernel_device *device, uint32_t handle);

/* --- queue.c, submit.c --- */

int axl_kernel_queue_create(struct axl_context *base, const struct axl_queue_attr *attr,
			    struct axl_queue **out);
void axl_kernel_queue_destroy(struct axl_queue *base);
int axl_kernel_queue_fd(struct axl_queue *base);
int axl_kernel_queue_reset(struct axl_queue *base);
int axl_kernel_queue_stats(struct axl_queue *base, struct axl_queue_stats *stats);
int axl_kernel_queue_submit(struct axl_queue *base, const struct axl_slot *slots, size_t slot_count,
			    uint32_t flags, uint64_t *last_out);

/* --- results.c --- */

/* The driver's word that every command up to here has ended. */
uint64_t axl_kernel_results_ended(const struct axl_kernel_queue *queue);

/* 0, or why nothing more will end. */
int axl_kernel_results_over(const struct axl_kernel_queue *queue);

/* queue->lock held: look at everything that ended since the last look. */
void axl_kernel_results_scan(struct axl_kernel_queue *queue);

/* queue->lock held: remember a failure that the driver told of, unless it is known. */
void axl_kernel_results_note(struct axl_kernel_queue *queue, const struct drm_axl_wait *told);

int axl_kernel_queue_result(struct axl_queue *base, uint64_t sequence, struct axl_result *result);
int axl_kernel_queue_take_error(struct axl_queue *base, struct axl_result *result);

/* --- wait.c --- */

int axl_kernel_queue_wait(struct axl_queue *base, uint64_t sequence, int64_t timeout_ns);
uint64_t axl_kernel_queue_poll(struct axl_queue *base);

/* Have the driver look at commands that will not interrupt, if there are any. */
void axl_kernel_queue_look(struct axl_kernel_queue *queue);

/* --- probe.c --- */

void axl_kernel_probe_queue(struct axl_kernel_queue *queue, uint8_t stage, uint64_t sequence);
void axl_kernel_probe_buffer(struct axl_kernel_buffer *buffer, uint8_t stage);
void axl_kernel_probe_batch(struct axl_kernel_queue *queue, const struct axl_slot *slots,
			    size_t slot_count, uint64_t last, uint64_t time_ns);
void axl_kernel_probe_result(struct axl_kernel_queue *queue, const struct axl_result *result);

#endif

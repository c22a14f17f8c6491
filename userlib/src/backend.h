/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The seam inside libaxl: what a back end must do, and what the public functions need
 * of its objects. A back end embeds the base structures below as the first members of
 * its own. Arguments reach it checked: no NULL, sizes and flags are right, and the
 * process is the one that opened the device.
 */
#ifndef AXL_BACKEND_H
#define AXL_BACKEND_H

#include <stdbool.h>

#include "axl.h"

struct axl_backend_ops;

/* An endpoint that exists and how to reach it. */
struct axl_found {
	struct axl_endpoint_info info;
	const struct axl_backend_ops *backend;
	char *where; /* the back end's own: the rack's folder */
};

struct axl_found_list {
	struct axl_found *items;
	size_t count;
	size_t capacity;
};

/* Append; takes over found->where, also on failure. 0 or -ENOMEM. */
int axl_found_list_add(struct axl_found_list *list, const struct axl_found *found);
void axl_found_list_deinit(struct axl_found_list *list);

struct axl_device {
	const struct axl_backend_ops *backend;
	const uint32_t *owner_mark; /* reads 0 in a forked child (MADV_WIPEONFORK) */
	uint32_t owner_pid;
};

struct axl_context {
	struct axl_device *device;
};

struct axl_buffer {
	struct axl_context *context;
	uint64_t va;
	uint64_t bytes;
	uint32_t memory; /* enum axl_memory */
};

struct axl_queue {
	struct axl_context *context;
	uint32_t index;
};

struct axl_backend_ops {
	const char *name;
	uint32_t kind; /* enum axl_backend */

	/* Append every endpoint of the place (NULL: all places). */
	int (*list)(const char *place, struct axl_found_list *list);

	int (*device_open)(const struct axl_found *found, struct axl_device **out);
	void (*device_close)(struct axl_device *device);
	int (*device_info)(struct axl_device *device, struct axl_device_info *info);
	int (*device_telemetry)(struct axl_device *device, struct axl_telemetry *telemetry);
	int (*device_error)(struct axl_device *device, bool clear, struct axl_device_error *error);
	int (*device_reset)(struct axl_device *device, uint32_t kind);
	uint32_t (*device_generation)(struct axl_device *device);
	int (*device_event_fd)(struct axl_device *device);
	int (*device_check)(struct axl_device *device);

	int (*context_create)(struct axl_device *device, struct axl_context **out);
	void (*context_destroy)(struct axl_context *context);
	int (*context_is_faulted)(struct axl_context *context);
	int (*context_recover)(struct axl_context *context);

	int (*buffer_create)(struct axl_context *context, uint64_t bytes, uint32_t memory,
			     struct axl_buffer **out);
	int (*buffer_create_user)(struct axl_context *context, void *address, uint64_t bytes,
				  uint32_t flags, struct axl_buffer **out);
	int (*buffer_import)(struct axl_context *context, int fd, uint64_t offset, uint64_t bytes,
			     struct axl_buffer **out);
	int (*buffer_import_peer)(struct axl_context *context, struct axl_buffer *peer,
				  struct axl_buffer **out);
	void (*buffer_destroy)(struct axl_buffer *buffer);
	void *(*buffer_map)(struct axl_buffer *buffer);

	int (*queue_create)(struct axl_context *context, const struct axl_queue_attr *attr,
			    struct axl_queue **out);
	void (*queue_destroy)(struct axl_queue *queue);
	int (*queue_submit)(struct axl_queue *queue, const struct axl_slot *slots,
			    size_t slot_count, uint32_t flags, uint64_t *last_out);
	int (*queue_wait)(struct axl_queue *queue, uint64_t sequence, int64_t timeout_ns);
	uint64_t (*queue_poll)(struct axl_queue *queue);
	int (*queue_fd)(struct axl_queue *queue);
	int (*queue_result)(struct axl_queue *queue, uint64_t sequence, struct axl_result *result);
	int (*queue_take_error)(struct axl_queue *queue, struct axl_result *result);
	int (*queue_reset)(struct axl_queue *queue);
	int (*queue_stats)(struct axl_queue *queue, struct axl_queue_stats *stats);
};

extern const struct axl_backend_ops axl_kernel_backend;
extern const struct axl_backend_ops axl_rack_backend;

/* Remember which process opens the device. 0 or negative errno. */
int axl_owner_init(struct axl_device *device);
void axl_owner_deinit(struct axl_device *device);

/* 0, or -EOWNERDEAD in a process that was forked after the device was opened. */
int axl_owner_check(const struct axl_device *device);

/* The ring's size that the attributes ask for, up to limit; -EINVAL says what is wrong. */
int axl_queue_attr_check(const struct axl_queue_attr *attr, uint32_t limit, uint32_t *log2_out);

/* Fill in info->id from serial and index. */
void axl_endpoint_set_id(struct axl_endpoint_info *info);

/* Give a structure to the caller: min(sizes) bytes, the rest zero. */
void axl_copy_out(void *out, size_t out_bytes, const void *in, size_t in_bytes);

#endif

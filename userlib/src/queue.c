// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Public functions about queues: check the arguments, ask the back end. */
#include <errno.h>
#include <string.h>

#include "backend.h"
#include "error.h"

#define AXL_DEFAULT_RING_LOG2 10
#define AXL_SUBMIT_FLAGS ((uint32_t)AXL_SUBMIT_NO_INTERRUPT | (uint32_t)AXL_SUBMIT_NONBLOCK)

static const struct axl_backend_ops *axl_queue_ops(const struct axl_queue *queue)
{
	return queue->context->device->backend;
}

static int axl_queue_check(const struct axl_queue *queue, const char *function)
{
	if (!queue)
		return axl_fail(-EINVAL, "%s: queue is NULL", function);
	return axl_owner_check(queue->context->device);
}

static int axl_queue_check_out(const struct axl_queue *queue, const void *out, size_t out_bytes,
			       const char *function)
{
	if (!out || !out_bytes)
		return axl_fail(-EINVAL, "%s: no room for the answer", function);
	return axl_queue_check(queue, function);
}

/* A newer caller's structure may be longer; what we do not know must be zero. */
static int axl_queue_take_attr(const struct axl_queue_attr *attr, size_t bytes,
			       struct axl_queue_attr *out)
{
	const unsigned char *raw = (const unsigned char *)attr;

	*out = (struct axl_queue_attr){ .index = AXL_QUEUE_ANY };
	if (!attr)
		return 0;
	if (bytes < sizeof(attr->index))
		return axl_fail(-EINVAL, "axl_queue_create: attr_bytes is too small");
	for (size_t i = sizeof(*out); i < bytes; i++) {
		if (raw[i])
			return axl_fail(-EINVAL, "axl_queue_create: an attribute that this "
						 "library does not know");
	}
	memcpy(out, attr, bytes < sizeof(*out) ? bytes : sizeof(*out));
	if (out->reserved[0] || out->reserved[1] || out->reserved[2])
		return axl_fail(-EINVAL, "axl_queue_create: reserved must be zero");
	return 0;
}

int axl_queue_attr_check(const struct axl_queue_attr *attr, uint32_t limit, uint32_t *log2_out)
{
	uint32_t log2 = attr->slots_log2;

	if (log2 == 0)
		log2 = limit < AXL_DEFAULT_RING_LOG2 ? limit : AXL_DEFAULT_RING_LOG2;
	if (log2 < AXL_MIN_RING_LOG2 || log2 > limit || attr->coalesce_count > 0xffff ||
	    attr->coalesce_us > 0xffff)
		return axl_fail(-EINVAL,
				"queue attributes: slots_log2 is %u to %u, coalescing at "
				"most 65535",
				AXL_MIN_RING_LOG2, limit);
	*log2_out = log2;
	return 0;
}

int axl_queue_create(struct axl_context *context, const struct axl_queue_attr *attr,
		     size_t attr_bytes, struct axl_queue **queue_out)
{
	struct axl_queue_attr full;
	int status;

	if (!context || !queue_out)
		return axl_fail(-EINVAL, "axl_queue_create: an argument is NULL");
	*queue_out = NULL;
	status = axl_owner_check(context->device);
	if (!status)
		status = axl_queue_take_attr(attr, attr_bytes, &full);
	return status ? status : context->device->backend->queue_create(context, &full, queue_out);
}

void axl_queue_destroy(struct axl_queue *queue)
{
	if (queue && !axl_owner_check(queue->context->device))
		axl_queue_ops(queue)->queue_destroy(queue);
}

uint32_t axl_queue_index(const struct axl_queue *queue)
{
	return queue ? queue->index : AXL_QUEUE_ANY;
}

int axl_queue_submit(struct axl_queue *queue, const struct axl_slot *slots, size_t slot_count,
		     uint32_t flags, uint64_t *last_sequence_out)
{
	int status = axl_queue_check(queue, "axl_queue_submit");

	if (status)
		return status;
	if (!slots || !slot_count || (flags & ~AXL_SUBMIT_FLAGS))
		return axl_fail(-EINVAL, "axl_queue_submit: %s",
				slots && slot_count ? "unknown flags" : "an empty batch");
	return axl_queue_ops(queue)->queue_submit(queue, slots, slot_count, flags,
						  last_sequence_out);
}

int axl_queue_wait(struct axl_queue *queue, uint64_t sequence, int64_t timeout_ns)
{
	int status = axl_queue_check(queue, "axl_queue_wait");

	return status ? status : axl_queue_ops(queue)->queue_wait(queue, sequence, timeout_ns);
}

uint64_t axl_queue_poll(struct axl_queue *queue)
{
	return axl_queue_check(queue, "axl_queue_poll") ? 0 :
							  axl_queue_ops(queue)->queue_poll(queue);
}

int axl_queue_fd(struct axl_queue *queue)
{
	int status = axl_queue_check(queue, "axl_queue_fd");

	return status ? status : axl_queue_ops(queue)->queue_fd(queue);
}

int axl_queue_result(struct axl_queue *queue, uint64_t sequence, struct axl_result *result,
		     size_t result_bytes)
{
	struct axl_result full;
	int status = axl_queue_check_out(queue, result, result_bytes, "axl_queue_result");

	if (!status)
		status = axl_queue_ops(queue)->queue_result(queue, sequence, &full);
	if (!status)
		axl_copy_out(result, result_bytes, &full, sizeof(full));
	return status;
}

int axl_queue_take_error(struct axl_queue *queue, struct axl_result *result, size_t result_bytes)
{
	struct axl_result full;
	int status = axl_queue_check_out(queue, result, result_bytes, "axl_queue_take_error");

	if (!status)
		status = axl_queue_ops(queue)->queue_take_error(queue, &full);
	if (!status)
		axl_copy_out(result, result_bytes, &full, sizeof(full));
	return status;
}

int axl_queue_reset(struct axl_queue *queue)
{
	int status = axl_queue_check(queue, "axl_queue_reset");

	return status ? status : axl_queue_ops(queue)->queue_reset(queue);
}

int axl_queue_stats(struct axl_queue *queue, struct axl_queue_stats *stats, size_t stats_bytes)
{
	struct axl_queue_stats full;
	int status = axl_queue_check_out(queue, stats, stats_bytes, "axl_queue_stats");

	if (!status)
		status = axl_queue_ops(queue)->queue_stats(queue, &full);
	if (!status)
		axl_copy_out(stats, stats_bytes, &full, sizeof(full));
	return status;
}

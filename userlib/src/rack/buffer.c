// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers: memory and its place in a context's page table. */
#include <errno.h>
#include <stdlib.h>

#include "../error.h"
#include "../outcome.h"
#include "axl_ctx.h"
#include "rack.h"

#define AXL_PAGE_BYTES (1ull << AXL_PAGE_SHIFT)

static struct axl_rack_device *axl_buffer_device(const struct axl_rack_buffer *buffer)
{
	return axl_rack_device(buffer->base.context->device);
}

static void axl_rack_buffer_event(struct axl_rack_buffer *buffer, uint8_t stage)
{
	static const uint8_t directions[AXL_VA_KIND_END] = {
		[AXL_VA_PEER] = AXL_DIRECTION_PEER,
	};
	struct axl_rack_device *device = axl_buffer_device(buffer);
	struct axl_event event = {
		.bytes = buffer->base.bytes,
		.address = buffer->base.va,
		.context = (uint16_t)axl_rack_context(buffer->base.context)->number,
		.stage = stage,
		.direction = directions[buffer->kind],
	};

	if (axl_recorder_on(&device->recorder))
		axl_recorder_emit(&device->recorder, &event);
}

/* --- memory behind a buffer -------------------------------------------------------------- */

static int axl_rack_take_memory(struct axl_rack_device *device, struct axl_rack_buffer *buffer)
{
	uint64_t bytes = buffer->base.bytes;
	uint64_t align = bytes >= AXL_LARGE_PAGE_BYTES ? AXL_LARGE_PAGE_BYTES : AXL_PAGE_BYTES;
	uint64_t used;
	int err = axl_range_alloc(&device->memory_range, bytes, align, &buffer->offset);

	if (err)
		return axl_fail(-ENOMEM,
				"%s: no %llu bytes of device memory: %llu are free, %llu in one "
				"piece",
				device->endpoint.id, (unsigned long long)bytes,
				(unsigned long long)axl_range_free_bytes(&device->memory_range),
				(unsigned long long)axl_range_largest(&device->memory_range));
	/* Memory that was never handed out was scrubbed when the endpoint was opened. */
	used = buffer->offset < device->memory_fresh ? device->memory_fresh - buffer->offset : 0;
	axl_zero_shared(device->memory + buffer->offset, used < bytes ? used : bytes);
	if (device->memory_fresh < buffer->offset + bytes)
		device->memory_fresh = buffer->offset + bytes;
	return 0;
}

static void axl_rack_release_memory(struct axl_rack_device *device, struct axl_rack_buffer *buffer)
{
	if (buffer->kind == AXL_VA_HOST)
		axl_rack_dma_free(&device->dma, &buffer->mem);
	else if (buffer->kind == AXL_VA_DEVICE &&
		 buffer->generation == atomic_load(&device->generation))
		axl_range_free(&device->memory_range, buffer->offset);
}

/* --- mapping -------------------------------------------------------------------------------- */

static int axl_rack_buffer_map_at(struct axl_rack_device *device, struct axl_rack_buffer *buffer,
				  uint64_t address, uint32_t space)
{
	struct axl_rack_context *context = axl_rack_context(buffer->base.context);
	struct axl_range *va = &context->va[buffer->kind];
	uint64_t bytes = buffer->base.bytes;
	bool large = bytes >= AXL_LARGE_PAGE_BYTES && address % AXL_LARGE_PAGE_BYTES == 0;
	int err = axl_range_alloc(va, bytes, large ? AXL_LARGE_PAGE_BYTES : AXL_PAGE_BYTES,
				  &buffer->base.va);

	if (err)
		return axl_rack_fail(device, err, "device virtual addresses");
	err = axl_pt_map(&context->pt, buffer->base.va, address, bytes, space, true);
	if (!err)
		return 0;
	axl_range_free(va, buffer->base.va);
	return axl_rack_fail(device, err, "mapping a buffer");
}

/* Take the pages away and wait until the device has forgotten them. */
static void axl_rack_buffer_unmap(struct axl_rack_device *device, struct axl_rack_buffer *buffer)
{
	struct axl_rack_context *context = axl_rack_context(buffer->base.context);
	bool current = context->generation == atomic_load(&device->generation);
	int err = 0;

	axl_pt_unmap(&context->pt, buffer->base.va, buffer->base.bytes);
	if (current && atomic_load(&device->state) == AXL_DEVICE_ONLINE)
		err = axl_ctx_invalidate(&device->os, context->number);
	/* It may still reach the memory: only a reset of the function stops that. */
	if (err && err != AXL_ERR_GONE)
		axl_rack_recover(device, AXL_RESET_EVENT_DEVICE_DEAD, NULL);
	axl_pt_reclaim(&context->pt);
	axl_range_free(&context->va[buffer->kind], buffer->base.va);
}

/* --- operations -------------------------------------------------------------------------------- */

static struct axl_rack_buffer *axl_rack_buffer_alloc(struct axl_context *context, uint64_t bytes,
						     enum axl_va_kind kind)
{
	struct axl_rack_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer) {
		axl_fail(-ENOMEM, "no memory for a buffer");
		return NULL;
	}
	buffer->base.context = context;
	buffer->base.bytes = bytes;
	buffer->base.memory = kind == AXL_VA_HOST ? AXL_MEMORY_HOST : AXL_MEMORY_DEVICE;
	buffer->generation = axl_rack_context(context)->generation;
	buffer->kind = kind;
	return buffer;
}

static int axl_rack_buffer_fill(struct axl_rack_device *device, struct axl_rack_buffer *buffer)
{
	int status;

	if (buffer->kind == AXL_VA_HOST) {
		/* An imported one has its memory already. */
		status = buffer->mem.cpu ?
				 0 :
				 axl_rack_dma_alloc(&device->dma, buffer->base.bytes, &buffer->mem);
		if (!status)
			status = axl_rack_buffer_map_at(device, buffer, buffer->mem.bus,
							AXL_SPACE_HOST);
	} else {
		status = axl_rack_take_memory(device, buffer);
		if (status)
			return status;
		status = axl_rack_buffer_map_at(device, buffer, buffer->offset, AXL_SPACE_DEVICE);
	}
	if (status)
		axl_rack_release_memory(device, buffer);
	return status;
}

/* device->lock is taken here; frees the buffer on failure. */
static int axl_rack_buffer_finish(struct axl_rack_device *device, struct axl_rack_buffer *buffer,
				  struct axl_buffer **out)
{
	int status;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, buffer->generation, "context");
	if (status)
		axl_rack_dma_free(&device->dma, &buffer->mem);
	else
		status = axl_rack_buffer_fill(device, buffer);
	if (!status) {
		axl_rack_buffer_event(buffer, AXL_STAGE_DMA_MAP);
		*out = &buffer->base;
	}
	pthread_mutex_unlock(&device->lock);
	if (status)
		free(buffer);
	return status;
}

int axl_rack_buffer_create(struct axl_context *base, uint64_t bytes, uint32_t memory,
			   struct axl_buffer **out)
{
	struct axl_rack_buffer *buffer = axl_rack_buffer_alloc(
		base, bytes, memory == AXL_MEMORY_HOST ? AXL_VA_HOST : AXL_VA_DEVICE);

	if (!buffer)
		return -ENOMEM;
	return axl_rack_buffer_finish(axl_rack_device(base->device), buffer, out);
}

/* The endpoint is another process: it maps descriptors, and pages of ours have none. */
int axl_rack_buffer_create_user(struct axl_context *base, void *address, uint64_t bytes,
				uint32_t flags, struct axl_buffer **out)
{
	(void)address;
	(void)bytes;
	(void)flags;
	(void)out;
	return axl_fail(-EOPNOTSUPP,
			"%s is in an embedded rack, which reaches memory by descriptor only: put "
			"the data into a memfd and give that to axl_buffer_import()",
			axl_rack_device(base->device)->endpoint.id);
}

int axl_rack_buffer_import(struct axl_context *base, int fd, uint64_t offset, uint64_t bytes,
			   struct axl_buffer **out)
{
	struct axl_rack_device *device = axl_rack_device(base->device);
	struct axl_rack_buffer *buffer = axl_rack_buffer_alloc(base, bytes, AXL_VA_HOST);
	int status;

	if (!buffer)
		return -ENOMEM;
	status = axl_rack_dma_import(&device->dma, fd, offset, bytes, &buffer->mem);
	if (status) {
		free(buffer);
		return status;
	}
	return axl_rack_buffer_finish(device, buffer, out);
}

/* Whether the rack says that one endpoint can reach the other, and at which address. */
static int axl_rack_peer_address(struct axl_rack_device *device, const struct axl_rack_buffer *peer,
				 uint64_t *address_out)
{
	const struct axl_rack_device *owner = axl_buffer_device(peer);

	for (uint32_t i = 0; i < device->topology.endpoint_count; i++) {
		const struct axl_topology_endpoint *row = &device->topology.endpoints[i];

		if (row->serial != owner->place.serial || row->index != owner->place.index ||
		    row->bar2 != owner->place.bar2)
			continue;
		*address_out = row->bar2 + peer->offset;
		return 0;
	}
	return axl_fail(-EXDEV,
			"%s cannot reach %s: they are not in one rack; copy through host "
			"memory",
			device->endpoint.id, owner->endpoint.id);
}

static int axl_rack_map_peer(struct axl_rack_device *device, struct axl_rack_buffer *buffer,
			     uint64_t address)
{
	int status;

	pthread_mutex_lock(&device->lock);
	status = axl_rack_current(device, buffer->generation, "context");
	if (!status)
		status = axl_rack_buffer_map_at(device, buffer, address, AXL_SPACE_PEER);
	if (!status)
		axl_rack_buffer_event(buffer, AXL_STAGE_DMA_MAP);
	pthread_mutex_unlock(&device->lock);
	return status;
}

int axl_rack_buffer_import_peer(struct axl_context *base, struct axl_buffer *peer_base,
				struct axl_buffer **out)
{
	struct axl_rack_device *device = axl_rack_device(base->device);
	struct axl_rack_buffer *peer = axl_rack_buffer(peer_base);
	struct axl_rack_buffer *buffer;
	uint64_t address = 0;
	int status;

	if (peer->kind != AXL_VA_DEVICE)
		return axl_fail(-EINVAL, "import of a peer's buffer: it is not device memory");
	status = axl_rack_current(axl_buffer_device(peer), peer->generation, "buffer");
	if (!status)
		status = axl_rack_peer_address(device, peer, &address);
	if (status)
		return status;
	buffer = axl_rack_buffer_alloc(base, peer_base->bytes, AXL_VA_PEER);
	if (!buffer)
		return -ENOMEM;
	status = axl_rack_map_peer(device, buffer, address);
	if (status)
		free(buffer);
	else
		*out = &buffer->base;
	return status;
}

/* --- destroying --------------------------------------------------------------------------------- */

/*
 * device->lock held: whether a command of the context was lost and its queue runs on.
 * Nobody knows whether the device is done with such a command: what it reads and writes
 * must stay what it is until the queue, or the function, was reset.
 */
static bool axl_rack_context_has_lost(struct axl_rack_context *context)
{
	struct axl_rack_device *device = axl_rack_device(context->base.device);
	bool lost = false;

	if (context->generation != atomic_load(&device->generation) ||
	    atomic_load(&device->state) != AXL_DEVICE_ONLINE)
		return false;
	for (uint32_t i = 0; i < AXL_MAX_QUEUES && !lost; i++) {
		struct axl_rack_queue *queue = device->queues[i];

		if (!queue || queue->base.context != &context->base)
			continue;
		pthread_mutex_lock(&queue->lock);
		lost = queue->lost && !queue->over;
		pthread_mutex_unlock(&queue->lock);
	}
	return lost;
}

static void axl_rack_buffer_release(struct axl_rack_device *device, struct axl_rack_buffer *buffer)
{
	axl_rack_buffer_event(buffer, AXL_STAGE_DMA_UNMAP);
	axl_rack_buffer_unmap(device, buffer);
	axl_rack_release_memory(device, buffer);
	free(buffer);
}

void axl_rack_context_release(struct axl_rack_context *context)
{
	while (context->withheld && !axl_rack_context_has_lost(context)) {
		struct axl_rack_buffer *buffer = context->withheld;

		context->withheld = buffer->next;
		axl_rack_buffer_release(axl_rack_device(context->base.device), buffer);
	}
}

void axl_rack_buffer_destroy(struct axl_buffer *base)
{
	struct axl_rack_buffer *buffer = axl_rack_buffer(base);
	struct axl_rack_context *context = axl_rack_context(base->context);
	struct axl_rack_device *device = axl_buffer_device(buffer);

	pthread_mutex_lock(&device->lock);
	/* A peer's memory is not ours to withhold: there a late command had better fault. */
	if (buffer->kind == AXL_VA_PEER || !axl_rack_context_has_lost(context)) {
		axl_rack_buffer_release(device, buffer);
	} else {
		buffer->next = context->withheld;
		context->withheld = buffer;
	}
	pthread_mutex_unlock(&device->lock);
}

void *axl_rack_buffer_map(struct axl_buffer *base)
{
	struct axl_rack_buffer *buffer = axl_rack_buffer(base);

	switch (buffer->kind) {
	case AXL_VA_HOST:
		return buffer->mem.cpu;
	case AXL_VA_DEVICE:
		return axl_buffer_device(buffer)->memory + buffer->offset;
	default:
		axl_fail_peer_map(axl_buffer_device(buffer)->endpoint.id);
		return NULL;
	}
}

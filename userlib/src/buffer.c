// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Public functions about buffers: check the arguments, ask the back end. */
#include <errno.h>

#include "backend.h"
#include "error.h"

#define AXL_PAGE_BYTES (1ull << AXL_PAGE_SHIFT)
#define AXL_MAX_BUFFER_BYTES (1ull << 40)

static int axl_buffer_check(const struct axl_context *context, const void *out,
			    const char *function)
{
	if (!context || !out)
		return axl_fail(-EINVAL, "%s: an argument is NULL", function);
	return axl_owner_check(context->device);
}

int axl_buffer_create(struct axl_context *context, uint64_t bytes, uint32_t memory, uint32_t flags,
		      struct axl_buffer **buffer_out)
{
	int status = axl_buffer_check(context, buffer_out, "axl_buffer_create");

	if (status)
		return status;
	*buffer_out = NULL;
	if (flags || memory > AXL_MEMORY_HOST)
		return axl_fail(-EINVAL, "axl_buffer_create: unknown %s",
				flags ? "flags" : "kind of memory");
	if (bytes == 0)
		return axl_fail(-EINVAL, "axl_buffer_create: a buffer cannot be empty");
	if (bytes > AXL_MAX_BUFFER_BYTES)
		return axl_fail(-ENOMEM,
				"axl_buffer_create: %llu bytes are more than a buffer "
				"can have",
				(unsigned long long)bytes);
	bytes = (bytes + AXL_PAGE_BYTES - 1) & ~(AXL_PAGE_BYTES - 1);
	return context->device->backend->buffer_create(context, bytes, memory, buffer_out);
}

int axl_buffer_create_user(struct axl_context *context, void *address, uint64_t bytes,
			   uint32_t flags, struct axl_buffer **buffer_out)
{
	int status = axl_buffer_check(context, buffer_out, "axl_buffer_create_user");

	if (status)
		return status;
	*buffer_out = NULL;
	if (flags & ~(uint32_t)AXL_BUFFER_READ_ONLY)
		return axl_fail(-EINVAL, "axl_buffer_create_user: unknown flags");
	if (!address || bytes == 0 || bytes > AXL_MAX_BUFFER_BYTES || bytes % AXL_PAGE_BYTES ||
	    (uintptr_t)address % AXL_PAGE_BYTES)
		return axl_fail(-EINVAL, "axl_buffer_create_user: address and bytes must be "
					 "multiples of 4096 and not 0");
	return context->device->backend->buffer_create_user(context, address, bytes, flags,
							    buffer_out);
}

int axl_buffer_import(struct axl_context *context, int fd, uint64_t offset, uint64_t bytes,
		      struct axl_buffer **buffer_out)
{
	int status = axl_buffer_check(context, buffer_out, "axl_buffer_import");

	if (status)
		return status;
	*buffer_out = NULL;
	if (fd < 0 || bytes == 0 || bytes > AXL_MAX_BUFFER_BYTES || bytes % AXL_PAGE_BYTES ||
	    offset % AXL_PAGE_BYTES)
		return axl_fail(-EINVAL, "axl_buffer_import: offset and bytes must be multiples "
					 "of 4096 and bytes not 0");
	return context->device->backend->buffer_import(context, fd, offset, bytes, buffer_out);
}

int axl_buffer_import_peer(struct axl_context *context, struct axl_buffer *peer,
			   struct axl_buffer **buffer_out)
{
	int status = axl_buffer_check(context, buffer_out, "axl_buffer_import_peer");

	if (status)
		return status;
	*buffer_out = NULL;
	if (!peer)
		return axl_fail(-EINVAL, "axl_buffer_import_peer: peer is NULL");
	status = axl_owner_check(peer->context->device);
	if (status)
		return status;
	if (peer->context->device == context->device ||
	    peer->context->device->backend != context->device->backend)
		return axl_fail(-EXDEV, "axl_buffer_import_peer: the buffer must be on another "
					"endpoint of the same back end");
	return context->device->backend->buffer_import_peer(context, peer, buffer_out);
}

void axl_buffer_destroy(struct axl_buffer *buffer)
{
	if (buffer && !axl_owner_check(buffer->context->device))
		buffer->context->device->backend->buffer_destroy(buffer);
}

uint64_t axl_buffer_va(const struct axl_buffer *buffer)
{
	return buffer ? buffer->va : 0;
}

uint64_t axl_buffer_bytes(const struct axl_buffer *buffer)
{
	return buffer ? buffer->bytes : 0;
}

uint32_t axl_buffer_memory(const struct axl_buffer *buffer)
{
	return buffer ? buffer->memory : AXL_MEMORY_DEVICE;
}

void *axl_buffer_map(struct axl_buffer *buffer)
{
	if (buffer)
		return buffer->context->device->backend->buffer_map(buffer);
	axl_fail(-EINVAL, "axl_buffer_map: buffer is NULL");
	return NULL;
}

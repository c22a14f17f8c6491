// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Memory of others: memfds are pinned, dma-bufs go through PRIME. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "../memfd.h"
#include "kernel.h"

/* --- handles of dma-bufs ---------------------------------------------------------------- */

static struct axl_kernel_handle *axl_kernel_handle_find(struct axl_kernel_device *device,
							uint32_t number)
{
	struct axl_kernel_handle *handle = device->handles;

	while (handle && handle->handle != number)
		handle = handle->next;
	return handle;
}

/* device->lock held: one more use of a handle; it is closed if that cannot be counted. */
static int axl_kernel_handle_count(struct axl_kernel_device *device, uint32_t number)
{
	struct axl_kernel_handle *handle = axl_kernel_handle_find(device, number);
	struct drm_gem_close args = { .handle = number };

	if (!handle) {
		handle = calloc(1, sizeof(*handle));
		if (!handle) {
			axl_kernel_ioctl(device, DRM_IOCTL_GEM_CLOSE, &args);
			return -ENOMEM;
		}
		handle->handle = number;
		handle->next = device->handles;
		device->handles = handle;
	}
	handle->uses++;
	return 0;
}

/* The device's handle of a dma-buf, counted. Negative errno without a message. */
static int axl_kernel_handle_get(struct axl_kernel_device *device, int fd, uint32_t *number_out)
{
	struct drm_prime_handle args = { .fd = fd };
	int status;

	/* Held over both: another thread must not close the number in between. */
	pthread_mutex_lock(&device->lock);
	status = axl_kernel_ioctl(device, DRM_IOCTL_PRIME_FD_TO_HANDLE, &args);
	if (!status)
		status = axl_kernel_handle_count(device, args.handle);
	pthread_mutex_unlock(&device->lock);
	if (!status)
		*number_out = args.handle;
	return status;
}

void axl_kernel_handle_put(struct axl_kernel_device *device, uint32_t number)
{
	struct axl_kernel_handle **link = &device->handles;
	struct drm_gem_close args = { .handle = number };
	struct axl_kernel_handle *handle;

	pthread_mutex_lock(&device->lock);
	while (*link && (*link)->handle != number)
		link = &(*link)->next;
	handle = *link;
	if (handle && --handle->uses == 0) {
		axl_kernel_ioctl(device, DRM_IOCTL_GEM_CLOSE, &args);
		*link = handle->next;
		free(handle);
	}
	pthread_mutex_unlock(&device->lock);
}

/* --- memfds and dma-bufs ------------------------------------------------------------------ */

static int axl_kernel_import_memfd(struct axl_kernel_buffer *buffer, int fd, uint64_t offset)
{
	uint64_t bytes = buffer->base.bytes;
	int status = axl_memfd_check(fd, offset, bytes);
	void *cpu;

	if (status)
		return status;
	cpu = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, (off_t)offset);
	if (cpu == MAP_FAILED)
		return axl_fail(-errno, "import: mmap of the memfd: %s", strerror(errno));
	return axl_kernel_buffer_pin(buffer, cpu, 0);
}

static int axl_kernel_import_dmabuf(struct axl_kernel_buffer *buffer, int fd, uint64_t offset)
{
	struct axl_kernel_device *device = axl_kernel_device(buffer->base.context->device);
	off_t size = lseek(fd, 0, SEEK_END);
	int status = axl_kernel_handle_get(device, fd, &buffer->handle);

	if (status == -EXDEV)
		return axl_fail(status,
				"%s cannot reach the memory of this dma-buf; copy through host "
				"memory",
				device->endpoint.id);
	if (status == -EINVAL || status == -EBADF || status == -ENOTTY)
		return axl_fail(-EINVAL, "import: the descriptor is neither a memfd nor a dma-buf "
					 "that this endpoint can take");
	if (status)
		return axl_kernel_fail(device, status, "importing a dma-buf", "context");
	if (size < 0 || buffer->base.bytes > (uint64_t)size ||
	    offset > (uint64_t)size - buffer->base.bytes)
		return axl_fail(-EINVAL, "import: offset and length lie outside of the dma-buf");
	buffer->map_fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	buffer->map_offset = offset;
	return buffer->map_fd < 0 ? axl_fail(-errno, "import: dup: %s", strerror(errno)) : 0;
}

int axl_kernel_buffer_import(struct axl_context *base, int fd, uint64_t offset, uint64_t bytes,
			     struct axl_buffer **out)
{
	/* Only memory files have seals, whatever those say. */
	bool memfd = fcntl(fd, F_GET_SEALS) >= 0;
	struct axl_kernel_buffer *buffer;
	int status;

	buffer = axl_kernel_buffer_alloc(base, bytes, memfd ? AXL_KERNEL_MEMFD : AXL_KERNEL_DMABUF);
	if (!buffer)
		return -ENOMEM;
	status = memfd ? axl_kernel_import_memfd(buffer, fd, offset) :
			 axl_kernel_import_dmabuf(buffer, fd, offset);
	if (status) {
		axl_kernel_buffer_free(buffer);
		return status;
	}
	/* Pinned pages begin where they were asked for, a dma-buf at its start. */
	return axl_kernel_buffer_publish(buffer, 0, memfd ? 0 : offset, out);
}

/* --- peers ---------------------------------------------------------------------------------- */

/* No way from one endpoint to the other, whoever found that out. */
static int axl_kernel_no_path(const struct axl_kernel_device *device,
			      const struct axl_kernel_device *owner)
{
	return axl_fail(-EXDEV,
			"%s cannot reach the memory of %s (axl/peers of its PCI device in sysfs "
			"says why); copy through host memory",
			device->endpoint.id, owner->endpoint.id);
}

/* The peer's buffer as a dma-buf; the descriptor, or a negative errno without a message. */
static int axl_kernel_export(struct axl_kernel_device *owner, uint32_t handle)
{
	struct drm_prime_handle args = { .handle = handle, .flags = DRM_CLOEXEC | DRM_RDWR };
	int status = axl_kernel_ioctl(owner, DRM_IOCTL_PRIME_HANDLE_TO_FD, &args);

	return status ? status : args.fd;
}

int axl_kernel_buffer_import_peer(struct axl_context *base, struct axl_buffer *peer_base,
				  struct axl_buffer **out)
{
	struct axl_kernel_device *device = axl_kernel_device(base->device);
	struct axl_kernel_device *owner = axl_kernel_device(peer_base->context->device);
	struct axl_kernel_buffer *peer = axl_kernel_buffer(peer_base);
	struct axl_kernel_buffer *buffer;
	int fd, status;

	if (peer->origin != AXL_KERNEL_OWN || peer_base->memory != AXL_MEMORY_DEVICE)
		return axl_fail(-EINVAL, "import of a peer's buffer: it is not device memory");
	buffer = axl_kernel_buffer_alloc(base, peer_base->bytes, AXL_KERNEL_PEER);
	if (!buffer)
		return -ENOMEM;
	buffer->base.memory = AXL_MEMORY_DEVICE;
	fd = axl_kernel_export(owner, peer->handle);
	if (fd < 0) {
		axl_kernel_buffer_free(buffer);
		return fd == -EXDEV ? axl_kernel_no_path(device, owner) :
				      axl_kernel_fail(owner, fd, "exporting a buffer", "buffer");
	}
	status = axl_kernel_handle_get(device, fd, &buffer->handle);
	close(fd);
	if (status)
		axl_kernel_buffer_free(buffer);
	else
		status = axl_kernel_buffer_publish(buffer, 0, 0, out);
	if (status == -EXDEV)
		return axl_kernel_no_path(device, owner);
	return status ? axl_kernel_fail(device, status, "importing a peer's buffer", "context") : 0;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Buffers: memory of the driver or of the caller, at an address of a context. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "../error.h"
#include "../outcome.h"
#include "kernel.h"

static struct axl_kernel_device *axl_kernel_buffer_device(const struct axl_kernel_buffer *buffer)
{
	return axl_kernel_device(buffer->base.context->device);
}

/* --- letting go ----------------------------------------------------------------------- */

static void axl_kernel_buffer_close(struct axl_kernel_buffer *buffer)
{
	struct axl_kernel_device *device = axl_kernel_buffer_device(buffer);
	struct drm_gem_close args = { .handle = buffer->handle };

	if (buffer->origin == AXL_KERNEL_DMABUF || buffer->origin == AXL_KERNEL_PEER)
		axl_kernel_handle_put(device, buffer->handle);
	else
		axl_kernel_ioctl(device, DRM_IOCTL_GEM_CLOSE, &args);
}

void axl_kernel_buffer_free(struct axl_kernel_buffer *buffer)
{
	struct drm_axl_bo_unmap args = {
		.context_id = axl_kernel_context(buffer->base.context)->id,
		.va = buffer->mapped_va,
	};

	if (buffer->mapped_va)
		axl_kernel_ioctl(axl_kernel_buffer_device(buffer), DRM_IOCTL_AXL_BO_UNMAP, &args);
	if (buffer->handle)
		axl_kernel_buffer_close(buffer);
	if (buffer->cpu && buffer->origin != AXL_KERNEL_USER)
		munmap(buffer->cpu, buffer->base.bytes);
	if (buffer->origin == AXL_KERNEL_DMABUF && buffer->map_fd >= 0)
		close(buffer->map_fd);
	free(buffer);
}

void axl_kernel_buffer_destroy(struct axl_buffer *base)
{
	axl_kernel_probe_buffer(axl_kernel_buffer(base), AXL_STAGE_DMA_UNMAP);
	axl_kernel_buffer_free(axl_kernel_buffer(base));
}

/* --- making --------------------------------------------------------------------------- */

struct axl_kernel_buffer *axl_kernel_buffer_alloc(struct axl_context *context, uint64_t bytes,
						  enum axl_kernel_origin origin)
{
	struct axl_kernel_buffer *buffer = calloc(1, sizeof(*buffer));

	if (!buffer) {
		axl_fail(-ENOMEM, "no memory for a buffer");
		return NULL;
	}
	buffer->base.context = context;
	buffer->base.bytes = bytes;
	buffer->base.memory = AXL_MEMORY_HOST;
	buffer->origin = origin;
	buffer->map_fd = -1;
	return buffer;
}

int axl_kernel_buffer_publish(struct axl_kernel_buffer *buffer, uint32_t flags, uint64_t offset,
			      struct axl_buffer **out)
{
	struct axl_kernel_device *device = axl_kernel_buffer_device(buffer);
	struct drm_axl_bo_map args = {
		.context_id = axl_kernel_context(buffer->base.context)->id,
		.handle = buffer->handle,
		.flags = flags,
	};
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_BO_MAP, &args);

	if (status) {
		axl_kernel_buffer_free(buffer);
		if (status == -EXDEV)
			return axl_fail(status,
					"%s cannot reach the memory of this buffer; copy through "
					"host memory",
					device->endpoint.id);
		return axl_kernel_fail(device, status, "mapping a buffer", "context");
	}
	buffer->mapped_va = args.va;
	buffer->base.va = args.va + offset;
	axl_kernel_probe_buffer(buffer, AXL_STAGE_DMA_MAP);
	*out = &buffer->base;
	return 0;
}

static int axl_kernel_no_memory(struct axl_kernel_device *device, uint64_t bytes, uint32_t memory)
{
	struct drm_axl_get_info info;

	if (memory == DRM_AXL_MEMORY_HOST)
		return axl_fail(-ENOMEM, "%s: the system has no %llu bytes of memory to pin",
				device->endpoint.id, (unsigned long long)bytes);
	if (axl_kernel_get_info(device, &info))
		return -ENODEV;
	return axl_fail(-ENOMEM, "%s: no %llu bytes of device memory in one piece: %llu are free",
			device->endpoint.id, (unsigned long long)bytes,
			(unsigned long long)info.memory_free_bytes);
}

int axl_kernel_buffer_create(struct axl_context *base, uint64_t bytes, uint32_t memory,
			     struct axl_buffer **out)
{
	struct axl_kernel_device *device = axl_kernel_device(base->device);
	struct axl_kernel_buffer *buffer = axl_kernel_buffer_alloc(base, bytes, AXL_KERNEL_OWN);
	struct drm_axl_bo_create args = {
		.bytes = bytes,
		.memory = memory == AXL_MEMORY_HOST ? DRM_AXL_MEMORY_HOST : DRM_AXL_MEMORY_DEVICE,
	};
	int status;

	if (!buffer)
		return -ENOMEM;
	status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_BO_CREATE, &args);
	if (status) {
		axl_kernel_buffer_free(buffer);
		if (status == -ENOMEM)
			return axl_kernel_no_memory(device, bytes, args.memory);
		return axl_kernel_fail(device, status, "making a buffer", "context");
	}
	buffer->base.memory = memory;
	buffer->handle = args.handle;
	buffer->map_fd = device->fd;
	buffer->map_offset = args.mmap_offset;
	return axl_kernel_buffer_publish(buffer, 0, 0, out);
}

/* --- pinning -------------------------------------------------------------------------- */

/* The driver says -EPERM when more pages than the process may lock would be pinned. */
static int axl_kernel_over_limit(struct axl_kernel_device *device, uint64_t bytes)
{
	struct rlimit limit = { 0 };

	getrlimit(RLIMIT_MEMLOCK, &limit);
	return axl_fail(-EPERM,
			"%s: %llu bytes cannot be pinned: this process may lock %llu in all "
			"(RLIMIT_MEMLOCK); raise it with `ulimit -l`, memlock in "
			"/etc/security/limits.conf or LimitMEMLOCK= of the service",
			device->endpoint.id, (unsigned long long)bytes,
			(unsigned long long)limit.rlim_cur);
}

int axl_kernel_buffer_pin(struct axl_kernel_buffer *buffer, void *address, uint32_t flags)
{
	struct axl_kernel_device *device = axl_kernel_buffer_device(buffer);
	struct drm_axl_bo_create args = {
		.bytes = buffer->base.bytes,
		.memory = DRM_AXL_MEMORY_USER,
		.flags = flags,
		.user_address = (uintptr_t)address,
	};
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_BO_CREATE, &args);

	buffer->cpu = address;
	switch (status) {
	case 0:
		buffer->handle = args.handle;
		return 0;
	case -EPERM:
		return axl_kernel_over_limit(device, buffer->base.bytes);
	case -ENOMEM:
		return axl_fail(status, "%s: the system cannot pin %llu bytes of memory",
				device->endpoint.id, (unsigned long long)buffer->base.bytes);
	case -EFAULT:
		return axl_fail(status,
				"%s: not all of the %llu bytes at %p are memory of this process "
				"that may be %s",
				device->endpoint.id, (unsigned long long)buffer->base.bytes,
				address, flags ? "read" : "written (AXL_BUFFER_READ_ONLY?)");
	default:
		return axl_kernel_fail(device, status, "pinning memory", "context");
	}
}

int axl_kernel_buffer_create_user(struct axl_context *base, void *address, uint64_t bytes,
				  uint32_t flags, struct axl_buffer **out)
{
	struct axl_kernel_buffer *buffer = axl_kernel_buffer_alloc(base, bytes, AXL_KERNEL_USER);
	bool fixed = flags & AXL_BUFFER_READ_ONLY;
	int status;

	if (!buffer)
		return -ENOMEM;
	status = axl_kernel_buffer_pin(buffer, address, fixed ? DRM_AXL_BO_CREATE_READ_ONLY : 0);
	if (status) {
		axl_kernel_buffer_free(buffer);
		return status;
	}
	return axl_kernel_buffer_publish(buffer, fixed ? DRM_AXL_BO_MAP_READ_ONLY : 0, 0, out);
}

/* --- the CPU's view --------------------------------------------------------------------- */

void *axl_kernel_buffer_map(struct axl_buffer *base)
{
	struct axl_kernel_buffer *buffer = axl_kernel_buffer(base);
	struct axl_kernel_device *device = axl_kernel_buffer_device(buffer);
	void *cpu;

	if (buffer->origin == AXL_KERNEL_PEER) {
		axl_fail_peer_map(device->endpoint.id);
		return NULL;
	}
	pthread_mutex_lock(&device->lock);
	if (!buffer->cpu && buffer->map_fd >= 0) {
		cpu = mmap(NULL, base->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, buffer->map_fd,
			   (off_t)buffer->map_offset);
		if (cpu == MAP_FAILED)
			axl_fail(-errno, "%s: mmap of a buffer: %s", device->endpoint.id,
				 strerror(errno));
		else
			buffer->cpu = cpu;
	}
	cpu = buffer->cpu;
	pthread_mutex_unlock(&device->lock);
	return cpu;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Opening and closing an endpoint of an embedded rack. */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/vfio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../error.h"
#include "../outcome.h"
#include "../parse.h"
#include "axl_addr.h"
#include "axl_ctrl.h"
#include "axl_names.h"
#include "axl_regs.h"
#include "rack.h"
#include "runtime.h"

#define AXL_READY_TIMEOUT_US 2000000u
#define AXL_PAGE_BYTES (1ull << AXL_PAGE_SHIFT)

/* --- state ------------------------------------------------------------------------- */

int axl_rack_usable(struct axl_rack_device *device)
{
	int dead = atomic_load(&device->vfu.dead);

	if (dead == -EPROTO)
		return axl_fail(-EPROTO,
				"%s is gone: its server broke the vfio-user protocol; "
				"restart the rack",
				device->endpoint.id);
	if (dead == -EOWNERDEAD)
		return axl_fail(-EOWNERDEAD, "%s was opened by another process",
				device->endpoint.id);
	switch (dead ? AXL_DEVICE_GONE : atomic_load(&device->state)) {
	case AXL_DEVICE_GONE:
		return axl_fail(-ENODEV, "%s is gone; close it and see `accel-rack status`",
				device->endpoint.id);
	case AXL_DEVICE_WEDGED:
		return axl_fail(-EIO,
				"%s is wedged: no reset helped; try AXL_RESET_KIND_BUS or "
				"restart the rack",
				device->endpoint.id);
	default:
		return 0;
	}
}

int axl_rack_current(struct axl_rack_device *device, uint32_t generation, const char *what)
{
	int status = axl_rack_usable(device);

	if (status || generation == atomic_load(&device->generation))
		return status;
	return axl_fail_stale(device->endpoint.id, what);
}

void axl_rack_mark_gone(struct axl_rack_device *device)
{
	if (atomic_exchange(&device->state, AXL_DEVICE_GONE) == AXL_DEVICE_GONE)
		return;
	/* Sleepers also poll the socket, but a link that is down leaves that alone. */
	for (uint32_t i = 0; i < device->irq.count; i++)
		axl_eventfd_signal(device->irq.fds[i]);
	axl_eventfd_signal(device->event_kick);
}

/* --- set-up ------------------------------------------------------------------------- */

static int axl_rack_read_ident(struct axl_rack_device *device)
{
	int err = axl_ident_read(&device->os, &device->ident);

	if (err)
		return err;
	if (device->ident.board_serial != device->place.serial ||
	    device->ident.endpoint_index != device->place.index)
		return AXL_ERR_ADDRESS;
	/* BAR2 is mapped as long as the topology file and the region say. */
	if (device->ident.memory_bytes > device->place.bar2_bytes)
		return AXL_ERR_DEVICE;
	return 0;
}

int axl_rack_setup(struct axl_rack_device *device)
{
	int err = axl_ctrl_wait_ready(&device->os, AXL_READY_TIMEOUT_US);

	if (!err)
		err = axl_rack_read_ident(device);
	if (!err)
		err = axl_clock_init(&device->clock, &device->os);
	if (!err)
		err = axl_clock_sample(&device->clock, &device->os);
	if (!err)
		err = axl_rack_commit_address(device);
	if (!err)
		err = axl_ctrl_set_event_vector(&device->os, 0);
	if (!err)
		err = axl_ctrl_generation(&device->os, &device->function_generation);
	if (!err)
		err = axl_ctrl_set_enabled(&device->os, true);
	axl_health_restart(&device->health);
	return err;
}

/* Why setting up failed, in words. */
static int axl_rack_setup_error(struct axl_rack_device *device, int err)
{
	static const char *const reasons[] = {
#define AXL_REASON(value, name) [value] = name,
		AXL_ADDRESS_REASON_NAMES(AXL_REASON)
	};
	uint32_t reason = device->address_reason;

	if (err == AXL_ERR_ADDRESS)
		return axl_fail(-ESTALE,
				"%s rejected its device address (%s): it is not where the "
				"rack says it is; restart the rack",
				device->endpoint.id,
				reason < sizeof(reasons) / sizeof(reasons[0]) ? reasons[reason] :
										"unknown");
	return axl_rack_fail(device, err, "setting it up");
}

/* --- opening, step by step: each step's resources are freed by axl_rack_free -------- */

static int axl_rack_timeout_ms(const char *name, int fallback)
{
	const char *text = getenv(name);
	uint64_t value;

	if (!text || axl_parse_number(text, 3600000, &value) || value == 0)
		return fallback;
	return (int)value;
}

static int axl_rack_find_place(struct axl_rack_device *device, const struct axl_found *found)
{
	int status;

	device->dir_fd = axl_rack_open_dir(found->where);
	if (device->dir_fd < 0)
		return device->dir_fd;
	status = axl_topology_read(&device->topology, device->dir_fd);
	if (status)
		return status;
	for (uint32_t i = 0; i < device->topology.endpoint_count; i++) {
		struct axl_topology_endpoint *endpoint = &device->topology.endpoints[i];

		if (endpoint->serial != found->info.board_serial ||
		    endpoint->index != found->info.endpoint_index)
			continue;
		device->place = *endpoint;
		return 0;
	}
	return axl_fail(-ENODEV, "%s has left the rack", found->info.id);
}

static int axl_rack_connect(struct axl_rack_device *device)
{
	int timeout = axl_rack_timeout_ms("AXL_RACK_TIMEOUT_MS", AXL_VFU_DEFAULT_TIMEOUT_MS);
	uint32_t regions, irqs;
	int status = axl_vfu_init(&device->vfu, device->dir_fd, device->place.socket, timeout);

	if (status == -EBUSY)
		return axl_fail(-EBUSY,
				"%s is in use by another process; `accel-rack status` says "
				"by which",
				device->endpoint.id);
	if (status == -ECONNREFUSED || status == -ENOENT || status == -ENODEV)
		return axl_fail_in(-ENODEV, "%s does not answer; see `accel-rack status`",
				   device->endpoint.id);
	if (status)
		return axl_fail_in(status, "%s", device->endpoint.id);
	status = axl_vfu_region_count(&device->vfu, &regions, &irqs);
	return status ? status : axl_pci_config_init(&device->config, &device->vfu);
}

static int axl_rack_map_memory(struct axl_rack_device *device)
{
	struct axl_vfu_region region;
	int status = axl_vfu_region_info(&device->vfu, VFIO_PCI_BAR2_REGION_INDEX, &region);

	if (status)
		return status;
	if (region.fd < 0 || region.bytes == 0 || region.bytes < device->place.bar2_bytes) {
		if (region.fd >= 0)
			close(region.fd);
		return axl_fail(-EPROTO,
				"%s: BAR2 cannot be mapped, or is smaller than the "
				"topology file says",
				device->endpoint.id);
	}
	device->memory = mmap(NULL, device->place.bar2_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			      region.fd, (off_t)region.offset);
	close(region.fd);
	if (device->memory != MAP_FAILED)
		return 0;
	device->memory = NULL;
	return axl_fail(-ENOMEM, "%s: mmap of BAR2: %s", device->endpoint.id, strerror(errno));
}

/* No shadow doorbells is fine: then they are rung by message. */
static int axl_rack_map_doorbells(struct axl_rack_device *device)
{
	struct axl_vfu_shadow *shadow = &device->shadow;
	int status = axl_vfu_region_shadow(&device->vfu, VFIO_PCI_BAR0_REGION_INDEX, shadow);
	void *map;

	if (status || shadow->event_fd < 0)
		return atomic_load(&device->vfu.dead);
	/* Whole pages of doorbells only: axl_rack_doorbell() counts on it. */
	if ((shadow->memory_offset | shadow->bar_offset | shadow->bytes) % AXL_PAGE_BYTES)
		return axl_vfu_check(&device->vfu);
	map = mmap(NULL, shadow->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, shadow->memory_fd,
		   (off_t)shadow->memory_offset);
	if (map != MAP_FAILED)
		device->doorbells = map;
	close(shadow->memory_fd);
	shadow->memory_fd = -1;
	return 0;
}

static int axl_rack_open_events(struct axl_rack_device *device)
{
	device->event_kick = axl_eventfd();
	if (device->event_kick < 0)
		return device->event_kick;
	device->event_fd = epoll_create1(EPOLL_CLOEXEC);
	if (device->event_fd < 0 || axl_epoll_add(device->event_fd, device->irq.fds[0], EPOLLIN) ||
	    axl_epoll_add(device->event_fd, device->event_kick, EPOLLIN) ||
	    axl_epoll_add(device->event_fd, device->vfu.fd, EPOLLRDHUP))
		return axl_fail(-errno, "epoll: %s", strerror(errno));
	return 0;
}

static int axl_rack_open_steps(struct axl_rack_device *device, const struct axl_found *found)
{
	int status;

	if ((status = axl_owner_init(&device->base)) ||
	    (status = axl_rack_find_place(device, found)) || (status = axl_rack_connect(device)) ||
	    (status = axl_rack_map_memory(device)) || (status = axl_rack_map_doorbells(device)) ||
	    (status = axl_rack_irq_init(&device->irq, &device->vfu)) ||
	    (status = axl_rack_open_events(device)) ||
	    (status = axl_rack_dma_init(&device->dma, &device->vfu, &device->os)))
		return status;
	status = axl_rack_setup(device);
	if (status)
		return axl_rack_setup_error(device, status);
	if (axl_range_init(&device->memory_range, &device->os, 0, device->ident.memory_bytes,
			   AXL_PAGE_BYTES))
		return axl_fail(-ENOMEM, "no memory for an allocator");
	atomic_store(&device->generation, device->function_generation);
	return 0;
}

static void axl_close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* In reverse order of opening; what was never made is empty. */
static void axl_rack_device_free(struct axl_rack_device *device)
{
	if (device->memory_range.os)
		axl_range_deinit(&device->memory_range);
	if (device->dma.os)
		axl_rack_dma_deinit(&device->dma);
	axl_close_fd(device->event_fd);
	axl_close_fd(device->event_kick);
	axl_rack_irq_deinit(&device->irq);
	if (device->doorbells)
		munmap(device->doorbells, device->shadow.bytes);
	axl_close_fd(device->shadow.event_fd);
	axl_close_fd(device->shadow.memory_fd);
	if (device->memory)
		munmap(device->memory, device->place.bar2_bytes);
	if (device->vfu.fd >= 0)
		axl_vfu_deinit(&device->vfu);
	axl_recorder_deinit(&device->recorder);
	axl_topology_deinit(&device->topology);
	axl_close_fd(device->dir_fd);
	axl_owner_deinit(&device->base);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

static struct axl_rack_device *axl_rack_device_alloc(const struct axl_found *found)
{
	struct axl_rack_device *device = calloc(1, sizeof(*device));
	uint64_t hang_ms;

	if (!device)
		return NULL;
	device->base.backend = &axl_rack_backend;
	device->endpoint = found->info;
	device->os = (struct axl_os){
		.ops = &axl_rack_os_ops,
		.ctx = device,
		.origin = AXL_ORIGIN_LIBRARY,
		.writes_complete = true,
	};
	device->dir_fd = -1;
	device->vfu.fd = -1;
	device->shadow.event_fd = -1;
	device->shadow.memory_fd = -1;
	device->event_fd = -1;
	device->event_kick = -1;
	for (size_t i = 0; i < AXL_RACK_MAX_VECTORS; i++)
		device->irq.fds[i] = -1;
	hang_ms = (uint64_t)axl_rack_timeout_ms("AXL_HANG_TIMEOUT_MS", 0);
	axl_health_init(&device->health, hang_ms * 1000000u, 0);
	axl_reset_init(&device->reset);
	pthread_mutex_init(&device->lock, NULL);
	return device;
}

int axl_rack_device_open(const struct axl_found *found, struct axl_device **out)
{
	struct axl_rack_device *device = axl_rack_device_alloc(found);
	int status;

	if (!device)
		return axl_fail(-ENOMEM, "no memory for a device");
	/* First, so that set-up may ask whether anybody listens. */
	axl_recorder_init(&device->recorder, -1, found->info.bdf, found->info.board_serial,
			  found->info.endpoint_index);
	status = axl_rack_open_steps(device, found);
	if (status) {
		axl_rack_device_free(device);
		return status;
	}
	axl_recorder_deinit(&device->recorder);
	axl_recorder_init(&device->recorder, device->dir_fd, found->info.bdf,
			  found->info.board_serial, found->info.endpoint_index);
	*out = &device->base;
	return 0;
}

void axl_rack_device_close(struct axl_device *base)
{
	struct axl_rack_device *device = axl_rack_device(base);

	/* The stream belongs to the process that opened it. */
	if (!*base->owner_mark)
		axl_vfu_abandon(&device->vfu);
	axl_rack_device_free(device);
}

const struct axl_backend_ops axl_rack_backend = {
	.name = "rack",
	.kind = AXL_BACKEND_RACK,
	.list = axl_rack_list,
	.device_open = axl_rack_device_open,
	.device_close = axl_rack_device_close,
	.device_info = axl_rack_device_info,
	.device_telemetry = axl_rack_device_telemetry,
	.device_error = axl_rack_device_error,
	.device_reset = axl_rack_device_reset,
	.device_generation = axl_rack_device_generation,
	.device_event_fd = axl_rack_device_event_fd,
	.device_check = axl_rack_device_check,
	.context_create = axl_rack_context_create,
	.context_destroy = axl_rack_context_destroy,
	.context_is_faulted = axl_rack_context_is_faulted,
	.context_recover = axl_rack_context_recover,
	.buffer_create = axl_rack_buffer_create,
	.buffer_create_user = axl_rack_buffer_create_user,
	.buffer_import = axl_rack_buffer_import,
	.buffer_import_peer = axl_rack_buffer_import_peer,
	.buffer_destroy = axl_rack_buffer_destroy,
	.buffer_map = axl_rack_buffer_map,
	.queue_create = axl_rack_queue_create,
	.queue_destroy = axl_rack_queue_destroy,
	.queue_submit = axl_rack_queue_submit,
	.queue_wait = axl_rack_queue_wait,
	.queue_poll = axl_rack_queue_poll,
	.queue_fd = axl_rack_queue_fd,
	.queue_result = axl_rack_queue_result,
	.queue_take_error = axl_rack_queue_take_error,
	.queue_reset = axl_rack_queue_reset,
	.queue_stats = axl_rack_queue_stats,
};

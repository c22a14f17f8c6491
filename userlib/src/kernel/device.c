// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Opening and closing an endpoint that the kernel driver drives. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../eventfd.h"
#include "axl_regs.h"
#include "kernel.h"

/* The file may be another endpoint's by now: numbers of device files are reused. */
static int axl_kernel_check_identity(struct axl_kernel_device *device)
{
	const struct axl_endpoint_info *wanted = &device->endpoint;
	struct drm_axl_get_info info;
	int status = axl_kernel_get_info(device, &info);

	if (status)
		return status;
	if (info.board_serial != wanted->board_serial ||
	    info.endpoint_index != wanted->endpoint_index)
		return axl_fail(-ENODEV, "%s has left; see `accel-info`", wanted->id);
	if (info.state == DRM_AXL_STATE_GONE)
		return axl_kernel_fail(device, -ENODEV, "opening", "device");
	if (info.address_state == AXL_ADDRESS_STATE_REJECTED)
		return axl_fail(-ESTALE,
				"%s rejected its device address: it is not where the kernel says "
				"it is; remove the card and rescan",
				wanted->id);
	device->max_ring_log2 = info.max_ring_log2;
	device->context_count = info.context_count;
	device->queue_count = info.queue_count;
	return 0;
}

/* From now on, what the driver has to tell reaches event_fd; what it told before is old. */
static int axl_kernel_subscribe(struct axl_kernel_device *device)
{
	struct drm_axl_error last = { 0 };
	struct drm_axl_notify notify;
	int status;

	device->event_fd = axl_eventfd();
	if (device->event_fd < 0)
		return device->event_fd;
	notify = (struct drm_axl_notify){ .event_fd = device->event_fd };
	status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_NOTIFY, &notify);
	if (!status)
		status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_ERROR, &last);
	if (status)
		return axl_kernel_fail(device, status, "asking for events", "device");
	device->records_seen = last.records;
	return 0;
}

static int axl_kernel_open_steps(struct axl_kernel_device *device, const struct axl_found *found)
{
	int status = axl_owner_init(&device->base);

	if (status)
		return status;
	device->fd = axl_kernel_node_open(found->where, found->info.id);
	if (device->fd < 0)
		return device->fd;
	status = axl_kernel_node_check(device);
	if (!status)
		status = axl_kernel_check_identity(device);
	if (!status)
		status = axl_kernel_subscribe(device);
	return status;
}

static void axl_kernel_device_free(struct axl_kernel_device *device)
{
	if (device->event_fd >= 0)
		close(device->event_fd);
	/* With it goes everything that the driver keeps for us. */
	if (device->fd >= 0)
		close(device->fd);
	axl_recorder_deinit(&device->recorder);
	axl_owner_deinit(&device->base);
	pthread_mutex_destroy(&device->lock);
	free(device);
}

int axl_kernel_device_open(const struct axl_found *found, struct axl_device **out)
{
	struct axl_kernel_device *device = calloc(1, sizeof(*device));
	int status;

	if (!device)
		return axl_fail(-ENOMEM, "no memory for a device");
	device->base.backend = &axl_kernel_backend;
	device->endpoint = found->info;
	device->fd = -1;
	device->event_fd = -1;
	pthread_mutex_init(&device->lock, NULL);
	axl_recorder_init(&device->recorder, -1, found->info.bdf, found->info.board_serial,
			  found->info.endpoint_index);
	status = axl_kernel_open_steps(device, found);
	if (status)
		axl_kernel_device_free(device);
	else
		*out = &device->base;
	return status;
}

void axl_kernel_device_close(struct axl_device *base)
{
	axl_kernel_device_free(axl_kernel_device(base));
}

const struct axl_backend_ops axl_kernel_backend = {
	.name = "kernel",
	.kind = AXL_BACKEND_KERNEL,
	.list = axl_kernel_list,
	.device_open = axl_kernel_device_open,
	.device_close = axl_kernel_device_close,
	.device_info = axl_kernel_device_info,
	.device_telemetry = axl_kernel_device_telemetry,
	.device_error = axl_kernel_device_error,
	.device_reset = axl_kernel_device_reset,
	.device_generation = axl_kernel_device_generation,
	.device_event_fd = axl_kernel_device_event_fd,
	.device_check = axl_kernel_device_check,
	.context_create = axl_kernel_context_create,
	.context_destroy = axl_kernel_context_destroy,
	.context_is_faulted = axl_kernel_context_is_faulted,
	.context_recover = axl_kernel_context_recover,
	.buffer_create = axl_kernel_buffer_create,
	.buffer_create_user = axl_kernel_buffer_create_user,
	.buffer_import = axl_kernel_buffer_import,
	.buffer_import_peer = axl_kernel_buffer_import_peer,
	.buffer_destroy = axl_kernel_buffer_destroy,
	.buffer_map = axl_kernel_buffer_map,
	.queue_create = axl_kernel_queue_create,
	.queue_destroy = axl_kernel_queue_destroy,
	.queue_submit = axl_kernel_queue_submit,
	.queue_wait = axl_kernel_queue_wait,
	.queue_poll = axl_kernel_queue_poll,
	.queue_fd = axl_kernel_queue_fd,
	.queue_result = axl_kernel_queue_result,
	.queue_take_error = axl_kernel_queue_take_error,
	.queue_reset = axl_kernel_queue_reset,
	.queue_stats = axl_kernel_queue_stats,
};

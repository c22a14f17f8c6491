// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What an endpoint says of itself, whether it is well, and resetting it. */
#include <errno.h>

#include "../error.h"
#include "../eventfd.h"
#include "axl_regs.h"
#include "kernel.h"

/* --- description -------------------------------------------------------------------- */

/* Where it is now: a rescan may have moved it since it was listed. */
static void axl_kernel_locate(const struct drm_axl_get_info *info, struct axl_endpoint_info *out)
{
	out->bdf = info->bdf;
	out->slot = info->slot;
	out->path_depth = info->path_depth < AXL_MAX_PATH ? info->path_depth : AXL_MAX_PATH;
	for (uint32_t i = 0; i < AXL_MAX_PATH; i++)
		out->path[i] = i < out->path_depth ? info->path[i] : 0;
	out->memory_address = info->memory_address;
}

int axl_kernel_device_info(struct axl_device *base, struct axl_device_info *out)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_get_info info;
	int status = axl_kernel_get_info(device, &info);

	if (status == -ENODEV) {
		/* As of a rack's endpoint: who it was can still be asked. */
		*out = (struct axl_device_info){
			.endpoint = device->endpoint,
			.generation = atomic_load(&device->generation),
			.state = AXL_DEVICE_GONE,
		};
		return 0;
	}
	if (status)
		return status;
	*out = (struct axl_device_info){
		.endpoint = device->endpoint,
		.hw_version = info.hw_version,
		.fw_version = info.fw_version,
		.spec_version = info.spec_version,
		.features = info.features,
		.queue_count = info.queue_count,
		.context_count = info.context_count,
		.max_ring_entries = 1u << info.max_ring_log2,
		.generation = info.generation,
		.state = info.state,
		.address_state = info.address_state,
		.address_reason = info.address_reason,
		.vectors = info.vectors,
		.link_speed = info.link_speed,
		.link_width = info.link_width,
		.peer_count = info.peer_count,
		.memory_bytes = info.memory_bytes,
		.memory_free_bytes = info.memory_free_bytes,
	};
	axl_kernel_locate(&info, &out->endpoint);
	return 0;
}

uint32_t axl_kernel_device_generation(struct axl_device *base)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_get_info info;

	axl_kernel_get_info(device, &info);
	return atomic_load(&device->generation);
}

int axl_kernel_device_event_fd(struct axl_device *base)
{
	return axl_kernel_device(base)->event_fd;
}

int axl_kernel_device_telemetry(struct axl_device *base, struct axl_telemetry *out)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_telemetry sample = { 0 };
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_TELEMETRY, &sample);

	if (status)
		return axl_kernel_fail(device, status, "telemetry", "device");
	*out = (struct axl_telemetry){
		.valid = sample.valid,
		.temperature_millicelsius = sample.temperature_millicelsius,
		.power_milliwatt = sample.power_milliwatt,
		.clock_khz = sample.clock_khz,
		.utilisation_permille = sample.utilisation_permille,
		.memory_corrected = sample.memory_corrected,
		.memory_uncorrected = sample.memory_uncorrected,
		.heartbeat = sample.heartbeat,
		.progress = sample.progress,
		.bytes_host_to_device = sample.bytes_host_to_device,
		.bytes_device_to_host = sample.bytes_device_to_host,
		.bytes_device_to_device = sample.bytes_device_to_device,
		.bytes_peer = sample.bytes_peer,
		.device_ticks = sample.device_ticks,
		.host_ns = sample.host_ns,
		.clock_uncertainty_ns = sample.clock_uncertainty_ns,
	};
	return 0;
}

/* The end is told once; the descriptor that we have just made quiet stays readable after it. */
static int axl_kernel_told(struct axl_kernel_device *device, int status)
{
	if (status == -ENODEV)
		axl_eventfd_signal(device->event_fd);
	return status;
}

/* --- errors ------------------------------------------------------------------------- */

/* Every record that came in between stood for one error at least. */
static void axl_kernel_copy_error(const struct drm_axl_error *record, uint64_t fresh,
				  struct axl_device_error *out)
{
	*out = (struct axl_device_error){
		.code = record->code,
		.count = record->count + (uint32_t)(fresh - 1),
		.has_command = !!(record->flags & DRM_AXL_ERROR_HAS_COMMAND),
		.has_address = !!(record->flags & DRM_AXL_ERROR_HAS_ADDRESS),
		.queue = record->queue,
		.opcode = record->opcode,
		.context = record->context,
		.sequence = record->sequence,
		.address = record->address,
		.time_ns = record->time_ns,
	};
}

/*
 * The driver takes in what the endpoint reports just now and tells everybody, us too: ask
 * again until nothing new was told, so that what was seen leaves the descriptor quiet.
 */
static int axl_kernel_last_error(struct axl_kernel_device *device, struct drm_axl_error *record)
{
	int status;

	axl_eventfd_drain(device->event_fd);
	for (int tries = 0; tries < 4; tries++) {
		*record = (struct drm_axl_error){ 0 };
		status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_ERROR, record);
		if (status || !axl_eventfd_drain(device->event_fd))
			return status;
	}
	/* It goes on and on: somebody has to look again. */
	axl_eventfd_signal(device->event_fd);
	return 0;
}

int axl_kernel_device_error(struct axl_device *base, bool clear, struct axl_device_error *out)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_error record;
	uint64_t fresh;
	int status;

	status = axl_kernel_last_error(device, &record);
	if (status)
		return axl_kernel_told(device,
				       axl_kernel_fail(device, status, "error record", "device"));
	/* The driver clears the endpoint's block itself: what is seen is ours to remember. */
	pthread_mutex_lock(&device->lock);
	fresh = record.records > device->records_seen ? record.records - device->records_seen : 0;
	if (clear && fresh)
		device->records_seen = record.records;
	pthread_mutex_unlock(&device->lock);
	*out = (struct axl_device_error){ 0 };
	if (fresh)
		axl_kernel_copy_error(&record, fresh, out);
	return 0;
}

/* --- health ------------------------------------------------------------------------- */

/* The driver looks for hangs and stopped firmware by itself, and acts. */
int axl_kernel_device_check(struct axl_device *base)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_get_info info;
	int status;

	axl_eventfd_drain(device->event_fd);
	status = axl_kernel_get_info(device, &info);
	if (status)
		return axl_kernel_told(device, status);
	switch (info.state) {
	case DRM_AXL_STATE_GONE:
		return axl_kernel_told(device, axl_kernel_fail(device, -ENODEV, "check", "device"));
	case DRM_AXL_STATE_WEDGED:
		return axl_kernel_fail(device, -EIO, "check", "device");
	default:
		return 0;
	}
}

int axl_kernel_device_reset(struct axl_device *base, uint32_t kind)
{
	struct axl_kernel_device *device = axl_kernel_device(base);
	struct drm_axl_reset reset = { .kind = kind };
	int status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_RESET, &reset);

	if (status == -EPERM)
		return axl_fail(status,
				"a reset of %s ends everybody's work on it: only a process with "
				"CAP_SYS_ADMIN (root) may; axl_queue_reset() ends only your own",
				device->endpoint.id);
	if (status)
		return axl_kernel_fail(device, status, "reset", "device");
	atomic_store(&device->generation, reset.generation);
	return 0;
}

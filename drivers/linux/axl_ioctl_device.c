// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* ioctls on the endpoint itself: who it is, how it is, resetting it. */
#include <linux/bitfield.h>

#include "axl_device.h"
#include "axl_ioctl.h"
#include "axl_telemetry.h"

static u32 axl_ioctl_bdf(const struct axl_device *adev, u16 id)
{
	return (u32)adev->place.segment << 16 | id;
}

static void axl_ioctl_fill_place(struct axl_device *adev, struct drm_axl_get_info *args)
{
	unsigned int i;

	args->bdf = axl_ioctl_bdf(adev, pci_dev_id(adev->pdev));
	args->slot = adev->place.slot;
	args->path_depth = adev->place.depth;
	for (i = 0; i < adev->place.depth; i++)
		args->path[i] = axl_ioctl_bdf(adev, adev->place.path[i]);
	args->address_state = adev->address_state;
	args->address_reason = adev->address_reason;
	args->address_generation = adev->address_generation;
	args->peer_count = adev->peer_count;
}

static void axl_ioctl_fill_link(struct axl_device *adev, struct drm_axl_get_info *args)
{
	u16 status;

	/* All-ones: the endpoint does not answer. */
	if (pcie_capability_read_word(adev->pdev, PCI_EXP_LNKSTA, &status) || status == 0xffff)
		return;
	args->link_speed = FIELD_GET(PCI_EXP_LNKSTA_CLS, status);
	args->link_width = FIELD_GET(PCI_EXP_LNKSTA_NLW, status);
}

int axl_ioctl_get_info(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_get_info *args = data;

	if (args->flags || args->pad)
		return -EINVAL;
	*args = (struct drm_axl_get_info){
		.board_serial = adev->ident.board_serial,
		.memory_bytes = adev->ident.memory_bytes,
		.endpoint_index = adev->ident.endpoint_index,
		.endpoint_count = adev->ident.endpoint_count,
		.hw_version = adev->ident.hw_version,
		.fw_version = adev->ident.fw_version,
		.spec_version = adev->ident.spec_version,
		.features = adev->ident.features,
		.queue_count = adev->ident.queue_count,
		.context_count = adev->ident.context_count,
		.max_ring_log2 = adev->ident.max_ring_log2,
		.generation = READ_ONCE(adev->reset.generation),
		.state = axl_recovery_state(adev),
		.vectors = adev->vector_count,
	};
	mutex_lock(&adev->lock);
	args->memory_address = pci_bus_address(adev->pdev, AXL_BAR_MEMORY);
	axl_ioctl_fill_place(adev, args);
	axl_ioctl_fill_link(adev, args);
	mutex_unlock(&adev->lock);
	mutex_lock(&adev->memory_lock);
	args->memory_free_bytes = axl_range_free_bytes(&adev->memory);
	mutex_unlock(&adev->memory_lock);
	return 0;
}

static int axl_ioctl_sample(struct axl_device *adev, struct axl_telemetry_sample *sample,
			    struct axl_clock_sample *now)
{
	int ret = axl_errno(axl_telemetry_read(&adev->os, sample));

	/* The line for conversions may keep an older, better reading. */
	if (!ret)
		ret = axl_errno(axl_clock_read(&adev->os, now));
	/* A clock that contradicts itself starts anew; the sensors are still good. */
	if (!ret && axl_clock_sample(&adev->clock, &adev->os) == AXL_ERR_GONE)
		ret = -ENODEV;
	return ret;
}

int axl_ioctl_telemetry(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_telemetry *args = data;
	struct axl_telemetry_sample sample = {};
	struct axl_clock_sample now = {};
	int ret;

	if (args->flags)
		return -EINVAL;
	ret = axl_recovery_lock_usable(adev);
	if (ret)
		return ret;
	ret = axl_ioctl_sample(adev, &sample, &now);
	if (!ret)
		axl_lies_tell_sensors(adev, sample.impossible);
	mutex_unlock(&adev->lock);
	if (ret)
		return ret;
	*args = (struct drm_axl_telemetry){
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
		.device_ticks = now.ticks,
		.host_ns = now.ns,
		.clock_uncertainty_ns = now.uncertainty_ns,
	};
	return 0;
}

int axl_ioctl_error(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_error *args = data;
	const struct axl_errblk *last = &adev->last_error;

	if (args->flags || args->pad)
		return -EINVAL;
	mutex_lock(&adev->lock);
	/* Who saw a command fail may ask before the event interrupt was served. */
	axl_recovery_take_error(adev);
	*args = (struct drm_axl_error){
		.flags = (last->has_command ? DRM_AXL_ERROR_HAS_COMMAND : 0) |
			 (last->has_address ? DRM_AXL_ERROR_HAS_ADDRESS : 0),
		.records = adev->error_records,
		.code = last->code,
		.count = last->count,
		.queue = last->queue,
		.opcode = last->opcode,
		.context = last->context,
		.sequence = last->sequence,
		.address = last->address,
		.time_ns = adev->last_error_ns,
	};
	mutex_unlock(&adev->lock);
	return 0;
}

/* Everybody's work is lost: not for everybody to ask for. */
int axl_ioctl_reset(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_device *adev = axl_from_drm(drm);
	struct drm_axl_reset *args = data;
	bool bus = args->kind == AXL_RESET_KIND_BUS;
	u32 event = bus ? AXL_RESET_EVENT_ASK_BUS : AXL_RESET_EVENT_ASK_FUNCTION;
	int ret;

	if (args->flags || args->pad || (!bus && args->kind != AXL_RESET_KIND_FUNCTION))
		return -EINVAL;
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = axl_recovery_lock(adev);
	if (ret)
		return ret;
	ret = axl_errno(axl_recovery_feed(adev, event, 0));
	if (!ret)
		ret = axl_recovery_usable(adev);
	args->generation = adev->reset.generation;
	mutex_unlock(&adev->lock);
	return ret;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The way into the driver, and what its refusals mean. */
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#include "../error.h"
#include "../outcome.h"
#include "kernel.h"

int axl_kernel_ioctl(const struct axl_kernel_device *device, unsigned long request, void *args)
{
	int status;

	do {
		status = ioctl(device->fd, request, args);
	} while (status < 0 && errno == EINTR);
	return status < 0 ? -errno : 0;
}

int axl_kernel_fail(const struct axl_kernel_device *device, int err, const char *doing,
		    const char *handle)
{
	const char *id = device->endpoint.id;

	switch (-err) {
	case ENODEV:
		return axl_fail(err, "%s is gone; close it and see `accel-info`", id);
	case EIO:
		return axl_fail(err,
				"%s is wedged: no reset helped; as root, try AXL_RESET_KIND_BUS, "
				"or remove the card and rescan",
				id);
	case ESTALE:
		return axl_fail_stale(id, handle);
	case EAGAIN:
		return axl_fail(err, "%s is being reset: try again", id);
	default:
		return axl_fail(err, "%s: %s: %s", id, doing, strerror(-err));
	}
}

int axl_kernel_get_info(struct axl_kernel_device *device, struct drm_axl_get_info *info)
{
	int status;

	memset(info, 0, sizeof(*info));
	status = axl_kernel_ioctl(device, DRM_IOCTL_AXL_GET_INFO, info);
	if (status)
		return axl_kernel_fail(device, status, "asking the driver", "device");
	atomic_store(&device->generation, info->generation);
	return 0;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Device files: opening one, and whether the driver behind it and we understand each other. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../error.h"
#include "kernel.h"

/*
 * Versions of the interface that this library can work with. The driver adds with a new
 * minor number and never takes away; another major number is another interface.
 */
#define AXL_DRIVER_MAJOR 1
#define AXL_DRIVER_MIN_MINOR 0

/* --- opening ------------------------------------------------------------------------ */

static void axl_kernel_group_of(gid_t gid, char *name, size_t bytes)
{
	struct group entry, *found = NULL;
	char buffer[1024];

	if (getgrgid_r(gid, &entry, buffer, sizeof(buffer), &found) == 0 && found)
		snprintf(name, bytes, "%.60s", entry.gr_name);
	else
		snprintf(name, bytes, "%u", (unsigned int)gid);
}

static int axl_kernel_no_permission(const char *path)
{
	char group[64];
	struct stat node;

	if (stat(path, &node) < 0)
		return axl_fail(-EACCES, "no permission to look into the folder of %s", path);
	if (node.st_gid == 0)
		return axl_fail(-EACCES,
				"no permission to open %s: only root may; install the udev rule "
				"that comes with the driver, which gives it to the group render",
				path);
	axl_kernel_group_of(node.st_gid, group, sizeof(group));
	return axl_fail(-EACCES,
			"no permission to open %s (group %s, mode %04o): join the group "
			"(`usermod -aG %s USER`, as root) and log in again",
			path, group, (unsigned int)node.st_mode & 07777, group);
}

int axl_kernel_node_open(const char *path, const char *id)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd >= 0)
		return fd;
	switch (errno) {
	case EACCES:
	case EPERM:
		return axl_kernel_no_permission(path);
	case ENOENT:
		return axl_fail(-ENODEV,
				"%s has no device file %s: it left just now, or neither devtmpfs "
				"nor udev makes device files here (a container?)",
				id, path);
	case ENODEV:
	case ENXIO:
		return axl_fail(-ENODEV, "%s has left; see `accel-info`", id);
	default:
		return axl_fail(-errno, "%s: %s: %s", id, path, strerror(errno));
	}
}

/* --- version ---------------------------------------------------------------------------- */

int axl_kernel_node_check(const struct axl_kernel_device *device)
{
	char name[8] = "";
	struct drm_version version = { .name = name, .name_len = sizeof(name) - 1 };
	int status = axl_kernel_ioctl(device, DRM_IOCTL_VERSION, &version);

	if (status)
		return axl_kernel_fail(device, status, "asking for the driver's version", "device");
	if (strcmp(name, "axl"))
		return axl_fail(-EPROTO, "%s: the driver of its device file is \"%s\", not axl",
				device->endpoint.id, name);
	if (version.version_major == AXL_DRIVER_MAJOR &&
	    version.version_minor >= AXL_DRIVER_MIN_MINOR)
		return 0;
	return axl_fail(-EPROTO,
			"%s: the driver's interface is %d.%d, this library works with %d.%d and "
			"later %d.x: update the %s",
			device->endpoint.id, version.version_major, version.version_minor,
			AXL_DRIVER_MAJOR, AXL_DRIVER_MIN_MINOR, AXL_DRIVER_MAJOR,
			version.version_major > AXL_DRIVER_MAJOR ? "library" : "driver");
}

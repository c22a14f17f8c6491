// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Finding endpoints in sysfs, without opening them: listing needs no rights. An attribute
 * that cannot be read means that the endpoint leaves just now: it is passed over.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../error.h"
#include "../parse.h"
#include "kernel.h"

#define AXL_CLASS "/sys/class/accel"
#define AXL_TEXT_BYTES 512

/* --- sysfs ------------------------------------------------------------------------ */

/* A file of the endpoint's folder as text, without its last newline. */
static int axl_sysfs_text(int dir_fd, const char *name, char *text)
{
	int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC);
	ssize_t length;

	if (fd < 0)
		return -errno;
	length = read(fd, text, AXL_TEXT_BYTES - 1);
	close(fd);
	if (length <= 0)
		return -ENODEV;
	if (text[length - 1] == '\n')
		length--;
	text[length] = '\0';
	return 0;
}

static int axl_sysfs_number(int dir_fd, const char *name, uint64_t max, uint64_t *value_out)
{
	char text[AXL_TEXT_BYTES];

	return axl_sysfs_text(dir_fd, name, text) ? -ENODEV :
						    axl_parse_number(text, max, value_out);
}

/* Last part of what a symbolic link names. */
static int axl_sysfs_link(int dir_fd, const char *name, char *text)
{
	char target[AXL_TEXT_BYTES];
	ssize_t length = readlinkat(dir_fd, name, target, sizeof(target) - 1);
	const char *slash;

	if (length < 0)
		return -errno;
	target[length] = '\0';
	slash = strrchr(target, '/');
	snprintf(text, AXL_TEXT_BYTES, "%s", slash ? slash + 1 : target);
	return 0;
}

/* --- one endpoint ------------------------------------------------------------------- */

/* "0000:00:01.0,0000:01:00.0": root port first. */
static int axl_kernel_read_path(int dir_fd, struct axl_endpoint_info *info)
{
	char text[AXL_TEXT_BYTES];
	char *rest = text;
	const char *word;

	if (axl_sysfs_text(dir_fd, "device/axl/upstream_path", text))
		return -ENODEV;
	while ((word = strsep(&rest, ","))) {
		if (!*word)
			continue;
		if (info->path_depth == AXL_MAX_PATH ||
		    axl_parse_bdf(word, &info->path[info->path_depth]))
			return -EINVAL;
		info->path_depth++;
	}
	return 0;
}

/* Line 3 of `resource`: first and last address of BAR2 and its flags. */
static int axl_kernel_read_memory(int dir_fd, struct axl_endpoint_info *info)
{
	char text[AXL_TEXT_BYTES];
	char *rest = text;
	char *line = NULL;
	uint64_t start, end;

	if (axl_sysfs_text(dir_fd, "device/resource", text))
		return -ENODEV;
	for (unsigned int i = 0; i <= AXL_BAR_MEMORY; i++)
		line = strsep(&rest, "\n");
	if (!line || axl_parse_number(strsep(&line, " "), UINT64_MAX, &start) || !line ||
	    axl_parse_number(strsep(&line, " "), UINT64_MAX, &end) || end <= start)
		return -EINVAL;
	info->memory_address = start;
	info->memory_bytes = end - start + 1;
	return 0;
}

static int axl_kernel_read_endpoint(int dir_fd, struct axl_endpoint_info *info)
{
	uint64_t index, count, slot;
	char bdf[AXL_TEXT_BYTES];

	*info = (struct axl_endpoint_info){ .backend = AXL_BACKEND_KERNEL };
	if (axl_sysfs_link(dir_fd, "device", bdf) || axl_parse_bdf(bdf, &info->bdf) ||
	    axl_sysfs_number(dir_fd, "device/axl/board_serial", UINT64_MAX, &info->board_serial) ||
	    axl_sysfs_number(dir_fd, "device/axl/endpoint_index", UINT8_MAX, &index) ||
	    axl_sysfs_number(dir_fd, "device/axl/endpoint_count", UINT16_MAX, &count) ||
	    axl_kernel_read_path(dir_fd, info) || axl_kernel_read_memory(dir_fd, info))
		return -ENODEV;
	info->endpoint_index = (uint32_t)index;
	info->endpoint_count = (uint32_t)count;
	/* "unknown" is no number. */
	info->slot = AXL_SLOT_UNKNOWN;
	if (!axl_sysfs_number(dir_fd, "device/axl/slot", AXL_SLOT_UNKNOWN, &slot))
		info->slot = (uint32_t)slot;
	axl_endpoint_set_id(info);
	snprintf(info->uri, sizeof(info->uri), "kernel#%s", info->id);
	return 0;
}

/* --- all of them ---------------------------------------------------------------------- */

static bool axl_kernel_is_ours(int dir_fd)
{
	char driver[AXL_TEXT_BYTES];

	return !axl_sysfs_link(dir_fd, "device/driver", driver) && !strcmp(driver, "axl");
}

/* Append the device of one folder in the class, if it is an endpoint that we can use. */
static int axl_kernel_add(int class_fd, const char *name, struct axl_found_list *list)
{
	struct axl_found found = { .backend = &axl_kernel_backend };
	int dir_fd = openat(class_fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int status = 0;

	if (dir_fd < 0)
		return 0;
	if (axl_kernel_is_ours(dir_fd) && !axl_kernel_read_endpoint(dir_fd, &found.info)) {
		if (asprintf(&found.where, "/dev/accel/%s", name) < 0)
			status = axl_fail(-ENOMEM, "no memory for the list of endpoints");
		else
			status = axl_found_list_add(list, &found);
	}
	close(dir_fd);
	return status;
}

/* Why there is nothing, and what to do about it. */
static int axl_kernel_nothing(void)
{
	if (access("/sys/module/axl", F_OK) < 0)
		return axl_fail(-ENODEV, "the kernel driver axl is not loaded (`modprobe axl`, as "
					 "root); an embedded rack needs none: `accel-rack up`");
	return axl_fail(-ENODEV, "the kernel driver axl is loaded and drives no endpoint; see "
				 "`accel-info` for what is there and `dmesg` for what it refused");
}

int axl_kernel_list(const char *place, struct axl_found_list *list)
{
	size_t before = list->count;
	DIR *folder = opendir(AXL_CLASS);
	struct dirent *entry;
	int status = 0;

	(void)place;
	while (folder && !status && (entry = readdir(folder))) {
		if (!strncmp(entry->d_name, "accel", 5))
			status = axl_kernel_add(dirfd(folder), entry->d_name, list);
	}
	if (folder)
		closedir(folder);
	return status || list->count > before ? status : axl_kernel_nothing();
}

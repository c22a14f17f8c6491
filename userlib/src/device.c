// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Public functions about devices: check the arguments, ask the back end. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "enumerate.h"
#include "error.h"

#define AXL_PAGE_BYTES (1ull << AXL_PAGE_SHIFT)

void axl_copy_out(void *out, size_t out_bytes, const void *in, size_t in_bytes)
{
	size_t both = out_bytes < in_bytes ? out_bytes : in_bytes;

	memcpy(out, in, both);
	if (out_bytes > both)
		memset((char *)out + both, 0, out_bytes - both);
}

int axl_owner_check(const struct axl_device *device)
{
	if (*(const volatile uint32_t *)device->owner_mark)
		return 0;
	return axl_fail(-EOWNERDEAD,
			"the device was opened by process %u before it forked; a "
			"child must open a device of its own",
			device->owner_pid);
}

/* A page that reads as zero in forked children tells them from the opener for free. */
int axl_owner_init(struct axl_device *device)
{
	uint32_t *page = mmap(NULL, AXL_PAGE_BYTES, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (page == MAP_FAILED)
		return axl_fail(-ENOMEM, "mmap: %s", strerror(errno));
	if (madvise(page, AXL_PAGE_BYTES, MADV_WIPEONFORK) < 0) {
		munmap(page, AXL_PAGE_BYTES);
		return axl_fail(-errno, "madvise(MADV_WIPEONFORK): %s", strerror(errno));
	}
	*page = 1;
	device->owner_mark = page;
	device->owner_pid = (uint32_t)getpid();
	return 0;
}

void axl_owner_deinit(struct axl_device *device)
{
	if (device->owner_mark)
		munmap((void *)(uintptr_t)device->owner_mark, AXL_PAGE_BYTES);
}

static int axl_device_check_args(const struct axl_device *device, const void *out, size_t out_bytes,
				 const char *function)
{
	if (!device || !out || !out_bytes)
		return axl_fail(-EINVAL, "%s: an argument is NULL or a size is 0", function);
	return axl_owner_check(device);
}

/* --- open and close -------------------------------------------------------------------- */

static int axl_open_match(const struct axl_uri *uri, const char *text,
			  const struct axl_found_list *list, size_t hidden,
			  struct axl_device **device_out)
{
	for (size_t i = 0; i < list->count; i++) {
		const struct axl_found *found = &list->items[i];

		if (axl_uri_matches(uri, &found->info))
			return found->backend->device_open(found, device_out);
	}
	return axl_fail(-ENODEV,
			"no endpoint \"%.80s\" among the %zu that are visible%s; see "
			"`accel-info`",
			text ? text : "", list->count,
			hidden ? " (AXL_VISIBLE_DEVICES hides others)" : "");
}

int axl_device_open(const char *uri, uint32_t flags, struct axl_device **device_out)
{
	struct axl_found_list list = { 0 };
	struct axl_uri *parsed;
	size_t hidden = 0;
	int status;

	if (!device_out || flags)
		return axl_fail(-EINVAL, "axl_device_open: %s",
				flags ? "unknown flags" : "device_out is NULL");
	*device_out = NULL;
	parsed = calloc(1, sizeof(*parsed));
	if (!parsed)
		return axl_fail(-ENOMEM, "no memory for a URI");
	status = axl_uri_parse(uri, parsed);
	if (!status)
		status = axl_enumerate_list(parsed, &list, &hidden);
	if (!status)
		status = axl_open_match(parsed, uri, &list, hidden, device_out);
	axl_found_list_deinit(&list);
	free(parsed);
	return status;
}

void axl_device_close(struct axl_device *device)
{
	if (device)
		device->backend->device_close(device);
}

/* --- questions ---------------------------------------------------------------------------- */

int axl_device_info(struct axl_device *device, struct axl_device_info *info, size_t info_bytes)
{
	struct axl_device_info full;
	int status = axl_device_check_args(device, info, info_bytes, "axl_device_info");

	if (!status)
		status = device->backend->device_info(device, &full);
	if (!status)
		axl_copy_out(info, info_bytes, &full, sizeof(full));
	return status;
}

int axl_device_telemetry(struct axl_device *device, struct axl_telemetry *telemetry,
			 size_t telemetry_bytes)
{
	struct axl_telemetry full;
	int status =
		axl_device_check_args(device, telemetry, telemetry_bytes, "axl_device_telemetry");

	if (!status)
		status = device->backend->device_telemetry(device, &full);
	if (!status)
		axl_copy_out(telemetry, telemetry_bytes, &full, sizeof(full));
	return status;
}

int axl_device_error(struct axl_device *device, int clear, struct axl_device_error *error,
		     size_t error_bytes)
{
	struct axl_device_error full;
	int status = axl_device_check_args(device, error, error_bytes, "axl_device_error");

	if (!status)
		status = device->backend->device_error(device, clear != 0, &full);
	if (!status)
		axl_copy_out(error, error_bytes, &full, sizeof(full));
	return status;
}

/* --- state ---------------------------------------------------------------------------------- */

int axl_device_reset(struct axl_device *device, uint32_t kind)
{
	int status = axl_device_check_args(device, device, 1, "axl_device_reset");

	if (status)
		return status;
	if (kind != AXL_RESET_KIND_FUNCTION && kind != AXL_RESET_KIND_BUS)
		return axl_fail(-EINVAL,
				"axl_device_reset: kind %u is neither "
				"AXL_RESET_KIND_FUNCTION nor AXL_RESET_KIND_BUS",
				kind);
	return device->backend->device_reset(device, kind);
}

uint32_t axl_device_generation(struct axl_device *device)
{
	return device ? device->backend->device_generation(device) : 0;
}

int axl_device_event_fd(struct axl_device *device)
{
	int status = axl_device_check_args(device, device, 1, "axl_device_event_fd");

	return status ? status : device->backend->device_event_fd(device);
}

int axl_device_check(struct axl_device *device)
{
	int status = axl_device_check_args(device, device, 1, "axl_device_check");

	return status ? status : device->backend->device_check(device);
}

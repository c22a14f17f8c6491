// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Telling open files that something happened to the endpoint. */
#include <linux/eventfd.h>

#include "axl_file.h"
#include "axl_ioctl.h"
#include "axl_notify.h"

void axl_notify_all(struct axl_device *adev)
{
	struct drm_file *file;

	mutex_lock(&adev->drm.filelist_mutex);
	list_for_each_entry(file, &adev->drm.filelist, lhead) {
		struct axl_file *owner = file->driver_priv;

		if (owner->notify)
			eventfd_signal(owner->notify);
	}
	mutex_unlock(&adev->drm.filelist_mutex);
}

int axl_notify_ioctl(struct drm_device *drm, void *data, struct drm_file *file)
{
	struct axl_file *owner = file->driver_priv;
	struct drm_axl_notify *args = data;
	struct eventfd_ctx *event = NULL;

	if (args->flags)
		return -EINVAL;
	if (args->event_fd != -1) {
		event = eventfd_ctx_fdget(args->event_fd);
		if (IS_ERR(event))
			return PTR_ERR(event);
	}
	mutex_lock(&drm->filelist_mutex);
	swap(owner->notify, event);
	mutex_unlock(&drm->filelist_mutex);
	if (event)
		eventfd_ctx_put(event);
	return 0;
}

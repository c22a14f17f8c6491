/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The ioctls, by file. */
#ifndef AXL_IOCTL_H
#define AXL_IOCTL_H

#include "axl_device.h"

/* axl_ioctl.c */
extern const struct drm_ioctl_desc axl_ioctls[DRM_AXL_NOTIFY + 1];

/* axl_ioctl_device.c */
int axl_ioctl_get_info(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_telemetry(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_error(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_reset(struct drm_device *drm, void *data, struct drm_file *file);

/* axl_ioctl_memory.c */
int axl_ioctl_context_create(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_context_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_context_state(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_bo_create(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_bo_map(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_bo_unmap(struct drm_device *drm, void *data, struct drm_file *file);

/* axl_ioctl_queue.c */
int axl_ioctl_queue_create(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_queue_destroy(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_queue_reset(struct drm_device *drm, void *data, struct drm_file *file);
int axl_ioctl_queue_stats(struct drm_device *drm, void *data, struct drm_file *file);

/* axl_notify.c */
int axl_notify_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* axl_submit.c */
int axl_submit_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

/* axl_wait.c */
int axl_wait_ioctl(struct drm_device *drm, void *data, struct drm_file *file);

#endif

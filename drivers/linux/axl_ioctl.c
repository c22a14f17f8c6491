// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The table of ioctls. Arguments are checked and objects found in axl_ioctl_*.c. */
#include "axl_ioctl.h"

const struct drm_ioctl_desc axl_ioctls[DRM_AXL_NOTIFY + 1] = {
	DRM_IOCTL_DEF_DRV(AXL_GET_INFO, axl_ioctl_get_info, 0),
	DRM_IOCTL_DEF_DRV(AXL_TELEMETRY, axl_ioctl_telemetry, 0),
	DRM_IOCTL_DEF_DRV(AXL_ERROR, axl_ioctl_error, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_CREATE, axl_ioctl_context_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_DESTROY, axl_ioctl_context_destroy, 0),
	DRM_IOCTL_DEF_DRV(AXL_CONTEXT_STATE, axl_ioctl_context_state, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_CREATE, axl_ioctl_bo_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_MAP, axl_ioctl_bo_map, 0),
	DRM_IOCTL_DEF_DRV(AXL_BO_UNMAP, axl_ioctl_bo_unmap, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_CREATE, axl_ioctl_queue_create, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_DESTROY, axl_ioctl_queue_destroy, 0),
	DRM_IOCTL_DEF_DRV(AXL_SUBMIT, axl_submit_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXL_WAIT, axl_wait_ioctl, 0),
	DRM_IOCTL_DEF_DRV(AXL_RESET, axl_ioctl_reset, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_RESET, axl_ioctl_queue_reset, 0),
	DRM_IOCTL_DEF_DRV(AXL_QUEUE_STATS, axl_ioctl_queue_stats, 0),
	DRM_IOCTL_DEF_DRV(AXL_NOTIFY, axl_notify_ioctl, 0),
};

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Files below /sys/kernel/debug/accel/BDF/. */
#ifndef AXL_DEBUGFS_H
#define AXL_DEBUGFS_H

#include "axl_device.h"

/* Before drm_dev_register(). They go with the device. */
void axl_debugfs_add(struct axl_device *adev);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Temperature and power for the kernel's hardware monitoring. */
#ifndef AXL_HWMON_H
#define AXL_HWMON_H

#include "axl_device.h"

/* Goes with the driver. An endpoint without sensors in hwmon still works: nothing fails. */
void axl_hwmon_add(struct axl_device *adev);

#endif

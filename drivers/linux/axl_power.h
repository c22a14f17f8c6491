/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sleep of the system: what is saved before, and set up again after. */
#ifndef AXL_POWER_H
#define AXL_POWER_H

#include <linux/pm.h>

extern const struct dev_pm_ops axl_power_ops;

#endif

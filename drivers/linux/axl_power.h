/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Sleep, of the system and of an endpoint that nobody uses. */
#ifndef AXL_POWER_H
#define AXL_POWER_H

#include <linux/pm.h>

struct axl_device;

extern const struct dev_pm_ops axl_power_ops;

/* The last of probe() and the first of remove(). */
void axl_power_start(struct axl_device *adev);
void axl_power_stop(struct axl_device *adev);

/*
 * The endpoint is awake, once this returns 0, until the put. No lock of struct axl_device
 * held, none of a context: waking takes them, and so does falling asleep, for which this
 * waits. The put may come from anywhere.
 */
int axl_power_get(struct axl_device *adev);
void axl_power_get_more(struct axl_device *adev); /* somebody has one already; from anywhere */
void axl_power_put(struct axl_device *adev);

#endif

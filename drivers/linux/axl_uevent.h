/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Telling udev that the state of an endpoint has changed. */
#ifndef AXL_UEVENT_H
#define AXL_UEVENT_H

#include "axl_device.h"

/* Nothing if state and generation are as last told. Device lock held. May sleep: yes. */
void axl_uevent_state(struct axl_device *adev);

#endif

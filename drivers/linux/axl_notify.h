/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Telling open files that something happened to the endpoint. */
#ifndef AXL_NOTIFY_H
#define AXL_NOTIFY_H

#include "axl_device.h"

/* To every file that asked for it. May sleep: yes; the device lock may be held. */
void axl_notify_all(struct axl_device *adev);

#endif

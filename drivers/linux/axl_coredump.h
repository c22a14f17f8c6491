/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What an endpoint was like when it failed, for /sys/class/devcoredump. */
#ifndef AXL_COREDUMP_H
#define AXL_COREDUMP_H

#include "axl_device.h"

int axl_coredump_init(struct axl_device *adev);

/* Hand out what was taken. No lock held; before the PCI device goes. */
void axl_coredump_flush(struct axl_device *adev);

/*
 * An event of recovery is about to be handled: take a dump if it begins an incident. Not
 * when somebody asked for a reset, and once only for what escalates. Device lock held.
 */
void axl_coredump_consider(struct axl_device *adev, u32 event, unsigned int queue);

/* The same for an error by which the OS stopped all access: no register is read. */
void axl_coredump_frozen(struct axl_device *adev);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Looking at an endpoint without disturbing it: what debugfs, dumps and sensors share. */
#ifndef AXL_WATCH_H
#define AXL_WATCH_H

#include <drm/drm_print.h>

#include "axl_device.h"

/*
 * Take the device lock, but do not wait for a reset, which holds it for long: -EAGAIN then,
 * with the lock not taken. -EINTR: a signal. The endpoint may be wedged or gone.
 */
int axl_watch_begin(struct axl_device *adev);
void axl_watch_end(struct axl_device *adev);

/* axl_dump.c: lines of text, one function for each section. None but registers reads any. */
void axl_dump_identity(struct drm_printer *p, struct axl_device *adev);
void axl_dump_state(struct drm_printer *p, struct axl_device *adev);
void axl_dump_error(struct drm_printer *p, struct axl_device *adev); /* device lock held */
void axl_dump_queues(struct drm_printer *p, struct axl_device *adev);
void axl_dump_flights(struct drm_printer *p, struct axl_device *adev);

/* axl_dump_regs.c: device lock held. -ENODEV: it answers all-ones, perhaps only half way. */
int axl_dump_registers(struct drm_printer *p, struct axl_device *adev);

/* axl_history.c: the last steps of recovery. */
void axl_history_init(struct axl_device *adev);
void axl_history_add(struct axl_device *adev, u32 event, unsigned int queue,
		     enum axl_reset_action action); /* device lock held */
void axl_history_print(struct drm_printer *p, struct axl_device *adev);

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The device lock, for those who only look. */
#include <linux/delay.h>
#include <linux/sched/signal.h>

#include "axl_watch.h"

int axl_watch_begin(struct axl_device *adev)
{
	while (!mutex_trylock(&adev->lock)) {
		if (axl_recovery_state(adev) == DRM_AXL_STATE_RESETTING)
			return -EAGAIN;
		if (signal_pending(current))
			return -EINTR;
		usleep_range(100, 500);
	}
	if (axl_recovery_state(adev) != DRM_AXL_STATE_RESETTING)
		return 0;
	mutex_unlock(&adev->lock);
	return -EAGAIN;
}

void axl_watch_end(struct axl_device *adev)
{
	mutex_unlock(&adev->lock);
}

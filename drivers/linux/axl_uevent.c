// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Telling udev that the state of an endpoint has changed. */
#include <linux/kobject.h>

#include "axl_uevent.h"

/*
 * A wedged endpoint says so with the key of drm_dev_wedged_event(), and what user space
 * can do about it. That function itself speaks for a primary node, which accelerators do
 * not have, and not every kernel has it.
 */
void axl_uevent_state(struct axl_device *adev)
{
	struct drm_minor *minor = adev->drm.accel;
	char state[48], generation[32];
	char wedged[] = "WEDGED=bus-reset";
	char *envp[4] = { state, generation, NULL, NULL };

	lockdep_assert_held(&adev->lock);
	if (adev->reset.state == adev->told_state &&
	    adev->reset.generation == adev->told_generation)
		return;
	adev->told_state = adev->reset.state;
	adev->told_generation = adev->reset.generation;
	snprintf(state, sizeof(state), "AXL_STATE=%s", axl_reset_state_name(adev->told_state));
	snprintf(generation, sizeof(generation), "AXL_GENERATION=%u", adev->told_generation);
	if (adev->told_state == AXL_RESET_STATE_WEDGED)
		envp[2] = wedged;
	if (minor && minor->kdev)
		kobject_uevent_env(&minor->kdev->kobj, KOBJ_CHANGE, envp);
}

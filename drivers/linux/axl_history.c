// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The last steps of recovery, kept for whoever asks what happened. */
#include "axl_watch.h"

void axl_history_init(struct axl_device *adev)
{
	spin_lock_init(&adev->history.lock);
}

void axl_history_add(struct axl_device *adev, u32 event, unsigned int queue,
		     enum axl_reset_action action)
{
	struct axl_history *history = &adev->history;

	lockdep_assert_held(&adev->lock);
	if (action == AXL_RESET_ACTION_NONE)
		return;
	spin_lock(&history->lock);
	history->steps[history->count++ % AXL_HISTORY_STEPS] = (struct axl_history_step){
		.time_ns = ktime_get_ns(),
		.generation = adev->reset.generation,
		.event = event,
		.action = action,
		.state = adev->reset.state,
		.queue = queue,
	};
	spin_unlock(&history->lock);
}

/* Whether there is (or still is) a step of that number. */
static bool axl_history_get(struct axl_device *adev, u64 number, struct axl_history_step *step)
{
	struct axl_history *history = &adev->history;
	bool found;

	spin_lock(&history->lock);
	found = number < history->count && history->count - number <= AXL_HISTORY_STEPS;
	*step = history->steps[number % AXL_HISTORY_STEPS];
	spin_unlock(&history->lock);
	return found;
}

static u64 axl_history_first(struct axl_device *adev)
{
	u64 count;

	spin_lock(&adev->history.lock);
	count = adev->history.count;
	spin_unlock(&adev->history.lock);
	return count - min_t(u64, count, AXL_HISTORY_STEPS);
}

void axl_history_print(struct drm_printer *p, struct axl_device *adev)
{
	u64 first = axl_history_first(adev);
	struct axl_history_step step;
	u64 i;

	/* Steps that are overwritten meanwhile are left out. */
	for (i = first; i < first + AXL_HISTORY_STEPS; i++) {
		if (!axl_history_get(adev, i, &step))
			continue;
		drm_printf(p, "step=%llu time_ns=%llu event=%s queue=%u", i, step.time_ns,
			   axl_reset_event_name(step.event), step.queue);
		drm_printf(p, " action=%s state=%s generation=%u\n",
			   axl_reset_action_name(step.action), axl_reset_state_name(step.state),
			   step.generation);
	}
}

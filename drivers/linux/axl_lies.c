// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* What was not believed of what an endpoint said, told in the kernel log. */
#include "axl_device.h"
#include "axl_queue.h"

/* Queue lock not held. Since the last time; the counts so far are the baseline then. */
static struct axl_qp_stats axl_lies_since_told(struct axl_queue *queue)
{
	struct axl_qp_stats since;

	spin_lock(&queue->lock);
	if (!queue->closed)
		queue->stats = queue->qp.stats;
	since = queue->stats;
	since.malformed -= queue->told.malformed;
	since.bad_times -= queue->told.bad_times;
	since.lost -= queue->told.lost;
	queue->told = queue->stats;
	spin_unlock(&queue->lock);
	return since;
}

void axl_lies_tell(struct axl_queue *queue)
{
	struct axl_qp_stats since = axl_lies_since_told(queue);
	struct device *dev = &queue->adev->pdev->dev;

	lockdep_assert_held(&queue->adev->lock);
	if (!since.malformed && !since.bad_times && !since.lost)
		return;
	dev_warn_ratelimited(dev, "queue=%u: completions refused=%llu bad_times=%llu lost=%llu\n",
			     queue->index, since.malformed, since.bad_times, since.lost);
}

/* Monitors read sensors all the time: told when it begins, changes and ends. */
void axl_lies_tell_sensors(struct axl_device *adev, u32 impossible)
{
	lockdep_assert_held(&adev->lock);
	if (impossible == adev->told_sensors)
		return;
	adev->told_sensors = impossible;
	dev_warn_ratelimited(&adev->pdev->dev, "impossible values of sensors=0x%x\n", impossible);
}

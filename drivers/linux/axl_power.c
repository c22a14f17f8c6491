// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Sleep. Before it, in this order: no new work (the PM core has frozen the processes),
 * what is in flight ends or is given up, queues are stopped. After it: the set-up of
 * after a reset, and the queues go on where they were.
 *
 * Contexts, device memory and the enable bit stay as they are: a function in D3hot keeps
 * them if it says No_Soft_Reset. One that has lost power (D3cold, hibernation) comes back
 * without its enable bit, or with another count of resets; then its memory is lost too,
 * and it is reset, so that everybody learns it by the generation.
 *
 * All of it happens in prepare() and complete(), while every endpoint is awake: commands
 * of one may be at work in the memory of another.
 */
#include <linux/delay.h>
#include <linux/pci.h>

#include "axl_ctrl.h"
#include "axl_device.h"
#include "axl_field.h"
#include "axl_power.h"
#include "axl_queue.h"

#define AXL_POWER_DRAIN_MS 2000
#define AXL_POWER_POLL_US 1000

/* --- falling asleep ------------------------------------------------------------------ */

static bool axl_power_is_idle(struct axl_device *adev)
{
	bool idle = true;
	unsigned int i;

	for (i = 0; i < AXL_MAX_QUEUES; i++) {
		struct axl_queue *queue = adev->queues[i];

		if (!queue)
			continue;
		axl_queue_reap(queue);
		spin_lock(&queue->lock);
		idle &= queue->closed || !axl_qp_in_flight(&queue->qp);
		spin_unlock(&queue->lock);
	}
	return idle;
}

/* Device lock held. What waits for a frozen process would wait for ever. */
static void axl_power_drain(struct axl_device *adev)
{
	unsigned long end = jiffies + msecs_to_jiffies(AXL_POWER_DRAIN_MS);

	while (!axl_power_is_idle(adev)) {
		if (time_after(jiffies, end)) {
			pci_warn(adev->pdev, "still at work: commands in flight are given up\n");
			return;
		}
		fsleep(AXL_POWER_POLL_US);
	}
}

/* Device lock held. */
static void axl_power_pause_queues(struct axl_device *adev)
{
	unsigned int i;

	for (i = 0; i < AXL_MAX_QUEUES; i++) {
		if (!adev->queues[i] || !axl_queue_pause(adev->queues[i]))
			continue;
		/* It may still be at work: never in memory that somebody else gets. */
		pci_clear_master(adev->pdev);
		adev->needs_reset = true;
	}
}

static int axl_power_prepare(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);

	cancel_delayed_work_sync(&adev->health_work);
	mutex_lock(&adev->lock);
	if (!axl_recovery_usable(adev)) {
		axl_power_drain(adev);
		axl_power_pause_queues(adev);
		adev->asleep = true;
	}
	mutex_unlock(&adev->lock);
	return 0;
}

/* --- waking up ----------------------------------------------------------------------- */

/* Another kernel may have used it since the image was made: nothing proves what it has. */
static int axl_power_restore(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);

	adev->needs_reset = true; /* prepare() and complete() of one device never overlap */
	return 0;
}

/* Device lock held. */
static bool axl_power_has_kept_state(struct axl_device *adev)
{
	u32 control = axl_read32(&adev->os, AXL_REG_CTRL_CONTROL);
	u32 generation;

	if (control == AXL_ALL_ONES32 || !AXL_GET(control, AXL_CTRL_CONTROL_ENABLE))
		return false;
	return !axl_ctrl_generation(&adev->os, &generation) && generation == adev->hw_generation;
}

/* Device lock held; an enum axl_err. */
static int axl_power_resume_queues(struct axl_device *adev)
{
	unsigned int i;
	int err = AXL_OK;

	for (i = 0; i < AXL_MAX_QUEUES && !err; i++) {
		if (adev->queues[i])
			err = axl_queue_resume(adev->queues[i]);
	}
	return err;
}

/* Device lock held. */
static void axl_power_wake(struct axl_device *adev)
{
	int err = AXL_ERR_DEVICE;

	adev->asleep = false;
	if (adev->needs_reset || !axl_power_has_kept_state(adev)) {
		pci_warn(adev->pdev, "did not keep its state asleep: device memory is lost\n");
	} else {
		err = axl_recovery_setup_hw(adev);
		if (!err)
			err = axl_power_resume_queues(adev);
		if (err)
			pci_err(adev->pdev, "does not wake up: error=%s\n", axl_err_name(err));
	}
	/* Not here: the PM core holds the lock of the device, which a bus reset takes. */
	adev->needs_reset = err;
}

static void axl_power_complete(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);

	mutex_lock(&adev->lock);
	if (adev->asleep)
		axl_power_wake(adev);
	mutex_unlock(&adev->lock);
	mod_delayed_work(system_wq, &adev->health_work, 0);
}

const struct dev_pm_ops axl_power_ops = {
	.prepare = pm_sleep_ptr(axl_power_prepare),
	.complete = pm_sleep_ptr(axl_power_complete),
	.restore = pm_sleep_ptr(axl_power_restore),
};

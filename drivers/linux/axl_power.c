// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Sleep. Before it, in this order: no new work, what is in flight ends or is given up,
 * queues are stopped. After it: the set-up of after a reset, and the queues go on where
 * they were.
 *
 * Contexts, device memory and the enable bit stay as they are: a function in D3hot keeps
 * them if it says No_Soft_Reset. One that has lost power (D3cold, hibernation) comes back
 * without its enable bit, or with another count of resets; then its memory is lost too,
 * and it is reset, so that everybody learns it by the generation.
 *
 * With the system, all of it happens in prepare() and complete(), while every endpoint is
 * awake: commands of one may be at work in the memory of another.
 *
 * Runtime PM puts an endpoint to sleep that nobody holds awake: every ioctl does, and what
 * lasts longer (axl_power_get_more()): a job until its fence signals, a CPU mapping of its
 * memory, a buffer of another endpoint that is in its memory, a reset by the OS. Who only
 * looks (sensors, debugfs, the health check) takes the device lock and finds it asleep.
 *
 * So registers are touched by holders of
 *   - the device lock, while adev->asleep is false,
 *   - a context lock, while vm->asleep is false (a reset of one endpoint takes its memory
 *     out of the page tables of another, which may be asleep),
 *   - a queue lock, while the queue is not closed,
 *   - or a runtime reference, which is also what lets the CPU touch device memory.
 * Falling asleep sets all three under their locks before the PCI core goes to D3hot.
 */
#include <linux/delay.h>
#include <linux/pci.h>
#include <linux/pm_runtime.h>

#include "axl_ctrl.h"
#include "axl_device.h"
#include "axl_field.h"
#include "axl_power.h"
#include "axl_queue.h"

#define AXL_POWER_DRAIN_MS 2000
#define AXL_POWER_POLL_US 1000
#define AXL_POWER_AUTOSUSPEND_MS 1000

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

/* Device lock held, nothing in flight. */
static void axl_power_pause(struct axl_device *adev)
{
	unsigned int i;

	axl_power_pause_queues(adev);
	for (i = 0; i < AXL_MAX_CONTEXTS; i++) {
		if (adev->vms[i])
			axl_vm_pause(adev->vms[i]);
	}
	adev->asleep = true;
}

static int axl_power_prepare(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);

	/* One that sleeps already would stay so, and complete() would not find it awake. */
	pm_runtime_resume(dev);
	cancel_delayed_work_sync(&adev->health_work);
	mutex_lock(&adev->lock);
	if (!axl_recovery_usable(adev)) {
		axl_power_drain(adev);
		axl_power_pause(adev);
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
static int axl_power_resume(struct axl_device *adev)
{
	unsigned int i;
	int err = AXL_OK;

	/* Contexts first: their queues must not see what was unmapped meanwhile. */
	for (i = 0; i < AXL_MAX_CONTEXTS && !err; i++) {
		if (adev->vms[i])
			err = axl_vm_resume(adev->vms[i]);
	}
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
			err = axl_power_resume(adev);
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

/* --- an endpoint that nobody uses ---------------------------------------------------- */

int axl_power_get(struct axl_device *adev)
{
	int ret = pm_runtime_resume_and_get(&adev->pdev->dev);

	return ret && drm_dev_is_unplugged(&adev->drm) ? -ENODEV : ret;
}

void axl_power_get_more(struct axl_device *adev)
{
	pm_runtime_get_noresume(&adev->pdev->dev);
}

void axl_power_put(struct axl_device *adev)
{
	pm_runtime_mark_last_busy(&adev->pdev->dev);
	pm_runtime_put_autosuspend(&adev->pdev->dev);
}

/* Device lock held, online. What was reset behind our back is for the health check first. */
static bool axl_power_may_sleep(struct axl_device *adev)
{
	return !adev->needs_reset && axl_power_is_idle(adev) && axl_power_has_kept_state(adev);
}

static int axl_power_runtime_suspend(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);
	int ret = -EBUSY;

	mutex_lock(&adev->lock);
	if (axl_recovery_usable(adev)) {
		/* Whoever brings it back has a reference, and it is tried again after that. */
	} else if (axl_power_may_sleep(adev)) {
		axl_power_pause(adev);
		ret = 0;
	} else {
		pm_runtime_mark_last_busy(dev); /* lets the PM core try again */
	}
	mutex_unlock(&adev->lock);
	return ret;
}

/* An error would be for ever: who finds it not set up waits for the health check's reset. */
static int axl_power_runtime_resume(struct device *dev)
{
	struct axl_device *adev = dev_get_drvdata(dev);

	mutex_lock(&adev->lock);
	if (adev->asleep)
		axl_power_wake(adev);
	mod_delayed_work(system_wq, &adev->health_work,
			 adev->needs_reset ? 0 : msecs_to_jiffies(AXL_HEALTH_PERIOD_MS));
	mutex_unlock(&adev->lock);
	return 0;
}

/* A function without No_Soft_Reset comes out of D3hot as after a reset. */
static bool axl_power_keeps_state(struct pci_dev *pdev)
{
	u16 control = 0;

	if (pdev->pm_cap)
		pci_read_config_word(pdev, pdev->pm_cap + PCI_PM_CTRL, &control);
	return control & PCI_PM_CTRL_NO_SOFT_RESET;
}

void axl_power_start(struct axl_device *adev)
{
	struct pci_dev *pdev = adev->pdev;
	struct device *dev = &pdev->dev;

	/* In D3cold, where ports above it may take it, device memory would be lost. */
	pci_d3cold_disable(pdev);
	pm_runtime_set_autosuspend_delay(dev, AXL_POWER_AUTOSUSPEND_MS);
	pm_runtime_use_autosuspend(dev);
	adev->may_suspend = axl_power_keeps_state(pdev);
	/* The reference of probe(). The PCI core has another until power/control is "auto". */
	if (adev->may_suspend)
		axl_power_put(adev);
	else
		pci_info(pdev, "no runtime PM: its memory would be lost in D3hot\n");
}

void axl_power_stop(struct axl_device *adev)
{
	struct device *dev = &adev->pdev->dev;

	/* Awake already but at shutdown. */
	if (adev->may_suspend)
		pm_runtime_get_sync(dev);
	pm_runtime_dont_use_autosuspend(dev);
	pci_d3cold_enable(adev->pdev);
}

const struct dev_pm_ops axl_power_ops = {
	.prepare = pm_sleep_ptr(axl_power_prepare),
	.complete = pm_sleep_ptr(axl_power_complete),
	.restore = pm_sleep_ptr(axl_power_restore),
	.runtime_suspend = axl_power_runtime_suspend,
	.runtime_resume = axl_power_runtime_resume,
};

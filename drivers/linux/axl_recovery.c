// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Resets and health: the core's state machine decides, this file does. */
#include "axl_config.h"
#include "axl_coredump.h"
#include "axl_ctrl.h"
#include "axl_device.h"
#include "axl_notify.h"
#include "axl_queue.h"
#include "axl_trace.h"
#include "axl_uevent.h"
#include "axl_vm.h"
#include "axl_watch.h"

#define AXL_READY_TIMEOUT_US 5000000

/* --- state ------------------------------------------------------------------------- */

int axl_recovery_usable(struct axl_device *adev)
{
	lockdep_assert_held(&adev->lock);
	switch (adev->reset.state) {
	case AXL_RESET_STATE_ONLINE:
		return adev->asleep ? -EAGAIN : 0;
	case AXL_RESET_STATE_WEDGED:
		return -EIO;
	case AXL_RESET_STATE_GONE:
		return -ENODEV;
	default:
		return -EAGAIN; /* the OS is resetting it */
	}
}

int axl_recovery_lock(struct axl_device *adev)
{
	mutex_lock(&adev->lock);
	while (adev->resetting_task) {
		mutex_unlock(&adev->lock);
		if (wait_event_interruptible(adev->reset_wait, !READ_ONCE(adev->resetting_task)))
			return -ERESTARTSYS;
		mutex_lock(&adev->lock);
	}
	return 0;
}

int axl_recovery_lock_usable(struct axl_device *adev)
{
	int ret = axl_recovery_lock(adev);

	if (ret)
		return ret;
	ret = axl_recovery_usable(adev);
	if (ret)
		mutex_unlock(&adev->lock);
	return ret;
}

u32 axl_recovery_state(struct axl_device *adev)
{
	switch (READ_ONCE(adev->reset.state)) {
	case AXL_RESET_STATE_ONLINE:
		return DRM_AXL_STATE_ONLINE;
	case AXL_RESET_STATE_WEDGED:
		return DRM_AXL_STATE_WEDGED;
	case AXL_RESET_STATE_GONE:
		return DRM_AXL_STATE_GONE;
	default:
		return DRM_AXL_STATE_RESETTING;
	}
}

/* --- setting up ---------------------------------------------------------------------- */

/* The same board must come back: another one is a new device, not a reset one. */
static int axl_recovery_check_ident(struct axl_device *adev)
{
	struct axl_ident ident;
	int err = axl_ident_read(&adev->os, &ident);

	if (err)
		return err;
	if (memcmp(&ident, &adev->ident, sizeof(ident))) {
		pci_err(adev->pdev, "identity changed: card=0x%016llx/%u was 0x%016llx/%u\n",
			ident.board_serial, ident.endpoint_index, adev->ident.board_serial,
			adev->ident.endpoint_index);
		return AXL_ERR_DEVICE;
	}
	return AXL_OK;
}

int axl_recovery_setup_hw(struct axl_device *adev)
{
	const struct axl_os *os = &adev->os;
	int err;

	lockdep_assert_held(&adev->lock);
	adev->needs_reset = false; /* this is what it was wanted for */
	axl_config_rewrite(adev->pdev);
	pci_set_master(adev->pdev);
	err = axl_ctrl_wait_ready(os, AXL_READY_TIMEOUT_US);
	if (!err)
		err = axl_recovery_check_ident(adev);
	if (!err)
		err = axl_ctrl_set_event_vector(os, 0);
	if (!err)
		err = axl_clock_init(&adev->clock, os);
	if (!err)
		err = axl_clock_sample(&adev->clock, os);
	if (!err)
		err = axl_place_commit(adev);
	if (!err)
		err = axl_ctrl_set_enabled(os, true);
	if (!err)
		err = axl_ctrl_generation(os, &adev->hw_generation);
	axl_health_restart(&adev->health);
	return err;
}

/* --- what hangs on the endpoint ------------------------------------------------------- */

static void axl_recovery_close_queues(struct axl_device *adev, int over)
{
	unsigned int i;

	for (i = 0; i < AXL_MAX_QUEUES; i++) {
		if (adev->queues[i])
			axl_queue_close(adev->queues[i], over);
	}
}

/* The endpoint cannot reach host memory: reset, without bus mastering, or gone. */
static void axl_recovery_retire_all(struct axl_device *adev, int over)
{
	unsigned int i;

	axl_recovery_close_queues(adev, over);
	for (i = 0; i < AXL_MAX_QUEUES; i++) {
		if (adev->queues[i])
			axl_queue_retire(adev->queues[i]);
	}
	for (i = 0; i < AXL_MAX_CONTEXTS; i++) {
		if (adev->vms[i])
			axl_vm_retire(adev->vms[i], over);
	}
	/* Its memory is not what others mapped any more. */
	axl_bo_peer_revoke(adev);
}

/* --- doing what the state machine says ------------------------------------------------ */

static int axl_recovery_reset_queue(struct axl_device *adev, unsigned int index)
{
	struct axl_queue *queue = adev->queues[index];
	int err;

	if (!queue)
		return AXL_OK; /* destroyed meanwhile, which is as good */
	axl_queue_close(queue, 0);
	err = axl_reset_perform(&adev->os, AXL_RESET_ACTION_QUEUE, index);
	return err ? err : axl_queue_restart(queue);
}

/*
 * Its owner wants it. Past the state machine: what one client does to his own queue must
 * not count towards the storm that costs everybody the function.
 */
static int axl_recovery_reset_asked(struct axl_queue *queue)
{
	struct axl_device *adev = queue->adev;
	int err;

	if (adev->queues[queue->index] != queue)
		return READ_ONCE(queue->over); /* changes under the device lock only */
	err = axl_recovery_reset_queue(adev, queue->index);
	if (!err)
		return 0;
	if (err == AXL_ERR_GONE) {
		axl_recovery_feed(adev, AXL_RESET_EVENT_GONE, 0);
		return -ENODEV;
	}
	axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
	return -EIO;
}

int axl_recovery_reset_own(struct axl_queue *queue)
{
	struct axl_device *adev = queue->adev;
	int ret = axl_recovery_lock_usable(adev);

	if (ret)
		return ret;
	ret = axl_recovery_reset_asked(queue);
	mutex_unlock(&adev->lock);
	return ret;
}

static int axl_recovery_reset_function(struct axl_device *adev)
{
	int err;

	axl_recovery_close_queues(adev, -ESTALE);
	err = axl_reset_perform(&adev->os, AXL_RESET_ACTION_FUNCTION, 0);
	if (err)
		return err;
	axl_recovery_retire_all(adev, -ESTALE);
	return axl_recovery_setup_hw(adev);
}

bool axl_recovery_is_own_reset(const struct axl_device *adev)
{
	lockdep_assert_held(&adev->lock);
	return adev->resetting_task == current && !adev->os_resetting &&
	       adev->reset.state == AXL_RESET_STATE_BUS;
}

/*
 * Without the device lock, which is dropped and taken again: the PCI core's own locks
 * (device, slot, pci_bus_sem) come before it, as error_detected() and its like show, and
 * pci_reset_bus() takes them. Nobody uses the endpoint meanwhile, whose state says that it
 * is being reset and which reaches no memory, but the PCI core may begin a reset of its
 * own. Then that one counts, and whoever ends it concludes: AXL_ERR_AGAIN.
 */
static int axl_recovery_reset_bus(struct axl_device *adev)
{
	int err;

	pci_clear_master(adev->pdev);
	axl_recovery_retire_all(adev, -ESTALE);
	WRITE_ONCE(adev->resetting_task, current); /* see axl_recovery_lock() */
	mutex_unlock(&adev->lock);
	err = axl_reset_perform(&adev->os, AXL_RESET_ACTION_BUS, 0);
	mutex_lock(&adev->lock);
	if (!axl_recovery_is_own_reset(adev))
		err = AXL_ERR_AGAIN;
	else if (!err)
		err = axl_recovery_setup_hw(adev);
	if (adev->resetting_task == current)
		WRITE_ONCE(adev->resetting_task, NULL);
	wake_up_all(&adev->reset_wait);
	return err;
}

static int axl_recovery_do(struct axl_device *adev, enum axl_reset_action action,
			   unsigned int queue)
{
	pci_warn(adev->pdev, "recovery: action=%s queue=%u\n", axl_reset_action_name(action),
		 queue);
	if (action == AXL_RESET_ACTION_QUEUE)
		return axl_recovery_reset_queue(adev, queue);
	if (action == AXL_RESET_ACTION_FUNCTION)
		return axl_recovery_reset_function(adev);
	return axl_recovery_reset_bus(adev);
}

static void axl_recovery_conclude(struct axl_device *adev, enum axl_reset_action action)
{
	switch (action) {
	case AXL_RESET_ACTION_HOLD:
		axl_trace_reset_begin(adev);
		axl_recovery_close_queues(adev, -ESTALE);
		break;
	case AXL_RESET_ACTION_WEDGE:
		pci_err(adev->pdev, "no reset helped: wedged; remove it or reset the bus\n");
		pci_clear_master(adev->pdev);
		axl_recovery_retire_all(adev, -EIO);
		break;
	case AXL_RESET_ACTION_UNPLUG:
		pci_err(adev->pdev, "the endpoint is gone\n");
		axl_trace_topology(adev, AXL_TOPOLOGY_CHANGE_LOST);
		axl_recovery_retire_all(adev, -ENODEV);
		break;
	case AXL_RESET_ACTION_RESUME:
		pci_info(adev->pdev, "online again: generation=%u\n", adev->reset.generation);
		break;
	default:
		break;
	}
}

static enum axl_reset_action axl_recovery_step(struct axl_device *adev, u32 event,
					       unsigned int queue)
{
	enum axl_reset_action action = axl_reset_feed(&adev->reset, ktime_get_ns(), event);

	axl_history_add(adev, event, queue, action);
	return action;
}

int axl_recovery_feed(struct axl_device *adev, u32 event, unsigned int queue)
{
	enum axl_reset_action action;
	int err = AXL_OK;

	lockdep_assert_held(&adev->lock);
	axl_coredump_consider(adev, event, queue);
	action = axl_recovery_step(adev, event, queue);
	while (axl_reset_is_reset(action)) {
		axl_uevent_state(adev);
		err = axl_recovery_do(adev, action, queue);
		if (err == AXL_ERR_AGAIN && action == AXL_RESET_ACTION_BUS)
			return err; /* not ours to conclude */
		if (err)
			pci_err(adev->pdev, "recovery: action=%s failed: error=%s\n",
				axl_reset_action_name(action), axl_err_name(err));
		action = axl_recovery_step(adev, axl_reset_outcome(err), queue);
	}
	axl_recovery_conclude(adev, action);
	if (action != AXL_RESET_ACTION_NONE) {
		axl_uevent_state(adev);
		axl_notify_all(adev);
	}
	return err;
}

void axl_recovery_before_os(struct axl_device *adev)
{
	adev->os_resetting = true;
	axl_recovery_feed(adev, AXL_RESET_EVENT_OS_BEGIN, 0);
}

int axl_recovery_after_os(struct axl_device *adev)
{
	int err;

	lockdep_assert_held(&adev->lock);
	adev->os_resetting = false;
	if (adev->reset.state != AXL_RESET_STATE_BUS)
		return AXL_ERR_GONE;
	axl_recovery_retire_all(adev, -ESTALE);
	err = axl_recovery_setup_hw(adev);
	axl_trace_reset_end(adev, err);
	axl_recovery_feed(adev, axl_reset_outcome(err), 0);
	return err;
}

void axl_recovery_go_away(struct axl_device *adev)
{
	lockdep_assert_held(&adev->lock);
	axl_recovery_close_queues(adev, -ENODEV);
	if (!axl_is_gone(&adev->os)) {
		axl_ctrl_set_enabled(&adev->os, false);
		axl_write32(&adev->os, AXL_REG_ADDR_COMMIT, 0);
	}
	/* Whatever the endpoint still does, it does not do it to host memory. */
	pci_clear_master(adev->pdev);
	axl_recovery_step(adev, AXL_RESET_EVENT_GONE, 0);
	axl_recovery_retire_all(adev, -ENODEV);
	axl_notify_all(adev);
}

/* --- looking for trouble ---------------------------------------------------------------- */

/* Poll first: an interrupt may be lost. Waiters do it themselves, and count it. */
static void axl_recovery_look(struct axl_device *adev, struct axl_health_queue *seen)
{
	unsigned int i;

	for (i = 0; i < AXL_MAX_QUEUES; i++) {
		struct axl_queue *queue = adev->queues[i];

		if (!queue)
			continue;
		/* Who comes to wait just now looks by himself first: no barrier is needed. */
		if (!waitqueue_active(&queue->wait))
			axl_queue_reap(queue);
		spin_lock(&queue->lock);
		if (!queue->closed) {
			seen[i].completed = queue->qp.stats.completed;
			seen[i].in_flight = axl_qp_in_flight(&queue->qp);
			axl_qp_set_clock(&queue->qp, &adev->clock.line);
		}
		spin_unlock(&queue->lock);
		axl_lies_tell(queue);
	}
}

/* A power glitch, or its own firmware: it has forgotten queues, contexts and its address. */
static bool axl_recovery_was_reset(struct axl_device *adev)
{
	u32 generation;

	if (axl_ctrl_generation(&adev->os, &generation) || generation == adev->hw_generation)
		return false;
	pci_warn(adev->pdev, "was reset behind the driver's back: resets=%u were %u\n", generation,
		 adev->hw_generation);
	return true;
}

static void axl_recovery_check(struct axl_device *adev)
{
	struct axl_health_queue seen[AXL_MAX_QUEUES] = {};
	enum axl_health_verdict verdict;
	u32 hung = 0;

	if (adev->needs_reset) {
		adev->needs_reset = false;
		axl_recovery_feed(adev, AXL_RESET_EVENT_ASK_FUNCTION, 0);
		return;
	}
	if (axl_clock_sample(&adev->clock, &adev->os) == AXL_ERR_GONE) {
		axl_recovery_feed(adev, AXL_RESET_EVENT_GONE, 0);
		return;
	}
	if (axl_recovery_was_reset(adev)) {
		axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
		return;
	}
	axl_recovery_look(adev, seen);
	verdict = axl_health_check(&adev->health, &adev->os, ktime_get_ns(), seen,
				   adev->ident.queue_count, &hung);
	if (verdict == AXL_HEALTH_QUEUE_HUNG)
		axl_recovery_feed(adev, AXL_RESET_EVENT_QUEUE_HUNG, hung);
	else if (verdict == AXL_HEALTH_FIRMWARE)
		axl_recovery_feed(adev, AXL_RESET_EVENT_DEVICE_DEAD, 0);
	else if (verdict == AXL_HEALTH_GONE)
		axl_recovery_feed(adev, AXL_RESET_EVENT_GONE, 0);
}

void axl_recovery_health_work(struct work_struct *work)
{
	struct delayed_work *delayed = to_delayed_work(work);
	struct axl_device *adev = container_of(delayed, struct axl_device, health_work);

	mutex_lock(&adev->lock);
	if (!axl_recovery_usable(adev))
		axl_recovery_check(adev);
	/* Neither wakes it nor reads it asleep: waking up schedules this again. */
	if (!adev->asleep)
		schedule_delayed_work(&adev->health_work, msecs_to_jiffies(AXL_HEALTH_PERIOD_MS));
	mutex_unlock(&adev->lock);
}

static void axl_recovery_log_error(struct axl_device *adev, const struct axl_errblk *error)
{
	struct device *dev = &adev->pdev->dev;

	dev_warn_ratelimited(dev, "error=%u count=%u queue=%u context=%u sequence=%llu va=0x%llx\n",
			     error->code, error->count, error->queue, error->context,
			     error->sequence, error->address);
}

/* The error block is taken in and cleared, so that the next error is seen as well. */
void axl_recovery_take_error(struct axl_device *adev)
{
	struct axl_errblk error;

	if (axl_recovery_usable(adev))
		return;
	if (axl_errblk_read(&adev->os, &error) || !error.valid)
		return;
	adev->last_error = error;
	adev->last_error_ns = ktime_get_ns();
	adev->error_records++;
	axl_errblk_clear(&adev->os);
	axl_recovery_log_error(adev, &error);
	axl_notify_all(adev);
}

void axl_recovery_event_work(struct work_struct *work)
{
	struct axl_device *adev = container_of(work, struct axl_device, event_work);

	mutex_lock(&adev->lock);
	axl_recovery_take_error(adev);
	mutex_unlock(&adev->lock);
}

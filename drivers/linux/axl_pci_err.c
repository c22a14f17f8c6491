// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * What the PCI core tells us about errors and resets
 * (Documentation/PCI/pci-error-recovery.rst). All callbacks may sleep. During the recovery
 * of an error the PCI core keeps every function below the port awake; around a reset that
 * somebody asks for we do.
 */
#include <linux/pm_runtime.h>

#include "axl_config.h"
#include "axl_coredump.h"
#include "axl_device.h"
#include "axl_power.h"
#include "axl_trace.h"

static pci_ers_result_t axl_pci_err_detected(struct pci_dev *pdev, pci_channel_state_t state)
{
	struct axl_device *adev = pci_get_drvdata(pdev);

	axl_trace_aer(adev, state == pci_channel_io_normal ? AXL_AER_SEVERITY_NONFATAL :
							     AXL_AER_SEVERITY_FATAL);
	switch (state) {
	case pci_channel_io_normal:
		/* Non-fatal: registers work, and the health check sees what does not go on. */
		pci_warn(pdev, "error_detected: non-fatal\n");
		return PCI_ERS_RESULT_CAN_RECOVER;
	case pci_channel_io_frozen:
		pci_warn(pdev, "error_detected: frozen, waiting for a reset\n");
		mutex_lock(&adev->lock);
		axl_coredump_frozen(adev);
		axl_recovery_before_os(adev);
		mutex_unlock(&adev->lock);
		return PCI_ERS_RESULT_NEED_RESET;
	default:
		pci_err(pdev, "error_detected: permanent failure\n");
		mutex_lock(&adev->lock);
		axl_recovery_feed(adev, AXL_RESET_EVENT_GONE, 0);
		mutex_unlock(&adev->lock);
		return PCI_ERS_RESULT_DISCONNECT;
	}
}

static pci_ers_result_t axl_pci_err_mmio_enabled(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);
	pci_ers_result_t result = PCI_ERS_RESULT_RECOVERED;

	pci_info(pdev, "mmio_enabled\n");
	mutex_lock(&adev->lock);
	if (axl_is_gone(&adev->os)) {
		axl_recovery_before_os(adev);
		result = PCI_ERS_RESULT_NEED_RESET;
	}
	mutex_unlock(&adev->lock);
	return result;
}

/* The link is up again; configuration space is as after power-on. */
static pci_ers_result_t axl_pci_err_slot_reset(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);
	int err;

	pci_info(pdev, "slot_reset\n");
	mutex_lock(&adev->lock);
	axl_config_restore(adev);
	if (adev->reset.state == AXL_RESET_STATE_ONLINE)
		/* Only another function's error was frozen, but our link was reset as well. */
		axl_recovery_before_os(adev);
	err = axl_recovery_after_os(adev);
	mutex_unlock(&adev->lock);
	return err ? PCI_ERS_RESULT_DISCONNECT : PCI_ERS_RESULT_RECOVERED;
}

static void axl_pci_err_resume(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);

	pci_info(pdev, "resume\n");
	/* Look soon whether everything goes on. */
	mod_delayed_work(system_wq, &adev->health_work, 0);
}

static void axl_pci_err_cor_detected(struct pci_dev *pdev)
{
	axl_trace_aer(pci_get_drvdata(pdev), AXL_AER_SEVERITY_CORRECTABLE);
}

/*
 * Around a reset of the bus by ourselves. False: meanwhile somebody else began or finished
 * one, so this reset is as if the PCI core had begun it.
 */
static bool axl_pci_err_own_prepare(struct axl_device *adev)
{
	bool own;

	mutex_lock(&adev->lock);
	own = axl_recovery_is_own_reset(adev);
	if (own)
		axl_config_before_reset(adev);
	else if (adev->resetting_task == current)
		adev->resetting_task = NULL;
	mutex_unlock(&adev->lock);
	return own;
}

/* Somebody resets the function or the bus above it, or we do it ourselves. */
static void axl_pci_err_reset_prepare(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);

	if (READ_ONCE(adev->resetting_task) == current && axl_pci_err_own_prepare(adev))
		return;
	/* Put in reset_done(), which comes always, so it is taken whatever this says. */
	pm_runtime_get_sync(&pdev->dev);
	mutex_lock(&adev->lock);
	axl_recovery_before_os(adev);
	axl_config_before_reset(adev);
	mutex_unlock(&adev->lock);
}

static void axl_pci_err_reset_done(struct pci_dev *pdev)
{
	struct axl_device *adev = pci_get_drvdata(pdev);
	bool own = READ_ONCE(adev->resetting_task) == current;

	mutex_lock(&adev->lock);
	axl_config_restore(adev);
	if (!own)
		axl_recovery_after_os(adev);
	mutex_unlock(&adev->lock);
	if (!own)
		axl_power_put(adev);
}

const struct pci_error_handlers axl_pci_err_handlers = {
	.error_detected = axl_pci_err_detected,
	.mmio_enabled = axl_pci_err_mmio_enabled,
	.slot_reset = axl_pci_err_slot_reset,
	.reset_prepare = axl_pci_err_reset_prepare,
	.reset_done = axl_pci_err_reset_done,
	.resume = axl_pci_err_resume,
	.cor_error_detected = axl_pci_err_cor_detected,
};

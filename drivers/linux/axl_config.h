/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Configuration space: a copy that is known to be good, written back after resets. */
#ifndef AXL_CONFIG_H
#define AXL_CONFIG_H

#include <linux/pci.h>

struct axl_device;

/* From probe() on; 0 or -ENOMEM. Serialised by the caller, as all below. */
int axl_config_save(struct axl_device *adev);
void axl_config_release(void *data); /* of a struct axl_device, for devm */

/* Before any reset, also one by the OS: what it saves afterwards is whole. */
void axl_config_before_reset(struct axl_device *adev);

/* After any reset: all that was saved, MSI-X included. */
void axl_config_restore(struct axl_device *adev);

/*
 * A function-level reset takes the BARs and the command register from the endpoint.
 * pci_restore_state() writes back only what reads differently, and a hypervisor that
 * shows the guest its own copy (QEMU's vfio does) hides the difference: written always.
 */
void axl_config_rewrite(struct pci_dev *pdev);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Configuration space of an endpoint: what a reset loses and how to reset. */
#ifndef AXL_RACK_PCI_CONFIG_H
#define AXL_RACK_PCI_CONFIG_H

#include <stdint.h>

#include "vfio_user.h"

#define AXL_PCI_HEADER_WORDS 16 /* of 32 bits */

struct axl_pci_saved {
	uint32_t header[AXL_PCI_HEADER_WORDS]; /* first 64 bytes */
	uint16_t express; /* offset of the PCI Express capability */
	uint16_t msi; /* offsets of MSI and MSI-X, 0 if there is none */
	uint16_t msix;
	uint16_t device_control;
	uint16_t message_control; /* of MSI-X, else of MSI */
};

/*
 * Check that it is an AXL endpoint, find its capabilities, switch memory decoding and
 * bus mastering on if firmware did not. Negative errno.
 */
int axl_pci_config_init(struct axl_pci_saved *saved, struct axl_vfu *vfu);

int axl_pci_config_save(struct axl_pci_saved *saved, struct axl_vfu *vfu);
int axl_pci_config_restore(const struct axl_pci_saved *saved, struct axl_vfu *vfu);

/* Function-level reset (PCIe 6.0 s6.6.2). The caller saves and restores. */
int axl_pci_function_reset(const struct axl_pci_saved *saved, struct axl_vfu *vfu);

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <string.h>

#include "../error.h"
#include "axl_formats.h"
#include "pci_config.h"

#define AXL_PCI_MAX_CAPABILITIES 48 /* as many as fit into 256 bytes: a list may loop */
#define AXL_PCI_COMMAND_WORD 1
#define AXL_PCI_FIRST_BAR_WORD 4
#define AXL_PCI_LAST_BAR_WORD 9

static int axl_pci_read(struct axl_vfu *vfu, uint32_t offset, void *value, size_t bytes)
{
	return axl_vfu_region_read(vfu, VFIO_PCI_CONFIG_REGION_INDEX, offset, value, bytes);
}

static int axl_pci_write(struct axl_vfu *vfu, uint32_t offset, const void *value, size_t bytes)
{
	return axl_vfu_region_write(vfu, VFIO_PCI_CONFIG_REGION_INDEX, offset, value, bytes);
}

static int axl_pci_find_capabilities(struct axl_pci_saved *saved, struct axl_vfu *vfu)
{
	uint8_t at = 0;
	int status = axl_pci_read(vfu, PCI_CAPABILITY_LIST, &at, sizeof(at));

	for (int i = 0; !status && i < AXL_PCI_MAX_CAPABILITIES && at >= PCI_STD_HEADER_SIZEOF;
	     i++) {
		uint8_t head[2]; /* id, next */

		status = axl_pci_read(vfu, at & ~3u, head, sizeof(head));
		if (status)
			break;
		if (head[0] == PCI_CAP_ID_EXP)
			saved->express = at;
		else if (head[0] == PCI_CAP_ID_MSI)
			saved->msi = at;
		else if (head[0] == PCI_CAP_ID_MSIX)
			saved->msix = at;
		at = head[1];
	}
	return status;
}

int axl_pci_config_init(struct axl_pci_saved *saved, struct axl_vfu *vfu)
{
	const uint16_t wanted = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;
	uint16_t ids[2], command;
	int status;

	memset(saved, 0, sizeof(*saved));
	status = axl_pci_read(vfu, PCI_VENDOR_ID, ids, sizeof(ids));
	if (status)
		return status;
	if (ids[0] == 0xffff)
		return axl_fail(-ENODEV, "the endpoint does not answer configuration requests "
					 "(link down?); see `accel-rack status`");
	if (ids[0] != AXL_PCI_VENDOR_ID || ids[1] != AXL_PCI_DEVICE_ID)
		return axl_fail(-EPROTO, "PCI id %04x:%04x is no AXL endpoint", ids[0], ids[1]);
	status = axl_pci_find_capabilities(saved, vfu);
	if (!status)
		status = axl_pci_read(vfu, PCI_COMMAND, &command, sizeof(command));
	if (!status && (command & wanted) != wanted) {
		command |= wanted;
		status = axl_pci_write(vfu, PCI_COMMAND, &command, sizeof(command));
	}
	return status;
}

int axl_pci_config_save(struct axl_pci_saved *saved, struct axl_vfu *vfu)
{
	uint16_t message = saved->msix ? saved->msix : saved->msi;
	int status = axl_pci_read(vfu, 0, saved->header, sizeof(saved->header));

	if (!status && saved->express)
		status = axl_pci_read(vfu, saved->express + PCI_EXP_DEVCTL, &saved->device_control,
				      sizeof(saved->device_control));
	if (!status && message)
		status = axl_pci_read(vfu, message + PCI_MSIX_FLAGS, &saved->message_control,
				      sizeof(saved->message_control));
	return status;
}

int axl_pci_config_restore(const struct axl_pci_saved *saved, struct axl_vfu *vfu)
{
	uint16_t message = saved->msix ? saved->msix : saved->msi;
	uint16_t command = (uint16_t)saved->header[AXL_PCI_COMMAND_WORD];
	int status = 0;

	for (uint32_t i = AXL_PCI_FIRST_BAR_WORD; !status && i <= AXL_PCI_LAST_BAR_WORD; i++)
		status = axl_pci_write(vfu, i * 4, &saved->header[i], sizeof(saved->header[i]));
	if (!status && saved->express)
		status = axl_pci_write(vfu, saved->express + PCI_EXP_DEVCTL, &saved->device_control,
				       sizeof(saved->device_control));
	if (!status && message)
		status = axl_pci_write(vfu, message + PCI_MSIX_FLAGS, &saved->message_control,
				       sizeof(saved->message_control));
	/* Last: memory decoding must not be on while a BAR is half written. */
	if (!status)
		status = axl_pci_write(vfu, PCI_COMMAND, &command, sizeof(command));
	return status;
}

int axl_pci_function_reset(const struct axl_pci_saved *saved, struct axl_vfu *vfu)
{
	uint16_t control = saved->device_control | PCI_EXP_DEVCTL_BCR_FLR;
	uint32_t capabilities = 0;
	int status;

	if (!saved->express)
		return -EOPNOTSUPP;
	status = axl_pci_read(vfu, saved->express + PCI_EXP_DEVCAP, &capabilities,
			      sizeof(capabilities));
	if (status)
		return status;
	if (!(capabilities & PCI_EXP_DEVCAP_FLR))
		return -EOPNOTSUPP;
	/*
	 * The 100 ms of s6.6.2 are for silicon: an embedded endpoint has reset itself
	 * before it answers this write, and the core waits for its READY bit anyway.
	 */
	return axl_pci_write(vfu, saved->express + PCI_EXP_DEVCTL, &control, sizeof(control));
}

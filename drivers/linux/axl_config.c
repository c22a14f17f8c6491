// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Configuration space: a copy that is known to be good, written back after resets.
 *
 * The PCI core saves right before it resets. An endpoint that was reset behind our back
 * (a power glitch, its own firmware) has lost BARs, enables and the MSI-X capability by
 * then, and what would be saved and restored is that: no reset could ever help. So what
 * is lost is put back before every reset, and the copy is taken only of what is whole.
 */
#include "axl_accel.h"
#include "axl_config.h"
#include "axl_device.h"

enum axl_config_state {
	AXL_CONFIG_WHOLE,
	AXL_CONFIG_LOST, /* as after a reset */
	AXL_CONFIG_SILENT, /* it does not answer */
};

static enum axl_config_state axl_config_look(struct pci_dev *pdev)
{
	u16 command;

	if (pci_read_config_word(pdev, PCI_COMMAND, &command) || command == 0xffff)
		return AXL_CONFIG_SILENT;
	/* Bus mastering is switched off now and then, decoding never. */
	return command & PCI_COMMAND_MEMORY ? AXL_CONFIG_WHOLE : AXL_CONFIG_LOST;
}

int axl_config_save(struct axl_device *adev)
{
	struct pci_saved_state *copy;

	pci_save_state(adev->pdev);
	copy = pci_store_saved_state(adev->pdev);
	if (!copy)
		return -ENOMEM;
	kfree(adev->config);
	adev->config = copy;
	return 0;
}

void axl_config_rewrite(struct pci_dev *pdev)
{
	static const int bars[] = { AXL_BAR_REGISTERS, AXL_BAR_MEMORY, AXL_BAR_MSIX };
	unsigned int i;
	u16 command;

	for (i = 0; i < ARRAY_SIZE(bars); i++) {
		u64 address = pci_bus_address(pdev, bars[i]);
		int offset = PCI_BASE_ADDRESS_0 + 4 * bars[i];

		pci_write_config_dword(pdev, offset, lower_32_bits(address));
		pci_write_config_dword(pdev, offset + 4, upper_32_bits(address));
	}
	pci_read_config_word(pdev, PCI_COMMAND, &command);
	pci_write_config_word(pdev, PCI_COMMAND, command);
}

void axl_config_restore(struct axl_device *adev)
{
	/* Restoring uses the saved state up: the copy is what lasts. */
	pci_load_saved_state(adev->pdev, adev->config);
	pci_restore_state(adev->pdev);
	axl_config_rewrite(adev->pdev);
}

void axl_config_before_reset(struct axl_device *adev)
{
	switch (axl_config_look(adev->pdev)) {
	case AXL_CONFIG_WHOLE:
		axl_config_save(adev); /* without memory the older copy has to do */
		break;
	case AXL_CONFIG_LOST:
		pci_warn(adev->pdev, "configuration was lost: restored\n");
		axl_config_restore(adev);
		break;
	case AXL_CONFIG_SILENT:
		break;
	}
}

void axl_config_release(void *data)
{
	struct axl_device *adev = data;

	kfree(adev->config);
	adev->config = NULL;
}

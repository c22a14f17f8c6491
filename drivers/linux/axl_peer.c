// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Whether one endpoint can reach another's memory, and if not, why.
 *
 * A request to a peer's BAR2 must be routed by switches alone: both below one root port,
 * and no port on the way sends it up to the root complex instead (PCIe 6.0 s6.12.1.1).
 * An endpoint behind an IOMMU addresses its requests for that one. Where the switches
 * route them all the same, they bypass it: not wanted where somebody switched it on.
 */
#include <linux/iommu.h>
#include <linux/pci.h>

#include "axl_device.h"

static bool axl_peer_is_translated(struct pci_dev *pdev)
{
	const struct iommu_domain *domain = iommu_get_domain_for_dev(&pdev->dev);

	return domain && domain->type != IOMMU_DOMAIN_IDENTITY;
}

static bool axl_peer_is_above(struct pci_dev *port, struct pci_dev *pdev)
{
	for (pdev = pci_upstream_bridge(pdev); pdev; pdev = pci_upstream_bridge(pdev)) {
		if (pdev == port)
			return true;
	}
	return false;
}

/* A port that does not answer reads all-ones, and does not route either. */
static bool axl_peer_redirects(struct pci_dev *port)
{
	int acs = pci_find_ext_capability(port, PCI_EXT_CAP_ID_ACS);
	u16 control = 0;

	if (acs)
		pci_read_config_word(port, acs + PCI_ACS_CTRL, &control);
	return control & (PCI_ACS_RR | PCI_ACS_CR | PCI_ACS_EC);
}

/* Of the ports above pdev, below the first that is above other as well. */
static struct pci_dev *axl_peer_redirecting_port(struct pci_dev *pdev, struct pci_dev *other)
{
	struct pci_dev *port = pci_upstream_bridge(pdev);

	for (; port && !axl_peer_is_above(port, other); port = pci_upstream_bridge(port)) {
		if (axl_peer_redirects(port))
			return port;
	}
	return NULL;
}

struct axl_obstacle axl_peer_obstacle(const struct axl_device *adev, const struct axl_device *other)
{
	struct axl_obstacle obstacle = {};

	if (!(adev->ident.features & AXL_IDENT_FEATURES_PEER_TO_PEER_MASK)) {
		obstacle.text = "this endpoint has no peer-to-peer";
	} else if (pcie_find_root_port(adev->pdev) != pcie_find_root_port(other->pdev)) {
		obstacle.text = "below another root port";
	} else if (axl_peer_is_translated(adev->pdev)) {
		obstacle.text = "an IOMMU translates the requests";
	} else {
		/* Requests go one way, completions the other. */
		obstacle.port = axl_peer_redirecting_port(adev->pdev, other->pdev);
		if (!obstacle.port)
			obstacle.port = axl_peer_redirecting_port(other->pdev, adev->pdev);
		if (obstacle.port)
			obstacle.text = "ACS redirects requests at port";
	}
	return obstacle;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/*
 * Where an endpoint sits, and telling it so: place, upstream path, peer table. Written
 * when an endpoint appears, after every reset, and whenever another comes or goes.
 */
#include <linux/bitfield.h>
#include <linux/sysfs.h>

#include "axl_device.h"
#include "axl_notify.h"
#include "axl_trace.h"

#define AXL_PLACE_LINE 160 /* longer than any line of the list of peers */

/* Outermost lock: who is bound. Held while every one of them is told. */
static DEFINE_MUTEX(axl_endpoints_lock);
static LIST_HEAD(axl_endpoints);

/* Innermost lock: what others may know of an endpoint. */
static DEFINE_MUTEX(axl_peers_lock);
static LIST_HEAD(axl_peers);

/* The number of the slot below a port, if it has one. */
static u16 axl_place_port_slot(struct pci_dev *port)
{
	u32 capabilities;
	u16 flags;

	pcie_capability_read_word(port, PCI_EXP_FLAGS, &flags);
	if (!(flags & PCI_EXP_FLAGS_SLOT))
		return AXL_ADDR_SLOT_UNKNOWN;
	pcie_capability_read_dword(port, PCI_EXP_SLTCAP, &capabilities);
	return FIELD_GET(PCI_EXP_SLTCAP_PSN, capabilities);
}

/*
 * The slot that the card is plugged into: the lowest one above the card. A card with
 * several endpoints has a switch of its own, whose downstream ports may say that they
 * have slots too: they do not count.
 */
static u16 axl_place_slot(struct axl_device *adev)
{
	struct pci_dev *port = pci_upstream_bridge(adev->pdev);
	u16 slot = AXL_ADDR_SLOT_UNKNOWN;

	if (adev->ident.endpoint_count > 1 && port &&
	    pci_pcie_type(port) == PCI_EXP_TYPE_DOWNSTREAM) {
		port = pci_upstream_bridge(port);
		port = port ? pci_upstream_bridge(port) : NULL;
	}
	for (; port && slot == AXL_ADDR_SLOT_UNKNOWN; port = pci_upstream_bridge(port))
		slot = axl_place_port_slot(port);
	return slot;
}

/* Ports from the endpoint up to the root port; the path wants them the other way round. */
void axl_place_find(struct axl_device *adev)
{
	struct axl_place *place = &adev->place;
	struct pci_dev *ports[AXL_ADDR_MAX_DEPTH];
	struct pci_dev *port = pci_upstream_bridge(adev->pdev);
	unsigned int i;

	*place = (struct axl_place){
		.segment = pci_domain_nr(adev->pdev->bus),
		.bus = adev->pdev->bus->number,
		.device = PCI_SLOT(adev->pdev->devfn),
		.function = PCI_FUNC(adev->pdev->devfn),
		.slot = axl_place_slot(adev),
	};
	for (; port && place->depth < AXL_ADDR_MAX_DEPTH; port = pci_upstream_bridge(port))
		ports[place->depth++] = port;
	for (i = 0; i < place->depth; i++)
		place->path[i] = pci_dev_id(ports[place->depth - 1 - i]);
}

static struct axl_peer axl_place_row(const struct axl_device *adev)
{
	return (struct axl_peer){
		.bus_address = adev->bar2_bus,
		.bytes = adev->ident.memory_bytes,
		.board_serial = adev->ident.board_serial,
		.endpoint_index = adev->ident.endpoint_index,
	};
}

static bool axl_place_can_reach(const struct axl_device *adev, const struct axl_device *other)
{
	return !axl_peer_obstacle(adev, other).text;
}

/* The endpoint's own row first, then as many others as the table has room for. */
static u32 axl_place_rows(struct axl_device *adev, struct axl_peer *rows)
{
	u32 limit = min_t(u32, adev->ident.peer_limit, AXL_MAX_PEERS);
	struct axl_device *other;
	u32 count = 0;

	if (!limit)
		return 0;
	mutex_lock(&axl_peers_lock);
	adev->bar2_bus = pci_bus_address(adev->pdev, AXL_BAR_MEMORY);
	rows[count++] = axl_place_row(adev);
	list_for_each_entry(other, &axl_peers, peers_node) {
		if (count < limit && other != adev && axl_place_can_reach(adev, other))
			rows[count++] = axl_place_row(other);
	}
	mutex_unlock(&axl_peers_lock);
	return count;
}

int axl_place_commit(struct axl_device *adev)
{
	struct axl_addr_status status;
	int err;

	lockdep_assert_held(&adev->lock);
	axl_place_find(adev);
	adev->peer_count = axl_place_rows(adev, adev->peers);
	err = axl_addr_commit(&adev->os, &adev->ident, &adev->place, adev->peers, adev->peer_count,
			      &adev->address_reason);
	adev->address_state = AXL_ADDRESS_STATE_STALE;
	if (!axl_addr_status(&adev->os, &status)) {
		adev->address_state = status.state;
		adev->address_generation = status.generation;
	}
	if (err)
		pci_err(adev->pdev, "device address not accepted: error=%s reason=%u\n",
			axl_err_name(err), adev->address_reason);
	axl_trace_topology(adev, AXL_TOPOLOGY_CHANGE_ADDRESSED);
	axl_notify_all(adev);
	return err;
}

/* axl_endpoints_lock held: everybody but one gets the new peer table. */
static void axl_place_tell_others(struct axl_device *changed)
{
	struct axl_device *adev;

	list_for_each_entry(adev, &axl_endpoints, endpoints_node) {
		if (adev == changed)
			continue;
		mutex_lock(&adev->lock);
		if (axl_recovery_usable(adev) == 0 && axl_place_can_reach(adev, changed))
			axl_place_commit(adev);
		mutex_unlock(&adev->lock);
	}
}

void axl_place_join(struct axl_device *adev)
{
	mutex_lock(&axl_endpoints_lock);
	axl_trace_topology(adev, AXL_TOPOLOGY_CHANGE_APPEARED);
	list_add_tail(&adev->endpoints_node, &axl_endpoints);
	mutex_lock(&axl_peers_lock);
	list_add_tail(&adev->peers_node, &axl_peers);
	mutex_unlock(&axl_peers_lock);
	axl_place_tell_others(adev);
	mutex_unlock(&axl_endpoints_lock);
}

void axl_place_leave(struct axl_device *adev)
{
	mutex_lock(&axl_endpoints_lock);
	axl_trace_topology(adev, AXL_TOPOLOGY_CHANGE_REMOVED);
	list_del(&adev->endpoints_node);
	mutex_lock(&axl_peers_lock);
	list_del_init(&adev->peers_node);
	mutex_unlock(&axl_peers_lock);
	axl_place_tell_others(adev);
	mutex_unlock(&axl_endpoints_lock);
}

/* --- peers --------------------------------------------------------------------------- */

/* Device lock of adev held: the other one's row as adev was told. */
static const struct axl_peer *axl_place_find_row(const struct axl_device *adev,
						 const struct axl_device *other)
{
	u32 i;

	for (i = 0; i < adev->peer_count; i++) {
		if (adev->peers[i].board_serial == other->ident.board_serial &&
		    adev->peers[i].endpoint_index == other->ident.endpoint_index)
			return &adev->peers[i];
	}
	return NULL;
}

/*
 * Device lock of adev and axl_peers_lock held, other bound. The other one's device lock is
 * not held: what it answers may change at once.
 */
static const char *axl_place_why_not_now(const struct axl_device *adev,
					 const struct axl_device *other)
{
	if (READ_ONCE(other->reset.state) != AXL_RESET_STATE_ONLINE)
		return "it is not online";
	if (READ_ONCE(other->address_state) != AXL_ADDRESS_STATE_COMMITTED)
		return "its device address is not committed";
	if (adev->address_state != AXL_ADDRESS_STATE_COMMITTED)
		return "the device address of this endpoint is not committed";
	return axl_place_find_row(adev, other) ? NULL : "not in the peer table";
}

/* Device lock of adev and axl_peers_lock held, other bound: what is above it is there. */
static struct axl_obstacle axl_place_obstacle(const struct axl_device *adev,
					      const struct axl_device *other)
{
	struct axl_obstacle obstacle = axl_peer_obstacle(adev, other);

	if (!obstacle.text)
		obstacle.text = axl_place_why_not_now(adev, other);
	return obstacle;
}

int axl_place_window(struct axl_device *adev, struct axl_device *other, u64 *address_out)
{
	int ret = axl_recovery_lock_usable(adev);

	if (ret)
		return ret;
	mutex_lock(&axl_peers_lock);
	if (list_empty(&other->peers_node) || axl_place_obstacle(adev, other).text)
		ret = -EXDEV;
	if (!ret)
		*address_out = axl_place_find_row(adev, other)->bus_address;
	mutex_unlock(&axl_peers_lock);
	mutex_unlock(&adev->lock);
	return ret;
}

/* Device lock and axl_peers_lock held. */
static ssize_t axl_place_print_peer(struct axl_device *adev, struct axl_device *other, char *buf,
				    ssize_t length)
{
	struct axl_obstacle obstacle = axl_place_obstacle(adev, other);
	ssize_t start = length;

	length += sysfs_emit_at(buf, length, "card:0x%016llx/%u %s ", other->ident.board_serial,
				other->ident.endpoint_index, pci_name(other->pdev));
	if (!obstacle.text)
		length += sysfs_emit_at(buf, length, "reachable\n");
	else if (obstacle.port)
		length += sysfs_emit_at(buf, length, "unreachable: %s %s\n", obstacle.text,
					pci_name(obstacle.port));
	else
		length += sysfs_emit_at(buf, length, "unreachable: %s\n", obstacle.text);
	return length - start;
}

/* An attribute ends at a page: who does not fit is counted. */
ssize_t axl_place_print_peers(struct axl_device *adev, char *buf)
{
	struct axl_device *other;
	unsigned int left_out = 0;
	ssize_t length = 0;

	mutex_lock(&adev->lock);
	mutex_lock(&axl_peers_lock);
	list_for_each_entry(other, &axl_peers, peers_node) {
		if (other == adev)
			continue;
		if (length < PAGE_SIZE - AXL_PLACE_LINE)
			length += axl_place_print_peer(adev, other, buf, length);
		else
			left_out++;
	}
	mutex_unlock(&axl_peers_lock);
	mutex_unlock(&adev->lock);
	if (left_out)
		length += sysfs_emit_at(buf, length, "and %u more\n", left_out);
	return length;
}

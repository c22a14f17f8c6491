// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Attributes in the PCI device's folder: who it is, where it is, how it is. */
#include <linux/sysfs.h>

#include "axl_device.h"
#include "axl_power.h"

static struct axl_device *axl_sysfs_device(struct device *dev)
{
	return dev_get_drvdata(dev);
}

static const char *axl_sysfs_address_state(u32 state)
{
	static const char *const names[] = { "stale", "committed", "rejected" };

	return state < ARRAY_SIZE(names) ? names[state] : "unknown";
}

static ssize_t board_serial_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "0x%016llx\n", axl_sysfs_device(dev)->ident.board_serial);
}
static DEVICE_ATTR_RO(board_serial);

static ssize_t endpoint_index_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", axl_sysfs_device(dev)->ident.endpoint_index);
}
static DEVICE_ATTR_RO(endpoint_index);

static ssize_t endpoint_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", axl_sysfs_device(dev)->ident.endpoint_count);
}
static DEVICE_ATTR_RO(endpoint_count);

static ssize_t address_state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axl_device *adev = axl_sysfs_device(dev);

	return sysfs_emit(buf, "%s\n", axl_sysfs_address_state(READ_ONCE(adev->address_state)));
}
static DEVICE_ATTR_RO(address_state);

static ssize_t address_reason_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(axl_sysfs_device(dev)->address_reason));
}
static DEVICE_ATTR_RO(address_reason);

static ssize_t generation_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(axl_sysfs_device(dev)->reset.generation));
}
static DEVICE_ATTR_RO(generation);

static ssize_t state_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u32 state = READ_ONCE(axl_sysfs_device(dev)->reset.state);

	return sysfs_emit(buf, "%s\n", axl_reset_state_name(state));
}
static DEVICE_ATTR_RO(state);

static ssize_t slot_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	u16 slot = axl_sysfs_device(dev)->place.slot;

	if (slot == AXL_ADDR_SLOT_UNKNOWN)
		return sysfs_emit(buf, "unknown\n");
	return sysfs_emit(buf, "%u\n", slot);
}
static DEVICE_ATTR_RO(slot);

static ssize_t upstream_path_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axl_device *adev = axl_sysfs_device(dev);
	ssize_t length = 0;
	unsigned int i;

	mutex_lock(&adev->lock);
	for (i = 0; i < adev->place.depth; i++) {
		u16 port = adev->place.path[i];

		length += sysfs_emit_at(buf, length, "%s%04x:%02x:%02x.%u", i ? "," : "",
					adev->place.segment, PCI_BUS_NUM(port),
					PCI_SLOT(port & 0xff), PCI_FUNC(port & 0xff));
	}
	mutex_unlock(&adev->lock);
	length += sysfs_emit_at(buf, length, "\n");
	return length;
}
static DEVICE_ATTR_RO(upstream_path);

static ssize_t peer_count_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(axl_sysfs_device(dev)->peer_count));
}
static DEVICE_ATTR_RO(peer_count);

/* One line for each other endpoint: stable id, BDF, and whether or why not it can be reached. */
static ssize_t peers_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	struct axl_device *adev = axl_sysfs_device(dev);
	ssize_t length = axl_power_get(adev);

	/* Asleep it is not told of new ones. */
	if (length)
		return length;
	length = axl_place_print_peers(adev, buf);
	axl_power_put(adev);
	return length;
}
static DEVICE_ATTR_RO(peers);

static ssize_t vectors_show(struct device *dev, struct device_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", axl_sysfs_device(dev)->vector_count);
}
static DEVICE_ATTR_RO(vectors);

static struct attribute *axl_sysfs_attrs[] = { &dev_attr_board_serial.attr,
					       &dev_attr_endpoint_index.attr,
					       &dev_attr_endpoint_count.attr,
					       &dev_attr_address_state.attr,
					       &dev_attr_address_reason.attr,
					       &dev_attr_generation.attr,
					       &dev_attr_state.attr,
					       &dev_attr_slot.attr,
					       &dev_attr_upstream_path.attr,
					       &dev_attr_peer_count.attr,
					       &dev_attr_peers.attr,
					       &dev_attr_vectors.attr,
					       NULL };

/* In a folder of their own: the PCI core has names such as "state" too. */
static const struct attribute_group axl_sysfs_group = {
	.name = "axl",
	.attrs = axl_sysfs_attrs,
};

/*
 * Not the PCI driver's dev_groups: those come after probe(), when the rules of udev that
 * name /dev/accel/accelN by them may already have run.
 */
int axl_sysfs_add(struct axl_device *adev)
{
	return devm_device_add_group(&adev->pdev->dev, &axl_sysfs_group);
}

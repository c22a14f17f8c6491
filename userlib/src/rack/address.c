// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The device address of an endpoint, as the rack's topology file has it. */
#include "axl_addr.h"
#include "axl_regs.h"
#include "rack.h"

static struct axl_place axl_rack_place(const struct axl_topology_endpoint *endpoint)
{
	struct axl_place place = {
		.segment = (uint16_t)(endpoint->bdf >> 16),
		.bus = (uint8_t)(endpoint->bdf >> 8),
		.device = (uint8_t)(endpoint->bdf >> 3 & 0x1f),
		.function = (uint8_t)(endpoint->bdf & 7),
		.depth = (uint8_t)endpoint->path_depth,
		.slot = (uint16_t)endpoint->slot,
	};

	for (uint32_t i = 0; i < endpoint->path_depth; i++)
		place.path[i] = (uint16_t)endpoint->path[i];
	return place;
}

static struct axl_peer axl_rack_peer(const struct axl_topology_endpoint *endpoint)
{
	return (struct axl_peer){
		.bus_address = endpoint->bar2,
		.bytes = endpoint->bar2_bytes,
		.board_serial = endpoint->serial,
		.endpoint_index = endpoint->index,
	};
}

static bool axl_rack_is_self(const struct axl_rack_device *device,
			     const struct axl_topology_endpoint *endpoint)
{
	return endpoint->serial == device->place.serial && endpoint->index == device->place.index;
}

/* Itself first, then as many others as the table has rows for. */
static uint32_t axl_rack_peers(const struct axl_rack_device *device, struct axl_peer *peers)
{
	uint32_t limit = device->ident.peer_limit;
	uint32_t count = 0;

	if (limit == 0 || !(device->ident.features & AXL_IDENT_FEATURES_PEER_TO_PEER_MASK))
		limit = 1;
	peers[count++] = axl_rack_peer(&device->place);
	for (uint32_t i = 0; i < device->topology.endpoint_count && count < limit; i++) {
		const struct axl_topology_endpoint *other = &device->topology.endpoints[i];

		if (!axl_rack_is_self(device, other))
			peers[count++] = axl_rack_peer(other);
	}
	return count;
}

int axl_rack_commit_address(struct axl_rack_device *device)
{
	struct axl_place place = axl_rack_place(&device->place);
	struct axl_peer peers[AXL_MAX_PEERS];
	struct axl_addr_status status;
	uint32_t count = axl_rack_peers(device, peers);
	int err = axl_addr_commit(&device->os, &device->ident, &place, peers, count,
				  &device->address_reason);

	if (!err)
		err = axl_addr_status(&device->os, &status);
	if (!err && status.state != AXL_ADDRESS_STATE_COMMITTED)
		err = AXL_ERR_ADDRESS;
	if (!err)
		device->commits = status.generation;
	return err;
}

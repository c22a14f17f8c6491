/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_addr.h"

#include "axl_field.h"
#include "axl_regs.h"

AXL_STATIC_ASSERT(AXL_REG_ADDR_PATH(AXL_ADDR_MAX_DEPTH) <= AXL_REG_TELEMETRY_VALID,
		  "the path table ends before the next block");

static bool place_is_valid(const struct axl_place *place)
{
	return place->device < 32 && place->function < 8 && place->depth >= 1 &&
	       place->depth <= AXL_ADDR_MAX_DEPTH;
}

static bool peers_are_valid(const struct axl_ident *ident, const struct axl_peer *peers,
			    uint32_t peer_count)
{
	uint32_t i;

	if (peer_count > ident->peer_limit || peer_count > AXL_MAX_PEERS)
		return false;
	for (i = 0; i < peer_count; i++) {
		if (peers[i].bytes == 0 || peers[i].endpoint_index > 0xff ||
		    peers[i].bus_address + (peers[i].bytes - 1) < peers[i].bus_address)
			return false;
	}
	return true;
}

static void write_place(const struct axl_os *os, const struct axl_ident *ident,
			const struct axl_place *place)
{
	uint32_t i;

	axl_write32(os, AXL_REG_ADDR_PLACE,
		    AXL_PUT(AXL_ADDR_PLACE_SEGMENT, (uint32_t)place->segment) |
			    AXL_PUT(AXL_ADDR_PLACE_BUS, (uint32_t)place->bus) |
			    AXL_PUT(AXL_ADDR_PLACE_DEVICE, (uint32_t)place->device) |
			    AXL_PUT(AXL_ADDR_PLACE_FUNCTION, (uint32_t)place->function));
	axl_write32(os, AXL_REG_ADDR_CARD,
		    AXL_PUT(AXL_ADDR_CARD_SLOT, (uint32_t)place->slot) |
			    AXL_PUT(AXL_ADDR_CARD_INDEX, ident->endpoint_index));
	axl_write64(os, AXL_REG_ADDR_CARD_SERIAL, ident->board_serial);
	axl_write32(os, AXL_REG_ADDR_PATH_DEPTH, place->depth);
	for (i = 0; i < place->depth; i++) {
		/* A Requester ID has the layout of the three fields. */
		axl_write32(os, AXL_REG_ADDR_PATH(i), AXL_ADDR_PATH_VALID_MASK | place->path[i]);
	}
}

static void write_peers(const struct axl_os *os, const struct axl_peer *peers, uint32_t peer_count)
{
	uint32_t i;

	axl_write32(os, AXL_REG_ADDR_PEER_COUNT, peer_count);
	for (i = 0; i < peer_count; i++) {
		axl_write64(os, AXL_REG_PEER_ADDRESS(i), peers[i].bus_address);
		axl_write64(os, AXL_REG_PEER_SIZE(i), peers[i].bytes);
		axl_write64(os, AXL_REG_PEER_SERIAL(i), peers[i].board_serial);
		axl_write32(os, AXL_REG_PEER_INFO(i),
			    AXL_PEER_INFO_VALID_MASK |
				    AXL_PUT(AXL_PEER_INFO_INDEX, peers[i].endpoint_index));
	}
}

int axl_addr_status(const struct axl_os *os, struct axl_addr_status *status_out)
{
	struct axl_addr_status status = { 0 };
	uint32_t raw = axl_read32(os, AXL_REG_ADDR_STATUS);
	uint32_t captured = axl_read32(os, AXL_REG_ADDR_CAPTURED);

	memset(status_out, 0, sizeof(*status_out));
	status.generation = axl_read32(os, AXL_REG_ADDR_GENERATION);
	/* Asked last: had it left earlier, some of the above would be all-ones. */
	if (axl_is_gone(os))
		return AXL_ERR_GONE;
	if (raw == AXL_ALL_ONES32)
		return AXL_ERR_DEVICE;
	status.state = AXL_GET(raw, AXL_ADDR_STATUS_STATE);
	status.reason = AXL_GET(raw, AXL_ADDR_STATUS_REASON);
	status.captured_valid = AXL_GET(raw, AXL_ADDR_STATUS_CAPTURED_VALID) != 0;
	if (status.captured_valid)
		status.captured = (uint16_t)captured;
	if (status.state > AXL_ADDRESS_STATE_REJECTED ||
	    status.reason > AXL_ADDRESS_REASON_PEER_INVALID)
		return AXL_ERR_DEVICE;
	*status_out = status;
	return AXL_OK;
}

int axl_addr_commit(const struct axl_os *os, const struct axl_ident *ident,
		    const struct axl_place *place, const struct axl_peer *peers,
		    uint32_t peer_count, uint32_t *reason_out)
{
	struct axl_addr_status status;
	int err;

	*reason_out = AXL_ADDRESS_REASON_NONE;
	if (!place_is_valid(place) || !peers_are_valid(ident, peers, peer_count))
		return AXL_ERR_INVAL;
	/* Stale first: no peer traffic may see a table that is half old and half new. */
	axl_write32(os, AXL_REG_ADDR_COMMIT, 0);
	write_place(os, ident, place);
	write_peers(os, peers, peer_count);
	axl_write32(os, AXL_REG_ADDR_COMMIT, AXL_ADDR_COMMIT_COMMIT_MASK);
	err = axl_addr_status(os, &status);
	if (err)
		return err;
	if (status.state == AXL_ADDRESS_STATE_COMMITTED)
		return AXL_OK;
	*reason_out = status.reason;
	return status.state == AXL_ADDRESS_STATE_REJECTED ? AXL_ERR_ADDRESS : AXL_ERR_DEVICE;
}

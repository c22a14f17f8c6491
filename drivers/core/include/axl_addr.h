/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The PCI device address of an endpoint: where it sits, the ports above it and the
 * peers it can reach. Set up after enumeration and after every reset or renumbering.
 */
#ifndef AXL_ADDR_H
#define AXL_ADDR_H

#include "axl_ident.h"

#define AXL_ADDR_MAX_DEPTH 16u
#define AXL_ADDR_SLOT_UNKNOWN 0xffffu

/* bus << 8 | device << 3 | function, as a Requester ID (PCIe 6.0 s2.2.4.2). */
#define AXL_ADDR_ID(bus, device, function) \
	((uint16_t)((((uint32_t)(bus)&0xffu) << 8) | (((uint32_t)(device)&0x1fu) << 3) | \
		    ((uint32_t)(function)&7u)))

struct axl_place {
	uint16_t segment;
	uint8_t bus;
	uint8_t device; /* 0 to 31 */
	uint8_t function; /* 0 to 7 */
	uint8_t depth; /* ports above, 1 to AXL_ADDR_MAX_DEPTH */
	uint16_t slot; /* physical slot, AXL_ADDR_SLOT_UNKNOWN if none */
	uint16_t path[AXL_ADDR_MAX_DEPTH]; /* AXL_ADDR_ID() of each, root port first */
};

/* One row of the peer table; the endpoint's own row is among them. */
struct axl_peer {
	uint64_t bus_address; /* of the peer's BAR2 */
	uint64_t bytes;
	uint64_t board_serial;
	uint32_t endpoint_index;
};

/*
 * Make the present address stale, write the new one and commit it.
 * *reason_out (enum axl_address_reason) tells why when AXL_ERR_ADDRESS is returned,
 * else it is AXL_ADDRESS_REASON_NONE. AXL_ERR_INVAL: a field or a row that cannot be;
 * nothing was written. AXL_ERR_GONE, AXL_ERR_DEVICE. May sleep: yes.
 */
int axl_addr_commit(const struct axl_os *os, const struct axl_ident *ident,
		    const struct axl_place *place, const struct axl_peer *peers,
		    uint32_t peer_count, uint32_t *reason_out);

struct axl_addr_status {
	uint32_t state; /* enum axl_address_state */
	uint32_t reason; /* enum axl_address_reason */
	uint32_t generation; /* commits that succeeded */
	uint16_t captured; /* AXL_ADDR_ID() from configuration writes */
	bool captured_valid;
};

/* AXL_ERR_GONE; AXL_ERR_DEVICE: a state or reason that does not exist. May sleep: yes. */
int axl_addr_status(const struct axl_os *os, struct axl_addr_status *status_out);

#endif

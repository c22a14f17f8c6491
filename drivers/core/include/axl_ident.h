/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Who the endpoint is: the identity block, decoded and checked. */
#ifndef AXL_IDENT_H
#define AXL_IDENT_H

#include "axl_os.h"

struct axl_ident {
	uint64_t board_serial;
	uint64_t memory_bytes; /* device memory behind BAR2, a multiple of 4 KiB */
	uint32_t hw_version; /* raw: major << 24 | minor << 16 | patch */
	uint32_t fw_version;
	uint32_t spec_version;
	uint32_t features; /* AXL_IDENT_FEATURES_*_MASK */
	uint32_t endpoint_index;
	uint32_t endpoint_count;
	uint32_t queue_count; /* 1 to AXL_MAX_QUEUES */
	uint32_t context_count; /* 1 to AXL_MAX_CONTEXTS */
	uint32_t max_ring_log2; /* AXL_MIN_RING_LOG2 to AXL_MAX_RING_LOG2 */
	uint32_t peer_limit; /* rows of the peer table, 0 to AXL_MAX_PEERS */
};

/*
 * Read and check the identity block; *ident_out is zero on failure. May sleep: yes.
 * AXL_ERR_GONE: all-ones. AXL_ERR_VERSION: no AXL, or another contract version.
 * AXL_ERR_DEVICE: a limit or a count that cannot be.
 */
int axl_ident_read(const struct axl_os *os, struct axl_ident *ident_out);

/* Whether the endpoint has left the bus (MAGIC reads as all-ones). May sleep: yes. */
bool axl_is_gone(const struct axl_os *os);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_ident.h"

#include "axl_field.h"
#include "axl_regs.h"

bool axl_is_gone(const struct axl_os *os)
{
	return axl_read32(os, AXL_REG_IDENT_MAGIC) == AXL_ALL_ONES32;
}

static void ident_load(const struct axl_os *os, struct axl_ident *ident)
{
	uint32_t endpoint = axl_read32(os, AXL_REG_IDENT_ENDPOINT);
	uint32_t limits = axl_read32(os, AXL_REG_IDENT_LIMITS);
	uint32_t peers = axl_read32(os, AXL_REG_IDENT_PEER_LIMIT);

	ident->hw_version = axl_read32(os, AXL_REG_IDENT_HW_VERSION);
	ident->fw_version = axl_read32(os, AXL_REG_IDENT_FW_VERSION);
	ident->features = axl_read32(os, AXL_REG_IDENT_FEATURES);
	ident->board_serial = axl_read64(os, AXL_REG_IDENT_BOARD_SERIAL);
	ident->memory_bytes = axl_read64(os, AXL_REG_IDENT_MEMORY_BYTES);
	ident->endpoint_index = AXL_GET(endpoint, AXL_IDENT_ENDPOINT_INDEX);
	ident->endpoint_count = AXL_GET(endpoint, AXL_IDENT_ENDPOINT_COUNT);
	ident->queue_count = AXL_GET(limits, AXL_IDENT_LIMITS_QUEUE_COUNT);
	ident->context_count = AXL_GET(limits, AXL_IDENT_LIMITS_CONTEXT_COUNT);
	ident->max_ring_log2 = AXL_GET(limits, AXL_IDENT_LIMITS_RING_SIZE_LOG2);
	ident->peer_limit = AXL_GET(peers, AXL_IDENT_PEER_LIMIT_COUNT);
}

static bool ident_is_plausible(const struct axl_ident *ident)
{
	uint64_t page_mask = ((uint64_t)1 << AXL_PAGE_SHIFT) - 1;

	return ident->endpoint_index < ident->endpoint_count && ident->queue_count >= 1 &&
	       ident->queue_count <= AXL_MAX_QUEUES && ident->context_count >= 1 &&
	       ident->context_count <= AXL_MAX_CONTEXTS &&
	       ident->max_ring_log2 >= AXL_MIN_RING_LOG2 &&
	       ident->max_ring_log2 <= AXL_MAX_RING_LOG2 && ident->peer_limit <= AXL_MAX_PEERS &&
	       ident->memory_bytes != 0 && (ident->memory_bytes & page_mask) == 0 &&
	       ident->memory_bytes <= AXL_PTE_ADDRESS_MASK;
}

int axl_ident_read(const struct axl_os *os, struct axl_ident *ident_out)
{
	struct axl_ident ident = { 0 };
	uint32_t magic = axl_read32(os, AXL_REG_IDENT_MAGIC);

	memset(ident_out, 0, sizeof(*ident_out));
	if (magic == AXL_ALL_ONES32)
		return AXL_ERR_GONE;
	if (magic != AXL_MAGIC) {
		axl_log(os, AXL_LOG_ERROR, "no AXL endpoint: magic=0x%llx", magic, 0);
		return AXL_ERR_VERSION;
	}
	ident.spec_version = axl_read32(os, AXL_REG_IDENT_SPEC_VERSION);
	if (ident.spec_version == 0 || ident.spec_version > AXL_SPEC_VERSION) {
		/* All-ones here means that it left between the two reads. */
		if (axl_is_gone(os))
			return AXL_ERR_GONE;
		axl_log(os, AXL_LOG_ERROR, "contract version 0x%llx, newest known 0x%llx",
			ident.spec_version, AXL_SPEC_VERSION);
		return AXL_ERR_VERSION;
	}
	ident_load(os, &ident);
	if (axl_is_gone(os))
		return AXL_ERR_GONE;
	if (!ident_is_plausible(&ident)) {
		axl_log(os, AXL_LOG_ERROR, "impossible limits: memory=0x%llx queues=0x%llx",
			ident.memory_bytes, ident.queue_count);
		return AXL_ERR_DEVICE;
	}
	*ident_out = ident;
	return AXL_OK;
}

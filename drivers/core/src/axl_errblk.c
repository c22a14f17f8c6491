/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_errblk.h"

#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

#define READ_TRIES 3

static void load(const struct axl_os *os, uint32_t status, struct axl_errblk *block)
{
	uint32_t where = axl_read32(os, AXL_REG_ERROR_WHERE);

	block->valid = AXL_GET(status, AXL_ERROR_STATUS_VALID) != 0;
	block->has_command = AXL_GET(status, AXL_ERROR_STATUS_HAS_COMMAND) != 0;
	block->has_address = AXL_GET(status, AXL_ERROR_STATUS_HAS_ADDRESS) != 0;
	block->code = AXL_GET(status, AXL_ERROR_STATUS_CODE);
	block->count = axl_read32(os, AXL_REG_ERROR_COUNT);
	block->queue = AXL_GET(where, AXL_ERROR_WHERE_QUEUE);
	block->opcode = AXL_GET(where, AXL_ERROR_WHERE_OPCODE);
	block->context = AXL_GET(where, AXL_ERROR_WHERE_CONTEXT);
	block->sequence = axl_read64(os, AXL_REG_ERROR_SEQUENCE);
	block->address = axl_read64(os, AXL_REG_ERROR_ADDRESS);
	block->ticks = axl_read64(os, AXL_REG_ERROR_TIME);
}

/* Keep what can be believed; a number that is withheld is zero. */
static void sanitise(struct axl_errblk *block)
{
	if (block->code == AXL_ERROR_CODE_NONE || block->code > AXL_ERROR_CODE_QUEUE_HUNG)
		block->suspect = true;
	if (block->has_command &&
	    (block->queue >= AXL_MAX_QUEUES || block->context >= AXL_MAX_CONTEXTS)) {
		block->has_command = false;
		block->suspect = true;
	}
	if (!block->has_command) {
		block->queue = 0;
		block->opcode = 0;
		block->context = 0;
		block->sequence = 0;
	}
	if (!block->has_address)
		block->address = 0;
	if (block->count == 0) {
		block->count = 1;
		block->suspect = true;
	}
}

static void emit(const struct axl_os *os, const struct axl_errblk *block)
{
	struct axl_event event = {
		.time_ns = axl_cpu_to_le64(axl_time_ns(os)),
		.sequence = axl_cpu_to_le64(block->sequence),
		.address = axl_cpu_to_le64(block->address),
		.value = axl_cpu_to_le32(block->count),
		.queue = axl_cpu_to_le16((uint16_t)block->queue),
		.context = axl_cpu_to_le16((uint16_t)block->context),
		.status = axl_cpu_to_le16((uint16_t)block->code),
		.stage = AXL_STAGE_ERROR,
		.origin = os->origin,
		.opcode = (uint8_t)block->opcode,
	};

	os->ops->trace(os->ctx, &event);
}

int axl_errblk_read(const struct axl_os *os, struct axl_errblk *errblk_out)
{
	struct axl_errblk block = { 0 };
	uint32_t before, after;
	int tries = READ_TRIES;

	memset(errblk_out, 0, sizeof(*errblk_out));
	do {
		before = axl_read32(os, AXL_REG_ERROR_STATUS);
		if (before == AXL_ALL_ONES32 && axl_is_gone(os))
			return AXL_ERR_GONE;
		if (!AXL_GET(before, AXL_ERROR_STATUS_VALID))
			return AXL_OK;
		load(os, before, &block);
		/* The block stands still until it is cleared: a change means a mixture. */
		after = axl_read32(os, AXL_REG_ERROR_STATUS);
	} while (before != after && --tries);
	if (axl_is_gone(os))
		return AXL_ERR_GONE;
	if (before != after)
		return AXL_ERR_AGAIN;
	sanitise(&block);
	*errblk_out = block;
	if (axl_trace_on(os))
		emit(os, &block);
	return AXL_OK;
}

int axl_errblk_clear(const struct axl_os *os)
{
	axl_write32(os, AXL_REG_ERROR_STATUS, AXL_ERROR_STATUS_VALID_MASK);
	return axl_is_gone(os) ? AXL_ERR_GONE : AXL_OK;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Shared by the files that check commands. */
#ifndef AXL_CMD_PRIV_H
#define AXL_CMD_PRIV_H

#include "axl_cmd.h"

#define AXL_CMD_VA_END ((uint64_t)1 << AXL_VA_BITS)
#define AXL_CMD_HEADER_WORDS (sizeof(struct axl_cmd_header) / sizeof(axl_le64))

enum axl_cmd_shape {
	AXL_CMD_SHAPE_EMPTY, /* nothing after the header */
	AXL_CMD_SHAPE_COPY,
	AXL_CMD_SHAPE_FENCE,
	AXL_CMD_SHAPE_TENSOR,
};

/* What a command of one opcode looks like. */
struct axl_cmd_rule {
	uint8_t shape; /* enum axl_cmd_shape */
	uint8_t op_end; /* ops are below this; 1: op is 0 */
	uint8_t flags; /* that are allowed */
	uint8_t dtype_end; /* of the header; 1: it is 0 */
	uint8_t fewest_slots;
	uint8_t most_slots;
	uint8_t out; /* tensor: which operand is written */
	uint8_t tail; /* tensor: slots after the operands */
};

/* A slot of a command, in words. Others may change it: read each word once. */
static inline const axl_le64 *axl_cmd_slot(const struct axl_cmd_place *place, uint32_t slot)
{
	const uint8_t *ring = place->ring;
	const void *at = ring + (size_t)((place->first + slot) & place->mask) * AXL_SLOT_BYTES;

	return at;
}

/*
 * Check a tensor command whose header is good and keeps the rule: NULL or the problem.
 * Fills in bytes and direction where they are not 0.
 */
const char *axl_cmd_check_tensor(const struct axl_cmd_place *place, const struct axl_cmd_rule *rule,
				 struct axl_cmd_summary *out);

#endif

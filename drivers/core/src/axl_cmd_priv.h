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
	uint8_t out; /* tensor: which operand is written; of FUSED it says so itself */
	uint8_t tail; /* tensor: slots after the operands */
};

/* A slot of a command, in words. Others may change it: read each word once. */
static inline const axl_le64 *axl_cmd_slot(const struct axl_cmd_place *place, uint32_t slot)
{
	const uint8_t *ring = place->ring;
	const void *at = ring + (size_t)((place->first + slot) & place->mask) * AXL_SLOT_BYTES;

	return at;
}

/* Copy whole words out of memory that others may change. */
static inline void axl_cmd_take(void *to, const axl_le64 *from, size_t bytes)
{
	uint8_t *out = to;
	size_t i;

	for (i = 0; i < bytes / sizeof(*from); i++) {
		axl_le64 word = axl_load_once_le64(&from[i]);

		memcpy(out + i * sizeof(word), &word, sizeof(word));
	}
}

static inline bool axl_cmd_is_zero(const void *bytes, size_t count)
{
	const uint8_t *p = bytes;
	uint64_t seen = 0, word;

	for (; count >= sizeof(word); count -= sizeof(word), p += sizeof(word)) {
		memcpy(&word, p, sizeof(word));
		seen |= word;
	}
	while (count--)
		seen |= *p++;
	return seen == 0;
}

/*
 * Check a tensor command whose header is good and keeps the rule: NULL or the problem.
 * Fills in bytes and direction where they are not 0.
 */
const char *axl_cmd_check_tensor(const struct axl_cmd_place *place, const struct axl_cmd_rule *rule,
				 struct axl_cmd_summary *out);

/*
 * Check the two slots of a FUSED command that follow its operands, of which there are
 * 'operands': NULL or the problem. 'outputs': how many of them are written; 'missing': mask of
 * dimensions that the first of those does not have.
 */
const char *axl_cmd_check_fused(const struct axl_cmd_place *place, uint32_t operands,
				uint32_t *outputs, uint8_t *missing);

#endif

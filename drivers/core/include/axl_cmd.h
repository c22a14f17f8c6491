/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Is this a command? Checked before the device is told of it, so that the caller learns
 * which field is wrong, and so that the device never sees half a command.
 */
#ifndef AXL_CMD_H
#define AXL_CMD_H

#include "axl_os.h"

struct axl_cmd_summary {
	struct axl_cmd_header header; /* as the user wrote it, but for the sequence: 0 */
	uint64_t bytes; /* written to the destination; saturates */
	uint8_t direction; /* enum axl_direction */
	const char *problem; /* NULL, or which rule is broken, in words */
};

/*
 * Where a command lies: its slot n in slot (first + n) & mask of a ring, 8-byte aligned. Of
 * slots that are no ring the mask is ~0.
 */
struct axl_cmd_place {
	const void *ring;
	uint32_t mask;
	uint32_t first;
};

/*
 * Check the command that lies there, where slot_count slots are left. Sequence and context
 * are ignored: axl_qp_accept() sets them.
 * Others may write there meanwhile: each word is read once, so that header.slots, for one,
 * is what was checked, but what lies there later may be another command.
 * AXL_ERR_INVAL: summary_out->problem says why, and nothing else in it means anything.
 * May sleep: no.
 */
int axl_cmd_check(const struct axl_cmd_place *place, size_t slot_count,
		  struct axl_cmd_summary *summary_out);

/* Bytes of an element (enum axl_dtype), 0 for no such type. */
uint32_t axl_dtype_bytes(uint32_t dtype);

#endif

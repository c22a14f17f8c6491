/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Is this a command? Checked before a user's slots reach a ring, so that the caller
 * is told which field is wrong, and so that the device never sees half a command.
 */
#ifndef AXL_CMD_H
#define AXL_CMD_H

#include "axl_os.h"

struct axl_cmd_summary {
	uint32_t slots; /* of this command; 0: it is none, and only problem means something */
	uint8_t opcode;
	uint8_t op;
	uint8_t dtype;
	bool has_src; /* src_va is an address that the command reads */
	bool has_dst; /* dst_va is an address that the command writes */
	uint64_t bytes; /* written to the destination; saturates */
	uint64_t src_va; /* if has_src: first element, to find the direction with */
	uint64_t dst_va; /* if has_dst */
	const char *problem; /* NULL, or which rule is broken, in words */
};

/*
 * Check the command that starts at slots, of which slot_count 64-byte slots are left.
 * The memory must not change meanwhile: copy from user space first. Sequence and
 * context are ignored: axl_qp_push() sets them.
 * AXL_ERR_INVAL: summary_out->problem says why. May sleep: no.
 */
int axl_cmd_check(const void *slots, size_t slot_count, struct axl_cmd_summary *summary_out);

/* Bytes of an element (enum axl_dtype), 0 for no such type. */
uint32_t axl_dtype_bytes(uint32_t dtype);

#endif

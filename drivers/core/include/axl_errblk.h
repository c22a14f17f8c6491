/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* The error block: the first error since it was cleared. */
#ifndef AXL_ERRBLK_H
#define AXL_ERRBLK_H

#include "axl_os.h"

struct axl_errblk {
	bool valid; /* there is a record */
	bool has_command; /* queue, opcode, context and sequence are meaningful */
	bool has_address;
	bool suspect; /* a field cannot be right; it was withheld */
	uint32_t code; /* enum axl_error_code, or a number that we do not know */
	uint32_t count; /* errors since cleared */
	uint32_t queue;
	uint32_t opcode;
	uint32_t context;
	uint64_t sequence;
	uint64_t address;
	uint64_t ticks; /* device clock */
};

/*
 * Read the block; emits an error event if there is a record. AXL_ERR_GONE;
 * AXL_ERR_AGAIN: it kept changing while it was read. *errblk_out is zero then.
 * May sleep: yes.
 */
int axl_errblk_read(const struct axl_os *os, struct axl_errblk *errblk_out);

/* Clear the block, so that the next error is the first. AXL_ERR_GONE. May sleep: yes. */
int axl_errblk_clear(const struct axl_os *os);

#endif

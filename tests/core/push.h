/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* A whole submission as every user of the core makes it: find room, copy, accept. */
#ifndef AXL_TEST_PUSH_H
#define AXL_TEST_PUSH_H

#include <string.h>

#include "axl_qp.h"

/* An enum axl_err; *why as axl_qp_accept() left it. */
static inline int push_slots(struct axl_qp *qp, const uint8_t *slots, uint32_t slot_count,
			     struct axl_qp_refusal *why)
{
	struct axl_qp_batch batch = { .slot_count = slot_count, .interrupt = true };
	struct axl_qp_room room;
	int err = axl_qp_find_room(qp, slot_count, &room);

	why->problem = NULL;
	if (err)
		return err;
	memcpy(room.part[0], slots, room.bytes[0]);
	memcpy(room.part[1], slots + room.bytes[0], room.bytes[1]);
	return axl_qp_accept(qp, &batch, why);
}

/* One NOP, if there is room. */
static inline int push_nop(struct axl_qp *qp)
{
	static const uint8_t slot[AXL_SLOT_BYTES] = {
		[offsetof(struct axl_cmd_header, slots)] = 1,
	};
	struct axl_qp_refusal why;

	return push_slots(qp, slot, 1, &why);
}

#endif

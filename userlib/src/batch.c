// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>

#include "batch.h"
#include "error.h"
/* The core's; plain "axl_cmd.h" is the public header of the same name. */
#include "../../drivers/core/include/axl_cmd.h"

int axl_batch_check(const struct axl_slot *slots, size_t slot_count)
{
	size_t command = 0;

	for (size_t at = 0; at < slot_count; command++) {
		struct axl_cmd_summary summary;

		if (axl_cmd_check(&slots[at], slot_count - at, &summary))
			return axl_fail(-EINVAL, "command %zu (slot %zu) of the batch: %s", command,
					at, summary.problem ? summary.problem : "malformed");
		at += summary.slots;
	}
	return 0;
}

int axl_batch_too_big(size_t slot_count, uint64_t ring_slots)
{
	return axl_fail(-E2BIG, "a batch of %zu slots can never fit into a ring of %llu",
			slot_count, (unsigned long long)ring_slots);
}

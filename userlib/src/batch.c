// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>

#include "batch.h"
#include "error.h"
/* The core's; plain "axl_cmd.h" is the public header of the same name. */
#include "../../drivers/core/include/axl_cmd.h"

int axl_batch_check(const struct axl_slot *slots, size_t slot_count)
{
	struct axl_cmd_place at = { .ring = slots, .mask = ~0u };
	struct axl_cmd_summary summary;

	for (size_t command = 0; at.first < slot_count; command++) {
		if (axl_cmd_check(&at, slot_count - at.first, &summary))
			return axl_batch_refused(command, at.first, summary.problem);
		at.first += summary.header.slots;
	}
	return 0;
}

int axl_batch_refused(size_t command, size_t slot, const char *problem)
{
	return axl_fail(-EINVAL, "command %zu (slot %zu) of the batch: %s", command, slot, problem);
}

int axl_batch_too_big(size_t slot_count, uint64_t ring_slots)
{
	return axl_fail(-E2BIG, "a batch of %zu slots can never fit into a ring of %llu",
			slot_count, (unsigned long long)ring_slots);
}

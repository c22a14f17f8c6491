/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Slots as a user may send them. The copy has exactly their size: ASan sees any excess. */
#include "axl_cmd.h"
#include "core_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t slots = size / AXL_SLOT_BYTES, left;
	uint8_t *copy = malloc(slots * AXL_SLOT_BYTES + !slots);
	struct axl_cmd_summary summary;
	const uint8_t *at = copy;

	FUZZ_REQUIRE(copy);
	if (slots)
		memcpy(copy, data, slots * AXL_SLOT_BYTES);
	for (left = slots; left; left -= summary.slots, at += summary.slots * AXL_SLOT_BYTES) {
		if (axl_cmd_check(at, left, &summary)) {
			FUZZ_REQUIRE(summary.problem);
			break;
		}
		FUZZ_REQUIRE(!summary.problem && summary.opcode < AXL_OPCODE_END);
		FUZZ_REQUIRE(summary.slots >= 1 && summary.slots <= left);
		FUZZ_REQUIRE(!summary.has_dst || summary.dst_va <= (uint64_t)1 << AXL_VA_BITS);
	}
	free(copy);
	return 0;
}

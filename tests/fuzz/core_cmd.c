/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Slots as a user may send them. The copy has exactly their size: ASan sees any excess. */
#include "axl_cmd.h"
#include "core_fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint32_t left, slots = (uint32_t)(size / AXL_SLOT_BYTES);
	uint8_t *copy = malloc((size_t)slots * AXL_SLOT_BYTES + !slots);
	struct axl_cmd_place at = { .ring = copy, .mask = ~0u };
	struct axl_cmd_summary summary;

	FUZZ_REQUIRE(copy);
	if (slots)
		memcpy(copy, data, (size_t)slots * AXL_SLOT_BYTES);
	for (left = slots; left; left -= summary.header.slots, at.first += summary.header.slots) {
		if (axl_cmd_check(&at, left, &summary)) {
			FUZZ_REQUIRE(summary.problem);
			break;
		}
		FUZZ_REQUIRE(!summary.problem && summary.header.opcode < AXL_OPCODE_END);
		FUZZ_REQUIRE(summary.header.slots >= 1 && summary.header.slots <= left);
		FUZZ_REQUIRE(summary.direction < AXL_DIRECTION_END);
	}
	free(copy);
	return 0;
}

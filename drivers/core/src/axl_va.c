/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_va.h"

static uint32_t kind_of(uint64_t va)
{
	uint64_t kind = va >> AXL_VA_KIND_SHIFT;

	return kind < AXL_VA_KIND_END ? (uint32_t)kind : AXL_VA_NONE;
}

uint8_t axl_va_direction(uint64_t src_va, uint64_t dst_va)
{
	uint32_t src = kind_of(src_va), dst = kind_of(dst_va);

	if (dst == AXL_VA_NONE)
		return AXL_DIRECTION_NONE;
	if (src == AXL_VA_PEER || dst == AXL_VA_PEER)
		return AXL_DIRECTION_PEER;
	if (src == AXL_VA_HOST)
		return dst == AXL_VA_HOST ? AXL_DIRECTION_HOST_TO_HOST :
					    AXL_DIRECTION_HOST_TO_DEVICE;
	return dst == AXL_VA_HOST ? AXL_DIRECTION_DEVICE_TO_HOST : AXL_DIRECTION_DEVICE_TO_DEVICE;
}

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Device virtual addresses say by themselves what they map: bits 47:40 are a kind, so that
 * the direction of a command is known without looking anything up. The host's own rule;
 * the device knows nothing of it.
 */
#ifndef AXL_VA_H
#define AXL_VA_H

#include "axl_os.h"

#define AXL_VA_KIND_SHIFT 40
enum axl_va_kind {
	AXL_VA_NONE = 0, /* nothing is mapped there */
	AXL_VA_DEVICE = 1,
	AXL_VA_HOST = 2,
	AXL_VA_PEER = 3, /* device memory of another endpoint */
	AXL_VA_KIND_END = 4,
};

/* The enum axl_direction from src to dst; an address of a kind that is none counts as 0. */
uint8_t axl_va_direction(uint64_t src_va, uint64_t dst_va);

#endif

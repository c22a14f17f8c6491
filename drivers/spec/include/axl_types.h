/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Fixed-width and little-endian types for every place that the portable code is
 * compiled in. Under the kernel they are the kernel's own, so that sparse checks
 * byte order; elsewhere the little-endian types are plain integers and the hosts
 * that we support are little-endian.
 */
#ifndef AXL_TYPES_H
#define AXL_TYPES_H

#ifdef __KERNEL__
#include <linux/build_bug.h>
#include <linux/stddef.h>
#include <linux/types.h>
#include <asm/byteorder.h>
typedef __le16 axl_le16;
typedef __le32 axl_le32;
typedef __le64 axl_le64;
#define axl_le16_to_cpu(x) le16_to_cpu(x)
#define axl_le32_to_cpu(x) le32_to_cpu(x)
#define axl_le64_to_cpu(x) le64_to_cpu(x)
#define axl_cpu_to_le16(x) cpu_to_le16(x)
#define axl_cpu_to_le32(x) cpu_to_le32(x)
#define axl_cpu_to_le64(x) cpu_to_le64(x)
#define AXL_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
typedef uint16_t axl_le16;
typedef uint32_t axl_le32;
typedef uint64_t axl_le64;
#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "big-endian hosts need byte swaps in these six macros"
#endif
#define axl_le16_to_cpu(x) ((uint16_t)(x))
#define axl_le32_to_cpu(x) ((uint32_t)(x))
#define axl_le64_to_cpu(x) ((uint64_t)(x))
#define axl_cpu_to_le16(x) ((axl_le16)(x))
#define axl_cpu_to_le32(x) ((axl_le32)(x))
#define axl_cpu_to_le64(x) ((axl_le64)(x))
#ifdef __cplusplus
#define AXL_STATIC_ASSERT(cond, text) static_assert(cond, text)
#else
#define AXL_STATIC_ASSERT(cond, text) _Static_assert(cond, text)
#endif
#endif

#endif

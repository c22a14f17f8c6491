/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include <linux/types.h>

#define le16_to_cpu(x) ((__force uint16_t)(__le16)(x))
#define le32_to_cpu(x) ((__force uint32_t)(__le32)(x))
#define le64_to_cpu(x) ((__force uint64_t)(__le64)(x))
#define cpu_to_le16(x) ((__force __le16)(uint16_t)(x))
#define cpu_to_le32(x) ((__force __le32)(uint32_t)(x))
#define cpu_to_le64(x) ((__force __le64)(uint64_t)(x))

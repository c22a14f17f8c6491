/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the core takes from a kernel, for compiling it as one without kernel headers. */
#ifndef STUB_TYPES_H
#define STUB_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CHECKER__
#define __bitwise __attribute__((bitwise))
#define __force __attribute__((force))
#else
#define __bitwise
#define __force
#endif

typedef uint16_t __bitwise __le16;
typedef uint32_t __bitwise __le32;
typedef uint64_t __bitwise __le64;

#endif

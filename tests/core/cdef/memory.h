/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* What the core needs of <string.h>, for targets whose C library is not installed. */
#ifndef AXL_TEST_MEMORY_H
#define AXL_TEST_MEMORY_H

#include <stddef.h>

void *memcpy(void *to, const void *from, size_t bytes);
void *memmove(void *to, const void *from, size_t bytes);
void *memset(void *to, int value, size_t bytes);
int memcmp(const void *a, const void *b, size_t bytes);

#endif

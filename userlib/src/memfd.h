/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_MEMFD_H
#define AXL_MEMFD_H

#include <stdint.h>

/*
 * Whether a stranger's descriptor holds these bytes for good: shrinking means SIGBUS.
 * Seals it against that where the file allows it. 0 or -EINVAL.
 */
int axl_memfd_check(int fd, uint64_t offset, uint64_t bytes);

#endif

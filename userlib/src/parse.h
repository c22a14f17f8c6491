/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_PARSE_H
#define AXL_PARSE_H

#include <stdint.h>

/* "0000:05:00.0" as AXL_BDF(); the whole text must be one. 0 or -EINVAL, no message. */
int axl_parse_bdf(const char *text, uint32_t *bdf_out);

/* Digits in base 10 or, after "0x", 16; the whole text. 0 or -EINVAL, no message. */
int axl_parse_number(const char *text, uint64_t max, uint64_t *value_out);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Fields of registers, by the names of axl_regs.h. */
#ifndef AXL_FIELD_H
#define AXL_FIELD_H

/* AXL_GET(value, AXL_IDENT_ENDPOINT_INDEX): one field of a register value. */
#define AXL_GET(value, field) (((value)&field##_MASK) >> field##_SHIFT)

/* AXL_PUT(AXL_IDENT_ENDPOINT_INDEX, n): n in the place of the field, cut to fit. */
#define AXL_PUT(field, value) (((value) << field##_SHIFT) & field##_MASK)

/* What a 32-bit and a 64-bit register of an endpoint that is gone reads as. */
#define AXL_ALL_ONES32 0xffffffffu
#define AXL_ALL_ONES64 0xffffffffffffffffull

#endif

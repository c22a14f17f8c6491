/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * 64-bit arithmetic that every target has: kernels offer no 64-bit division and no
 * 128-bit type everywhere.
 */
#ifndef AXL_MATH_H
#define AXL_MATH_H

#include "axl_types.h"

/* Whether value is 2 to the power of something. */
static inline bool axl_is_pow2(uint64_t value)
{
	return value != 0 && (value & (value - 1)) == 0;
}

/* floor(log2(value)); value is not 0. */
static inline uint32_t axl_log2_floor(uint64_t value)
{
	uint32_t result = 0;
	uint32_t step;

	for (step = 32; step; step >>= 1) {
		if (value >> step) {
			value >>= step;
			result += step;
		}
	}
	return result;
}

/* floor(dividend / divisor); divisor is not 0. 64 steps: for rare use. */
static inline uint64_t axl_div64(uint64_t dividend, uint64_t divisor)
{
	uint64_t quotient = 0;
	uint64_t rest = 0;
	uint32_t bit;

	for (bit = 0; bit < 64; bit++) {
		bool carry = (rest >> 63) != 0;

		rest = rest << 1 | dividend >> 63;
		dividend <<= 1;
		quotient <<= 1;
		if (carry || rest >= divisor) {
			rest -= divisor;
			quotient |= 1;
		}
	}
	return quotient;
}

/* *out = floor(value * factor_q32 / 2^32); false if that does not fit. */
static inline bool axl_mul_q32(uint64_t value, uint64_t factor_q32, uint64_t *out)
{
	uint64_t vh = value >> 32, vl = value & 0xffffffffu;
	uint64_t fh = factor_q32 >> 32, fl = factor_q32 & 0xffffffffu;
	uint64_t high = vh * fh; /* counts 2^32 */
	uint64_t parts[3] = { vh * fl, vl * fh, vl * fl >> 32 };
	uint64_t sum;
	uint32_t i;

	if (high >> 32)
		return false;
	sum = high << 32;
	for (i = 0; i < 3; i++) {
		if (sum + parts[i] < sum)
			return false;
		sum += parts[i];
	}
	*out = sum;
	return true;
}

/* a * b, or all ones if that does not fit. */
static inline uint64_t axl_mul_saturate(uint64_t a, uint32_t b)
{
	uint64_t high = (a >> 32) * b;
	uint64_t low = (a & 0xffffffffu) * b;

	if (high >> 32 || (high << 32) + low < low)
		return ~(uint64_t)0;
	return (high << 32) + low;
}

#endif

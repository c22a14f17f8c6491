/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/* Shared by the fuzz targets of the core: take values off the front of the input. */
#ifndef CORE_FUZZ_H
#define CORE_FUZZ_H

#include <stdlib.h>

#include "axl_os_host.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct fuzz_input {
	const uint8_t *data;
	size_t left;
};

/* A wrong result of the core is a finding like a crash. */
#define FUZZ_REQUIRE(condition) \
	do { \
		if (!(condition)) \
			abort(); \
	} while (0)

/* Copy up to bytes of the input; the rest of to is zero. */
static inline void fuzz_take(struct fuzz_input *input, void *to, size_t bytes)
{
	size_t have = bytes < input->left ? bytes : input->left;

	memset(to, 0, bytes);
	if (!have)
		return;
	memcpy(to, input->data, have);
	input->data += have;
	input->left -= have;
}

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	uint8_t value;

	fuzz_take(input, &value, 1);
	return value;
}

#endif

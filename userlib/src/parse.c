// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "axl.h"
#include "parse.h"

int axl_parse_number(const char *text, uint64_t max, uint64_t *value_out)
{
	int base = strncmp(text, "0x", 2) ? 10 : 16;
	const char *digits = base == 16 ? text + 2 : text;
	const char *allowed = base == 16 ? "0123456789abcdefABCDEF" : "0123456789";
	size_t length = strlen(digits);
	unsigned long long value;

	if (length == 0 || length > 20 || strspn(digits, allowed) != length)
		return -EINVAL;
	errno = 0;
	value = strtoull(digits, NULL, base);
	if (errno || value > max)
		return -EINVAL;
	*value_out = value;
	return 0;
}

/* A fixed number of hexadecimal digits followed by end; advances text behind it. */
static int axl_parse_hex(const char **text, unsigned int digits, char end, uint32_t *value_out)
{
	uint32_t value = 0;

	for (unsigned int i = 0; i < digits; i++) {
		char c = (*text)[i];

		if (c >= '0' && c <= '9')
			value = value << 4 | (uint32_t)(c - '0');
		else if (c >= 'a' && c <= 'f')
			value = value << 4 | (uint32_t)(c - 'a' + 10);
		else if (c >= 'A' && c <= 'F')
			value = value << 4 | (uint32_t)(c - 'A' + 10);
		else
			return -EINVAL;
	}
	if ((*text)[digits] != end)
		return -EINVAL;
	*text += digits + (end != '\0');
	*value_out = value;
	return 0;
}

int axl_parse_bdf(const char *text, uint32_t *bdf_out)
{
	uint32_t segment, bus, device, function;

	if (axl_parse_hex(&text, 4, ':', &segment) || axl_parse_hex(&text, 2, ':', &bus) ||
	    axl_parse_hex(&text, 2, '.', &device) || axl_parse_hex(&text, 1, '\0', &function))
		return -EINVAL;
	if (device > 31 || function > 7)
		return -EINVAL;
	*bdf_out = AXL_BDF(segment, bus, device, function);
	return 0;
}

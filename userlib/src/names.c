// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include "axl.h"
#include "axl_names.h"

struct axl_name {
	uint32_t value;
	const char *text;
};

#define AXL_NAME(number, name) { number, name },

static const struct axl_name axl_status_names[] = { AXL_STATUS_NAMES(AXL_NAME) };
static const struct axl_name axl_opcode_names[] = { AXL_OPCODE_NAMES(AXL_NAME) };
static const struct axl_name axl_error_code_names[] = { AXL_ERROR_CODE_NAMES(AXL_NAME) };

#define AXL_FIND(table, value) axl_find_name(table, sizeof(table) / sizeof((table)[0]), value)

static const char *axl_find_name(const struct axl_name *names, size_t count, uint32_t value)
{
	for (size_t i = 0; i < count; i++) {
		if (names[i].value == value)
			return names[i].text;
	}
	return "unknown";
}

const char *axl_status_name(uint32_t status)
{
	return AXL_FIND(axl_status_names, status);
}

const char *axl_opcode_name(uint32_t opcode)
{
	return AXL_FIND(axl_opcode_names, opcode);
}

const char *axl_error_code_name(uint32_t code)
{
	return AXL_FIND(axl_error_code_names, code);
}

uint32_t axl_version(void)
{
	return (uint32_t)AXL_VERSION_MAJOR << 16 | (uint32_t)AXL_VERSION_MINOR << 8 |
	       (uint32_t)AXL_VERSION_PATCH;
}

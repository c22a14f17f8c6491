// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "axl.h"
#include "error.h"

#define AXL_ERROR_BYTES 512

/* Per thread, so that reporting needs no lock and no allocation. */
static _Thread_local char axl_error_text[AXL_ERROR_BYTES];

const char *axl_last_error(void)
{
	return axl_error_text;
}

int axl_fail(int code, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(axl_error_text, sizeof(axl_error_text), format, args);
	va_end(args);
	return code;
}

int axl_fail_in(int code, const char *format, ...)
{
	char old[AXL_ERROR_BYTES];
	va_list args;
	size_t used;

	memcpy(old, axl_error_text, sizeof(old));
	va_start(args, format);
	vsnprintf(axl_error_text, sizeof(axl_error_text), format, args);
	va_end(args);
	used = strlen(axl_error_text);
	snprintf(axl_error_text + used, sizeof(axl_error_text) - used, ": %s", old);
	return code;
}

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "parse.h"
#include "uri.h"

static int axl_uri_error(const char *text, const char *what)
{
	return axl_fail(-EINVAL,
			"\"%.80s\" %s; write a number, 0000:05:00.0, card:0xSERIAL/INDEX, or one "
			"of these behind kernel# or rack:NAME#",
			text, what);
}

int axl_uri_parse_card(const char *text, size_t length, uint64_t *serial_out, uint32_t *index_out)
{
	char copy[48];
	char *slash;
	uint64_t index;

	if (length >= sizeof(copy) || length < 6 || strncmp(text, "card:", 5))
		return -EINVAL;
	memcpy(copy, text + 5, length - 5);
	copy[length - 5] = '\0';
	slash = strchr(copy, '/');
	if (!slash || strncmp(copy, "0x", 2))
		return -EINVAL;
	*slash = '\0';
	if (axl_parse_number(copy, UINT64_MAX, serial_out) ||
	    axl_parse_number(slash + 1, 255, &index))
		return -EINVAL;
	*index_out = (uint32_t)index;
	return 0;
}

static int axl_uri_parse_selector(const char *text, struct axl_uri *uri)
{
	if (!strncmp(text, "card:", 5)) {
		uri->selector = AXL_SELECT_CARD;
		if (axl_uri_parse_card(text, strlen(text), &uri->serial, &uri->index))
			return axl_uri_error(text, "is no card:0xSERIAL/INDEX");
		return 0;
	}
	if (strchr(text, ':')) {
		uri->selector = AXL_SELECT_BDF;
		if (axl_parse_bdf(text, &uri->bdf))
			return axl_uri_error(text, "is no segment:bus:device.function");
		return 0;
	}
	uri->selector = AXL_SELECT_ORDINAL;
	if (!isdigit((unsigned char)text[0]) || axl_parse_number(text, UINT32_MAX, &uri->ordinal))
		return axl_uri_error(text, "names no endpoint");
	return 0;
}

int axl_uri_parse_source(const char *text, struct axl_uri *uri)
{
	uri->place[0] = '\0';
	uri->source = AXL_SOURCE_AUTO;
	if (!text || !strcmp(text, "auto"))
		return 0;
	if (!strcmp(text, "kernel")) {
		uri->source = AXL_SOURCE_KERNEL;
		return 0;
	}
	uri->source = AXL_SOURCE_RACK;
	if (!strcmp(text, "rack"))
		return 0;
	if (strncmp(text, "rack:", 5) || !text[5] || strlen(text + 5) >= sizeof(uri->place))
		return axl_fail(-EINVAL,
				"source \"%.80s\" is none of auto, kernel, rack, rack:NAME, "
				"rack:/FOLDER",
				text);
	memcpy(uri->place, text + 5, strlen(text + 5) + 1);
	return 0;
}

int axl_uri_parse(const char *text, struct axl_uri *uri)
{
	char source[AXL_URI_BYTES + 8];
	const char *hash;

	memset(uri, 0, sizeof(*uri));
	uri->selector = AXL_SELECT_FIRST;
	if (!text || !*text)
		return 0;
	hash = strrchr(text, '#');
	if (!hash && strcmp(text, "kernel") && strcmp(text, "rack") && strncmp(text, "rack:", 5))
		return axl_uri_parse_selector(text, uri);
	if (!hash)
		hash = text + strlen(text);
	if ((size_t)(hash - text) >= sizeof(source))
		return axl_uri_error(text, "is too long");
	memcpy(source, text, (size_t)(hash - text));
	source[hash - text] = '\0';
	if (axl_uri_parse_source(source, uri))
		return -EINVAL;
	return hash[0] && hash[1] ? axl_uri_parse_selector(hash + 1, uri) : 0;
}

bool axl_uri_matches(const struct axl_uri *uri, const struct axl_endpoint_info *info)
{
	switch (uri->selector) {
	case AXL_SELECT_ORDINAL:
		return info->ordinal == uri->ordinal;
	case AXL_SELECT_BDF:
		return info->bdf == uri->bdf;
	case AXL_SELECT_CARD:
		return info->board_serial == uri->serial && info->endpoint_index == uri->index;
	default:
		return true;
	}
}

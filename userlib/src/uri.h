/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_URI_H
#define AXL_URI_H

#include "backend.h"

#define AXL_URI_BYTES 4200

enum axl_source {
	AXL_SOURCE_AUTO,
	AXL_SOURCE_KERNEL,
	AXL_SOURCE_RACK,
};

enum axl_selector {
	AXL_SELECT_FIRST,
	AXL_SELECT_ORDINAL,
	AXL_SELECT_BDF,
	AXL_SELECT_CARD,
};

/* What a URI says: where to look, and which endpoint to take there. */
struct axl_uri {
	enum axl_source source;
	char place[AXL_URI_BYTES]; /* rack's name or folder, "" for every rack */
	enum axl_selector selector;
	uint64_t ordinal;
	uint32_t bdf;
	uint64_t serial;
	uint32_t index;
};

/* "auto", "kernel", "rack", "rack:PLACE" or NULL. -EINVAL. */
int axl_uri_parse_source(const char *text, struct axl_uri *uri);

/* A whole URI as axl_device_open() takes it. -EINVAL. */
int axl_uri_parse(const char *text, struct axl_uri *uri);

/* "card:0x00a0c00000000001/0" exactly, length characters of it. -EINVAL, no message. */
int axl_uri_parse_card(const char *text, size_t length, uint64_t *serial_out, uint32_t *index_out);

bool axl_uri_matches(const struct axl_uri *uri, const struct axl_endpoint_info *info);

#endif

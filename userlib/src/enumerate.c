// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "enumerate.h"
#include "error.h"

/* --- list ---------------------------------------------------------------------- */

int axl_found_list_add(struct axl_found_list *list, const struct axl_found *found)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity ? list->capacity * 2 : 16;
		struct axl_found *items = realloc(list->items, capacity * sizeof(*items));

		if (!items) {
			free(found->where);
			return axl_fail(-ENOMEM, "no memory for the list of endpoints");
		}
		list->items = items;
		list->capacity = capacity;
	}
	list->items[list->count++] = *found;
	return 0;
}

void axl_found_list_deinit(struct axl_found_list *list)
{
	for (size_t i = 0; i < list->count; i++)
		free(list->items[i].where);
	free(list->items);
	*list = (struct axl_found_list){ 0 };
}

void axl_endpoint_set_id(struct axl_endpoint_info *info)
{
	snprintf(info->id, sizeof(info->id), "card:0x%016llx/%u",
		 (unsigned long long)info->board_serial, info->endpoint_index);
}

static int axl_found_compare(const void *left, const void *right)
{
	const struct axl_found *a = left;
	const struct axl_found *b = right;

	if (a->info.board_serial != b->info.board_serial)
		return a->info.board_serial < b->info.board_serial ? -1 : 1;
	if (a->info.endpoint_index != b->info.endpoint_index)
		return a->info.endpoint_index < b->info.endpoint_index ? -1 : 1;
	return strcmp(a->info.uri, b->info.uri);
}

/* --- AXL_VISIBLE_DEVICES --------------------------------------------------------- */

/* Move the endpoints with this stable id from all to shown. */
static int axl_show(struct axl_found_list *all, struct axl_found_list *shown, uint64_t serial,
		    uint32_t index)
{
	for (size_t i = 0; i < all->count; i++) {
		struct axl_found *found = &all->items[i];
		int status;

		if (!found->where || found->info.board_serial != serial ||
		    found->info.endpoint_index != index)
			continue;
		status = axl_found_list_add(shown, found);
		found->where = NULL;
		if (status)
			return status;
	}
	return 0;
}

static int axl_filter(struct axl_found_list *all, struct axl_found_list *shown, const char *filter)
{
	while (*filter) {
		size_t length = strcspn(filter, ",");
		uint64_t serial;
		uint32_t index;
		int status;

		if (axl_uri_parse_card(filter, length, &serial, &index))
			return axl_fail(-EINVAL,
					"AXL_VISIBLE_DEVICES: \"%.*s\" is no stable id; write "
					"card:0xSERIAL/INDEX, separated by commas",
					(int)(length < 60 ? length : 60), filter);
		status = axl_show(all, shown, serial, index);
		if (status)
			return status;
		filter += length + (filter[length] == ',');
	}
	return 0;
}

static int axl_apply_filter(struct axl_found_list *list, size_t *hidden_out)
{
	const char *filter = getenv("AXL_VISIBLE_DEVICES");
	struct axl_found_list shown = { 0 };
	int status;

	*hidden_out = 0;
	if (!filter)
		return 0;
	status = axl_filter(list, &shown, filter);
	if (!status)
		*hidden_out = list->count - shown.count;
	axl_found_list_deinit(list);
	*list = shown;
	return status;
}

/* --- all sources ------------------------------------------------------------------ */

static int axl_list_source(const struct axl_uri *uri, struct axl_found_list *list)
{
	int status = -ENODEV;

	if (uri->source != AXL_SOURCE_RACK)
		status = axl_kernel_backend.list(NULL, list);
	if (uri->source == AXL_SOURCE_KERNEL || status != -ENODEV)
		return status;
	return axl_rack_backend.list(uri->place[0] ? uri->place : NULL, list);
}

int axl_enumerate_list(const struct axl_uri *uri, struct axl_found_list *list, size_t *hidden_out)
{
	int status = axl_list_source(uri, list);

	if (!status && list->count > 1)
		qsort(list->items, list->count, sizeof(*list->items), axl_found_compare);
	if (!status)
		status = axl_apply_filter(list, hidden_out);
	if (status) {
		axl_found_list_deinit(list);
		return status;
	}
	for (size_t i = 0; i < list->count; i++)
		list->items[i].info.ordinal = (uint32_t)i;
	return 0;
}

int axl_enumerate(const char *source, struct axl_endpoint_info *infos, size_t info_bytes,
		  size_t capacity, size_t *count_out)
{
	struct axl_found_list list = { 0 };
	struct axl_uri *uri;
	size_t hidden;
	int status;

	if (!count_out || (capacity && (!infos || !info_bytes)))
		return axl_fail(-EINVAL, "axl_enumerate: no room for the answer");
	uri = calloc(1, sizeof(*uri));
	if (!uri)
		return axl_fail(-ENOMEM, "no memory for the list of endpoints");
	status = axl_uri_parse_source(source, uri);
	if (!status)
		status = axl_enumerate_list(uri, &list, &hidden);
	free(uri);
	if (status)
		return status;
	for (size_t i = 0; i < list.count && i < capacity; i++)
		axl_copy_out((char *)infos + i * info_bytes, info_bytes, &list.items[i].info,
			     sizeof(list.items[i].info));
	*count_out = list.count;
	axl_found_list_deinit(&list);
	return 0;
}

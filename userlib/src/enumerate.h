/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_ENUMERATE_H
#define AXL_ENUMERATE_H

#include "uri.h"

/*
 * Every visible endpoint of the URI's source, in stable order, ordinals filled in.
 * *hidden_out is how many AXL_VISIBLE_DEVICES hid. -ENODEV: no driver and no rack.
 */
int axl_enumerate_list(const struct axl_uri *uri, struct axl_found_list *list, size_t *hidden_out);

#endif

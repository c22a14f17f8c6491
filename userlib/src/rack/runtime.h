/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Where racks are: one folder each in $AXL_RUNTIME_DIR, else $XDG_RUNTIME_DIR/axl, else
 * /tmp/axl-UID. A folder is only used if it belongs to the caller and nobody else can
 * write to it: whoever can could put a socket of his own there.
 */
#ifndef AXL_RACK_RUNTIME_H
#define AXL_RACK_RUNTIME_H

#include "../backend.h"

/* Descriptor of the rack folder path, checked; negative errno. */
int axl_rack_open_dir(const char *path);

/* The back end's list operation: place is a rack's name, a folder, or NULL for all. */
int axl_rack_list(const char *place, struct axl_found_list *list);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * The `topology` file of a running rack: which endpoints there are, where they sit and
 * which socket serves each. Line 1 is "axl-topology 1"; then "rack", "port" and
 * "endpoint" lines of key=value words. Unknown keys are ignored, unknown lines refused.
 */
#ifndef AXL_RACK_TOPOLOGY_H
#define AXL_RACK_TOPOLOGY_H

#include <stddef.h>
#include <stdint.h>

#include "axl.h"

#define AXL_TOPOLOGY_NAME_BYTES 64
#define AXL_TOPOLOGY_SOCKET_BYTES 32
#define AXL_TOPOLOGY_MAX_ENDPOINTS 1024
#define AXL_TOPOLOGY_MAX_PORTS 4096
#define AXL_TOPOLOGY_MAX_BYTES (1u << 20)

struct axl_topology_endpoint {
	uint32_t bdf; /* AXL_BDF() */
	uint32_t index; /* on its card */
	uint32_t count; /* endpoints of its card */
	uint32_t slot; /* AXL_SLOT_UNKNOWN if none */
	uint32_t link_speed;
	uint32_t link_width;
	uint32_t path_depth;
	uint32_t path[AXL_MAX_PATH]; /* root port first */
	uint64_t serial;
	uint64_t bar2; /* bus address of device memory */
	uint64_t bar2_bytes;
	char socket[AXL_TOPOLOGY_SOCKET_BYTES]; /* file name in the rack's folder */
};

struct axl_topology {
	char rack[AXL_TOPOLOGY_NAME_BYTES];
	uint32_t generation;
	uint32_t port_count;
	uint32_t endpoint_count;
	uint32_t *ports; /* AXL_BDF() of each */
	struct axl_topology_endpoint *endpoints;
};

/* text is NUL-terminated and is changed. -EPROTO names the line and the key. */
int axl_topology_init(struct axl_topology *topology, char *text);
void axl_topology_deinit(struct axl_topology *topology);

/* Read the file `topology` of the folder dir_fd. */
int axl_topology_read(struct axl_topology *topology, int dir_fd);

#endif

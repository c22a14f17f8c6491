/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Bytes of vfio-user messages (version 0.1 of the specification). Payloads that are
 * structures of the kernel's vfio interface come from <linux/vfio.h>.
 */
#ifndef AXL_RACK_VFU_WIRE_H
#define AXL_RACK_VFU_WIRE_H

#include <linux/vfio.h>
#include <stdint.h>

#include "vfio_user.h"

#define AXL_VFU_TYPE_MASK 0xfu
#define AXL_VFU_TYPE_COMMAND 0u
#define AXL_VFU_TYPE_REPLY 1u
#define AXL_VFU_FLAG_ERROR 0x20u
#define AXL_VFU_DMA_READ_WRITE 0x3u
#define AXL_VFU_IO_FD_SHADOW 2u

struct axl_vfu_header {
	uint16_t id;
	uint16_t command;
	uint32_t bytes; /* header included */
	uint32_t flags;
	uint32_t error;
};

struct axl_vfu_access {
	uint64_t offset;
	uint32_t region;
	uint32_t count;
};

struct axl_vfu_dma {
	uint32_t argsz;
	uint32_t flags;
	uint64_t offset;
	uint64_t address;
	uint64_t bytes;
};

struct axl_vfu_dma_gone {
	uint32_t argsz;
	uint32_t flags;
	uint64_t address;
	uint64_t bytes;
};

struct axl_vfu_io_fds {
	uint32_t argsz;
	uint32_t flags;
	uint32_t index;
	uint32_t count;
};

struct axl_vfu_io_fd {
	uint64_t offset;
	uint64_t bytes;
	uint32_t fd_index;
	uint32_t type;
	uint32_t flags;
	uint32_t shadow_fd_index;
	uint64_t shadow_offset;
	uint64_t datamatch;
};

_Static_assert(sizeof(struct axl_vfu_header) == 16, "axl_vfu_header size");
_Static_assert(sizeof(struct axl_vfu_access) == 16, "axl_vfu_access size");
_Static_assert(sizeof(struct axl_vfu_dma) == 32, "axl_vfu_dma size");
_Static_assert(sizeof(struct axl_vfu_dma_gone) == 24, "axl_vfu_dma_gone size");
_Static_assert(sizeof(struct axl_vfu_io_fds) == 16, "axl_vfu_io_fds size");
_Static_assert(sizeof(struct axl_vfu_io_fd) == 48, "axl_vfu_io_fd size");

/* One request: the bytes to send and where the reply goes. */
struct axl_vfu_call {
	uint16_t command;
	const void *head; /* fixed part */
	size_t head_bytes;
	const void *data; /* variable part */
	size_t data_bytes;
	const int *fds;
	size_t fd_count;
	void *reply;
	size_t reply_capacity;
	size_t reply_bytes; /* out */
	int reply_fds[AXL_VFU_MAX_FDS]; /* out; owned by the caller afterwards */
	size_t reply_fd_count; /* out */
};

/*
 * Send a request and take its reply. A server's error reply is that negative errno; a
 * broken conversation is -ENODEV, -EPROTO or -ETIMEDOUT now and ever after.
 */
int axl_vfu_do(struct axl_vfu *client, struct axl_vfu_call *call);

/* Close what came with a reply and is not wanted. */
void axl_vfu_drop_fds(struct axl_vfu_call *call);

/* A reply that cannot be right: end the conversation, -EPROTO. */
int axl_vfu_protocol_error(struct axl_vfu *client, const char *what);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Client side of the vfio-user protocol: one UNIX stream socket, one request and its
 * reply at a time. The server is not trusted: every length, id and descriptor of a
 * reply is checked; the first violation, silence past the deadline or a closed socket
 * ends the conversation for good and every later call fails at once with that error.
 */
#ifndef AXL_RACK_VFIO_USER_H
#define AXL_RACK_VFIO_USER_H

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#define AXL_VFU_MAX_FDS 16
#define AXL_VFU_MAX_TRANSFER_BYTES (1u << 20)
#define AXL_VFU_DEFAULT_TIMEOUT_MS 20000

enum axl_vfu_command {
	AXL_VFU_VERSION = 1,
	AXL_VFU_DMA_MAP = 2,
	AXL_VFU_DMA_UNMAP = 3,
	AXL_VFU_DEVICE_GET_INFO = 4,
	AXL_VFU_DEVICE_GET_REGION_INFO = 5,
	AXL_VFU_DEVICE_GET_REGION_IO_FDS = 6,
	AXL_VFU_DEVICE_GET_IRQ_INFO = 7,
	AXL_VFU_DEVICE_SET_IRQS = 8,
	AXL_VFU_REGION_READ = 9,
	AXL_VFU_REGION_WRITE = 10,
	AXL_VFU_DEVICE_RESET = 13,
};

struct axl_vfu {
	int fd;
	int timeout_ms; /* for one whole request and reply */
	uint32_t max_transfer_bytes;
	uint32_t max_fds; /* per message, as the server accepts them */
	pthread_mutex_t lock; /* guards the byte stream and next_id */
	uint16_t next_id;
	atomic_int dead; /* 0, or the negative errno that ended the conversation */
};

/* A region as the server describes it. fd is -1 if it cannot be mapped. */
struct axl_vfu_region {
	uint64_t bytes;
	uint64_t offset; /* in fd */
	uint32_t flags; /* VFIO_REGION_INFO_FLAG_* */
	int fd;
};

/* Doorbells by shared memory; event_fd is -1 if the server offers none. */
struct axl_vfu_shadow {
	uint64_t bar_offset;
	uint64_t bytes;
	uint64_t memory_offset;
	int event_fd;
	int memory_fd;
};

/*
 * Connect to socket_name in the folder dir_fd and agree on a version.
 * -EBUSY: another client is served; -ECONNREFUSED, -ENOENT: nobody serves.
 */
int axl_vfu_init(struct axl_vfu *client, int dir_fd, const char *socket_name, int timeout_ms);
void axl_vfu_deinit(struct axl_vfu *client);

/* In a forked child: every further call fails here, the parent's stream is left alone. */
void axl_vfu_abandon(struct axl_vfu *client);

/* 0, or the error that ended the conversation; also notices a hung-up socket. */
int axl_vfu_check(struct axl_vfu *client);

int axl_vfu_region_read(struct axl_vfu *client, uint32_t region, uint64_t offset, void *data,
			size_t bytes);
int axl_vfu_region_write(struct axl_vfu *client, uint32_t region, uint64_t offset, const void *data,
			 size_t bytes);
int axl_vfu_dma_map(struct axl_vfu *client, int fd, uint64_t offset, uint64_t address,
		    uint64_t bytes);
int axl_vfu_dma_unmap(struct axl_vfu *client, uint64_t address, uint64_t bytes);
int axl_vfu_region_count(struct axl_vfu *client, uint32_t *regions_out, uint32_t *irqs_out);
int axl_vfu_region_info(struct axl_vfu *client, uint32_t index, struct axl_vfu_region *out);
int axl_vfu_region_shadow(struct axl_vfu *client, uint32_t index, struct axl_vfu_shadow *out);
int axl_vfu_irq_count(struct axl_vfu *client, uint32_t index, uint32_t *count_out);

/* Signal fds[i] for vector i of the interrupt kind index, from now on. */
int axl_vfu_set_irqs(struct axl_vfu *client, uint32_t index, const int *fds, uint32_t count);
int axl_vfu_device_reset(struct axl_vfu *client);

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* The requests of the vfio-user protocol that libaxl makes, one function each. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../error.h"
#include "vfu_wire.h"

#define AXL_VFU_MAX_REPLY 4096
#define AXL_VFU_MAX_SUB_REGIONS 64

/* --- version ---------------------------------------------------------------- */

static const char axl_vfu_capabilities[] =
	"{\"capabilities\":{\"max_msg_fds\":16,\"max_data_xfer_size\":1048576,\"pgsizes\":4096}}";

/*
 * The number that follows "key": in JSON text, or fallback. Not a JSON parser: a server
 * that plays tricks with nesting gets a number that is clamped by the caller anyway.
 */
static uint64_t axl_json_number(const char *text, const char *key, uint64_t fallback)
{
	char quoted[64];
	const char *at;

	snprintf(quoted, sizeof(quoted), "\"%s\"", key);
	at = strstr(text, quoted);
	if (!at)
		return fallback;
	at += strlen(quoted);
	while (isspace((unsigned char)*at))
		at++;
	if (*at++ != ':')
		return fallback;
	while (isspace((unsigned char)*at))
		at++;
	return isdigit((unsigned char)*at) ? strtoull(at, NULL, 10) : fallback;
}

static uint32_t axl_clamp(uint64_t value, uint32_t low, uint32_t high)
{
	if (value < low)
		return low;
	return value > high ? high : (uint32_t)value;
}

static int axl_vfu_negotiate(struct axl_vfu *client)
{
	const uint16_t version[2] = { 0, 1 };
	union {
		uint16_t version[2];
		char bytes[AXL_VFU_MAX_REPLY];
	} reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_VERSION,
		.head = version,
		.head_bytes = sizeof(version),
		.data = axl_vfu_capabilities,
		.data_bytes = sizeof(axl_vfu_capabilities),
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	const char *text = reply.bytes + sizeof(version);
	int status = axl_vfu_do(client, &call);

	if (status)
		return status;
	axl_vfu_drop_fds(&call);
	if (call.reply_bytes < sizeof(version))
		return axl_vfu_protocol_error(client, "a version reply that is too short");
	if (reply.version[0] != 0 || reply.version[1] > 1)
		return axl_vfu_protocol_error(client, "an unknown protocol version");
	if (call.reply_bytes == sizeof(version))
		return 0;
	if (reply.bytes[call.reply_bytes - 1] != '\0')
		return axl_vfu_protocol_error(client, "a version reply without its final NUL");
	client->max_fds = axl_clamp(axl_json_number(text, "max_msg_fds", 1), 1, AXL_VFU_MAX_FDS);
	client->max_transfer_bytes =
		axl_clamp(axl_json_number(text, "max_data_xfer_size", AXL_VFU_MAX_TRANSFER_BYTES),
			  16, AXL_VFU_MAX_TRANSFER_BYTES);
	return 0;
}

/* --- connection --------------------------------------------------------------- */

/* Through /proc/self/fd, because sun_path is too short for deep runtime folders. */
static int axl_vfu_connect(int dir_fd, const char *socket_name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, error;
	int length = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s",
			      dir_fd, socket_name);

	if (length < 0 || (size_t)length >= sizeof(address.sun_path))
		return axl_fail(-ENAMETOOLONG, "socket name %.40s... is too long", socket_name);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return axl_fail(-errno, "socket: %s", strerror(errno));
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	error = errno;
	close(fd);
	return axl_fail(-error, "connect to %s: %s", socket_name, strerror(error));
}

int axl_vfu_init(struct axl_vfu *client, int dir_fd, const char *socket_name, int timeout_ms)
{
	int status;

	memset(client, 0, sizeof(*client));
	client->timeout_ms = timeout_ms;
	client->max_fds = 1;
	client->max_transfer_bytes = AXL_VFU_MAX_TRANSFER_BYTES;
	client->fd = axl_vfu_connect(dir_fd, socket_name);
	if (client->fd < 0)
		return client->fd;
	pthread_mutex_init(&client->lock, NULL);
	status = axl_vfu_negotiate(client);
	if (status)
		axl_vfu_deinit(client);
	return status;
}

void axl_vfu_deinit(struct axl_vfu *client)
{
	close(client->fd);
	client->fd = -1;
	pthread_mutex_destroy(&client->lock);
}

/* --- regions ------------------------------------------------------------------ */

int axl_vfu_region_read(struct axl_vfu *client, uint32_t region, uint64_t offset, void *data,
			size_t bytes)
{
	struct axl_vfu_access head = { offset, region, (uint32_t)bytes };
	struct {
		struct axl_vfu_access head;
		unsigned char data[256];
	} reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_REGION_READ,
		.head = &head,
		.head_bytes = sizeof(head),
		.reply = &reply,
		.reply_capacity = sizeof(reply.head) + bytes,
	};
	int status;

	if (bytes > sizeof(reply.data))
		return axl_fail(-EINVAL, "region read of %zu bytes", bytes);
	status = axl_vfu_do(client, &call);
	if (status)
		return status;
	axl_vfu_drop_fds(&call);
	if (call.reply_bytes != sizeof(head) + bytes || reply.head.count != bytes)
		return axl_vfu_protocol_error(client, "a region read of another length");
	memcpy(data, reply.data, bytes);
	return 0;
}

int axl_vfu_region_write(struct axl_vfu *client, uint32_t region, uint64_t offset, const void *data,
			 size_t bytes)
{
	struct axl_vfu_access head = { offset, region, (uint32_t)bytes };
	struct axl_vfu_access reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_REGION_WRITE,
		.head = &head,
		.head_bytes = sizeof(head),
		.data = data,
		.data_bytes = bytes,
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	int status = axl_vfu_do(client, &call);

	if (status)
		return status;
	axl_vfu_drop_fds(&call);
	if (call.reply_bytes != sizeof(reply) || reply.count != bytes)
		return axl_vfu_protocol_error(client, "a region write of another length");
	return 0;
}

int axl_vfu_region_count(struct axl_vfu *client, uint32_t *regions_out, uint32_t *irqs_out)
{
	struct {
		uint32_t argsz, flags, regions, irqs;
	} info = { .argsz = sizeof(info) };
	struct axl_vfu_call call = {
		.command = AXL_VFU_DEVICE_GET_INFO,
		.head = &info,
		.head_bytes = sizeof(info),
		.reply = &info,
		.reply_capacity = sizeof(info),
	};
	int status = axl_vfu_do(client, &call);

	if (status)
		return status;
	axl_vfu_drop_fds(&call);
	if (call.reply_bytes != sizeof(info) || info.regions < VFIO_PCI_NUM_REGIONS ||
	    info.irqs <= VFIO_PCI_MSIX_IRQ_INDEX)
		return axl_vfu_protocol_error(client, "device information of no PCI device");
	*regions_out = info.regions;
	*irqs_out = info.irqs;
	return 0;
}

/* Whether fd really holds offset + bytes and cannot shrink under us (that is SIGBUS). */
static int axl_vfu_check_memory(struct axl_vfu *client, int fd, uint64_t offset, uint64_t bytes)
{
	struct stat file;
	int seals = fcntl(fd, F_GET_SEALS);

	if (seals < 0)
		return axl_vfu_protocol_error(client, "a memory descriptor that is no memfd");
	if (!(seals & F_SEAL_SHRINK) && fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) < 0)
		return axl_vfu_protocol_error(client, "memory that may shrink (F_SEAL_SHRINK)");
	if (fstat(fd, &file) < 0 || bytes > (uint64_t)file.st_size ||
	    offset > (uint64_t)file.st_size - bytes)
		return axl_vfu_protocol_error(client, "memory that is smaller than announced");
	return 0;
}

static int axl_vfu_take_region(struct axl_vfu *client, struct axl_vfu_call *call,
			       const struct vfio_region_info *info, struct axl_vfu_region *out)
{
	int status;

	*out = (struct axl_vfu_region){ info->size, info->offset, info->flags, -1 };
	if (!(info->flags & VFIO_REGION_INFO_FLAG_MMAP) || !call->reply_fd_count) {
		axl_vfu_drop_fds(call);
		return 0;
	}
	status = axl_vfu_check_memory(client, call->reply_fds[0], info->offset, info->size);
	if (!status) {
		out->fd = call->reply_fds[0];
		call->reply_fds[0] = call->reply_fds[--call->reply_fd_count];
	}
	axl_vfu_drop_fds(call);
	return status;
}

int axl_vfu_region_info(struct axl_vfu *client, uint32_t index, struct axl_vfu_region *out)
{
	struct vfio_region_info ask = { .argsz = AXL_VFU_MAX_REPLY, .index = index };
	union {
		struct vfio_region_info info;
		char bytes[AXL_VFU_MAX_REPLY];
	} reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_DEVICE_GET_REGION_INFO,
		.head = &ask,
		.head_bytes = sizeof(ask),
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	int status = axl_vfu_do(client, &call);

	if (status)
		return status;
	if (call.reply_bytes < sizeof(ask) || reply.info.index != index) {
		axl_vfu_drop_fds(&call);
		return axl_vfu_protocol_error(client, "information about another region");
	}
	return axl_vfu_take_region(client, &call, &reply.info, out);
}

/* Move the two descriptors of a shadow doorbell from the call to out. */
static int axl_vfu_take_shadow(struct axl_vfu *client, struct axl_vfu_call *call,
			       const struct axl_vfu_io_fd *sub, struct axl_vfu_shadow *out)
{
	uint32_t event = sub->fd_index, memory = sub->shadow_fd_index;
	int status;

	if (event >= call->reply_fd_count || memory >= call->reply_fd_count || event == memory)
		return axl_vfu_protocol_error(client, "a doorbell without its descriptors");
	status = axl_vfu_check_memory(client, call->reply_fds[memory], sub->shadow_offset,
				      sub->bytes);
	if (status)
		return status;
	*out = (struct axl_vfu_shadow){
		.bar_offset = sub->offset,
		.bytes = sub->bytes,
		.memory_offset = sub->shadow_offset,
		.event_fd = call->reply_fds[event],
		.memory_fd = call->reply_fds[memory],
	};
	for (size_t i = 0; i < call->reply_fd_count; i++) {
		if (i != event && i != memory)
			close(call->reply_fds[i]);
	}
	call->reply_fd_count = 0;
	return 0;
}

int axl_vfu_region_shadow(struct axl_vfu *client, uint32_t index, struct axl_vfu_shadow *out)
{
	struct {
		struct axl_vfu_io_fds head;
		struct axl_vfu_io_fd subs[AXL_VFU_MAX_SUB_REGIONS];
	} reply;
	struct axl_vfu_io_fds ask = { .argsz = sizeof(reply), .index = index };
	struct axl_vfu_call call = {
		.command = AXL_VFU_DEVICE_GET_REGION_IO_FDS,
		.head = &ask,
		.head_bytes = sizeof(ask),
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	size_t room;
	int status = axl_vfu_do(client, &call);

	out->event_fd = -1;
	out->memory_fd = -1;
	if (status)
		return status;
	room = call.reply_bytes < sizeof(ask) ? 0 : call.reply_bytes - sizeof(ask);
	if (call.reply_bytes < sizeof(ask) || reply.head.count > room / sizeof(reply.subs[0]))
		status = axl_vfu_protocol_error(client, "a doorbell list that is cut short");
	for (uint32_t i = 0; !status && i < reply.head.count; i++) {
		if (reply.subs[i].type != AXL_VFU_IO_FD_SHADOW)
			continue;
		status = axl_vfu_take_shadow(client, &call, &reply.subs[i], out);
		break;
	}
	axl_vfu_drop_fds(&call);
	return status;
}

/* --- memory ------------------------------------------------------------------- */

int axl_vfu_dma_map(struct axl_vfu *client, int fd, uint64_t offset, uint64_t address,
		    uint64_t bytes)
{
	struct axl_vfu_dma head = {
		.argsz = sizeof(head),
		.flags = AXL_VFU_DMA_READ_WRITE,
		.offset = offset,
		.address = address,
		.bytes = bytes,
	};
	struct axl_vfu_dma reply; /* some servers echo the request */
	struct axl_vfu_call call = {
		.command = AXL_VFU_DMA_MAP,
		.head = &head,
		.head_bytes = sizeof(head),
		.fds = &fd,
		.fd_count = 1,
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	int status = axl_vfu_do(client, &call);

	axl_vfu_drop_fds(&call);
	return status;
}

int axl_vfu_dma_unmap(struct axl_vfu *client, uint64_t address, uint64_t bytes)
{
	struct axl_vfu_dma_gone head = {
		.argsz = sizeof(head),
		.address = address,
		.bytes = bytes,
	};
	struct axl_vfu_dma_gone reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_DMA_UNMAP,
		.head = &head,
		.head_bytes = sizeof(head),
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	int status = axl_vfu_do(client, &call);

	axl_vfu_drop_fds(&call);
	return status;
}

/* --- interrupts and reset ------------------------------------------------------ */

int axl_vfu_irq_count(struct axl_vfu *client, uint32_t index, uint32_t *count_out)
{
	struct vfio_irq_info info = { .argsz = sizeof(info), .index = index };
	struct axl_vfu_call call = {
		.command = AXL_VFU_DEVICE_GET_IRQ_INFO,
		.head = &info,
		.head_bytes = sizeof(info),
		.reply = &info,
		.reply_capacity = sizeof(info),
	};
	int status = axl_vfu_do(client, &call);

	if (status)
		return status;
	axl_vfu_drop_fds(&call);
	if (call.reply_bytes != sizeof(info) || info.index != index)
		return axl_vfu_protocol_error(client, "information about another interrupt");
	*count_out = info.flags & VFIO_IRQ_INFO_EVENTFD ? info.count : 0;
	return 0;
}

static int axl_vfu_set_irq_range(struct axl_vfu *client, uint32_t index, uint32_t start,
				 const int *fds, uint32_t count)
{
	struct vfio_irq_set head = {
		.argsz = sizeof(head),
		.flags = VFIO_IRQ_SET_DATA_EVENTFD | VFIO_IRQ_SET_ACTION_TRIGGER,
		.index = index,
		.start = start,
		.count = count,
	};
	struct vfio_irq_set reply;
	struct axl_vfu_call call = {
		.command = AXL_VFU_DEVICE_SET_IRQS,
		.head = &head,
		.head_bytes = sizeof(head),
		.fds = fds,
		.fd_count = count,
		.reply = &reply,
		.reply_capacity = sizeof(reply),
	};
	int status = axl_vfu_do(client, &call);

	axl_vfu_drop_fds(&call);
	return status;
}

int axl_vfu_set_irqs(struct axl_vfu *client, uint32_t index, const int *fds, uint32_t count)
{
	uint32_t done = 0;

	while (done < count) {
		uint32_t step = count - done < client->max_fds ? count - done : client->max_fds;
		int status = axl_vfu_set_irq_range(client, index, done, fds + done, step);

		if (status)
			return status;
		done += step;
	}
	return 0;
}

int axl_vfu_device_reset(struct axl_vfu *client)
{
	struct axl_vfu_call call = { .command = AXL_VFU_DEVICE_RESET };
	int status = axl_vfu_do(client, &call);

	axl_vfu_drop_fds(&call);
	return status;
}

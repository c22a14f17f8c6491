// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
/* Messages of the vfio-user protocol: send, receive, check, give up. */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "../error.h"
#include "vfu_wire.h"

#define AXL_MAX_ERRNO 4095

/* Room for as many descriptors as a message may carry. */
union axl_vfu_control {
	struct cmsghdr align;
	char bytes[CMSG_SPACE(sizeof(int) * AXL_VFU_MAX_FDS)];
};

static int64_t axl_now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The first reason stays; shutdown makes everybody who polls the socket see its end. */
static int axl_vfu_die(struct axl_vfu *client, int error)
{
	int alive = 0;

	if (atomic_compare_exchange_strong(&client->dead, &alive, error))
		shutdown(client->fd, SHUT_RDWR);
	return error;
}

int axl_vfu_protocol_error(struct axl_vfu *client, const char *what)
{
	return axl_vfu_die(client, axl_fail(-EPROTO,
					    "the rack's endpoint server broke the vfio-user "
					    "protocol: %s; restart the rack",
					    what));
}

static int axl_vfu_hang_up(struct axl_vfu *client)
{
	return axl_vfu_die(client, axl_fail(-ENODEV, "the rack's endpoint server closed the "
						     "connection; see `accel-rack status`"));
}

void axl_vfu_abandon(struct axl_vfu *client)
{
	atomic_store(&client->dead, -EOWNERDEAD);
}

int axl_vfu_check(struct axl_vfu *client)
{
	struct pollfd end = { .fd = client->fd, .events = POLLRDHUP };
	int dead = atomic_load(&client->dead);

	if (dead)
		return axl_fail(dead, "the connection to the endpoint has ended (%s)",
				strerror(-dead));
	if (poll(&end, 1, 0) > 0 && (end.revents & (POLLRDHUP | POLLHUP | POLLERR)))
		return axl_vfu_hang_up(client);
	return 0;
}

/* Wait until the socket can be used, at the latest until deadline_ms. */
static int axl_vfu_await(struct axl_vfu *client, short events, int64_t deadline_ms)
{
	struct pollfd wait = { .fd = client->fd, .events = events };

	for (;;) {
		int64_t left = deadline_ms - axl_now_ms();
		int n;

		if (left <= 0)
			break;
		n = poll(&wait, 1, (int)left);
		if (n > 0)
			return 0;
		if (n < 0 && errno != EINTR)
			return axl_vfu_hang_up(client);
	}
	return axl_vfu_die(client, axl_fail(-ETIMEDOUT,
					    "no answer from the rack's endpoint server within "
					    "%d ms; see `accel-rack status`",
					    client->timeout_ms));
}

static int axl_vfu_io_error(struct axl_vfu *client)
{
	if (errno == EPIPE || errno == ECONNRESET || errno == ENOTCONN)
		return axl_vfu_hang_up(client);
	return axl_vfu_die(client, axl_fail(-EIO, "vfio-user socket: %s", strerror(errno)));
}

/* Skip what was sent; 0 when nothing is left. */
static size_t axl_iov_advance(struct msghdr *message, size_t sent)
{
	size_t left = 0;

	for (size_t i = 0; i < message->msg_iovlen; i++) {
		struct iovec *part = &message->msg_iov[i];
		size_t step = sent < part->iov_len ? sent : part->iov_len;

		part->iov_base = (char *)part->iov_base + step;
		part->iov_len -= step;
		sent -= step;
		left += part->iov_len;
	}
	return left;
}

static int axl_vfu_send_all(struct axl_vfu *client, struct msghdr *message, int64_t deadline_ms)
{
	size_t left;

	do {
		ssize_t sent = sendmsg(client->fd, message, MSG_NOSIGNAL | MSG_DONTWAIT);
		int status;

		if (sent < 0 && errno == EINTR) {
			left = 1;
			continue;
		}
		if (sent < 0 && errno != EAGAIN)
			return axl_vfu_io_error(client);
		if (sent < 0) {
			status = axl_vfu_await(client, POLLOUT, deadline_ms);
			if (status)
				return status;
			left = 1;
			continue;
		}
		/* Descriptors travel with the first byte: never twice. */
		message->msg_control = NULL;
		message->msg_controllen = 0;
		left = axl_iov_advance(message, (size_t)sent);
	} while (left);
	return 0;
}

static void axl_vfu_put_fds(struct msghdr *message, union axl_vfu_control *control, const int *fds,
			    size_t count)
{
	struct cmsghdr *head;

	if (!count)
		return;
	memset(control, 0, sizeof(*control));
	message->msg_control = control->bytes;
	message->msg_controllen = CMSG_SPACE(sizeof(int) * count);
	head = CMSG_FIRSTHDR(message);
	head->cmsg_level = SOL_SOCKET;
	head->cmsg_type = SCM_RIGHTS;
	head->cmsg_len = CMSG_LEN(sizeof(int) * count);
	memcpy(CMSG_DATA(head), fds, sizeof(int) * count);
}

static int axl_vfu_send(struct axl_vfu *client, const struct axl_vfu_call *call, uint16_t id,
			int64_t deadline_ms)
{
	struct axl_vfu_header header = {
		.id = id,
		.command = call->command,
		.bytes = (uint32_t)(sizeof(header) + call->head_bytes + call->data_bytes),
		.flags = AXL_VFU_TYPE_COMMAND,
	};
	struct iovec parts[3] = {
		{&header,			   sizeof(header)  },
		{ (void *)(uintptr_t)call->head, call->head_bytes},
		{ (void *)(uintptr_t)call->data, call->data_bytes},
	};
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 3 };
	union axl_vfu_control control;

	axl_vfu_put_fds(&message, &control, call->fds, call->fd_count);
	return axl_vfu_send_all(client, &message, deadline_ms);
}

/* Take the descriptors of one received piece; those beyond the capacity are closed. */
static void axl_vfu_take_fds(struct msghdr *message, struct axl_vfu_call *call)
{
	struct cmsghdr *head;

	for (head = CMSG_FIRSTHDR(message); head; head = CMSG_NXTHDR(message, head)) {
		size_t count;

		if (head->cmsg_level != SOL_SOCKET || head->cmsg_type != SCM_RIGHTS)
			continue;
		count = (head->cmsg_len - CMSG_LEN(0)) / sizeof(int);
		for (size_t i = 0; i < count; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(head) + i * sizeof(int), sizeof(int));
			if (call->reply_fd_count < AXL_VFU_MAX_FDS)
				call->reply_fds[call->reply_fd_count++] = fd;
			else
				close(fd);
		}
	}
}

void axl_vfu_drop_fds(struct axl_vfu_call *call)
{
	while (call->reply_fd_count)
		close(call->reply_fds[--call->reply_fd_count]);
}

static int axl_vfu_recv_all(struct axl_vfu *client, struct axl_vfu_call *call, void *data,
			    size_t bytes, int64_t deadline_ms)
{
	size_t done = 0;

	while (done < bytes) {
		union axl_vfu_control control;
		struct iovec part = { (char *)data + done, bytes - done };
		struct msghdr message = {
			.msg_iov = &part,
			.msg_iovlen = 1,
			.msg_control = control.bytes,
			.msg_controllen = sizeof(control.bytes),
		};
		ssize_t got;
		int status = axl_vfu_await(client, POLLIN, deadline_ms);

		if (status)
			return status;
		got = recvmsg(client->fd, &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
		if (got < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (got < 0)
			return axl_vfu_io_error(client);
		axl_vfu_take_fds(&message, call);
		if (message.msg_flags & MSG_CTRUNC)
			return axl_vfu_protocol_error(client, "too many descriptors");
		if (got == 0)
			return axl_vfu_hang_up(client);
		done += (size_t)got;
	}
	return 0;
}

/* What is wrong with the header of a reply, or NULL. */
static const char *axl_vfu_header_fault(const struct axl_vfu_header *header,
					const struct axl_vfu_call *call, uint16_t id)
{
	if ((header->flags & AXL_VFU_TYPE_MASK) != AXL_VFU_TYPE_REPLY)
		return "a message that is no reply";
	if (header->id != id)
		return "a reply to another message";
	if (header->command != call->command)
		return "a reply to another command";
	if (header->bytes < sizeof(*header) ||
	    header->bytes > sizeof(*header) + call->reply_capacity)
		return "a reply of impossible length";
	if ((header->flags & AXL_VFU_FLAG_ERROR) &&
	    (header->error == 0 || header->error > AXL_MAX_ERRNO))
		return "an error reply without an error";
	return NULL;
}

static int axl_vfu_recv(struct axl_vfu *client, struct axl_vfu_call *call, uint16_t id,
			int64_t deadline_ms)
{
	struct axl_vfu_header header;
	const char *fault;
	int status = axl_vfu_recv_all(client, call, &header, sizeof(header), deadline_ms);

	if (status)
		return status;
	fault = axl_vfu_header_fault(&header, call, id);
	if (fault)
		return axl_vfu_protocol_error(client, fault);
	call->reply_bytes = header.bytes - sizeof(header);
	status = axl_vfu_recv_all(client, call, call->reply, call->reply_bytes, deadline_ms);
	if (status)
		return status;
	if (header.flags & AXL_VFU_FLAG_ERROR)
		return axl_fail(-(int)header.error, "the rack's endpoint server answered: %s",
				strerror((int)header.error));
	return 0;
}

int axl_vfu_do(struct axl_vfu *client, struct axl_vfu_call *call)
{
	int64_t deadline_ms = axl_now_ms() + client->timeout_ms;
	int status = atomic_load(&client->dead);
	uint16_t id;

	call->reply_bytes = 0;
	call->reply_fd_count = 0;
	/* Not even the lock: in a forked child its state is anybody's guess. */
	if (status)
		return axl_fail(status, "the connection to the endpoint has ended (%s)",
				strerror(-status));
	pthread_mutex_lock(&client->lock);
	status = atomic_load(&client->dead);
	if (status) {
		axl_fail(status, "the connection to the endpoint has ended (%s)",
			 strerror(-status));
	} else {
		id = client->next_id++;
		status = axl_vfu_send(client, call, id, deadline_ms);
		if (!status)
			status = axl_vfu_recv(client, call, id, deadline_ms);
	}
	pthread_mutex_unlock(&client->lock);
	if (status)
		axl_vfu_drop_fds(call);
	return status;
}

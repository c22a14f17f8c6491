// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "error.h"
#include "eventfd.h"

int axl_eventfd(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? axl_fail(-errno, "eventfd: %s", strerror(errno)) : fd;
}

uint64_t axl_eventfd_drain(int fd)
{
	uint64_t count = 0;

	return read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

void axl_eventfd_signal(int fd)
{
	uint64_t one = 1;
	/* A counter that is full is readable already: nothing is lost. */
	ssize_t ignored = write(fd, &one, sizeof(one));

	(void)ignored;
}

int axl_epoll_add(int epoll, int fd, uint32_t events)
{
	struct epoll_event event = { .events = events, .data = { .fd = fd } };

	return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

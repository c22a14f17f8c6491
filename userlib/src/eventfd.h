/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#ifndef AXL_EVENTFD_H
#define AXL_EVENTFD_H

#include <stdint.h>

int axl_eventfd(void); /* non-blocking, or negative errno */
uint64_t axl_eventfd_drain(int fd); /* what was counted, 0 if nothing */
void axl_eventfd_signal(int fd);

/* epoll_ctl(EPOLL_CTL_ADD): 0, or -1 and errno. */
int axl_epoll_add(int epoll, int fd, uint32_t events);

#endif

// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "events.h"

#define AXL_EVENTS_ENABLE_BYTES 4096u
#define AXL_EVENT_RING_BYTES \
	(sizeof(struct axl_event_ring_header) + \
	 (size_t)AXL_EVENT_RING_CAPACITY * sizeof(struct axl_event))
#define AXL_RING_NAME_TRIES 10000
#define AXL_RETRY_EVENTS 4096u /* asking a full file system again costs a system call */

static const uint32_t axl_never;

uint64_t axl_now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* --- switch ------------------------------------------------------------------ */

static const uint32_t *axl_map_enable(int dir_fd)
{
	int fd = openat(dir_fd, "events.enable", O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	void *map = MAP_FAILED;
	struct stat file;

	if (fd < 0)
		return &axl_never;
	if (fstat(fd, &file) == 0 && S_ISREG(file.st_mode) &&
	    file.st_size >= (off_t)AXL_EVENTS_ENABLE_BYTES)
		map = mmap(NULL, AXL_EVENTS_ENABLE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	return map == MAP_FAILED ? &axl_never : map;
}

void axl_recorder_init(struct axl_recorder *recorder, int dir_fd, uint32_t bdf,
		       uint64_t board_serial, uint32_t endpoint_index)
{
	*recorder = (struct axl_recorder){
		.enable = axl_map_enable(dir_fd),
		.dir_fd = dir_fd,
		.bdf = bdf,
		.pid = (uint32_t)getpid(),
		.board_serial = board_serial,
		.endpoint_index = endpoint_index,
		.ring_fd = -1,
	};
	pthread_mutex_init(&recorder->lock, NULL);
}

void axl_recorder_deinit(struct axl_recorder *recorder)
{
	if (recorder->ring) {
		/* A forked child must not end the ring that its parent goes on writing. */
		if (recorder->pid == (uint32_t)getpid())
			__atomic_store_n(&recorder->ring->closed, 1, __ATOMIC_RELEASE);
		munmap(recorder->ring, AXL_EVENT_RING_BYTES);
		close(recorder->ring_fd);
	}
	if (recorder->enable != &axl_never)
		munmap((void *)(uintptr_t)recorder->enable, AXL_EVENTS_ENABLE_BYTES);
	pthread_mutex_destroy(&recorder->lock);
}

/* --- ring -------------------------------------------------------------------- */

#define AXL_RING_NAME_BYTES 64

/* A new file events/<pid>-<n>.ring, or -1. */
static int axl_ring_file(const struct axl_recorder *recorder, char *name)
{
	if (mkdirat(recorder->dir_fd, "events", 0700) < 0 && errno != EEXIST)
		return -1;
	for (unsigned int n = 0; n < AXL_RING_NAME_TRIES; n++) {
		int fd;

		snprintf(name, AXL_RING_NAME_BYTES, "events/%u-%u.ring", recorder->pid, n);
		fd = openat(recorder->dir_fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

/*
 * Memory for count more records. Reserved, not sparse: a full file system must not become
 * SIGBUS later. Asked for again only now and then while there is none.
 */
static bool axl_ring_reserve(struct axl_recorder *recorder, uint32_t count)
{
	uint64_t end = sizeof(struct axl_event_ring_header) +
		       (uint64_t)(recorder->reserved + count) * sizeof(struct axl_event);

	if (recorder->refused && recorder->refused++ % AXL_RETRY_EVENTS)
		return false;
	recorder->refused = 1;
	/* What has memory already is passed over. */
	if (posix_fallocate(recorder->ring_fd, 0, (off_t)end))
		return false;
	recorder->refused = 0;
	recorder->reserved += count;
	return true;
}

static void axl_ring_describe(struct axl_recorder *recorder)
{
	struct axl_event_ring_header *ring = recorder->ring;

	ring->version = 1;
	ring->record_bytes = sizeof(struct axl_event);
	ring->capacity = AXL_EVENT_RING_CAPACITY;
	ring->board_serial = recorder->board_serial;
	ring->endpoint_index = recorder->endpoint_index;
	ring->pid = recorder->pid;
	ring->start_ns = axl_now_ns();
	ring->dropped = recorder->unrecorded;
	/* Pairs with the reader's acquire of magic: the header is complete before it. */
	__atomic_store_n(&ring->magic, AXL_EVENT_RING_MAGIC, __ATOMIC_RELEASE);
}

/* false: there is no ring, and no memory or no right to make one. */
static bool axl_ring_create(struct axl_recorder *recorder)
{
	char name[AXL_RING_NAME_BYTES];
	void *map = MAP_FAILED;

	if (recorder->refused && recorder->refused++ % AXL_RETRY_EVENTS)
		return false;
	recorder->refused = 0;
	recorder->ring_fd = axl_ring_file(recorder, name);
	if (recorder->ring_fd >= 0 &&
	    ftruncate(recorder->ring_fd, (off_t)AXL_EVENT_RING_BYTES) == 0 &&
	    axl_ring_reserve(recorder, AXL_EVENT_RING_STEP))
		map = mmap(NULL, AXL_EVENT_RING_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			   recorder->ring_fd, 0);
	if (map != MAP_FAILED) {
		recorder->ring = map;
		axl_ring_describe(recorder);
		return true;
	}
	if (recorder->ring_fd >= 0) {
		unlinkat(recorder->dir_fd, name, 0);
		close(recorder->ring_fd);
	}
	recorder->reserved = 0;
	recorder->refused = 1;
	return false;
}

static void axl_ring_write(struct axl_recorder *recorder, const struct axl_event *event)
{
	struct axl_event_ring_header *ring = recorder->ring;
	struct axl_event *records = (struct axl_event *)(ring + 1);
	uint64_t head = ring->head;
	/* Pairs with the reader's release of tail: it is done with the slot. */
	uint64_t tail = __atomic_load_n(&ring->tail, __ATOMIC_ACQUIRE);

	if (head - tail >= AXL_EVENT_RING_CAPACITY ||
	    (head >= recorder->reserved && recorder->reserved < AXL_EVENT_RING_CAPACITY &&
	     !axl_ring_reserve(recorder, AXL_EVENT_RING_STEP))) {
		__atomic_store_n(&ring->dropped, ring->dropped + 1, __ATOMIC_RELAXED);
		return;
	}
	records[head & (AXL_EVENT_RING_CAPACITY - 1)] = *event;
	/* Pairs with the reader's acquire of head: the record is complete before it. */
	__atomic_store_n(&ring->head, head + 1, __ATOMIC_RELEASE);
}

static uint32_t axl_thread_id(void)
{
	static _Thread_local uint32_t cached;

	if (!cached)
		cached = (uint32_t)gettid();
	return cached;
}

void axl_recorder_emit(struct axl_recorder *recorder, const struct axl_event *event)
{
	struct axl_event full = *event;

	full.pid = recorder->pid;
	full.tid = axl_thread_id();
	full.origin = AXL_ORIGIN_LIBRARY;
	if (event->stage >= AXL_STAGE_FETCH && event->stage <= AXL_STAGE_FINISH)
		full.origin = AXL_ORIGIN_RECONSTRUCTED;
	if (!full.time_ns)
		full.time_ns = axl_now_ns();
	axl_probe_fire(recorder->bdf, &full);
	if (!__atomic_load_n(recorder->enable, __ATOMIC_RELAXED))
		return;
	pthread_mutex_lock(&recorder->lock);
	if (recorder->ring || axl_ring_create(recorder))
		axl_ring_write(recorder, &full);
	else
		recorder->unrecorded++;
	pthread_mutex_unlock(&recorder->lock);
}

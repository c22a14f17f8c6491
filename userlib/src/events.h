/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Events of one open device: written to a ring file that others read (struct
 * axl_event_ring_header, then records) and to USDT probes. When nobody listens an event
 * costs two loads and a branch. A full ring drops and counts; nothing ever waits.
 */
#ifndef AXL_EVENTS_H
#define AXL_EVENTS_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

#include "axl_formats.h"

/*
 * A power of two; 16 MiB, a quarter of a second at one million events a second. Memory is
 * taken in steps as the ring fills for the first time.
 */
#define AXL_EVENT_RING_CAPACITY 262144u
#define AXL_EVENT_RING_STEP 16384u

struct axl_recorder {
	const uint32_t *enable; /* shared with whoever records; never written here */
	int dir_fd; /* the rack's folder, not owned */
	uint32_t bdf; /* for the probes */
	uint32_t pid;
	uint64_t board_serial;
	uint32_t endpoint_index;
	pthread_mutex_t lock; /* guards what follows and the order of records */
	struct axl_event_ring_header *ring; /* NULL until the first event */
	int ring_fd;
	uint32_t reserved; /* records that have memory */
	uint64_t refused; /* events since the last attempt to get memory failed; 0: none did */
	uint64_t unrecorded; /* events lost because there was no ring */
};

/* Cannot fail: without an events.enable file nothing is ever recorded. */
void axl_recorder_init(struct axl_recorder *recorder, int dir_fd, uint32_t bdf,
		       uint64_t board_serial, uint32_t endpoint_index);
void axl_recorder_deinit(struct axl_recorder *recorder);

/* How many tracers are attached to probes; they count it up and down themselves. */
extern unsigned short axl_probe_semaphore;

static inline bool axl_recorder_on(const struct axl_recorder *recorder)
{
	return __atomic_load_n(recorder->enable, __ATOMIC_RELAXED) != 0 ||
	       __atomic_load_n(&axl_probe_semaphore, __ATOMIC_RELAXED) != 0;
}

/*
 * Record one event; fills in process, thread, origin and, if it is 0, the time. May be
 * called with any lock of the library held.
 */
void axl_recorder_emit(struct axl_recorder *recorder, const struct axl_event *event);

/* Fire the probe of the event's stage. */
void axl_probe_fire(uint32_t bdf, const struct axl_event *event);

uint64_t axl_now_ns(void); /* CLOCK_MONOTONIC */

#endif

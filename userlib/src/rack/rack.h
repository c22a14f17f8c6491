/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Objects of the embedded-rack back end.
 *
 * Locks, in the order in which they may be taken:
 *   device->lock    BAR0 sequences, allocators, lists, the reset state machine
 *   queue->lock     one queue: rings, results, sleepers (several: by queue index)
 *   dma.lock, vfu.lock, recorder.lock   leaves
 * A thread that sleeps for completions holds none of them.
 */
#ifndef AXL_RACK_RACK_H
#define AXL_RACK_RACK_H

#include <pthread.h>
#include <stdatomic.h>

#include "../backend.h"
#include "../events.h"
#include "axl_clock.h"
#include "axl_err.h"
#include "axl_health.h"
#include "axl_ident.h"
#include "axl_os.h"
#include "axl_pt.h"
#include "axl_qp.h"
#include "axl_range.h"
#include "axl_reset.h"
#include "axl_va.h"
#include "dma.h"
#include "irq.h"
#include "pci_config.h"
#include "topology.h"
#include "vfio_user.h"

struct axl_rack_queue;

struct axl_rack_device {
	struct axl_device base;
	pthread_mutex_t lock;
	struct axl_endpoint_info endpoint;
	struct axl_topology topology;
	struct axl_topology_endpoint place; /* this endpoint's row */
	int dir_fd;
	struct axl_vfu vfu;
	struct axl_vfu_shadow shadow;
	char *doorbells; /* shadow.bytes of them, or NULL: ring by message */
	struct axl_rack_irq irq;
	struct axl_pci_saved config;
	int event_fd; /* epoll: event vector, event_kick, end of the socket */
	int event_kick; /* eventfd, written when another taker drained a shared vector */
	struct axl_os os;
	struct axl_rack_dma dma;
	struct axl_ident ident;
	struct axl_clock clock;
	struct axl_health health;
	struct axl_reset reset;
	struct axl_recorder recorder;
	char *memory; /* BAR2 */
	struct axl_range memory_range; /* offsets in BAR2 */
	uint64_t memory_fresh; /* from this offset on BAR2 was never handed out: zero */
	atomic_uint state; /* enum axl_device_state; written under lock, except to GONE */
	atomic_uint generation; /* written under lock and every queue's lock */
	uint32_t function_generation; /* CTRL.GENERATION as last seen */
	uint32_t commits; /* ADDR.GENERATION as last seen */
	uint32_t address_reason; /* of the last rejected commit */
	uint64_t contexts; /* bit n: context n is taken */
	struct axl_rack_queue *queues[AXL_MAX_QUEUES]; /* also under their own lock */
};

struct axl_rack_buffer;

struct axl_rack_context {
	struct axl_context base;
	uint32_t number;
	uint32_t generation;
	struct axl_pt pt; /* under device->lock, as all that follows */
	struct axl_range va[AXL_VA_KIND_END]; /* [0] is unused */
	struct axl_rack_buffer *withheld; /* destroyed, but a lost command may still use them */
};

struct axl_rack_buffer {
	struct axl_buffer base;
	struct axl_rack_buffer *next; /* in withheld */
	uint32_t generation;
	enum axl_va_kind kind;
	struct axl_dma_mem mem; /* HOST */
	uint64_t offset; /* DEVICE: in BAR2 */
};

struct axl_rack_queue {
	struct axl_queue base;
	pthread_mutex_t lock; /* guards everything below, except what says otherwise */
	pthread_cond_t changed; /* something ended, or the sleeper gave up its post */
	struct axl_qp qp;
	uint32_t generation; /* constant */
	uint32_t vector; /* constant */
	uint32_t spin_us; /* constant */
	int kick; /* eventfd: wake the sleeper; constant */
	int news; /* eventfd in epoll: look, somebody else took an interrupt; constant */
	int epoll; /* for axl_queue_fd(), -1 until asked for */
	int over; /* 0, or the negative errno that everything answers from now on */
	bool sleeping; /* one waiter sleeps in poll() on behalf of all */
	bool lost; /* a command was lost since the start: it may still touch its memory */
	uint32_t waiters; /* threads on the condition variable */
	uint64_t ended; /* every command up to this one has ended */
	uint64_t interrupt_sequence; /* up to here an interrupt will come */
	uint64_t quiet_ns; /* next sleep while waiting for one that will not interrupt */
	uint32_t quiet_slots; /* slots pushed since a command asked for an interrupt */
	uint64_t interrupts;
	uint64_t missed_interrupts; /* completions found by looking, see axl_queue_stats() */
	struct axl_result *results; /* by sequence modulo slots */
	uint64_t result_mask;
	struct axl_result error; /* first failure nobody took yet */
	bool has_error;
};

static inline struct axl_rack_device *axl_rack_device(struct axl_device *device)
{
	return (struct axl_rack_device *)device;
}

static inline struct axl_rack_context *axl_rack_context(struct axl_context *context)
{
	return (struct axl_rack_context *)context;
}

static inline struct axl_rack_queue *axl_rack_queue(struct axl_queue *queue)
{
	return (struct axl_rack_queue *)queue;
}

static inline struct axl_rack_buffer *axl_rack_buffer(struct axl_buffer *buffer)
{
	return (struct axl_rack_buffer *)buffer;
}

static inline struct axl_rack_device *axl_queue_device(const struct axl_rack_queue *queue)
{
	return axl_rack_device(queue->base.context->device);
}

/* --- os.c --- */

extern const struct axl_os_ops axl_rack_os_ops;

/* The errno of a core error, with a message; knows when the connection is at fault. */
int axl_rack_fail(struct axl_rack_device *device, int err, const char *what);

/* --- device.c --- */

/* 0, -ENODEV or -EPROTO (gone), -EIO (wedged). */
int axl_rack_usable(struct axl_rack_device *device);

/* As above, and -ESTALE for an object of an older generation. */
int axl_rack_current(struct axl_rack_device *device, uint32_t generation, const char *what);

/* The endpoint left: from now on everything fails and every sleeper wakes. */
void axl_rack_mark_gone(struct axl_rack_device *device);

/* device->lock held: bring the function up and commit its address. Core error. */
int axl_rack_setup(struct axl_rack_device *device);

int axl_rack_device_open(const struct axl_found *found, struct axl_device **out);
void axl_rack_device_close(struct axl_device *device);

/* --- address.c --- */

/* device->lock held: (re)commit the device address. Core error. */
int axl_rack_commit_address(struct axl_rack_device *device);

/* --- status.c --- */

int axl_rack_device_info(struct axl_device *base, struct axl_device_info *info);
int axl_rack_device_telemetry(struct axl_device *base, struct axl_telemetry *telemetry);
int axl_rack_device_error(struct axl_device *base, bool clear, struct axl_device_error *error);
uint32_t axl_rack_device_generation(struct axl_device *base);
int axl_rack_device_event_fd(struct axl_device *base);
int axl_rack_device_check(struct axl_device *base);

/* --- recovery.c --- */

int axl_rack_device_reset(struct axl_device *base, uint32_t kind);
int axl_rack_queue_reset(struct axl_queue *base);

/*
 * device->lock held: feed event (enum axl_reset_event) about a queue to the state
 * machine and do what it says until it is content. Core error of the outcome.
 */
int axl_rack_recover(struct axl_rack_device *device, uint32_t event, struct axl_rack_queue *queue);

/* --- context.c, buffer.c --- */

int axl_rack_context_create(struct axl_device *base, struct axl_context **out);
void axl_rack_context_destroy(struct axl_context *base);
int axl_rack_context_is_faulted(struct axl_context *base);
int axl_rack_context_recover(struct axl_context *base);

int axl_rack_buffer_create(struct axl_context *base, uint64_t bytes, uint32_t memory,
			   struct axl_buffer **out);
int axl_rack_buffer_create_user(struct axl_context *base, void *address, uint64_t bytes,
				uint32_t flags, struct axl_buffer **out);
int axl_rack_buffer_import(struct axl_context *base, int fd, uint64_t offset, uint64_t bytes,
			   struct axl_buffer **out);
int axl_rack_buffer_import_peer(struct axl_context *base, struct axl_buffer *peer,
				struct axl_buffer **out);
void axl_rack_buffer_destroy(struct axl_buffer *base);
void *axl_rack_buffer_map(struct axl_buffer *base);

/*
 * device->lock held, no queue's: free the buffers of a context that were destroyed while
 * one of its queues had lost a command, unless one still has.
 */
void axl_rack_context_release(struct axl_rack_context *context);

/* --- queue.c, submit.c, wait.c --- */

int axl_rack_queue_create(struct axl_context *base, const struct axl_queue_attr *attr,
			  struct axl_queue **out);
void axl_rack_queue_destroy(struct axl_queue *base);
int axl_rack_queue_fd(struct axl_queue *base);
int axl_rack_queue_result(struct axl_queue *base, uint64_t sequence, struct axl_result *result);
int axl_rack_queue_take_error(struct axl_queue *base, struct axl_result *result);
int axl_rack_queue_stats(struct axl_queue *base, struct axl_queue_stats *stats);

int axl_rack_queue_submit(struct axl_queue *base, const struct axl_slot *slots, size_t slot_count,
			  uint32_t flags, uint64_t *last_out);
int axl_rack_queue_wait(struct axl_queue *base, uint64_t sequence, int64_t timeout_ns);
uint64_t axl_rack_queue_poll(struct axl_queue *base);

/* queue->lock held: take in what has completed. Returns how many commands ended. */
uint32_t axl_rack_queue_reap(struct axl_rack_queue *queue);

/*
 * queue->lock held: end what is in flight with ABORTED; over (0: the queue goes on) is
 * what everything answers from then on. The device has stopped or is gone.
 */
void axl_rack_queue_end(struct axl_rack_queue *queue, int over);

/*
 * queue->lock held, given up meanwhile: sleep until something may have changed, at the
 * latest until deadline_ns (CLOCK_MONOTONIC). watched is the sequence that the caller
 * is interested in. 0, or -ETIMEDOUT at the deadline.
 */
int axl_rack_queue_sleep(struct axl_rack_queue *queue, uint64_t watched, uint64_t deadline_ns);

#endif

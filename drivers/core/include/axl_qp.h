/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * One queue pair: submission ring, completion ring and the record of what is in
 * flight. Everything that the completion ring says is checked against that record.
 */
#ifndef AXL_QP_H
#define AXL_QP_H

#include "axl_clock.h"
#include "axl_ident.h"

struct axl_qp_config {
	uint32_t index; /* which queue pair */
	uint32_t sq_log2; /* log2 of slots */
	uint32_t cq_log2; /* log2 of completions, at least sq_log2; 0: sq_log2 + 1 or the limit */
	uint32_t vector; /* interrupt vector */
	bool irq_enable;
	uint32_t coalesce_count; /* see QUEUE.COALESCE, 0 to 0xffff */
	uint32_t coalesce_us; /* 0 to 0xffff */
	uint64_t first_sequence; /* 0: 1; continue the numbers of an earlier queue with it */
};

/* One command that ended, as found or as concluded. */
struct axl_cqe {
	uint64_t sequence;
	uint64_t bytes; /* that it writes */
	uint64_t submit_ns;
	uint64_t complete_ns; /* when it was polled */
	uint64_t fetch_ns; /* host time; these three only if timing_valid */
	uint64_t start_ns;
	uint64_t finish_ns;
	uint64_t fetch_ticks; /* device time; these three as the device said, if ticks_valid */
	uint64_t start_ticks;
	uint64_t finish_ticks;
	uint32_t result;
	uint16_t status; /* enum axl_status; LOST and ABORTED are concluded, not found */
	uint16_t context;
	uint8_t opcode;
	uint8_t op;
	uint8_t direction; /* enum axl_direction */
	bool error_recorded; /* the error block names this command */
	bool ticks_valid;
	bool timing_valid;
};

struct axl_qp_stats {
	uint64_t submitted; /* commands */
	uint64_t completed; /* all that ended, also failed, lost and aborted ones */
	uint64_t failed; /* device said so */
	uint64_t lost; /* completion never came although a later one did */
	uint64_t aborted; /* given up by a reset */
	uint64_t malformed; /* completions that made no sense and were refused */
	uint64_t bad_times; /* completions whose times made no sense */
	uint64_t doorbells; /* of the submission ring */
	uint64_t bytes; /* of submitted commands */
};

struct axl_qp_flight;

/* A completion taken out of the ring, checked. */
struct axl_qp_found {
	uint64_t sequence;
	uint64_t fetch_ticks;
	uint32_t start_delta;
	uint32_t finish_delta;
	uint32_t result;
	uint16_t status;
	uint8_t flags;
	bool valid;
};

struct axl_qp {
	const struct axl_os *os;
	struct axl_qp_config config;
	struct axl_clock_line clock;
	struct axl_dma_mem sq;
	struct axl_dma_mem cq;
	struct axl_qp_flight *flights; /* what is in flight, by sequence modulo slots */
	uint32_t sq_mask; /* slots, less one */
	uint32_t sq_tail; /* free-running; one past the last slot accepted */
	uint32_t sq_head; /* one past the last slot known to be fetched */
	uint32_t sq_rung; /* tail as the device knows it */
	uint32_t cq_head; /* free-running; next completion to look at */
	uint32_t cq_acked; /* head as the device knows it */
	uint64_t next_sequence; /* of the next command */
	uint64_t rung_sequence; /* first that the device does not know of */
	uint64_t oldest_sequence; /* first that has not ended */
	struct axl_qp_found pending; /* taken from the ring but not handed out yet */
	struct axl_qp_stats stats;
	bool running;
};

/*
 * Allocate rings and records; the device is not touched. AXL_ERR_INVAL: config or
 * limits of ident; AXL_ERR_NOMEM. May sleep: yes.
 */
int axl_qp_init(struct axl_qp *qp, const struct axl_os *os, const struct axl_ident *ident,
		const struct axl_qp_config *config);

/*
 * Free them. The device must not reach the rings any more: axl_qp_stop() returned 0 or
 * AXL_ERR_GONE, or the function was reset. May sleep: yes.
 */
void axl_qp_deinit(struct axl_qp *qp);

/*
 * Program the device and let it fetch; sequence numbers go on from before. Nothing may
 * be in flight (AXL_ERR_BUSY: axl_qp_abort() first). AXL_ERR_GONE; AXL_ERR_DEVICE: the
 * device refused. On failure the queue is stopped. May sleep: yes.
 */
int axl_qp_start(struct axl_qp *qp);

/*
 * Reset the queue on the device: it drops its work and forgets the rings. What is in
 * flight stays so until axl_qp_poll() and then axl_qp_abort() take it out.
 * AXL_ERR_GONE; AXL_ERR_DEVICE: it did not stop, only a reset of the function helps.
 * May sleep: yes.
 */
int axl_qp_stop(struct axl_qp *qp);

/*
 * Use this line from now on to convert the device's times. Copied, so that sampling the clock
 * and polling a queue need not exclude each other.
 */
void axl_qp_set_clock(struct axl_qp *qp, const struct axl_clock_line *line);

/* Slots that there is room for now. May sleep: no. */
uint32_t axl_qp_space(const struct axl_qp *qp);

/* Commands accepted and not ended. May sleep: no. */
uint32_t axl_qp_in_flight(const struct axl_qp *qp);

/* What the host remembers of a command in flight: for whoever looks at a hang. */
struct axl_qp_inflight {
	uint64_t sequence;
	uint64_t submit_ns;
	uint64_t bytes; /* that it writes */
	uint16_t context;
	uint8_t opcode;
	uint8_t op;
	uint8_t direction; /* enum axl_direction */
};

/*
 * Command number i of those in flight, 0 the oldest; false: there are not so many.
 * May sleep: no.
 */
bool axl_qp_inflight_at(const struct axl_qp *qp, uint32_t i, struct axl_qp_inflight *out);

/* Where the next slots go: on from the tail, and from the ring's start if it ends before. */
struct axl_qp_room {
	void *part[2];
	size_t bytes[2]; /* the second may be 0 */
};

/*
 * Find room for slot_count slots. Nothing is taken: what the caller writes there counts
 * for nothing before axl_qp_accept(). AXL_ERR_AGAIN: no room; AXL_ERR_INVAL: no slot;
 * AXL_ERR_BUSY: stopped. May sleep: no.
 */
int axl_qp_find_room(const struct axl_qp *qp, uint32_t slot_count, struct axl_qp_room *room_out);

struct axl_qp_batch {
	uint32_t slot_count;
	uint16_t context; /* overwrites that of each header */
	bool interrupt; /* after the last command; the others ask for none */
	uint64_t submit_ns; /* when it was accepted; 0: now */
};

/* The first command of a batch that is none. */
struct axl_qp_refusal {
	uint32_t command; /* counted in the batch */
	uint32_t slot; /* its first */
	const char *problem; /* in words */
};

/*
 * Check what was written into the room, where it lies, and make all of it commands of
 * this queue, the last numbered next_sequence - 1, or nothing. Since the room was found
 * nobody else has used the queue. axl_qp_ring() lets the device see them.
 * AXL_ERR_INVAL: *why_out says which is no command; the rest as axl_qp_find_room(), and
 * then why_out->problem is NULL. May sleep: no.
 */
int axl_qp_accept(struct axl_qp *qp, const struct axl_qp_batch *batch,
		  struct axl_qp_refusal *why_out);

/* Tell the device about everything accepted. Nothing new: no doorbell. May sleep: no. */
void axl_qp_ring(struct axl_qp *qp);

/* Whether axl_qp_poll() would find something the device has written. May sleep: no. */
bool axl_qp_is_ready(const struct axl_qp *qp);

/*
 * Take in what has completed: at most max entries into out, oldest first, and at most
 * one ring of device-written entries per call however much nonsense there is. Returns
 * how many. Each sequence is handed out exactly once. May sleep: no.
 */
uint32_t axl_qp_poll(struct axl_qp *qp, struct axl_cqe *out, uint32_t max);

/*
 * After axl_qp_stop() or a reset: end what is in flight with AXL_STATUS_ABORTED, at
 * most max entries, oldest first. Returns how many; 0: nothing is left. Returns 0 also
 * while the queue runs. May sleep: no.
 */
uint32_t axl_qp_abort(struct axl_qp *qp, struct axl_cqe *out, uint32_t max);

#endif

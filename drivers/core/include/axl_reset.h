/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
/*
 * Resets as a table: what state an endpoint is in, what happens, what to do. The
 * escalation is queue, function, bus, and then the endpoint is wedged.
 *
 *	action = axl_reset_feed(r, now_ns, event);
 *	while (axl_reset_is_reset(action)) {
 *		err = axl_reset_perform(os, action, queue);
 *		if (!err)
 *			err = set everything up again;
 *		action = axl_reset_feed(r, now_ns, axl_reset_outcome(err));
 *	}
 */
#ifndef AXL_RESET_H
#define AXL_RESET_H

#include "axl_os.h"

enum axl_reset_state {
	AXL_RESET_STATE_ONLINE = 0,
	AXL_RESET_STATE_QUEUE = 1, /* a queue is being reset */
	AXL_RESET_STATE_FUNCTION = 2, /* the function is */
	AXL_RESET_STATE_BUS = 3, /* the bus is, by us or by the OS */
	AXL_RESET_STATE_WEDGED = 4, /* nothing helped; only removal or an explicit bus reset */
	AXL_RESET_STATE_GONE = 5, /* left the bus; final */
};
#define AXL_RESET_STATE_END 6

enum axl_reset_event {
	AXL_RESET_EVENT_QUEUE_HUNG = 0, /* also: somebody asks for a queue reset */
	AXL_RESET_EVENT_DEVICE_DEAD = 1, /* firmware stopped or device halted */
	AXL_RESET_EVENT_ASK_FUNCTION = 2, /* somebody asks for a function-level reset */
	AXL_RESET_EVENT_ASK_BUS = 3, /* somebody asks for a bus reset */
	AXL_RESET_EVENT_OS_BEGIN = 4, /* the OS resets: reset_prepare, AER frozen, power down */
	AXL_RESET_EVENT_DONE = 5, /* reset and set up again */
	AXL_RESET_EVENT_FAILED = 6, /* the reset or the setting up failed */
	AXL_RESET_EVENT_GONE = 7, /* all-ones, or removed */
};
#define AXL_RESET_EVENT_END 8

enum axl_reset_action {
	AXL_RESET_ACTION_NONE = 0,
	AXL_RESET_ACTION_QUEUE = 1, /* axl_reset_perform(), set up the queue, feed DONE or FAILED */
	AXL_RESET_ACTION_FUNCTION = 2, /* axl_reset_perform(), set up all, feed DONE or FAILED */
	AXL_RESET_ACTION_BUS = 3, /* likewise */
	AXL_RESET_ACTION_HOLD = 4, /* stop submitting; the OS resets; then set up all, feed */
	AXL_RESET_ACTION_RESUME = 5, /* let submitters in again */
	AXL_RESET_ACTION_WEDGE = 6, /* abort what is in flight, refuse work, tell the user */
	AXL_RESET_ACTION_UNPLUG = 7, /* abort what is in flight, refuse everything */
};
#define AXL_RESET_ACTION_END 8

struct axl_transition {
	uint8_t state; /* enum axl_reset_state */
	uint8_t event; /* enum axl_reset_event */
	uint8_t next; /* enum axl_reset_state */
	uint8_t action; /* enum axl_reset_action */
};

/* Every (state, event) exactly once, in order of state and then event. */
extern const struct axl_transition axl_reset_table[];
extern const unsigned int axl_reset_table_count;

/* The row for (state, event); NULL if either does not exist. May sleep: no. */
const struct axl_transition *axl_reset_next(uint32_t state, uint32_t event);

/*
 * The state machine of one endpoint. Resets that come too often escalate: the same kind
 * AXL_RESET_STORM_COUNT times within AXL_RESET_STORM_NS is as good as failed.
 */
#define AXL_RESET_STORM_COUNT 4u
#define AXL_RESET_STORM_NS 60000000000ull

struct axl_reset {
	uint32_t state; /* enum axl_reset_state */
	uint32_t generation; /* function and bus resets that ended well: invalidates handles */
	uint64_t storm_since_ns[AXL_RESET_KIND_END]; /* start of the window, per reset kind */
	uint32_t storm_count[AXL_RESET_KIND_END];
};

/* Online, generation 0. */
void axl_reset_init(struct axl_reset *reset);

/* Move on; what the caller has to do now. An unknown event does nothing. May sleep: no. */
enum axl_reset_action axl_reset_feed(struct axl_reset *reset, uint64_t now_ns, uint32_t event);

/* Whether axl_reset_perform() can do it. */
bool axl_reset_is_reset(enum axl_reset_action action);

/* DONE, FAILED or GONE for what performing and setting up returned. */
enum axl_reset_event axl_reset_outcome(int err);

/*
 * Do the hardware's part of QUEUE (of queue), FUNCTION or BUS and wait until the
 * firmware is up; emits reset_begin and reset_end. Queues must not be pushed to or
 * polled meanwhile. AXL_ERR_INVAL, AXL_ERR_GONE, AXL_ERR_TIMEOUT, AXL_ERR_DEVICE,
 * AXL_ERR_UNSUPPORTED. May sleep: yes.
 */
int axl_reset_perform(const struct axl_os *os, enum axl_reset_action action, uint32_t queue);

/* "online", "wedged", ...; "bus_reset"...; never NULL. For messages and pictures. */
const char *axl_reset_state_name(uint32_t state);
const char *axl_reset_event_name(uint32_t event);
const char *axl_reset_action_name(uint32_t action);

#endif

/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only */
#include "axl_reset.h"

#include "axl_ctrl.h"
#include "axl_field.h"
#include "axl_ident.h"
#include "axl_regs.h"

/* PCIe 6.0 s6.6.1: a function may need 1 s after a reset before it answers properly. */
#define READY_TIMEOUT_US 1000000u

#define ROW(s, e, n, a) \
	{ \
		AXL_RESET_STATE_##s, AXL_RESET_EVENT_##e, AXL_RESET_STATE_##n, \
			AXL_RESET_ACTION_##a \
	}

const struct axl_transition axl_reset_table[] = {
	ROW(ONLINE, QUEUE_HUNG, QUEUE, QUEUE),
	ROW(ONLINE, DEVICE_DEAD, FUNCTION, FUNCTION),
	ROW(ONLINE, ASK_FUNCTION, FUNCTION, FUNCTION),
	ROW(ONLINE, ASK_BUS, BUS, BUS),
	ROW(ONLINE, OS_BEGIN, BUS, HOLD),
	ROW(ONLINE, DONE, ONLINE, NONE),
	ROW(ONLINE, FAILED, ONLINE, NONE),
	ROW(ONLINE, GONE, GONE, UNPLUG),

	/* A second queue that hangs meanwhile: one reset of the function serves both. */
	ROW(QUEUE, QUEUE_HUNG, FUNCTION, FUNCTION),
	ROW(QUEUE, DEVICE_DEAD, FUNCTION, FUNCTION),
	ROW(QUEUE, ASK_FUNCTION, FUNCTION, FUNCTION),
	ROW(QUEUE, ASK_BUS, BUS, BUS),
	ROW(QUEUE, OS_BEGIN, BUS, HOLD),
	ROW(QUEUE, DONE, ONLINE, RESUME),
	ROW(QUEUE, FAILED, FUNCTION, FUNCTION),
	ROW(QUEUE, GONE, GONE, UNPLUG),

	/* What is reported during a reset is about the time before it. */
	ROW(FUNCTION, QUEUE_HUNG, FUNCTION, NONE),
	ROW(FUNCTION, DEVICE_DEAD, FUNCTION, NONE),
	ROW(FUNCTION, ASK_FUNCTION, FUNCTION, NONE),
	ROW(FUNCTION, ASK_BUS, BUS, BUS),
	ROW(FUNCTION, OS_BEGIN, BUS, HOLD),
	ROW(FUNCTION, DONE, ONLINE, RESUME),
	ROW(FUNCTION, FAILED, BUS, BUS),
	ROW(FUNCTION, GONE, GONE, UNPLUG),

	ROW(BUS, QUEUE_HUNG, BUS, NONE),
	ROW(BUS, DEVICE_DEAD, BUS, NONE),
	ROW(BUS, ASK_FUNCTION, BUS, NONE),
	ROW(BUS, ASK_BUS, BUS, NONE),
	ROW(BUS, OS_BEGIN, BUS, HOLD),
	ROW(BUS, DONE, ONLINE, RESUME),
	ROW(BUS, FAILED, WEDGED, WEDGE),
	ROW(BUS, GONE, GONE, UNPLUG),

	/* Only somebody who insists gets a wedged endpoint to try again. */
	ROW(WEDGED, QUEUE_HUNG, WEDGED, NONE),
	ROW(WEDGED, DEVICE_DEAD, WEDGED, NONE),
	ROW(WEDGED, ASK_FUNCTION, WEDGED, NONE),
	ROW(WEDGED, ASK_BUS, BUS, BUS),
	ROW(WEDGED, OS_BEGIN, BUS, HOLD),
	ROW(WEDGED, DONE, WEDGED, NONE),
	ROW(WEDGED, FAILED, WEDGED, NONE),
	ROW(WEDGED, GONE, GONE, UNPLUG),

	/* What comes back is a new endpoint, with a new state machine. */
	ROW(GONE, QUEUE_HUNG, GONE, NONE),
	ROW(GONE, DEVICE_DEAD, GONE, NONE),
	ROW(GONE, ASK_FUNCTION, GONE, NONE),
	ROW(GONE, ASK_BUS, GONE, NONE),
	ROW(GONE, OS_BEGIN, GONE, NONE),
	ROW(GONE, DONE, GONE, NONE),
	ROW(GONE, FAILED, GONE, NONE),
	ROW(GONE, GONE, GONE, NONE),
};

#define ROWS (sizeof(axl_reset_table) / sizeof(axl_reset_table[0]))

AXL_STATIC_ASSERT(ROWS == (size_t)AXL_RESET_STATE_END * AXL_RESET_EVENT_END,
		  "one row per state and event");

const unsigned int axl_reset_table_count = ROWS;

const struct axl_transition *axl_reset_next(uint32_t state, uint32_t event)
{
	if (state >= AXL_RESET_STATE_END || event >= AXL_RESET_EVENT_END)
		return NULL;
	return &axl_reset_table[state * AXL_RESET_EVENT_END + event];
}

void axl_reset_init(struct axl_reset *reset)
{
	memset(reset, 0, sizeof(*reset));
}

bool axl_reset_is_reset(enum axl_reset_action action)
{
	return action == AXL_RESET_ACTION_QUEUE || action == AXL_RESET_ACTION_FUNCTION ||
	       action == AXL_RESET_ACTION_BUS;
}

static uint32_t kind_of(enum axl_reset_action action)
{
	switch (action) {
	case AXL_RESET_ACTION_QUEUE:
		return AXL_RESET_KIND_QUEUE;
	case AXL_RESET_ACTION_FUNCTION:
		return AXL_RESET_KIND_FUNCTION;
	default:
		return AXL_RESET_KIND_BUS;
	}
}

/* Count a reset that is about to start; true: of this kind there were too many lately. */
static bool is_storm(struct axl_reset *reset, uint64_t now_ns, enum axl_reset_action action)
{
	uint32_t kind = kind_of(action);

	if (!reset->storm_count[kind] ||
	    now_ns - reset->storm_since_ns[kind] >= AXL_RESET_STORM_NS) {
		reset->storm_since_ns[kind] = now_ns;
		reset->storm_count[kind] = 0;
	}
	reset->storm_count[kind]++;
	return reset->storm_count[kind] > AXL_RESET_STORM_COUNT;
}

/* Only what the device did to us counts as a storm, not what somebody asked for. */
static bool is_trouble(uint32_t event)
{
	return event == AXL_RESET_EVENT_QUEUE_HUNG || event == AXL_RESET_EVENT_DEVICE_DEAD;
}

enum axl_reset_action axl_reset_feed(struct axl_reset *reset, uint64_t now_ns, uint32_t event)
{
	const struct axl_transition *row = axl_reset_next(reset->state, event);
	bool trouble = is_trouble(event);

	if (!row)
		return AXL_RESET_ACTION_NONE;
	if (event == AXL_RESET_EVENT_DONE &&
	    (reset->state == AXL_RESET_STATE_FUNCTION || reset->state == AXL_RESET_STATE_BUS))
		reset->generation++;
	reset->state = row->next;
	/* Each round escalates, and above the bus reset there is nothing: it ends. */
	while (trouble && axl_reset_is_reset((enum axl_reset_action)row->action) &&
	       is_storm(reset, now_ns, (enum axl_reset_action)row->action)) {
		row = axl_reset_next(reset->state, AXL_RESET_EVENT_FAILED);
		reset->state = row->next;
	}
	return (enum axl_reset_action)row->action;
}

enum axl_reset_event axl_reset_outcome(int err)
{
	if (err == AXL_OK)
		return AXL_RESET_EVENT_DONE;
	return err == AXL_ERR_GONE ? AXL_RESET_EVENT_GONE : AXL_RESET_EVENT_FAILED;
}

static void emit(const struct axl_os *os, uint8_t stage, enum axl_reset_action action,
		 uint32_t queue, int err)
{
	struct axl_event event = {
		.stage = stage,
		.origin = os->origin,
		.value = axl_cpu_to_le32(kind_of(action)),
		.status = axl_cpu_to_le16((uint16_t)-err),
	};

	if (!axl_trace_on(os))
		return;
	event.time_ns = axl_cpu_to_le64(axl_time_ns(os));
	if (action == AXL_RESET_ACTION_QUEUE)
		event.queue = axl_cpu_to_le16((uint16_t)queue);
	os->ops->trace(os->ctx, &event);
}

static int reset_function(const struct axl_os *os, int (*reset)(void *ctx))
{
	uint32_t before = 0, after = 0;
	/* A dead endpoint may come back through a bus reset: no answer is no obstacle. */
	bool had_answer = axl_ctrl_generation(os, &before) == AXL_OK;
	int err = reset(os->ctx);

	if (err)
		return err;
	err = axl_ctrl_wait_ready(os, READY_TIMEOUT_US);
	if (!err)
		err = axl_ctrl_generation(os, &after);
	if (!err && had_answer && before == after)
		return AXL_ERR_DEVICE; /* it says it was not reset */
	return err;
}

int axl_reset_perform(const struct axl_os *os, enum axl_reset_action action, uint32_t queue)
{
	int err;

	if (!axl_reset_is_reset(action) ||
	    (action == AXL_RESET_ACTION_QUEUE && queue >= AXL_QUEUE_COUNT))
		return AXL_ERR_INVAL;
	emit(os, AXL_STAGE_RESET_BEGIN, action, queue, AXL_OK);
	if (action == AXL_RESET_ACTION_QUEUE)
		err = axl_ctrl_reset_queue(os, queue);
	else if (action == AXL_RESET_ACTION_FUNCTION)
		err = reset_function(os, os->ops->function_reset);
	else
		err = reset_function(os, os->ops->bus_reset);
	emit(os, AXL_STAGE_RESET_END, action, queue, err);
	return err;
}

static const char *name_of(const char *const *names, uint32_t count, uint32_t value)
{
	return value < count ? names[value] : "unknown";
}

const char *axl_reset_state_name(uint32_t state)
{
	static const char *const names[AXL_RESET_STATE_END] = {
		"online",	 "resetting_queue", "resetting_function",
		"resetting_bus", "wedged",	    "gone",
	};

	return name_of(names, AXL_RESET_STATE_END, state);
}

const char *axl_reset_event_name(uint32_t event)
{
	static const char *const names[AXL_RESET_EVENT_END] = {
		"queue_hung", "device_dead", "ask_function", "ask_bus",
		"os_begin",   "done",	     "failed",	     "gone",
	};

	return name_of(names, AXL_RESET_EVENT_END, event);
}

const char *axl_reset_action_name(uint32_t action)
{
	static const char *const names[AXL_RESET_ACTION_END] = {
		"none", "reset_queue", "reset_function", "reset_bus",
		"hold", "resume",      "wedge",		 "unplug",
	};

	return name_of(names, AXL_RESET_ACTION_END, action);
}

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The reset machine: every state with every event, and the steps it asks for."""

from __future__ import annotations

import itertools

import pytest

from pyaccel.spec import regs
from pyaccel.spec.formats import ResetKind, Stage

STATES = ("ONLINE", "QUEUE", "FUNCTION", "BUS", "WEDGED", "GONE")
EVENTS = (
    *("QUEUE_HUNG", "DEVICE_DEAD", "ASK_FUNCTION", "ASK_BUS"),
    *("OS_BEGIN", "DONE", "FAILED", "GONE"),
)
RESETS = {"QUEUE": "QUEUE", "FUNCTION": "FUNCTION", "BUS": "BUS"}
LADDER = {"QUEUE": "FUNCTION", "FUNCTION": "BUS", "BUS": "WEDGED"}


def expected(state: str, event: str) -> tuple[str, str]:
    """(next state, action) as the documentation words it, not as the C table lists it."""
    if state == "GONE":
        return "GONE", "NONE"
    if event in {"GONE", "OS_BEGIN"}:
        return ("GONE", "UNPLUG") if event == "GONE" else ("BUS", "HOLD")
    if event == "DONE":
        return ("ONLINE", "RESUME") if state in LADDER else (state, "NONE")
    if event == "FAILED":
        above = LADDER.get(state, state)
        return above, "NONE" if above == state else RESETS.get(above, "WEDGE")
    return expected_request(state, {"QUEUE_HUNG": "QUEUE", "ASK_BUS": "BUS"}.get(event, "FUNCTION"))


def expected_request(state: str, wanted: str) -> tuple[str, str]:
    """What happens when a reset of kind `wanted` is needed or asked for."""
    order = ("ONLINE", "QUEUE", "FUNCTION", "BUS")
    if state == "WEDGED":
        return ("BUS", "BUS") if wanted == "BUS" else ("WEDGED", "NONE")
    if state == wanted == "QUEUE":
        return "FUNCTION", "FUNCTION"
    if order.index(wanted) > order.index(state):
        return wanted, wanted
    return state, "NONE"


def _value(core, kind: str, name: str) -> int:
    """A constant of the reset machine."""
    return getattr(core, f"AXL_RESET_{kind}_{name}")


@pytest.mark.parametrize(("state", "event"), list(itertools.product(STATES, EVENTS)))
def test_transition_is_as_documented(core, state, event):
    """Each of the 48 rows of the exported table says what the rules say."""
    row = core.axl_reset_next(_value(core, "STATE", state), _value(core, "EVENT", event))
    after, action = expected(state, event)
    assert row.state == _value(core, "STATE", state)
    assert row.event == _value(core, "EVENT", event)
    assert row.next == _value(core, "STATE", after)
    assert row.action == _value(core, "ACTION", action)


def test_table_has_each_pair_once_in_order(core):
    """Tests and pictures may index the table by state and event."""
    rows = [(core.axl_reset_table[i].state, core.axl_reset_table[i].event) for i in range(48)]
    assert core.axl_reset_table_count == 48
    assert rows == list(itertools.product(range(6), range(8)))


@pytest.mark.parametrize(("state", "event"), [(6, 0), (0, 8), (2**32 - 1, 2**32 - 1)])
def test_pairs_that_do_not_exist_have_no_row(core, state, event):
    """Out of range gives NULL, never a row beyond the table."""
    assert core.axl_reset_next(state, event) == core.ffi.NULL


def test_escalation_ends_wedged_from_every_start(core):
    """If nothing ever works, at most three failures lead to WEDGED and nothing more is tried."""
    for state in range(4):
        at = state
        for _ in range(3):
            at = core.axl_reset_next(at, core.AXL_RESET_EVENT_FAILED).next
        assert at == (core.AXL_RESET_STATE_WEDGED if state else core.AXL_RESET_STATE_ONLINE)


def test_names_are_distinct_and_bounded(core):
    """Every state, event and action has its own name; other numbers are "unknown"."""
    for kind, count in (("state", 6), ("event", 8), ("action", 8)):
        name = getattr(core, f"axl_reset_{kind}_name")
        names = [core.string(name(n)).decode() for n in range(count + 1)]
        assert len(set(names)) == count + 1
        assert names[-1] == core.string(name(2**32 - 1)).decode() == "unknown"


class Machine:
    """struct axl_reset with names."""

    def __init__(self, core):
        self.core = core
        self.c = core.new("struct axl_reset *")
        core.axl_reset_init(self.c)
        self.now = 0

    def feed(self, event: str) -> str:
        """Name of the action."""
        code = self.core.axl_reset_feed(self.c, self.now, _value(self.core, "EVENT", event))
        return self.core.string(self.core.axl_reset_action_name(code)).decode()

    @property
    def state(self) -> str:
        """Name of the state."""
        return self.core.string(self.core.axl_reset_state_name(self.c.state)).decode()


@pytest.fixture
def machine(core):
    """A new machine: online, generation 0."""
    return Machine(core)


def test_queue_reset_keeps_the_generation_and_function_reset_does_not(machine):
    """Handles survive a queue reset; after a function or bus reset they are stale."""
    assert machine.feed("QUEUE_HUNG") == "reset_queue"
    assert machine.feed("DONE") == "resume"
    assert (machine.state, machine.c.generation) == ("online", 0)
    assert machine.feed("ASK_FUNCTION") == "reset_function"
    assert machine.feed("DONE") == "resume"
    assert machine.feed("OS_BEGIN") == "hold"
    assert machine.feed("DONE") == "resume"
    assert (machine.state, machine.c.generation) == ("online", 2)


def test_failed_steps_climb_the_ladder(machine):
    """queue, function, bus, wedged."""
    actions = [machine.feed("QUEUE_HUNG"), *(machine.feed("FAILED") for _ in range(4))]
    assert actions == ["reset_queue", "reset_function", "reset_bus", "wedge", "none"]
    assert (machine.state, machine.c.generation) == ("wedged", 0)


def test_storm_of_successful_resets_escalates(machine):
    """A queue that hangs again and again is not cured by resetting the queue."""
    for _ in range(4):
        assert machine.feed("QUEUE_HUNG") == "reset_queue"
        machine.feed("DONE")
        machine.now += 1_000_000_000
    assert machine.feed("QUEUE_HUNG") == "reset_function"


def test_storm_ends_wedged_and_time_forgives(machine):
    """Storms escalate through all kinds; resets spread over hours do not."""
    for _ in range(20):
        if machine.state == "wedged":
            break
        machine.feed("DEVICE_DEAD")
        machine.feed("DONE")
    assert machine.state == "wedged"
    calm = Machine(machine.core)
    for _ in range(20):
        assert calm.feed("DEVICE_DEAD") == "reset_function"
        calm.feed("DONE")
        calm.now += 20_000_000_000
    assert calm.state == "online"


def test_resets_that_somebody_asks_for_are_no_storm(machine):
    """A drill may reset a thousand times."""
    for _ in range(1000):
        assert machine.feed("ASK_FUNCTION") == "reset_function"
        assert machine.feed("DONE") == "resume"
    assert machine.c.generation == 1000


def test_unknown_event_does_nothing(core, machine):
    """A number that is no event changes neither state nor counters."""
    assert core.axl_reset_feed(machine.c, 0, 8) == core.AXL_RESET_ACTION_NONE
    assert machine.state == "online"


@pytest.mark.parametrize(
    ("error", "event"), [("OK", "DONE"), ("ERR_GONE", "GONE"), ("ERR_TIMEOUT", "FAILED")]
)
def test_outcome_of_a_step(core, error, event):
    """Success, removal and every other failure are different events."""
    code = getattr(core, f"AXL_{error}")
    assert core.axl_reset_outcome(code) == _value(core, "EVENT", event)


def _perform(core, host, action, queue=0):
    """Name of what axl_reset_perform() returns."""
    return core.error(core.axl_reset_perform(host.os, _value(core, "ACTION", action), queue))


def test_queue_reset_touches_one_queue(core, host):
    """QUEUE_RESET gets exactly the bit of the queue."""
    host.record_writes()
    assert _perform(core, host, "QUEUE", 5) == "ok"
    assert host.writes == [(regs.CTRL_QUEUE_RESET.at(), 1 << 5)]


@pytest.mark.parametrize(("action", "is_bus"), [("FUNCTION", 0), ("BUS", 1)])
def test_function_and_bus_reset_call_the_os_and_wait(core, host, action, is_bus):
    """The OS resets; then the core waits for READY."""
    calls = []

    def reset(kind):
        calls.append(kind)
        host.set(regs.CTRL_GENERATION, 1)
        host.set(regs.CTRL_STATUS, 0)
        return 0

    def read(offset, _bytes, value):
        return 1 if offset == regs.CTRL_STATUS.at() and host.c.slept_us >= 5000 else value

    host.on_reset(reset)
    host.on_read(read)
    assert _perform(core, host, action) == "ok"
    assert calls == [is_bus]
    assert host.c.slept_us == 5000


def test_reset_that_did_not_happen_is_noticed(core, host):
    """If the generation stands still, the function says it was not reset."""
    host.on_reset(lambda _kind: 0)
    assert _perform(core, host, "FUNCTION") == "device_nonsense"


def test_firmware_that_never_comes_up_is_a_timeout(core, host):
    """Waiting for READY ends."""

    def reset(_kind):
        host.set(regs.CTRL_STATUS, 0)
        return 0

    host.on_reset(reset)
    assert _perform(core, host, "BUS") == "timeout"
    assert host.c.slept_us >= 1_000_000


def test_endpoint_that_does_not_come_back_is_gone(core, host):
    """All-ones after the reset is its own result."""

    def reset(_kind):
        host.c.is_gone = 1
        return 0

    host.on_reset(reset)
    assert _perform(core, host, "FUNCTION") == "gone"


def test_error_of_the_os_is_passed_on(core, host):
    """An OS that cannot reset says so."""
    host.on_reset(lambda _kind: core.AXL_ERR_UNSUPPORTED)
    assert _perform(core, host, "BUS") == "unsupported"


@pytest.mark.parametrize(("action", "queue"), [("NONE", 0), ("WEDGE", 0), ("QUEUE", 16)])
def test_what_is_no_reset_is_not_performed(core, host, action, queue):
    """Only QUEUE of an existing queue, FUNCTION and BUS can be performed."""
    assert _perform(core, host, action, queue) == "invalid_argument"


def test_queue_that_does_not_stop_is_reported(core, host):
    """After QUEUE_RESET the state must be DISABLED."""
    status = regs.QUEUE_STATUS.at(1)
    host.on_read(lambda offset, _bytes, value: 1 if offset == status else value)
    assert _perform(core, host, "QUEUE", 1) == "device_nonsense"


def test_begin_and_end_are_events(core, host):
    """Both name the reset kind; the end also says how it went."""
    host.record_events()
    _perform(core, host, "QUEUE", 2)
    host.on_reset(lambda _kind: core.AXL_ERR_TIMEOUT)
    _perform(core, host, "FUNCTION")
    seen = [
        (Stage(e["stage"]), ResetKind(e["value"]), e["status"], e["queue"]) for e in host.events
    ]
    assert seen == [
        (Stage.RESET_BEGIN, ResetKind.QUEUE, 0, 2),
        (Stage.RESET_END, ResetKind.QUEUE, 0, 2),
        (Stage.RESET_BEGIN, ResetKind.FUNCTION, 0, 0),
        (Stage.RESET_END, ResetKind.FUNCTION, -core.AXL_ERR_TIMEOUT, 0),
    ]

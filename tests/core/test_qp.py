# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queue pairs with a device that does as it should."""

from __future__ import annotations

import pytest

from pyaccel.spec import regs
from pyaccel.spec.formats import (
    DELTA_SATURATED,
    CmdHeader,
    CommandFlag,
    CompletionFlag,
    Direction,
    Dtype,
    Opcode,
    Origin,
    Stage,
    Status,
)
from tests.build import commands as build
from tests.core.rings import KIND_SHIFT, Ring, command, copy


def test_start_programs_the_queue_registers(core, host):
    """Bases, sizes, vector, coalescing and enable are in the device after start."""
    ring = Ring(core, host, index=3, cq_log2=6, vector=4, coalesce_count=8, coalesce_us=50)
    assert host.get(regs.QUEUE_SQ_BASE, 3) == ring.qp.sq.bus
    assert host.get(regs.QUEUE_CQ_BASE, 3) == ring.qp.cq.bus
    assert regs.QUEUE_SIZE.decode(host.get(regs.QUEUE_SIZE, 3)) == {"CQ_LOG2": 6, "SQ_LOG2": 4}
    assert regs.QUEUE_INTERRUPT.decode(host.get(regs.QUEUE_INTERRUPT, 3)) == {
        "ENABLE": 1,
        "VECTOR": 4,
    }
    assert regs.QUEUE_COALESCE.decode(host.get(regs.QUEUE_COALESCE, 3)) == {
        "COUNT": 8,
        "MICROSECONDS": 50,
    }
    assert host.get(regs.QUEUE_CONTROL, 3) == 1


@pytest.mark.parametrize(
    "config",
    [
        {"index": 16},
        {"sq_log2": 3},
        {"sq_log2": 15, "cq_log2": 15},
        {"sq_log2": 5, "cq_log2": 4},
        {"cq_log2": 200},
        {"vector": 17},
        {"coalesce_count": 0x10000},
        {"coalesce_us": 0x10000},
    ],
)
def test_init_refuses_impossible_configurations(core, host, config):
    """What the registers or the device cannot hold is refused before anything is allocated."""
    assert Ring(core, host, **config).error == "invalid_argument"
    assert host.c.allocations == 0


@pytest.mark.parametrize("refused", [1, 2, 3])
def test_init_without_memory_leaves_nothing(core, host, refused):
    """Whichever allocation fails, the others are given back."""
    host.c.refuse_at = refused
    ring = Ring(core, host)
    assert ring.error == "no_memory"
    assert (host.c.live, host.c.live_dma) == (0, 0)
    core.axl_qp_deinit(ring.qp)  # harmless


def test_push_fills_in_the_header_and_keeps_the_rest(core, host):
    """Sequence, context and INTERRUPT are the core's; all else reaches the ring unchanged."""
    ring = Ring(core, host)
    flags = CommandFlag.INTERRUPT | CommandFlag.CHECKSUM
    pushed = copy(1, 2, 64, flags=flags, context=77, sequence=99)
    longer = command(3, op=2, context=78)
    assert ring.push_batch([pushed, longer], context=5) == "ok"
    header, second = (CmdHeader.unpack_from(ring.slot(at)) for at in (0, 1))
    assert (header.sequence, header.context, header.flags) == (1, 5, CommandFlag.CHECKSUM)
    assert (second.sequence, second.context, second.flags, second.op) == (2, 5, 0, 2)
    assert ring.slot(0)[16:] == pushed[16:]
    assert ring.slot(1)[16:] + ring.slot(2) + ring.slot(3) == longer[16:]


def _at_slot(core, host, slot):
    """A ring of 16 slots, nothing in flight, whose next slot is `slot`."""
    ring = Ring(core, host)
    ring.submit(slot)
    for sequence in range(1, slot + 1):
        ring.complete(sequence)
    assert len(ring.poll()) == slot
    return ring


@pytest.mark.parametrize("start", [12, 13, 14, 15])
def test_push_wraps_a_command_around_the_end_of_the_ring(core, host, start):
    """A command of several slots may begin at the end and go on at the beginning."""
    ring = _at_slot(core, host, start)
    wrapping = command(5, flags=CommandFlag.INTERRUPT)
    assert ring.push_batch([wrapping, command()], interrupt=True) == "ok"
    places = [(start + n) % 16 for n in range(6)]
    header, last = (CmdHeader.unpack_from(ring.slot(places[n])) for n in (0, 5))
    assert (header.sequence, header.slots, header.flags) == (start + 1, 5, 0)
    assert (last.sequence, last.flags) == (start + 2, CommandFlag.INTERRUPT)
    assert b"".join(ring.slot(at) for at in places[:5])[16:] == wrapping[16:]
    core.axl_qp_ring(ring.qp)
    assert host.c.sq_tail == start + 6


@pytest.mark.parametrize("slot", [0, 1, 2, 3])
def test_a_command_that_wraps_is_checked_where_it_goes_on(core, host, slot):
    """A wrong operand beyond the end of the ring is found as anywhere else."""
    ring = _at_slot(core, host, 14)
    wrong = bytearray(command(5))
    wrong[64 * (slot + 1) + 63] = 1
    assert ring.push_batch([command(), bytes(wrong)]) == "invalid_argument"
    assert ring.refused() == (1, 1, "reserved bytes of an operand are not zero")
    assert core.axl_qp_in_flight(ring.qp) == 0


def test_doorbell_covers_everything_pushed_once(core, host):
    """Ringing tells the tail; without new commands there is no doorbell."""
    ring = Ring(core, host)
    ring.push()
    ring.push(command(2))
    assert host.c.sq_doorbells == 0
    core.axl_qp_ring(ring.qp)
    core.axl_qp_ring(ring.qp)
    assert (host.c.sq_doorbells, host.c.sq_tail) == (1, 3)


def test_full_ring_refuses_and_completion_makes_room(core, host):
    """Space is counted in slots, given back when the command has ended."""
    ring = Ring(core, host)
    assert core.axl_qp_space(ring.qp) == 16
    assert [ring.push(command(slots)) for slots in (5, 5, 5, 1)] == ["ok"] * 4
    assert core.axl_qp_space(ring.qp) == 0
    assert ring.push() == "no_room_now"
    core.axl_qp_ring(ring.qp)
    ring.complete(1)
    assert ring.sequences() == [(1, Status.OK)]
    assert core.axl_qp_space(ring.qp) == 5
    assert core.axl_qp_in_flight(ring.qp) == 3
    assert ring.push_batch([command(5), command()]) == "no_room_now"
    assert ring.push(command(5)) == "ok"


def test_looking_takes_nothing(core, host):
    """Whether there is a completion can be asked before, and again after, taking it."""
    ring = Ring(core, host)
    ring.submit(2)
    assert not core.axl_qp_is_ready(ring.qp)
    ring.complete(2)
    assert core.axl_qp_is_ready(ring.qp)
    # The first is concluded as lost; the entry that told of it is taken, but not handed out.
    assert ring.sequences(1) == [(1, Status.LOST)]
    assert core.axl_qp_is_ready(ring.qp)
    assert ring.sequences() == [(2, Status.OK)]
    assert not core.axl_qp_is_ready(ring.qp)


def test_room_alone_takes_nothing(core, host):
    """What is written where the next slots go counts for nothing before it is accepted."""
    ring = Ring(core, host)
    room = core.new("struct axl_qp_room *")
    assert core.axl_qp_find_room(ring.qp, 16, room) == 0
    core.ffi.buffer(room.part[0], room.bytes[0])[:] = command() * 16
    core.axl_qp_ring(ring.qp)
    assert (host.c.sq_doorbells, core.axl_qp_in_flight(ring.qp)) == (0, 0)
    assert core.error(core.axl_qp_find_room(ring.qp, 17, room)) == "no_room_now"
    assert core.error(core.axl_qp_find_room(ring.qp, 0, room)) == "invalid_argument"


@pytest.mark.parametrize("slot_count", [0, 17, 2**32 - 1])
def test_accept_asks_for_room_again(core, host, slot_count):
    """A count that does not fit is refused, whatever lies in the ring."""
    ring = Ring(core, host)
    batch = core.new("struct axl_qp_batch *", {"slot_count": slot_count})
    code = core.axl_qp_accept(ring.qp, batch, ring.refusal)
    assert core.error(code) == ("no_room_now" if slot_count else "invalid_argument")
    assert (ring.refused(), core.axl_qp_in_flight(ring.qp)) == (None, 0)


def test_a_batch_goes_in_whole(core, host):
    """Commands of a batch follow each other; only the last asks for an interrupt."""
    host.record_events()
    ring = Ring(core, host)
    assert ring.push_batch([command(), command(2), command()], context=7, interrupt=True) == "ok"
    headers = [CmdHeader.unpack_from(ring.slot(at)) for at in (0, 1, 3)]
    assert [(h.sequence, h.slots, h.context) for h in headers] == [(1, 1, 7), (2, 2, 7), (3, 1, 7)]
    assert [h.flags & CommandFlag.INTERRUPT for h in headers] == [0, 0, CommandFlag.INTERRUPT]
    assert (core.axl_qp_in_flight(ring.qp), core.axl_qp_space(ring.qp)) == (3, 12)
    submits = [e for e in host.events if e["stage"] == Stage.SUBMIT]
    assert [e["sequence"] for e in submits] == [1, 2, 3]
    assert ring.stats["submitted"] == 3


@pytest.mark.parametrize(
    ("commands", "result", "why"),
    [
        ([command(5)] * 3 + [command(2)], "no_room_now", None),
        ([], "invalid_argument", None),
        (
            [command(), command(2)[:64]],
            "invalid_argument",
            (1, 1, "command is cut off: fewer slots follow than it has"),
        ),
        (
            [command(3), command(), build.nop(op=1), command()],
            "invalid_argument",
            (2, 4, "op does not exist for this opcode"),
        ),
        (
            [command(slots=1)[:2] + b"\2" + command()[3:], command()],
            "invalid_argument",
            (0, 0, "slots is not what the opcode takes"),
        ),
    ],
)
def test_a_batch_goes_in_not_at_all(core, host, commands, result, why):
    """Where one command has no room or is malformed, none is pushed and nothing counted."""
    host.record_events()
    ring = Ring(core, host)
    assert (ring.push_batch(commands), ring.refused()) == (result, why)
    assert (core.axl_qp_in_flight(ring.qp), core.axl_qp_space(ring.qp)) == (0, 16)
    assert not ring.stats
    core.axl_qp_ring(ring.qp)
    assert host.c.sq_doorbells == 0
    assert Stage.SUBMIT not in {e["stage"] for e in host.events}
    assert ring.push(context=3) == "ok"
    header = CmdHeader.unpack_from(ring.slot(0))
    assert (header.sequence, header.context, header.slots) == (1, 3, 1)


def _long_unary():
    """4096 bytes from host to device memory, op 7."""
    memory = [build.At(kind << KIND_SHIFT, Dtype.F32) for kind in (2, 1)]
    return build.tensor(Opcode.UNARY, (1024,), memory, op=7, dtype=Dtype.F32)


def test_completions_come_out_in_order_with_what_was_pushed(core, host):
    """Each entry has the host's record and the device's result."""
    ring = Ring(core, host)
    ring.push(_long_unary(), context=3)
    ring.submit(1)
    host.c.now_ns += 5000
    ring.complete(1, status=Status.PAGE_FAULT, result=12, flags=CompletionFlag.ERROR_RECORDED)
    ring.complete(2)
    first, second = ring.poll()
    assert first["sequence"] == 1
    assert first["status"] == Status.PAGE_FAULT
    assert (first["opcode"], first["op"], first["context"]) == (Opcode.UNARY, 7, 3)
    assert first["bytes"] == 4096
    assert (first["result"], first["direction"]) == (12, Direction.HOST_TO_DEVICE)
    assert first["error_recorded"]
    assert first["complete_ns"] - first["submit_ns"] == 5000
    assert (second["sequence"], second["status"], second["error_recorded"]) == (2, 0, False)
    assert ring.stats == {
        "submitted": 3 - 1,
        "completed": 2,
        "failed": 1,
        "doorbells": 1,
        "bytes": 4096,
    }


def test_rings_go_round_many_times(core, host):
    """Indices, phase and slots stay right over hundreds of passes."""
    ring = Ring(core, host)
    sequence = 0
    for round_ in range(600):
        count = 1 + round_ % 16
        ring.submit(count)
        for _ in range(count):
            sequence += 1
            ring.complete(sequence, result=sequence & 0xFFFF)
        assert [c["result"] for c in ring.poll()] == [
            s & 0xFFFF for s in range(sequence - count + 1, sequence + 1)
        ]
    assert ring.stats["completed"] == sequence
    assert "malformed" not in ring.stats


def test_poll_gives_no_more_than_asked(core, host):
    """What does not fit comes with the next call."""
    ring = Ring(core, host)
    ring.submit(5)
    for sequence in range(1, 6):
        ring.complete(sequence)
    assert [s for s, _ in ring.sequences(2)] == [1, 2]
    assert ring.sequences(0) == []
    assert [s for s, _ in ring.sequences(9)] == [3, 4, 5]


@pytest.mark.parametrize("cq_log2", [4, 5])
def test_completion_ring_never_fills_up(core, host, cq_log2):
    """Taken but unacknowledged completions and those to come always fit the ring."""
    ring = Ring(core, host, cq_log2=cq_log2)
    sequence = 0
    for round_ in range(300):
        ring.submit(1 + round_ % core.axl_qp_space(ring.qp))
        in_flight = core.axl_qp_in_flight(ring.qp)
        assert ring.device_index + in_flight - host.c.cq_head <= ring.entries
        for _ in range(in_flight):
            sequence += 1
            ring.complete(sequence)
        ring.poll()
    assert host.c.cq_doorbells < sequence / 2


def test_gap_in_sequences_is_reported_as_lost(core, host):
    """A later completion proves that the missing ones never come."""
    ring = Ring(core, host)
    ring.submit(4)
    ring.complete(3)
    assert ring.sequences() == [(1, Status.LOST), (2, Status.LOST), (3, Status.OK)]
    assert ring.stats["lost"] == 2
    assert core.axl_qp_in_flight(ring.qp) == 1


def test_gap_that_does_not_fit_the_output_goes_on(core, host):
    """Lost entries and the completion behind them are handed out over several calls."""
    ring = Ring(core, host)
    ring.submit(4)
    ring.complete(4, result=9)
    seen = [c for _ in range(4) for c in ring.poll(1)]
    assert [c["status"] for c in seen] == [Status.LOST] * 3 + [Status.OK]
    assert seen[3]["result"] == 9
    assert ring.poll(1) == []


def test_abort_ends_everything_in_flight(core, host):
    """After a stop, each command ends exactly once: with its completion or as aborted."""
    ring = Ring(core, host)
    ring.submit(4)
    assert ring.push() == "ok"  # the device was never told of this one
    ring.complete(2)
    assert ring.sequences(1) == [(1, Status.LOST)]
    assert ring.abort() == []  # the queue still runs
    assert core.axl_qp_stop(ring.qp) == 0
    ended = [(c["sequence"], c["status"]) for c in ring.abort(2) + ring.abort()]
    assert ended == [(2, Status.OK), *((n, Status.ABORTED) for n in (3, 4, 5))]
    assert ring.abort() == []
    assert ring.stats["completed"] == ring.stats["submitted"] == 5


def test_restart_goes_on_with_new_rings_and_old_numbers(core, host):
    """After stop, abort and start, sequence numbers continue; old completions are gone."""
    ring = Ring(core, host)
    ring.submit(3)
    ring.complete(1)
    ring.complete(2)
    core.axl_qp_stop(ring.qp)
    assert core.error(core.axl_qp_start(ring.qp)) == "busy"
    ring.abort()
    assert core.error(core.axl_qp_start(ring.qp)) == "ok"
    ring.device_index = 0
    assert ring.poll() == []
    ring.submit(1)
    assert CmdHeader.unpack_from(ring.slot(0)).sequence == 4
    ring.complete(4)
    assert ring.sequences() == [(4, Status.OK)]


def test_stopped_queue_takes_nothing(core, host):
    """Pushing to a stopped queue is refused and ringing does nothing."""
    ring = Ring(core, host, start=False)
    assert ring.push() == "busy"
    core.axl_qp_ring(ring.qp)
    assert host.c.sq_doorbells == 0
    assert core.axl_qp_space(ring.qp) == 0
    assert core.error(core.axl_qp_start(ring.qp)) == "ok"
    assert core.error(core.axl_qp_start(ring.qp)) == "busy"


def test_first_sequence_continues_an_earlier_queue(core, host):
    """A queue made anew can go on with the numbers of the one before."""
    ring = Ring(core, host, first_sequence=1 << 40)
    ring.submit(1)
    ring.complete(1 << 40)
    assert ring.sequences() == [(1 << 40, Status.OK)]


@pytest.mark.parametrize("state", [0, 2, 3])
def test_start_fails_when_the_device_refuses(core, host, state):
    """A queue that stays DISABLED, HALTED or in a state that does not exist is reported."""
    ring = Ring(core, host, start=False)
    status = regs.QUEUE_STATUS.at(0)
    host.on_read(lambda offset, _bytes, value: state if offset == status else value)
    assert core.error(core.axl_qp_start(ring.qp)) == "device_nonsense"
    assert ring.push() == "busy"


def test_gone_device_is_told_apart(core, host):
    """All-ones from the state register and from MAGIC mean gone, for start and for stop."""
    ring = Ring(core, host)
    host.c.is_gone = 1
    assert core.error(core.axl_qp_stop(ring.qp)) == "gone"
    assert core.error(core.axl_qp_start(ring.qp)) == "gone"
    core.axl_qp_deinit(ring.qp)
    assert (host.c.live, host.c.live_dma) == (0, 0)


def _with_clock(core, host, **config):
    """A ring with a clock line of 100 MHz."""
    clock = core.new("struct axl_clock *")
    host.set(regs.CLOCK_TICKS, 1_000_000)
    assert core.axl_clock_init(clock, host.os) == 0
    assert core.axl_clock_sample(clock, host.os) == 0
    ring = Ring(core, host, **config)
    core.axl_qp_set_clock(ring.qp, core.ffi.addressof(clock[0], "line"))
    return ring


def test_times_are_converted_with_the_clock(core, host):
    """At 100 MHz a tick is 10 ns after the reading."""
    ring = _with_clock(core, host)
    base = host.c.now_ns
    ring.submit(1)
    host.c.now_ns += 100_000
    ring.complete(1, fetch_ticks=1_000_100, start_delta=50, finish_delta=1050)
    (cqe,) = ring.poll()
    assert cqe["timing_valid"]
    assert [cqe[f"{n}_ns"] - base for n in ("fetch", "start", "finish")] == [1000, 1500, 11500]
    assert [cqe[f"{n}_ticks"] for n in ("fetch", "start", "finish")] == [
        1_000_100,
        1_000_150,
        1_001_150,
    ]


def test_times_within_the_uncertainty_are_moved_into_order(core, host):
    """Submit, fetch, start, finish, complete never run backwards because of the clocks."""
    ring = _with_clock(core, host)
    host.c.now_ns += 1000
    ring.submit(1)
    host.c.now_ns += 1000
    ring.complete(1, fetch_ticks=1_000_050, start_delta=10, finish_delta=400)
    (cqe,) = ring.poll()
    times = [cqe[f"{n}_ns"] for n in ("submit", "fetch", "start", "finish", "complete")]
    assert cqe["timing_valid"]
    assert times == sorted(times)


@pytest.mark.parametrize(
    ("fetch_ticks", "border"), [(1_000_300, "complete"), (1_000_050, "submit")]
)
def test_moved_times_keep_what_lies_between_them(core, host, fetch_ticks, border):
    """The line of the clock may be off, but how long a command took is the device's measure."""
    ring = _with_clock(core, host)
    host.c.now_ns += 1000
    ring.submit(1)
    host.c.now_ns += 5000
    ring.complete(1, fetch_ticks=fetch_ticks, start_delta=10, finish_delta=400)
    (cqe,) = ring.poll()
    moved = "finish" if border == "complete" else "fetch"
    assert cqe["timing_valid"]
    assert cqe[f"{moved}_ns"] == cqe[f"{border}_ns"]
    assert cqe["finish_ns"] - cqe["start_ns"] == 3900


@pytest.mark.parametrize(
    ("times", "bad"),
    [
        ({"start_delta": DELTA_SATURATED, "finish_delta": DELTA_SATURATED}, 0),
        ({"start_delta": 5, "finish_delta": DELTA_SATURATED}, 0),
        ({"start_delta": DELTA_SATURATED, "finish_delta": 5}, 1),
        ({"fetch_ticks": 1_000_100, "start_delta": 5, "finish_delta": 4}, 1),
        ({"fetch_ticks": 1, "start_delta": 5, "finish_delta": 6}, 1),
        ({"fetch_ticks": 2**64 - 1, "start_delta": 5, "finish_delta": 6}, 1),
        ({"fetch_ticks": 2**63, "start_delta": 5, "finish_delta": 6}, 1),
        ({"fetch_ticks": 1_000_100, "start_delta": 5, "finish_delta": 2**32 - 2}, 1),
    ],
)
def test_times_that_cannot_be_are_withheld(core, host, times, bad):
    """Unknown times are no error; nonsense is counted; the command completes all the same."""
    host.c.now_ns = 10**12
    ring = _with_clock(core, host)
    ring.submit(1)
    host.c.now_ns += 100_000
    ring.complete(1, **times)
    (cqe,) = ring.poll()
    assert (cqe["status"], cqe["timing_valid"], cqe["fetch_ns"]) == (Status.OK, False, 0)
    assert ring.qp.stats.bad_times == bad


def test_without_a_clock_there_are_ticks_but_no_host_times(core, host):
    """Device times are handed out as such until a clock line is set."""
    ring = Ring(core, host)
    ring.submit(1)
    ring.complete(1, fetch_ticks=5, start_delta=1, finish_delta=2)
    (cqe,) = ring.poll()
    assert (cqe["ticks_valid"], cqe["timing_valid"], cqe["finish_ticks"]) == (True, False, 7)


def test_events_tell_every_stage_of_a_command(core, host):
    """With a listener: create, submit, doorbell, three reconstructed, complete, destroy."""
    host.record_events()
    ring = _with_clock(core, host, index=2)
    memory = [build.At(kind << KIND_SHIFT, Dtype.F32) for kind in (2, 3)]
    ring.push(build.tensor(Opcode.UNARY, (16,), memory, op=1, dtype=Dtype.F32), context=4)
    core.axl_qp_ring(ring.qp)
    host.c.now_ns += 100_000
    ring.complete(1, fetch_ticks=1_000_100, start_delta=50, finish_delta=1050, result=6)
    ring.poll()
    core.axl_qp_stop(ring.qp)
    stages = [Stage(e["stage"]) for e in host.events]
    assert stages == [
        *(Stage.QUEUE_CREATE, Stage.SUBMIT, Stage.DOORBELL, Stage.FETCH, Stage.START),
        *(Stage.FINISH, Stage.COMPLETE, Stage.QUEUE_DESTROY),
    ]
    reconstructed = [Stage(e["stage"]) for e in host.events if e["origin"] != Origin.LIBRARY]
    assert reconstructed == [Stage.FETCH, Stage.START, Stage.FINISH]
    assert all(e["queue"] == 2 for e in host.events)
    assert all(e["sequence"] == 1 for e in host.events[1:-1])
    submit, complete = host.events[1], host.events[6]
    for event in (submit, complete):
        assert (event["context"], event["bytes"], event["op"]) == (4, 64, 1)
        assert event["direction"] == Direction.PEER
    assert (complete["value"], complete["status"]) == (6, Status.OK)
    times = [e["time_ns"] for e in host.events]
    assert times == sorted(times)


def test_doorbell_event_names_the_last_command_covered(core, host):
    """One doorbell for three commands carries the third's number."""
    host.record_events()
    Ring(core, host).submit(3)
    assert [e["sequence"] for e in host.events if e["stage"] == Stage.DOORBELL] == [3]


def test_lost_and_aborted_commands_have_a_complete_event(core, host):
    """Nothing that was submitted vanishes from a trace."""
    host.record_events()
    ring = Ring(core, host)
    ring.submit(3)
    ring.complete(2)
    ring.poll()
    core.axl_qp_stop(ring.qp)
    ring.abort()
    ended = [(e["sequence"], e["status"]) for e in host.events if e["stage"] == Stage.COMPLETE]
    assert ended == [(1, Status.LOST), (2, Status.OK), (3, Status.ABORTED)]


def test_nobody_listens_no_event(core, host):
    """Without a listener the trace operation is never called."""
    host.record_events()
    host.c.trace_on = 0
    ring = Ring(core, host)
    ring.submit(1)
    ring.complete(1)
    ring.poll()
    core.axl_qp_stop(ring.qp)
    assert host.events == []


def test_time_before_the_host_clock_began_is_nonsense(core, host):
    """A fetch that the conversion wraps to the far future is not taken for "just now"."""
    host.c.now_ns = 1_000_000_000
    host.set(regs.CLOCK_FREQUENCY, 1000)
    host.set(regs.CLOCK_TICKS, 10_000_000)
    clock = core.new("struct axl_clock *")
    assert core.axl_clock_init(clock, host.os) == 0
    assert core.axl_clock_sample(clock, host.os) == 0
    ring = Ring(core, host)
    core.axl_qp_set_clock(ring.qp, core.ffi.addressof(clock[0], "line"))
    ring.submit(1)
    ring.complete(1, fetch_ticks=0, start_delta=10_000_000, finish_delta=10_000_000)
    (cqe,) = ring.poll()
    assert (cqe["ticks_valid"], cqe["timing_valid"]) == (True, False)
    assert ring.stats["bad_times"] == 1


def test_what_is_in_flight_can_be_listed(core, host):
    """Oldest first, as pushed; what has ended is not in the list any more."""
    ring = Ring(core, host)
    for context, size in ((3, 100), (4, 200), (5, 300)):
        assert ring.push(copy(1, 2, size), context=context) == "ok"
    core.axl_qp_ring(ring.qp)
    ring.complete(1)
    ring.poll()
    entry = core.new("struct axl_qp_inflight *")

    seen = []
    while core.axl_qp_inflight_at(ring.qp, len(seen), entry):
        seen.append((entry.sequence, entry.context, entry.bytes))

    assert seen == [(2, 4, 200), (3, 5, 300)]

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Matching: the fast way agrees with a slow and obvious one on any stream of events."""

from __future__ import annotations

from bisect import bisect_left

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.trace import slots
from diag.trace.commands import STAMPS, UNKNOWN, match
from diag.trace.schema import to_batch
from pyaccel.spec.formats import Opcode, Stage, Status
from tests.build.events import EVENT, command, event, stream

LIMIT = 1 << 62


def matched(*events, cut=None):
    """Commands of the events, in batches of `cut`."""
    joined = np.concatenate(events) if events else np.zeros(0, EVENT)
    step = cut or max(len(joined), 1)
    return match([to_batch(joined[at : at + step]) for at in range(0, len(joined), step)])


def as_dict(commands):
    """(endpoint, pid, queue, life, sequence) -> everything known; lives numbered per queue."""
    lives = {}
    found = {}
    for at in range(len(commands)):
        queue = tuple(int(getattr(commands, n)[at]) for n in ("endpoint", "pid", "queue"))
        known = lives.setdefault(queue, [])
        if commands.group[at] not in known:
            known.append(commands.group[at])
        found[(*queue, known.index(commands.group[at]), int(commands.sequence[at]))] = (
            commands.stamps[at].tolist(),
            *(
                int(getattr(commands, n)[at])
                for n in ("opcode", "op", "direction", "bytes", "status")
            ),
        )
    return found


def reference(events):
    """The same by dictionaries, one event after the other."""
    epochs, rows, repeated = {}, {}, 0
    for record in events:
        queue = tuple(int(record[n]) for n in ("endpoint", "pid", "queue"))
        stage = int(record["stage"])
        if stage == Stage.QUEUE_CREATE:
            epochs[queue] = epochs.get(queue, 0) + 1
        if stage not in STAMPS or record["time_ns"] >= LIMIT or record["endpoint"] >= 4096:
            continue
        if record["sequence"] == 0:
            continue
        key = (queue, epochs.get(queue, 0), int(record["sequence"]))
        row = rows.setdefault(key, {"stamps": {}, "what": None, "status": UNKNOWN})
        time = int(record["time_ns"])
        if stage == Stage.WAKE:
            time = min(time, row["stamps"].get(stage, time))
        else:
            repeated += stage in row["stamps"]
        row["stamps"][stage] = time
        size = int(record["bytes"])
        what = (
            *(int(record[n]) for n in ("opcode", "op", "direction")),
            size if size < LIMIT else UNKNOWN,
        )
        if stage == Stage.SUBMIT or (stage == Stage.COMPLETE and Stage.SUBMIT not in row["stamps"]):
            row["what"] = what
        if stage == Stage.COMPLETE:
            row["status"] = int(record["status"])
    spread_doorbells(rows)
    return finish_reference(rows), repeated


def spread_doorbells(rows):
    """Each command gets the first doorbell of its queue's life that covers it, if possible."""
    lives = {}
    for (queue, epoch, sequence), row in rows.items():
        if Stage.DOORBELL in row["stamps"]:
            bell = (sequence, row["stamps"][Stage.DOORBELL])
            lives.setdefault((queue, epoch), []).append(bell)
    for (queue, epoch, sequence), row in rows.items():
        bells = sorted(lives.get((queue, epoch), []))
        at = bisect_left(bells, (sequence, -1))
        stamps = row["stamps"]
        if Stage.DOORBELL in stamps or at == len(bells) or Stage.SUBMIT not in stamps:
            continue
        time = bells[at][1]
        if stamps[Stage.SUBMIT] <= time <= stamps.get(Stage.COMPLETE, LIMIT):
            stamps[Stage.DOORBELL] = time


def finish_reference(rows):
    """In the shape of `as_dict`: lives numbered by those that have commands."""
    epochs = {}
    for queue, epoch, _ in rows:
        epochs.setdefault(queue, set()).add(epoch)
    return {
        (*queue, sorted(epochs[queue]).index(epoch), sequence): (
            [row["stamps"].get(stage, UNKNOWN) for stage in STAMPS],
            *(row["what"] or (UNKNOWN,) * 4),
            row["status"],
        )
        for (queue, epoch, sequence), row in rows.items()
    }


SEQUENCES = st.one_of(
    st.integers(0, 12), st.integers(0, (1 << 64) - 1), st.sampled_from([0, (1 << 64) - 1])
)
EVENTS = st.lists(
    st.builds(
        event,
        st.sampled_from([*STAMPS, Stage.IRQ, Stage.QUEUE_CREATE, 200]),
        st.one_of(st.integers(0, 40), st.sampled_from([LIMIT - 1, LIMIT, (1 << 64) - 1])),
        SEQUENCES,
        endpoint=st.sampled_from([0, 1, 4095, 4096, (1 << 32) - 1]),
        pid=st.sampled_from([7, (1 << 32) - 1]),
        queue=st.sampled_from([0, 3, 65535]),
        opcode=st.sampled_from([Opcode.NOP, Opcode.COPY, 255]),
        bytes=st.sampled_from([0, 64, LIMIT - 1, (1 << 64) - 1]),
        status=st.sampled_from([Status.OK, Status.ABORTED, 65535]),
        op=st.integers(0, 2),
        direction=st.integers(0, 2),
    ),
    max_size=40,
)


@given(events=EVENTS, cut=st.integers(1, 50), floor=st.sampled_from([0, 4096]))
@settings(deadline=None, max_examples=300)
def test_matching_agrees_with_the_reference(events, cut, floor):
    """Any events, in any order and cut into any batches, dense and sparse, match alike."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(slots, "SPARSE_FLOOR", floor)
        commands, tally = matched(*events, cut=cut)
    joined = np.concatenate(events) if events else np.zeros(0, EVENT)
    wanted, repeated = reference(joined)
    assert as_dict(commands) == wanted
    assert tally.repeated_count == repeated
    assert tally.event_count == len(joined)


def test_million_synthetic_events_match_a_sample_of_the_reference():
    """A large stream comes out right where it is checked by hand."""
    events = stream(1_000_000)
    commands, tally = matched(events, cut=65536)
    assert len(commands) == len(events) // len(STAMPS)
    assert (tally.repeated_count, tally.ignored_count) == (0, 0)
    table = as_dict_of_sample(commands, 500)
    keys = np.stack([events[n][:: len(STAMPS)] for n in ("endpoint", "queue", "sequence")], 1)
    for key, stamps in table.items():
        row = int(np.flatnonzero((keys == key).all(axis=1))[0]) * len(STAMPS)
        assert events["time_ns"][row : row + len(STAMPS)].tolist() == stamps


def as_dict_of_sample(commands, count):
    """Stamps of evenly chosen commands by (endpoint, queue, sequence)."""
    chosen = np.linspace(0, len(commands) - 1, count).astype(int)
    return {
        tuple(int(getattr(commands, n)[at]) for n in ("endpoint", "queue", "sequence")): (
            commands.stamps[at].tolist()
        )
        for at in chosen
    }


def test_doorbell_covers_the_batch_before_it():
    """One doorbell event gives every command up to its sequence the same time."""
    events = [event(Stage.SUBMIT, n, n) for n in (1, 2, 3, 4)]
    events.insert(3, event(Stage.DOORBELL, 10, 3))
    commands, _ = matched(*events)
    assert commands.stamp(Stage.DOORBELL).tolist() == [10, 10, 10, UNKNOWN]


def test_doorbell_that_would_come_after_the_completion_is_unknown():
    """If the real doorbell event was lost, a later one is no substitute."""
    events = [
        event(Stage.SUBMIT, 1, 1),
        event(Stage.COMPLETE, 5, 1),
        event(Stage.SUBMIT, 6, 2),
        event(Stage.DOORBELL, 7, 2),
    ]
    commands, _ = matched(*events)
    assert commands.stamp(Stage.DOORBELL).tolist() == [UNKNOWN, 7]


def test_first_waiter_to_wake_counts():
    """Several may wait for one command, and again later: that is no repetition."""
    waits = [event(Stage.WAKE, time, 1) for time in (90, 70, 80)]
    commands, tally = matched(command(1, 0, stages=(Stage.SUBMIT,)), *waits, cut=3)
    assert commands.stamp(Stage.WAKE).tolist() == [70]
    assert tally.repeated_count == 0


def test_sequence_zero_is_no_command():
    """The event format gives 0 to events that belong to no command."""
    commands, _ = matched(event(Stage.WAKE, 1, 0), event(Stage.SUBMIT, 1, 1))
    assert commands.sequence.tolist() == [1]


def test_queue_made_again_starts_a_new_life():
    """Sequence 1 of the second life is another command than sequence 1 of the first."""
    commands, tally = matched(
        command(1, 100), event(Stage.QUEUE_CREATE, 1000), command(1, 2000), cut=4
    )
    assert len(commands) == 2
    assert commands.stamp(Stage.SUBMIT).tolist() == [100, 2000]
    assert tally.repeated_count == 0


def test_queue_creations_without_end_do_not_cut_for_ever(monkeypatch):
    """A hostile capture full of queue creations costs a bounded number of cuts."""
    monkeypatch.setattr(slots, "MAX_EPOCHS", 3)
    monkeypatch.setattr(slots.Grouper, "_epochs_left", slots.Grouper._epochs_left)
    grouper = slots.Grouper(_epochs_left=3)
    batch = {n: EVENT[n] for n in ("stage", "endpoint", "pid", "queue", "sequence")}
    events = np.concatenate([event(Stage.QUEUE_CREATE, n) for n in range(9)])
    columns = {name: events[name] for name in batch}
    assert len(grouper.split(columns, np.zeros(9, bool))) <= 4


def test_nothing_gives_no_commands():
    """No event is no error."""
    commands, tally = match([])
    assert len(commands) == 0
    assert tally.first_ns is None

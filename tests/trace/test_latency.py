# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Percentiles, groups and findings."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.trace.commands import UNKNOWN, match
from diag.trace.findings import failed, traffic, unfinished, worst
from diag.trace.latency import (
    KEY_COLUMNS,
    PERCENTILES,
    SPANS,
    STEPS,
    Stats,
    group_by,
    size_bucket,
    summarise,
)
from diag.trace.report import bucket_text
from diag.trace.schema import to_batch
from pyaccel.spec.formats import Direction, Opcode, Stage, Status
from tests.build.events import COMMAND_STAGES, command, stream


def table(*events):
    """Commands of the events."""
    return match([to_batch(np.concatenate(events))])[0]


@given(st.lists(st.integers(-50, 10**12), min_size=1, max_size=300))
def test_statistics_agree_with_the_definition(values):
    """Nearest-rank percentiles, counted by hand."""
    stats = Stats.of(np.array(values, np.int64))
    assert stats is not None
    ordered = sorted(values)
    for name, percent in PERCENTILES.items():
        enough = [
            v for v in ordered if sum(w <= v for w in values) * 1000 >= percent * 10 * len(values)
        ]
        assert getattr(stats, name) == enough[0]
    assert (stats.count, stats.min_ns, stats.max_ns) == (len(values), ordered[0], ordered[-1])
    assert math.isclose(stats.mean_ns, sum(values) / len(values), abs_tol=1e-6)
    assert stats.negative_count == sum(v < 0 for v in values)


def test_no_value_is_none_not_zero():
    """A stage that nobody saw has no statistics."""
    commands = table(command(1, 100, stages=(Stage.SUBMIT, Stage.COMPLETE)))
    overall = summarise(commands)
    known = {name for name, stats in overall.items() if stats is not None}
    assert known == {"submit_complete"}
    assert Stats.of(np.zeros(0, np.int64)) is None


def test_stage_latencies_of_one_command():
    """Each span is the difference of its two stamps."""
    overall = summarise(table(command(1, 1000)))
    assert {name: stats.max_ns for name, stats in overall.items() if stats} == {
        "submit_doorbell": 10,
        "doorbell_fetch": 20,
        "fetch_start": 30,
        "start_finish": 40,
        "finish_complete": 50,
        "complete_wake": 60,
        "submit_complete": 150,
        "submit_wake": 210,
    }


@pytest.mark.parametrize("key", [("endpoint", "queue"), ("opcode",), KEY_COLUMNS])
def test_groups_agree_with_brute_force(key):
    """Every group's numbers equal those of its commands picked one by one."""
    commands = table(stream(20_000))
    columns = {name: getattr(commands, name) for name in key if name != "size"}
    if "size" in key:
        columns["size"] = size_bucket(commands.bytes)
    rows = {}
    for at in range(len(commands)):
        rows.setdefault(tuple(int(columns[name][at]) for name in key), []).append(at)
    groups = group_by(commands, key)
    assert [tuple(group.key.values()) for group in groups] == sorted(rows)
    for group in groups[:30]:
        at = rows[tuple(group.key.values())]
        assert group.command_count == len(at)
        assert group.bytes == commands.bytes[at].sum()
        for span in SPANS:
            durations = commands.stamps[at, span.last] - commands.stamps[at, span.first]
            assert group.stats[span.name] == Stats.of(durations)


def test_group_keys_of_any_width_are_told_apart():
    """Keys too wide for one table of combinations are numbered just the same."""
    pids = [1, 1 << 31, (1 << 32) - 1]
    events = [
        command(n, 1, pid=pid, queue=queue, opcode=200)
        for pid in pids
        for n, queue in enumerate((0, 65535), start=1)
    ]
    groups = group_by(table(*events), ("pid", "queue", "opcode"))
    assert [group.command_count for group in groups] == [1] * 6


def test_size_buckets_have_inclusive_upper_bounds():
    """0, up to 64, up to 256 and so on; unknown stays unknown."""
    sizes = np.array([UNKNOWN, 0, 1, 64, 65, 4096, 1 << 40])
    texts = [bucket_text(b) for b in size_bucket(sizes)[1:].tolist()]
    assert size_bucket(sizes)[0] == UNKNOWN
    assert texts == ["0 B", "≤64 B", "≤64 B", "≤256 B", "≤4 KiB", ">1 GiB"]


def test_steps_add_up_to_the_whole():
    """The six stages of a command cover submit to wake without gap or overlap."""
    assert [step.first for step in STEPS] == list(range(6))
    assert [step.last for step in STEPS] == list(range(1, 7))


def test_lost_command_is_named_with_its_last_stage():
    """A hole in a queue is lost; the youngest commands are merely unfinished."""
    early = tuple(stage for stage in COMMAND_STAGES if stage <= Stage.START)
    commands = table(
        command(1, 1000, queue=2),
        command(2, 2000, queue=2, stages=early, opcode=Opcode.COPY),
        command(3, 3000, queue=2),
        command(4, 4000, queue=2),
        command(5, 5000, queue=2, stages=(Stage.SUBMIT,)),
        command(8, 5500, queue=3),
        command(9, 6000, queue=3, stages=(Stage.SUBMIT, Stage.DOORBELL)),
    )
    found = unfinished(commands, 10_000, set())
    rows = found.rows
    assert (found.count, found.lost_count, found.uncertain_count) == (3, 1, 0)
    assert [
        (r.command.queue, r.command.sequence, r.command.last_stage, r.age_ns, r.is_lost)
        for r in rows
    ] == [
        (2, 2, "start", 8000, True),
        (2, 5, "submit", 5000, False),
        (3, 9, "doorbell", 4000, False),
    ]
    assert rows[0].later_completed_count == 2
    assert rows[0].command.opcode == Opcode.COPY


def test_loss_in_the_ring_makes_a_lost_command_uncertain():
    """If events were dropped, the completion may be among them: nobody is accused."""
    commands = table(command(1, 1, stages=(Stage.SUBMIT,)), command(2, 2))
    doubtful, sure = unfinished(commands, 10, {0}), unfinished(commands, 10, {1})
    assert (doubtful.lost_count, doubtful.uncertain_count) == (0, 1)
    assert not doubtful.rows[0].is_lost
    assert (sure.lost_count, sure.uncertain_count) == (1, 0)


def test_command_that_the_host_gave_up_is_lost_for_certain():
    """Status LOST is the host's verdict; it is no completion, and no failure of the device."""
    stages = (Stage.SUBMIT, Stage.DOORBELL, Stage.COMPLETE)
    commands = table(command(1, 1, stages=stages, status=Status.LOST), command(2, 2))
    found = unfinished(commands, 10_000, {0})
    assert (found.count, found.lost_count) == (1, 1)
    assert (found.rows[0].age_ns, found.rows[0].was_given_up) == (150, True)
    assert found.rows[0].command.last_stage_before_completion == "doorbell"
    assert failed(commands)[0] == 0


def test_failed_commands_are_counted_and_listed():
    """Completions with an error status are not lost among the good ones."""
    commands = table(command(1, 1), command(2, 2, status=Status.PAGE_FAULT))
    count, rows = failed(commands)
    assert (count, rows[0].sequence, rows[0].status) == (1, 2, Status.PAGE_FAULT)


def test_worst_commands_come_slowest_first():
    """The N with the largest totals, stamps included."""
    events = [
        command(n, n * 1000, steps_ns=(0, 1, 2, 3, 4, 5, 100 + (n * 37) % 50)) for n in range(1, 40)
    ]
    rows = worst(table(*events), 3)
    assert [row.total_ns for row in rows] == [149, 148, 147]
    assert worst(table(*events), 0) == []


def test_bandwidth_counts_good_bytes_over_the_window():
    """10 commands of 1000 bytes within 1100 ns, executing 40 ns each."""
    events = [command(n, n * 100, bytes=1000, direction=Direction.PEER) for n in range(1, 11)] + [
        command(11, 1100, bytes=1000, direction=Direction.PEER, status=Status.POISONED)
    ]
    (item,) = traffic(table(*events))
    assert (item.direction, item.command_count, item.bytes) == (Direction.PEER, 10, 10_000)
    assert item.window_ns == 1050
    assert item.bytes_per_s == pytest.approx(10_000 / 1050e-9)
    assert item.busy_bytes_per_s == pytest.approx(10_000 / 400e-9)


def test_busy_rate_is_unknown_if_an_execution_time_is():
    """A rate over part of the time would look better than it is."""
    stages = tuple(stage for stage in COMMAND_STAGES if stage != Stage.FINISH)
    (item,) = traffic(
        table(
            command(1, 1, bytes=10, direction=1),
            command(2, 2, bytes=10, direction=1, stages=stages),
        )
    )
    assert item.busy_bytes_per_s is None

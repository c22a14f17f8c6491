# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""From events to commands: which stamps belong together.

A command is (endpoint, process, queue, sequence). A queue that was made again numbers from the
start: in file order, QUEUE_CREATE events divide its life into epochs, and commands of different
epochs never mix.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from diag.trace.slots import Columns, Grouper, Segment, SlotMap
from pyaccel.spec.formats import Stage

STAMPS: Final = (
    Stage.SUBMIT,
    Stage.DOORBELL,
    Stage.FETCH,
    Stage.START,
    Stage.FINISH,
    Stage.COMPLETE,
    Stage.WAKE,
)
"""Stages that a command's row has a time for; columns of `Commands.stamps` in this order."""
COL_SUBMIT, COL_DOORBELL, COL_FETCH, COL_START, COL_FINISH, COL_COMPLETE, COL_WAKE = range(7)
UNKNOWN: Final = -1
"""In every array of Commands: not seen. Never a valid time, size or code."""
STAGE_CODES: Final = 256
_COLUMN_OF_STAGE: Final = np.full(STAGE_CODES, UNKNOWN, np.int8)
_COLUMN_OF_STAGE[list(STAMPS)] = np.arange(len(STAMPS))
_LIMIT: Final = 1 << 62
"""ns (146 years) and bytes: larger values are garbage and would overflow differences."""
_NEEDED: Final = (
    "time_ns",
    "sequence",
    "bytes",
    "endpoint",
    "pid",
    "queue",
    "status",
    "stage",
    "opcode",
    "direction",
    "op",
)


@dataclass(frozen=True, slots=True)
class Commands:
    """One row per command, as parallel arrays ordered by queue and sequence.

    UNKNOWN (-1) stands where nothing was seen.
    """

    endpoint: NDArray[np.int64]
    pid: NDArray[np.int64]
    queue: NDArray[np.int64]
    group: NDArray[np.int64]
    """Number of (endpoint, pid, queue, epoch): one life of one queue."""
    sequence: NDArray[np.uint64]
    opcode: NDArray[np.int16]
    op: NDArray[np.int16]
    direction: NDArray[np.int16]
    bytes: NDArray[np.int64]
    status: NDArray[np.int32]
    stamps: NDArray[np.int64]
    """Shape (commands, 7), in Fortran order: ns per stage of STAMPS."""

    def __len__(self) -> int:
        """Number of commands."""
        return len(self.sequence)

    def stamp(self, stage: Stage) -> NDArray[np.int64]:
        """One stage's times."""
        return self.stamps[:, STAMPS.index(stage)]


@dataclass(slots=True)
class Tally:
    """What became of the events."""

    event_count: int = 0
    by_stage: NDArray[np.int64] = field(default_factory=lambda: np.zeros(STAGE_CODES, np.int64))
    """Events per stage code."""
    ignored_count: int = 0
    """Events whose time or endpoint cannot be one."""
    repeated_count: int = 0
    """Stamps that a later event of the same command and stage replaced."""
    first_ns: int | None = None
    last_ns: int | None = None

    def add(self, columns: Columns) -> NDArray[np.bool_]:
        """Count a batch; True for the events that are a command's stamp."""
        stage, time = columns["stage"], columns["time_ns"]
        self.event_count += len(stage)
        self.by_stage += np.bincount(stage, minlength=STAGE_CODES)
        usable = time < _LIMIT
        if not usable.all():
            self.ignored_count += int(np.count_nonzero(~usable))
            time = time[usable]
        if len(time):
            low, high = int(time.min()), int(time.max())
            self.first_ns = low if self.first_ns is None else min(low, self.first_ns)
            self.last_ns = high if self.last_ns is None else max(high, self.last_ns)
        # Sequence 0 means "no command": the wake-up of somebody who waited for nothing.
        is_stamp = (_COLUMN_OF_STAGE[stage] >= 0) & (columns["sequence"] != 0)
        stamped: NDArray[np.bool_] = usable & is_stamp
        return stamped


class _Work:
    """Arrays under construction, one entry per slot."""

    def __init__(self, count: int) -> None:
        # Column by column in memory: the analysis reads whole stages.
        self.stamps = np.full((count, len(STAMPS)), UNKNOWN, np.int64, order="F")
        self._flat = self.stamps.T.reshape(-1)
        self.opcode = np.full(count, UNKNOWN, np.int16)
        self.op = np.full(count, UNKNOWN, np.int16)
        self.direction = np.full(count, UNKNOWN, np.int16)
        self.bytes = np.full(count, UNKNOWN, np.int64)
        self.status = np.full(count, UNKNOWN, np.int32)
        self.written_count = 0

    def scatter(self, segment: Segment, slot: NDArray[np.int64]) -> None:
        """Take a segment's stamps; of repeated ones the last counts, of wakes the earliest."""
        columns = {name: segment.select(column) for name, column in segment.columns.items()}
        stage, time = columns["stage"], columns["time_ns"].view(np.int64)
        wakes = np.flatnonzero(stage == Stage.WAKE)
        earliest = self._earliest_wakes(slot[wakes], time[wakes])
        place = _COLUMN_OF_STAGE[stage].astype(np.int64) * len(self.stamps) + slot
        self._flat[place] = time
        self.stamps[slot[wakes], COL_WAKE] = earliest
        self.written_count += len(place) - len(wakes)
        submits = np.flatnonzero(stage == Stage.SUBMIT)
        self._describe(columns, slot, submits)
        completes = np.flatnonzero(stage == Stage.COMPLETE)
        self.status[slot[completes]] = columns["status"][completes]
        # Only where the submission was never seen: it knows best.
        orphans = completes[self.stamps[slot[completes], STAMPS.index(Stage.SUBMIT)] == UNKNOWN]
        self._describe(columns, slot, orphans)

    def _earliest_wakes(
        self, slot: NDArray[np.int64], time: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """For each wake the earliest one of its command so far: many may wait for one command."""
        if not len(slot):
            return time
        known = self.stamps[slot, COL_WAKE]
        time = np.where(known != UNKNOWN, np.minimum(known, time), time)
        order = np.lexsort((time, slot))
        is_first = np.ones(len(order), bool)
        is_first[1:] = slot[order][1:] != slot[order][:-1]
        earliest = np.empty_like(time)
        earliest[order] = time[order][is_first][np.cumsum(is_first) - 1]
        return earliest

    def _describe(self, columns: Columns, slot: NDArray[np.int64], at: NDArray[np.intp]) -> None:
        if not len(at):
            return
        target = slot[at]
        self.opcode[target] = columns["opcode"][at]
        self.op[target] = columns["op"][at]
        self.direction[target] = columns["direction"][at]
        size = columns["bytes"][at]
        self.bytes[target] = np.where(size < _LIMIT, size.view(np.int64), UNKNOWN)


def match(batches: Iterable[pa.RecordBatch]) -> tuple[Commands, Tally]:
    """Every command that the batches mention, and what became of the events."""
    tally, grouper = Tally(), Grouper()
    segments: list[Segment] = []
    for batch in batches:
        if batch.num_rows:
            columns = {name: batch.column(name).to_numpy() for name in _NEEDED}
            segments += grouper.split(columns, tally.add(columns))
    slots = SlotMap(segments, len(grouper.keys))
    work = _Work(slots.count)
    for number, segment in enumerate(segments):
        work.scatter(segment, slots.of_segment(number))
    tally.ignored_count += grouper.ignored_count
    kept = sum(int(np.count_nonzero(column != UNKNOWN)) for column in work.stamps.T[:COL_WAKE])
    tally.repeated_count = work.written_count - kept
    commands = _compact(work, slots, np.array(grouper.keys, np.int64).reshape(-1, 4))
    _spread_doorbells(commands)
    return commands, tally


def _compact(work: _Work, slots: SlotMap, keys: NDArray[np.int64]) -> Commands:
    """Drop the slots of sequence numbers that no event mentions."""
    mentioned = np.zeros(slots.count, bool)
    for column in work.stamps.T:
        mentioned |= column != UNKNOWN
    # Most captures mention them all; then nothing is copied.
    seen = slice(None) if mentioned.all() else np.flatnonzero(mentioned)
    group = slots.group_of_slot[seen]
    return Commands(
        endpoint=keys[group, 0],
        pid=keys[group, 1],
        queue=keys[group, 2],
        group=group,
        sequence=slots.sequence_of_slot()[seen],
        opcode=work.opcode[seen],
        op=work.op[seen],
        direction=work.direction[seen],
        bytes=work.bytes[seen],
        status=work.status[seen],
        stamps=np.asfortranarray(work.stamps[seen]),
    )


def _spread_doorbells(commands: Commands) -> None:
    """Give each command the time of the first doorbell that covers it.

    One doorbell event names the last command of its batch. Its time is left unknown where it
    cannot be right: before the submission, or after the completion (the real one was lost).
    """
    if not len(commands):
        return
    doorbell = commands.stamp(Stage.DOORBELL)
    count = len(commands)
    following = np.where(doorbell != UNKNOWN, np.arange(count), count)
    following = np.minimum.accumulate(following[::-1])[::-1]
    exists = following < count
    following[~exists] = 0
    exists &= commands.group[following] == commands.group
    submit, complete = commands.stamp(Stage.SUBMIT), commands.stamp(Stage.COMPLETE)
    time = doorbell[following]
    possible = (submit != UNKNOWN) & (submit <= time) & ((complete == UNKNOWN) | (time <= complete))
    spread = exists & possible & (doorbell == UNKNOWN)
    doorbell[spread] = time[spread]


def value_or_none(value: Any) -> int | None:
    """UNKNOWN as None, everything else as a plain number."""
    number = int(value)
    return None if number == UNKNOWN else number

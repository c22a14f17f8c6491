# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Where a command lives in the analysis arrays.

(endpoint, process, queue, epoch, sequence) -> slot.

Slots are ordered by group and sequence. Sequence numbers of a queue are dense, so a slot is
`base[group] + sequence - lowest[group]`: no sorting. Groups whose numbers are not dense
(hostile or torn captures) are sorted instead, with the same order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diag.trace.model import MAX_ENDPOINTS
from pyaccel.spec.formats import Stage

Columns = dict[str, NDArray[Any]]
GroupKey = tuple[int, int, int, int]
"""Endpoint row, process, queue, epoch."""

MAX_EPOCHS: Final = 4096
"""QUEUE_CREATE events that are honoured: each costs a cut through a batch."""
SPARSE_FACTOR: Final = 2
SPARSE_FLOOR: Final = 4096
"""A group is sparse if its range is beyond FACTOR * events + FLOOR slots."""
_LUT_LIMIT: Final = 1 << 20


@dataclass(slots=True)
class Segment:
    """A piece of a batch without a QUEUE_CREATE inside."""

    columns: Columns
    group: NDArray[np.int32]
    """Group of each event; -1 for events that belong to no command."""
    is_whole: bool
    """Every event has a group: nothing needs to be left out."""

    def select(self, column: NDArray[Any]) -> NDArray[Any]:
        """The values of the events that have a group."""
        return column if self.is_whole else column[self.group >= 0]


@dataclass(slots=True)
class Grouper:
    """Cuts batches into segments and numbers the groups."""

    keys: list[GroupKey] = field(default_factory=list)
    ignored_count: int = 0
    _current: dict[tuple[int, int, int], int] = field(default_factory=dict)
    _epochs_left: int = MAX_EPOCHS

    def split(self, columns: Columns, usable: NDArray[np.bool_]) -> list[Segment]:
        """Segments of one batch, in order; `usable` marks the events that carry a stamp."""
        creates = np.flatnonzero(columns["stage"] == Stage.QUEUE_CREATE)[: self._epochs_left]
        self._epochs_left -= len(creates)
        segments = []
        start = 0
        for cut in [*creates.tolist(), len(usable)]:
            if cut > start:
                piece = {name: column[start:cut] for name, column in columns.items()}
                group = self._number(piece, usable[start:cut])
                segments.append(Segment(piece, group, bool((group >= 0).all())))
            if cut < len(usable):
                self._begin_epoch(columns, cut)
            start = cut
        return segments

    def _begin_epoch(self, columns: Columns, at: int) -> None:
        key = tuple(int(columns[name][at]) for name in ("endpoint", "pid", "queue"))
        old = self._current.get((key[0], key[1], key[2]))
        epoch = self.keys[old][3] + 1 if old is not None else 1
        self._add((key[0], key[1], key[2]), epoch)

    def _add(self, key: tuple[int, int, int], epoch: int) -> int:
        self._current[key] = len(self.keys)
        self.keys.append((*key, epoch))
        return len(self.keys) - 1

    def _number(self, columns: Columns, usable: NDArray[np.bool_]) -> NDArray[np.int32]:
        """Group of each event; the work per event is run lengths and one table look-up."""
        local, keys = _local_keys(columns)
        known = columns["endpoint"] < MAX_ENDPOINTS
        wanted = usable & known
        self.ignored_count += int(np.count_nonzero(usable & ~known))
        table = np.full(len(keys), -1, np.int32)
        present = np.bincount(local[wanted], minlength=len(keys)) > 0
        for index in np.flatnonzero(present).tolist():
            key = keys[index]
            group = self._current.get(key)
            table[index] = self._add(key, 0) if group is None else group
        group_of: NDArray[np.int32] = table[local]
        if not wanted.all():
            group_of[~wanted] = -1
        return group_of


class _Keys:
    """Key of each local number: (endpoint, pid, queue)."""

    def __init__(self, owners: NDArray[np.uint64], queues: NDArray[Any]) -> None:
        self._owners = owners
        self._queues = queues

    def __len__(self) -> int:
        return len(self._owners) * len(self._queues)

    def __getitem__(self, index: int) -> tuple[int, int, int]:
        owner = int(self._owners[index // len(self._queues)])
        return owner >> 32, owner & 0xFFFFFFFF, int(self._queues[index % len(self._queues)])


def _local_keys(columns: Columns) -> tuple[NDArray[np.int64], _Keys]:
    """Number each event's (endpoint, pid, queue) within this piece.

    Rings are drained one after the other, so (endpoint, pid) comes in long runs; queues
    are few.
    """
    owner = columns["endpoint"].astype(np.uint64) << np.uint64(32) | columns["pid"]
    starts = np.concatenate(([0], np.flatnonzero(owner[1:] != owner[:-1]) + 1))
    owners, owner_of_run = np.unique(owner[starts], return_inverse=True)
    lengths = np.diff(np.append(starts, len(owner)))
    queues, queue_number = _number_queues(columns["queue"], len(owners))
    owner_number = np.repeat(owner_of_run * len(queues), lengths)
    return owner_number + queue_number, _Keys(owners, queues)


def _number_queues(queue: NDArray[Any], owner_count: int) -> tuple[NDArray[Any], NDArray[Any]]:
    highest = int(queue.max()) + 1
    if highest * owner_count <= _LUT_LIMIT:
        return np.arange(highest), queue
    queues, number = np.unique(queue, return_inverse=True)
    return queues, number


class SlotMap:
    """Slots of all events of all segments."""

    def __init__(self, segments: list[Segment], group_count: int) -> None:
        self._segments = segments
        lowest, highest, events = _ranges(segments, group_count)
        span = np.where(events > 0, highest - lowest, 0).astype(np.float64) + (events > 0)
        self._is_sparse = span > SPARSE_FACTOR * events + SPARSE_FLOOR
        size = np.where(self._is_sparse, 0, span).astype(np.int64)
        self._lowest = lowest
        self._sorted = _SortedSlots(segments, self._is_sparse)
        size = size + self._sorted.sizes(group_count)
        self._base = np.cumsum(size) - size
        self.count = int(size.sum())
        self.group_of_slot = np.repeat(np.arange(group_count), size)

    def of_segment(self, number: int) -> NDArray[np.int64]:
        """Slot of each event of a segment that has a group."""
        segment = self._segments[number]
        group = segment.select(segment.group)
        sequence = segment.select(segment.columns["sequence"])
        slot: NDArray[np.int64] = self._base[group] + (sequence - self._lowest[group]).view(
            np.int64
        )
        if self._sorted:
            sparse = self._is_sparse[group]
            slot[sparse] = self._base[group[sparse]] + self._sorted.rank(number)
        return slot

    def sequence_of_slot(self) -> NDArray[np.uint64]:
        """Sequence number of each slot."""
        first = self._base[self.group_of_slot]
        offset = (np.arange(self.count) - first).astype(np.uint64)
        sequence: NDArray[np.uint64] = self._lowest[self.group_of_slot] + offset
        if self._sorted:
            sequence[self._is_sparse[self.group_of_slot]] = self._sorted.sequences
        return sequence


class _SortedSlots:
    """Ranks of sequence numbers in the sparse groups; empty if there are none."""

    def __init__(self, segments: list[Segment], is_sparse: NDArray[np.bool_]) -> None:
        self._offsets = [0]
        self.sequences = np.empty(0, np.uint64)
        self._groups = np.empty(0, np.int64)
        self._rank = np.empty(0, np.int64)
        if is_sparse.any():
            self._sort(segments, is_sparse)

    def __bool__(self) -> bool:
        return len(self.sequences) > 0

    def sizes(self, group_count: int) -> NDArray[np.int64]:
        """Slots per group."""
        return np.bincount(self._groups, minlength=group_count).astype(np.int64)

    def rank(self, number: int) -> NDArray[np.int64]:
        """Place within its group, for each sparse event of a segment."""
        return self._rank[self._offsets[number] : self._offsets[number + 1]]

    def _sort(self, segments: list[Segment], is_sparse: NDArray[np.bool_]) -> None:
        groups, sequences = [], []
        for segment in segments:
            wanted = (segment.group >= 0) & is_sparse[segment.group]
            groups.append(segment.group[wanted])
            sequences.append(segment.columns["sequence"][wanted])
            self._offsets.append(self._offsets[-1] + len(groups[-1]))
        group, sequence = np.concatenate(groups), np.concatenate(sequences)
        order = np.lexsort((sequence, group))
        group, sequence = group[order], sequence[order]
        is_new = np.ones(len(order), bool)
        is_new[1:] = (group[1:] != group[:-1]) | (sequence[1:] != sequence[:-1])
        self.sequences, self._groups = sequence[is_new], group[is_new].astype(np.int64)
        group_start = np.searchsorted(self._groups, group)
        self._rank = np.empty(len(order), np.int64)
        self._rank[order] = np.cumsum(is_new) - 1 - group_start


def _ranges(
    segments: list[Segment], group_count: int
) -> tuple[NDArray[np.uint64], NDArray[np.uint64], NDArray[np.int64]]:
    lowest = np.full(group_count, np.iinfo(np.uint64).max, np.uint64)
    highest = np.zeros(group_count, np.uint64)
    events = np.zeros(group_count, np.int64)
    for segment in segments:
        group = segment.select(segment.group)
        sequence = segment.select(segment.columns["sequence"])
        if not len(group):
            continue
        # Events of one queue come in runs: `ufunc.at` is slow, so it only sees one value a run.
        starts = np.concatenate(([0], np.flatnonzero(group[1:] != group[:-1]) + 1))
        np.minimum.at(lowest, group[starts], np.minimum.reduceat(sequence, starts))
        np.maximum.at(highest, group[starts], np.maximum.reduceat(sequence, starts))
        events += np.bincount(group, minlength=group_count)
    return lowest, highest, events

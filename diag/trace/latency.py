# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Stage latencies: from commands to percentiles per group of commands.

Percentiles are nearest-rank: the smallest observed value that at least p percent of the
values do not exceed. So each is a latency that some command really had.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from diag.trace.commands import (
    COL_COMPLETE,
    COL_DOORBELL,
    COL_FETCH,
    COL_FINISH,
    COL_START,
    COL_SUBMIT,
    COL_WAKE,
    UNKNOWN,
    Commands,
)


@dataclass(frozen=True, slots=True)
class Span:
    """A time between two stamps of a command."""

    name: str
    label: str
    first: int
    last: int
    meaning: str

    def durations(self, commands: Commands) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
        """Duration in ns of each command, and whether both of its ends are known."""
        first, last = commands.stamps[:, self.first], commands.stamps[:, self.last]
        return last - first, (first != UNKNOWN) & (last != UNKNOWN)


STEPS: Final = (
    Span("submit_doorbell", "submit→doorbell", COL_SUBMIT, COL_DOORBELL, "batched by the library"),
    Span("doorbell_fetch", "doorbell→fetch", COL_DOORBELL, COL_FETCH, "waits in the ring"),
    Span("fetch_start", "fetch→start", COL_FETCH, COL_START, "waits for the engine"),
    Span("start_finish", "start→finish", COL_START, COL_FINISH, "executes"),
    Span("finish_complete", "finish→complete", COL_FINISH, COL_COMPLETE, "completion to host"),
    Span("complete_wake", "complete→wake", COL_COMPLETE, COL_WAKE, "waiter is scheduled"),
)
"""One after the other they make up a command's life."""
TO_COMPLETE: Final = Span(
    "submit_complete", "submit→complete", COL_SUBMIT, COL_COMPLETE, "whole command"
)
TO_WAKE: Final = Span("submit_wake", "submit→wake", COL_SUBMIT, COL_WAKE, "as the waiter sees it")
SPANS: Final = (*STEPS, TO_COMPLETE, TO_WAKE)

PERCENTILES: Final = {"p50_ns": 50.0, "p90_ns": 90.0, "p99_ns": 99.0, "p99_9_ns": 99.9}
SIZE_EDGES: Final = (0, *(4**power for power in range(3, 16)))
"""Upper bounds in bytes of the size buckets: 0, 64, 256, 1 Ki ... 1 Gi; then "more"."""
KEY_COLUMNS: Final = ("endpoint", "pid", "queue", "opcode", "size", "direction")
DEFAULT_KEY: Final = ("endpoint", "queue", "opcode", "size", "direction")


@dataclass(frozen=True, slots=True)
class Stats:
    """Latency of one span over some commands, ns."""

    count: int
    """Commands with both ends known; only they are in the numbers."""
    negative_count: int
    """Of these, durations below zero: the error of the device clock's correlation."""
    min_ns: int
    mean_ns: float
    p50_ns: int
    p90_ns: int
    p99_ns: int
    p99_9_ns: int
    max_ns: int

    @classmethod
    def of(cls, durations: NDArray[np.int64]) -> Stats | None:
        """None for no durations: unknown is not zero."""
        count = len(durations)
        if not count:
            return None
        ranks = {name: nearest_rank(count, share) for name, share in PERCENTILES.items()}
        # Four selections cost a quarter of a sort.
        ordered = np.partition(durations, sorted(set(ranks.values())))
        return cls(
            count=count,
            negative_count=int(np.count_nonzero(durations < 0)),
            min_ns=int(durations.min()),
            mean_ns=float(durations.mean()),
            max_ns=int(durations.max()),
            **{name: int(ordered[rank]) for name, rank in ranks.items()},
        )


def nearest_rank(count: int, percent: float) -> int:
    """Index of a percentile in `count` ordered values."""
    # Rounded first: 99.9 is no binary fraction, and 1000 values must give index 998.
    return max(int(np.ceil(round(count * percent / 100, 6))) - 1, 0)


@dataclass(frozen=True, slots=True)
class Group:
    """Commands that share a key, and where their time went."""

    key: dict[str, int]
    """Column -> code; UNKNOWN where it was not seen."""
    command_count: int
    bytes: int
    """Sum over the commands whose size is known."""
    stats: dict[str, Stats | None]
    """Span name -> statistics."""


def size_bucket(sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Bucket number per size: the first of SIZE_EDGES that is not smaller; UNKNOWN stays."""
    bucket = np.searchsorted(np.array(SIZE_EDGES), sizes, side="left").astype(np.int64)
    bucket[sizes == UNKNOWN] = UNKNOWN
    return bucket


def summarise(commands: Commands) -> dict[str, Stats | None]:
    """Every span over all commands."""
    found = {}
    for span in SPANS:
        durations, known = span.durations(commands)
        found[span.name] = Stats.of(durations if known.all() else durations[known])
    return found


def group_by(commands: Commands, key: tuple[str, ...] = DEFAULT_KEY) -> list[Group]:
    """Groups in order of their key; `key` names columns of KEY_COLUMNS."""
    if not len(commands):
        return []
    columns = [_key_column(commands, name) for name in key]
    number, representatives = _number_groups(columns, len(commands))
    count = len(representatives)
    # A stable sort of 16-bit numbers is a radix sort: linear.
    order = np.argsort(number.astype(np.uint16) if count < 1 << 16 else number, kind="stable")
    bounds = np.searchsorted(number[order], np.arange(count + 1))
    stats = _grouped_stats(commands, order, bounds)
    sizes = np.maximum(commands.bytes, 0)
    total = np.bincount(number, weights=sizes, minlength=count)
    return [
        Group(
            key={name: int(column[row]) for name, column in zip(key, columns, strict=True)},
            command_count=int(bounds[index + 1] - bounds[index]),
            bytes=int(total[index]),
            stats={name: values[index] for name, values in stats.items()},
        )
        for index, row in enumerate(representatives.tolist())
    ]


def _grouped_stats(
    commands: Commands, order: NDArray[np.intp], bounds: NDArray[np.intp]
) -> dict[str, list[Stats | None]]:
    stats = {}
    for span in SPANS:
        durations, known = span.durations(commands)
        durations, known = durations[order], known[order]
        whole = bool(known.all())
        pieces = []
        for low, high in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
            piece = durations[low:high]
            pieces.append(Stats.of(piece if whole else piece[known[low:high]]))
        stats[span.name] = pieces
    return stats


def _key_column(commands: Commands, name: str) -> NDArray[Any]:
    if name == "size":
        return size_bucket(commands.bytes)
    column: NDArray[Any] = getattr(commands, name)
    return column


def _number_groups(
    columns: list[NDArray[Any]], count: int
) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
    """Dense number of each row's combination of values, and one row that has it."""
    combined = np.zeros(count, np.int64)
    reach = 1
    for column in columns:
        low = int(column.min())
        width = int(column.max()) - low + 1
        if reach * width >= 1 << 62:
            _, combined = np.unique(combined, return_inverse=True)
            reach = count
        combined = combined * width + (column.astype(np.int64) - low)
        reach *= width
    if reach > 1 << 22:
        _, rows, number = np.unique(combined, return_index=True, return_inverse=True)
        return number.astype(np.int64), rows
    present = np.flatnonzero(np.bincount(combined, minlength=reach))
    dense = np.empty(reach, np.int64)
    dense[present] = np.arange(len(present))
    row_of = np.empty(reach, np.intp)
    row_of[combined] = np.arange(count)
    return dense[combined], row_of[present]

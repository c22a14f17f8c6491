# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What stands out among the commands: lost, failed and slow ones, and where bytes went."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from diag.trace.commands import (
    COL_COMPLETE,
    COL_FINISH,
    COL_START,
    COL_SUBMIT,
    COL_WAKE,
    STAMPS,
    UNKNOWN,
    Commands,
    value_or_none,
)
from pyaccel.spec.formats import Stage, Status

LISTED: Final = 100
"""Rows of a list in a report; the counts are always of all."""


@dataclass(frozen=True, slots=True)
class CommandRow:
    """One command with all that is known of it; None is unknown."""

    endpoint: int
    pid: int
    queue: int
    sequence: int
    opcode: int | None
    op: int | None
    direction: int | None
    bytes: int | None
    status: int | None
    stamps_ns: dict[str, int | None]

    @property
    def last_stage(self) -> str:
        """The latest stage in a command's life that was seen."""
        seen = [name for name, time in self.stamps_ns.items() if time is not None]
        return seen[-1]

    @property
    def last_stage_before_completion(self) -> str:
        """How far the device got with a command that ended badly; "nothing" if unknown."""
        names = [stage.name.lower() for stage in STAMPS[:COL_COMPLETE]]
        seen = [name for name in names if self.stamps_ns[name] is not None]
        return seen[-1] if seen else "nothing"

    @property
    def total_ns(self) -> int | None:
        """From submission to the waiter's return, or to the completion if nobody waited."""
        start = self.stamps_ns["submit"]
        end = self.stamps_ns["wake"]
        end = self.stamps_ns["complete"] if end is None else end
        return None if start is None or end is None else end - start


@dataclass(frozen=True, slots=True)
class Unfinished:
    """A command that the device never completed."""

    command: CommandRow
    age_ns: int | None
    """From its submission to the end of the recording, or to the host side giving it up."""
    later_completed_count: int
    """Commands of the same queue with a higher number that did complete: then it is lost."""
    was_given_up: bool
    """The host side completed it with status LOST."""
    is_certain: bool
    """False if events of its endpoint were dropped: its completion may be among them."""

    @property
    def is_lost(self) -> bool:
        """Queues complete in order: whatever was overtaken will not come."""
        return self.was_given_up or (self.is_certain and self.later_completed_count > 0)


@dataclass(frozen=True, slots=True)
class UnfinishedList:
    """How many there are of each kind, and the oldest of them, the certain ones first."""

    count: int
    lost_count: int
    uncertain_count: int
    """Events of their endpoints were dropped: they may well have completed."""
    rows: list[Unfinished]


@dataclass(frozen=True, slots=True)
class Traffic:
    """Bytes of the completed commands of one direction."""

    direction: int
    command_count: int
    bytes: int
    window_ns: int
    """From the first submission to the last completion."""
    busy_ns: int | None
    """Sum of their execution times; None if none is known."""

    @property
    def bytes_per_s(self) -> float | None:
        """Over the window, pauses included."""
        return self.bytes * 1e9 / self.window_ns if self.window_ns > 0 else None

    @property
    def busy_bytes_per_s(self) -> float | None:
        """While executing."""
        return self.bytes * 1e9 / self.busy_ns if self.busy_ns else None


def row_of(commands: Commands, at: int | np.intp) -> CommandRow:
    """One command by its index."""
    return CommandRow(
        endpoint=int(commands.endpoint[at]),
        pid=int(commands.pid[at]),
        queue=int(commands.queue[at]),
        sequence=int(commands.sequence[at]),
        opcode=value_or_none(commands.opcode[at]),
        op=value_or_none(commands.op[at]),
        direction=value_or_none(commands.direction[at]),
        bytes=value_or_none(commands.bytes[at]),
        status=value_or_none(commands.status[at]),
        stamps_ns={
            stage.name.lower(): value_or_none(time)
            for stage, time in zip(STAMPS, commands.stamps[at], strict=True)
        },
    )


def unfinished(commands: Commands, end_ns: int | None, lossy_endpoints: set[int]) -> UnfinishedList:
    """Commands that were submitted and that the device never completed."""
    submit, complete = commands.stamp(Stage.SUBMIT), commands.stamp(Stage.COMPLETE)
    given_up = commands.status == Status.LOST
    completed = (complete != UNKNOWN) & ~given_up
    # Rows are ordered by queue life and sequence: count completions up to each queue's end.
    running = np.cumsum(completed)
    at = np.flatnonzero((submit != UNKNOWN) & ~completed)
    last_of_group = np.searchsorted(commands.group, commands.group[at], side="right") - 1
    later = running[last_of_group] - running[at]
    certain = ~np.isin(commands.endpoint[at], list(lossy_endpoints)) | given_up[at]
    order = np.lexsort((submit[at], ~certain))[:LISTED]
    rows = []
    for index, behind, sure in zip(at[order], later[order], certain[order], strict=True):
        until = int(complete[index]) if given_up[index] else end_ns
        rows.append(
            Unfinished(
                command=row_of(commands, index),
                age_ns=None if until is None else max(until - int(submit[index]), 0),
                later_completed_count=int(behind),
                was_given_up=bool(given_up[index]),
                is_certain=bool(sure),
            )
        )
    lost = given_up[at] | (certain & (later > 0))
    return UnfinishedList(len(at), int(lost.sum()), int((~certain).sum()), rows)


def failed(commands: Commands) -> tuple[int, list[CommandRow]]:
    """How many commands completed with an error, and the first of them; lost ones did not."""
    fine = np.isin(commands.status, [UNKNOWN, Status.OK, Status.LOST])
    at = np.flatnonzero(~fine)
    first = at[np.argsort(commands.stamp(Stage.COMPLETE)[at], kind="stable")][:LISTED]
    return len(at), [row_of(commands, index) for index in first.tolist()]


def worst(commands: Commands, count: int) -> list[CommandRow]:
    """The commands that took longest, slowest first."""
    total = _totals(commands)
    known = np.flatnonzero(total != UNKNOWN)
    if not len(known) or count <= 0:
        return []
    count = min(count, len(known))
    top = known[np.argpartition(total[known], len(known) - count)[-count:]]
    return [row_of(commands, index) for index in top[np.argsort(-total[top], kind="stable")]]


def traffic(commands: Commands) -> list[Traffic]:
    """Bytes and times per direction, of the commands that completed well."""
    good = (commands.status == Status.OK) & (commands.bytes > 0)
    good &= (commands.stamps[:, COL_SUBMIT] != UNKNOWN) & (
        commands.stamps[:, COL_COMPLETE] != UNKNOWN
    )
    found = []
    for direction in np.unique(commands.direction[good]).tolist():
        stamps = commands.stamps[good & (commands.direction == direction)]
        sizes = commands.bytes[good & (commands.direction == direction)]
        timed = (stamps[:, COL_START] != UNKNOWN) & (stamps[:, COL_FINISH] != UNKNOWN)
        busy = (stamps[:, COL_FINISH] - stamps[:, COL_START])[timed]
        found.append(
            Traffic(
                direction=direction,
                command_count=len(sizes),
                bytes=int(sizes.sum(dtype=np.float64)),  # cannot overflow; exact to 2**53
                window_ns=int(stamps[:, COL_COMPLETE].max() - stamps[:, COL_SUBMIT].min()),
                # Times of some commands only would make the rate look better than it is.
                busy_ns=int(busy.sum()) if timed.all() else None,
            )
        )
    return found


def _totals(commands: Commands) -> NDArray[np.int64]:
    submit = commands.stamps[:, COL_SUBMIT]
    wake, complete = commands.stamps[:, COL_WAKE], commands.stamps[:, COL_COMPLETE]
    end = np.where(wake != UNKNOWN, wake, complete)
    known = (submit != UNKNOWN) & (end != UNKNOWN)
    # A total below zero is an artefact, and must not read as UNKNOWN either.
    return np.where(known, np.maximum(end - submit, 0), UNKNOWN)

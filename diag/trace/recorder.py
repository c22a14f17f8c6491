# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The recorder's loop: polls a source, writes batches, ends with the cost of it all."""

from __future__ import annotations

import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from threading import Event
from types import FrameType
from typing import Final

import pyarrow as pa

from diag.trace.capture import CaptureWriter
from diag.trace.errors import UsageError
from diag.trace.model import EventSource, LossTable, Poll, RecorderCost
from diag.trace.schema import Note

FLUSH_EVENTS: Final = 65536
FLUSH_NS: Final = 250_000_000
IDLE_POLL_S: Final = 0.02
BUSY_POLL_S: Final = 0.001
BUSY_PRESSURE: Final = 0.1
"""Fill of a ring between two polls from which on polling speeds up."""
FINAL_POLLS: Final = 16
"""Polls at the end, at most: a writer that ignores the switch must not keep us for ever."""


@dataclass(slots=True)
class Child:
    """The recorded command."""

    process: subprocess.Popen[bytes]

    @classmethod
    def start(cls, command: list[str]) -> Child:
        """Start it with our own terminal; UsageError if it cannot be started."""
        try:
            return cls(subprocess.Popen(command))
        except OSError as error:
            raise UsageError(
                f"cannot be started: {error.strerror}",
                where=command[0],
                advice="Give the command after `--` as you would type it.",
            ) from None

    def exit_status(self) -> int | None:
        """None while it runs; 128 + signal if one killed it, as shells have it."""
        code = self.process.poll()
        return code if code is None or code >= 0 else 128 - code

    def wait(self) -> int:
        """Exit status once it has ended."""
        self.process.wait()
        return self.exit_status() or 0


@dataclass(slots=True)
class Recorder:
    """Moves events from a source into a capture until told to stop.

    `on_progress` is called with the running totals a few times a second.
    """

    source: EventSource
    writer: CaptureWriter
    losses: LossTable = field(default_factory=LossTable)
    on_progress: Callable[[int, int], None] | None = None
    _batches: list[pa.RecordBatch] = field(default_factory=list)
    _waiting: int = 0
    _note: Note = field(default_factory=Note)
    _flushed_ns: int = field(default_factory=time.monotonic_ns)
    _polls: int = 0
    _started_ns: int = field(default_factory=time.monotonic_ns)
    _started_cpu_ns: int = field(default_factory=time.process_time_ns)

    def run(self, stop: Event, finished: Callable[[], bool]) -> None:
        """Record until `stop` is set or `finished()` is true."""
        while not stop.is_set() and not finished():
            poll = self.step()
            stop.wait(BUSY_POLL_S if poll.pressure > BUSY_PRESSURE else IDLE_POLL_S)

    def step(self) -> Poll:
        """One poll; writes when enough has come together."""
        poll = self.source.poll()
        self._polls += 1
        self._take(poll)
        old = time.monotonic_ns() - self._flushed_ns >= FLUSH_NS
        if old or self._waiting >= FLUSH_EVENTS:
            self.flush()
        return poll

    def flush(self) -> None:
        """Write what is waiting as one batch."""
        self._flushed_ns = time.monotonic_ns()
        if self._waiting or not self._note.is_empty:
            self.writer.write(self._batches, self._note)
            self._batches, self._waiting, self._note = [], 0, Note()
        if self.on_progress is not None:
            self.on_progress(self.writer.event_count, self.losses.dropped_count)

    def finish(self, exit_status: int | None, reason: str) -> RecorderCost:
        """Drain what is left (the switch should be off by now) and finalise the capture."""
        for _ in range(FINAL_POLLS):
            if not self.step().event_count:
                break
        self.flush()
        now = time.monotonic_ns()
        cost = RecorderCost(
            events=self.writer.event_count,
            bytes=self.writer.byte_count,
            cpu_ns=time.process_time_ns() - self._started_cpu_ns,
            wall_ns=now - self._started_ns,
            polls=self._polls,
            end_ns=now,
            exit_status=exit_status,
            reason=reason,
        )
        self.writer.finish(cost)
        return cost

    def _take(self, poll: Poll) -> None:
        self._batches.extend(poll.batches)
        self._waiting += poll.event_count
        self.losses.add(poll.losses, poll.refused)
        if poll.losses or poll.refused or poll.endpoints:
            note = self._note
            self._note = Note(
                losses=note.losses + poll.losses,
                refused=note.refused + poll.refused,
                endpoints=note.endpoints + poll.endpoints,
            )


@contextmanager
def stop_on_signals(stop: Event, child: Callable[[], Child | None]) -> Iterator[None]:
    """SIGINT and SIGTERM set `stop`; a child gets SIGTERM passed on.

    A terminal sends Ctrl-C to the child by itself. With a child, SIGINT alone does not end the
    recording: the child decides what it means, and its last events are wanted.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        running = child()
        if running is None:
            stop.set()
        elif number == signal.SIGTERM:
            running.process.terminate()

    before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

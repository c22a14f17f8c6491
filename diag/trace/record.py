# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`accel-trace record`: ties rack, switch, rings, writer and the recorded command together."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from platform import node
from threading import Event
from typing import Final

import typer

from diag.model.rack.runtime_dir import RackDir
from diag.trace.capture import CaptureWriter
from diag.trace.errors import TraceError, UsageError
from diag.trace.model import Endpoint, LossTable, RecorderCost
from diag.trace.recorder import Child, Recorder, stop_on_signals
from diag.trace.rings import RingSource
from diag.trace.schema import CaptureInfo
from diag.trace.sources import endpoint_table, find_rack
from diag.trace.switch import Switch
from diag.trace.table import duration as duration_text
from diag.trace.table import size

CLEAR_LINE: Final = "\x1b[K"
"""Erase to the end of the line (ECMA-48 EL)."""
PRIORITY_STEP: Final = 10
"""Nice levels."""


def record_rack(
    source: str, output: Path, command: list[str] | None, duration_s: float | None
) -> int:
    """Record a rack into `output`; returns the exit status for the tool.

    The order matters: become the only recorder, skip what old rings hold, write the header,
    turn the switch on, start the command; and all of it backwards at the end.
    """
    rack = find_rack(source)
    _check_command(command)
    table = endpoint_table(rack)
    switch = Switch(rack.events_enable, output)
    try:
        rings = RingSource(rack.events, table)
        try:
            writer = CaptureWriter(output, _info(rack, table, command))
            session = _Session(Recorder(rings, writer, on_progress=_progress(command)), switch)
            return session.run(command, duration_s)
        finally:
            rings.close()
    finally:
        switch.close()


def _check_command(command: list[str] | None) -> None:
    """A misspelled command must not cost the older capture its name."""
    if command and shutil.which(command[0]) is None:
        raise UsageError(
            "no such program",
            where=command[0],
            advice="Give the command after `--` as you would type it.",
        )


@dataclass(slots=True)
class _Session:
    """One recording from switch on to last word."""

    recorder: Recorder
    switch: Switch
    child: Child | None = None
    stop: Event = field(default_factory=Event)

    def run(self, command: list[str] | None, duration_s: float | None) -> int:
        try:
            with stop_on_signals(self.stop, lambda: self.child):
                with self.switch.enabled():
                    self.child = Child.start(command) if command else None
                    with _ahead_of_others():
                        self.recorder.run(self.stop, self._until(duration_s))
                status = self.child.exit_status() if self.child else None
                cost = self.recorder.finish(status, self._reason())
        except OSError as error:
            raise self._broken(error) from error
        _say_goodbye(self.recorder.writer.path, cost, self.recorder.losses)
        return status or 0

    def _until(self, duration_s: float | None) -> Callable[[], bool]:
        if self.child is not None:
            child = self.child
            return lambda: child.exit_status() is not None
        if duration_s is None:
            return lambda: False
        deadline = time.monotonic() + duration_s
        return lambda: time.monotonic() >= deadline

    def _reason(self) -> str:
        if self.child is not None:
            return "end of the command"
        return "signal" if self.stop.is_set() else "duration"

    def _broken(self, error: OSError) -> TraceError:
        """The capture cannot be written any more: let the command finish, then say so."""
        status = self.child.wait() if self.child else None
        ended = "" if status is None else f" The command ended with status {status}."
        return TraceError(
            f"recording stopped: {error.strerror}",
            where=str(self.recorder.writer.path),
            advice=f"What was written before can be read.{ended}",
        )


@contextmanager
def _ahead_of_others() -> Iterator[None]:
    """A higher priority where that is allowed (CAP_SYS_NICE).

    The recorder sleeps nearly always, but a ring that is written at 1 M events/s is full after
    65 ms: on a busy machine waiting for a turn is what loses events. The command, started
    before, is not affected.
    """
    before = os.getpriority(os.PRIO_PROCESS, 0)
    with suppress(PermissionError):
        os.setpriority(os.PRIO_PROCESS, 0, max(before - PRIORITY_STEP, -20))
    try:
        yield
    finally:
        with suppress(PermissionError):
            os.setpriority(os.PRIO_PROCESS, 0, before)


def _info(rack: RackDir, table: tuple[Endpoint, ...], command: list[str] | None) -> CaptureInfo:
    now = time.monotonic_ns()
    return CaptureInfo(
        endpoints=table,
        rack=rack.name,
        host=node(),
        start_ns=now,
        realtime_offset_ns=time.time_ns() - now,
        command=None if command is None else tuple(command),
        tool=f"accel-trace {_tool_version()}",
    )


def _tool_version() -> str:
    try:
        return version("accelstack")
    except PackageNotFoundError:
        return "unknown"


def _progress(command: list[str] | None) -> Callable[[int, int], None] | None:
    """A counter on a terminal that is ours alone, nothing elsewhere."""
    if command or not sys.stderr.isatty():
        return None

    def show(events: int, dropped: int) -> None:
        text = f"recording: {events:,} events, {dropped:,} lost"
        typer.echo(f"\r{text}{CLEAR_LINE}", err=True, nl=False)

    return show


def _say_goodbye(path: Path, cost: RecorderCost, losses: LossTable) -> None:
    start = f"\r{CLEAR_LINE}" if sys.stderr.isatty() else ""
    typer.echo(
        f"{start}accel-trace: {cost.events:,} events in {duration_text(cost.wall_ns)} to {path} "
        f"({size(cost.bytes)}), {losses.dropped_count:,} lost; "
        f"recorder used {duration_text(cost.cpu_ns)} CPU",
        err=True,
    )
    for item in losses.refused:
        typer.echo(f"accel-trace: ring {item.ring} was refused: {item.reason}", err=True)

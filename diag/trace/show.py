# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Events and commands of a capture, one line or one JSON object each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from diag.trace.capture import Capture
from diag.trace.commands import Commands
from diag.trace.errors import UsageError
from diag.trace.findings import CommandRow, row_of
from diag.trace.schema import ENUMS, EVENT_COLUMNS, code_name
from diag.trace.table import UNKNOWN_TEXT, duration, size
from pyaccel.spec.formats import Stage

EVENTS_SCHEMA: Final = "axl.trace.events"
COMMANDS_SCHEMA: Final = "axl.trace.commands"
SCHEMA_VERSION: Final = 1
DESCRIBED: Final = (Stage.SUBMIT, Stage.FETCH, Stage.START, Stage.FINISH, Stage.COMPLETE)
"""Stages whose events say what the command is; in others 0 does not mean "nop"."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What to show; an empty set lets everything through."""

    queues: frozenset[int] = frozenset()
    endpoints: frozenset[int] = frozenset()
    stages: frozenset[int] = frozenset()

    def of_events(self, batch: pa.RecordBatch) -> NDArray[np.intp]:
        """Rows of a batch that pass."""
        passes = np.ones(batch.num_rows, bool)
        for column, wanted in (
            ("queue", self.queues),
            ("endpoint", self.endpoints),
            ("stage", self.stages),
        ):
            if wanted:
                passes &= np.isin(batch.column(column).to_numpy(), list(wanted))
        return np.flatnonzero(passes)

    def of_commands(self, commands: Commands) -> NDArray[np.intp]:
        """Rows that pass, by first stamp."""
        passes = np.ones(len(commands), bool)
        for values, wanted in (
            (commands.queue, self.queues),
            (commands.endpoint, self.endpoints),
        ):
            if wanted:
                passes &= np.isin(values, list(wanted))
        rows = np.flatnonzero(passes)
        stamps = commands.stamps[rows]
        first = np.where(stamps < 0, np.iinfo(np.int64).max, stamps).min(axis=1, initial=1 << 62)
        return rows[np.argsort(first, kind="stable")]


def stage_codes(names: list[str]) -> frozenset[int]:
    """Codes of stage names; UsageError names the ones that exist."""
    known = {stage.name.lower(): int(stage) for stage in Stage}
    unknown = [name for name in names if name.lower() not in known]
    if unknown:
        raise UsageError(
            f"no such stage: {', '.join(unknown)}",
            where="--stage",
            advice="One of: " + ", ".join(known),
        )
    return frozenset(known[name.lower()] for name in names)


def endpoint_rows(capture: Capture, names: list[str]) -> frozenset[int]:
    """Rows of endpoints given by name, BDF or row number."""
    rows = set()
    for name in names:
        found = [row.row for row in capture.endpoints if name in (row.name, row.bdf, str(row.row))]
        if not found:
            known = ", ".join(row.name for row in capture.endpoints) or "none"
            raise UsageError(
                f"no endpoint {name!r} in this capture",
                where="--endpoint",
                advice=f"One of: {known}",
            )
        rows.update(found)
    return frozenset(rows)


def events(capture: Capture, wanted: Filter, limit: int) -> Iterator[dict[str, Any]]:
    """Events as plain values in file order, at most `limit` (0: all)."""
    left = limit or capture.event_count
    for batch in capture.batches:
        rows = wanted.of_events(batch)[:left]
        left -= len(rows)
        for item in batch.take(pa.array(rows)).to_pylist():
            yield _named(capture, item)
        if not left:
            return


def _named(capture: Capture, item: dict[str, Any]) -> dict[str, Any]:
    named = {
        name: code_name(name, item[name]) if name in ENUMS else item[name] for name in EVENT_COLUMNS
    }
    if item["stage"] not in DESCRIBED:
        named |= {"opcode": None, "op": None, "direction": None}
    return named | {"endpoint": capture.endpoint_name(item["endpoint"])}


def event_line(item: dict[str, Any], start_ns: int) -> str:
    """One event as text."""
    parts = [
        f"{(item['time_ns'] - start_ns) / 1e9:+14.9f}",
        f"{item['endpoint']:<28}",
        f"pid={item['pid']}",
        f"q={item['queue']}",
        f"seq={item['sequence']}",
        f"{item['stage']:<12}",
    ]
    parts += [str(item[name]) for name in ("opcode", "direction") if item[name] is not None]
    if item["bytes"]:
        parts.append(size(item["bytes"]))
    if item["status"] != "ok":
        parts.append(f"status={item['status']}")
    if item["value"]:
        parts.append(f"value={item['value']:#x}")
    if item["origin"] != "library":
        parts.append(f"({item['origin']})")
    return "  ".join(parts)


def commands(table: Commands, wanted: Filter, limit: int) -> Iterator[CommandRow]:
    """Commands in order of their first stamp, at most `limit` (0: all)."""
    rows = wanted.of_commands(table)
    for at in (rows[:limit] if limit else rows).tolist():
        yield row_of(table, at)


def command_line(capture: Capture, row: CommandRow, start_ns: int) -> str:
    """One command as text: when it began, then the time to each later stage."""
    seen = [(name, time) for name, time in row.stamps_ns.items() if time is not None]
    first = seen[0][1]
    opcode = UNKNOWN_TEXT if row.opcode is None else code_name("opcode", row.opcode)
    steps = " ".join(f"{name}+{duration(time - first)}" for name, time in seen[1:])
    status = "never completed" if row.status is None else code_name("status", row.status)
    return (
        f"{(first - start_ns) / 1e9:+14.9f}  {capture.endpoint_name(row.endpoint):<28}  "
        f"q={row.queue}  seq={row.sequence}  {opcode} {size(row.bytes)}  {status}  "
        f"{seen[0][0]} {steps}"
    ).rstrip()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tables of events, findings and links: columns and cells. Pure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from diag.printable import printable
from diag.topo.findings import Finding, Severity
from diag.topo.model import Aer, Link
from diag.tui.cells import EMPTY, UNKNOWN, Cell, Column, Role
from diag.tui.columns import aer_role, aer_text, label, link_text
from diag.tui.journal import Event
from diag.tui.picture import Picture
from diag.tui.rows import Row
from diag.tui.units import si

SEVERITY_ROLES: Final[dict[Severity, Role]] = {"error": "bad", "warning": "warn", "note": "plain"}

EVENTS: Final = (
    Column("time", "TIME", 8),
    Column("severity", "SEVERITY", 8),
    Column("kind", "KIND", 8),
    Column("subject", "WHERE", 12),
    Column("text", "WHAT", 30, flex=True),
)
FINDINGS: Final = (
    Column("severity", "SEVERITY", 8),
    Column("rule", "RULE", 22),
    Column("subject", "WHERE", 23, rank=1),
    Column("text", "WHAT, AND WHAT TO DO", 36, flex=True),
)
LINKS: Final = (
    Column("name", "LINK → DEVICE", 31, ample=40, flex=True),
    Column("link", "LINK", 9, right=True),
    Column("best", "BEST", 7, right=True, rank=2),
    Column("above", "ABOVE C/N/F", 11, right=True),
    Column("above_new", "SINCE", 9, right=True, rank=1),
    Column("below", "BELOW C/N/F", 11, right=True),
    Column("below_new", "SINCE", 9, right=True, rank=1),
    Column("rate", "ERR/min", 7, right=True, rank=1),
    Column("note", "", 22, rank=3),
)


def clock_time(wall_ns: int) -> str:
    """Local time of day."""
    moment = dt.datetime.fromtimestamp(wall_ns / 1e9, tz=dt.UTC).astimezone()
    return moment.strftime("%H:%M:%S")


def event_cells(event: Event, short: int) -> tuple[Cell, ...]:
    """A line of the event log."""
    role = SEVERITY_ROLES[event.severity]
    return (
        Cell(clock_time(event.wall_ns), "dim"),
        Cell(_word(event.severity), role),
        Cell(event.kind, "dim"),
        Cell(_place(event.subject, short)),
        Cell(event.text, role),
    )


def finding_cells(finding: Finding, short: int) -> tuple[Cell, ...]:
    """A line of the findings."""
    role = SEVERITY_ROLES[finding.severity]
    return (
        Cell(_word(finding.severity), role),
        Cell(finding.rule),
        Cell(_place(finding.subject, short)),
        Cell(printable(f"{finding.text} → {finding.advice}", 400), role),
    )


def _word(severity: Severity) -> str:
    """Capitals for what is bad: the words tell it where colours do not."""
    return severity.upper() if severity == "error" else severity


def _place(subject: str, short: int) -> str:
    is_address = subject.count(":") == 2 and "." in subject
    return printable(subject[short:] if is_address else subject, 120)


@dataclass(frozen=True, slots=True)
class LinkLine:
    """A link with the errors of both its ends, now and since accel-top began."""

    row: Row
    above: Aer
    below: Aer
    above_new: int | None
    below_new: int | None


def link_lines(picture: Picture, rows: Iterable[Row]) -> Iterator[LinkLine]:
    """Every link of the tree that has something at its lower end."""
    for row in rows:
        if row.upper is None or row.lower is None:
            continue
        ends = [picture.members[bdf].aer for bdf in (row.upper, row.lower)]
        new = [_grown(picture, bdf) for bdf in (row.upper, row.lower)]
        yield LinkLine(row, ends[0], ends[1], new[0], new[1])


def _grown(picture: Picture, bdf: str) -> int | None:
    """Errors of all kinds since the first sample; None where the end does not count."""
    now, then = picture.members[bdf].aer, picture.baseline.get(bdf, Aer())
    pairs = [
        (now.correctable_count, then.correctable_count),
        (now.nonfatal_count, then.nonfatal_count),
        (now.fatal_count, then.fatal_count),
    ]
    known = [new - old for new, old in pairs if new is not None and old is not None]
    # A counter that went back was reset together with its device.
    return sum(max(0, grown) for grown in known) if known else None


def link_cells(picture: Picture, line: LinkLine, minutes: float) -> tuple[Cell, ...]:
    """A line of the links."""
    upper = picture.members[line.row.upper or ""]
    slow = upper.link.below_capability
    new = [each for each in (line.above_new, line.below_new) if each is not None]
    rate = sum(new) / minutes if new and minutes > 0 else None
    note = "slower than both can" if slow else _one_sided(line)
    return (
        Cell(printable(label(picture, line.row), 120), lead=line.row.guides),
        Cell(link_text(upper.link) + (" !" if slow else "  "), "warn" if slow else "plain"),
        Cell(link_text(Link(upper.link.max_speed, upper.link.max_width, None, None)), "dim"),
        Cell(aer_text(line.above), aer_role(line.above)),
        _new_cell(line.above_new),
        Cell(aer_text(line.below), aer_role(line.below)),
        _new_cell(line.below_new),
        UNKNOWN if rate is None else Cell(si(rate), "warn" if rate else "dim"),
        Cell(note, "warn") if note else EMPTY,
    )


def _one_sided(line: LinkLine) -> str:
    """Errors are counted by the end that receives: the sender of them is the other one."""
    if line.below_new and line.above_new == 0:
        return "downward errors only"
    if line.above_new and line.below_new == 0:
        return "upward errors only"
    return ""


def _new_cell(count: int | None) -> Cell:
    return UNKNOWN if count is None else Cell(f"+{si(count)}", "warn" if count else "dim")

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the bars at the top say. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from diag.printable import printable
from diag.tui.cells import Cell, Role
from diag.tui.logs import clock_time
from diag.tui.picture import Picture

Cells = tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Cost:
    """Own use since the last look. None where the system does not tell."""

    cpu_percent: float | None = None
    rss_bytes: int | None = None
    frame_ms: float | None = None


@dataclass(frozen=True, slots=True)
class Held:
    """Why the screen may not show this moment: it is held, or it shows a recording."""

    paused: bool = False
    replay: str | None = None


def cells(name: str, picture: Picture | None, held: Held, cost: Cost) -> tuple[Cells, Cells]:
    """Left: what is looked at and how it is; right: the time, and what looking costs."""
    left = [Cell("accel-top", "accent"), Cell("  ")]
    if picture is None:
        return (*left, Cell(f"{printable(name, 60)}: waiting for the first sample", "dim")), ()
    rack = picture.rack
    left += [*_state(picture, held), Cell(f"  {printable(rack.name, 40)}")]
    cards = len(rack.cards())
    left.append(Cell(f"  {_many(cards, 'card')}, {_many(len(rack.endpoints), 'endpoint')}", "dim"))
    if picture.lost:
        left.append(Cell(f"  {printable(picture.lost, 160)}", "bad"))
    right = (
        Cell(f"self {_cost(cost)}  ", "dim"),
        Cell(clock_time(picture.sample.wall_ns)),
    )
    return tuple(left), right


def _many(count: int, word: str) -> str:
    return f"{count} {word}" if count == 1 else f"{count} {word}s"


def _state(picture: Picture, held: Held) -> list[Cell]:
    if held.replay is not None:
        return [Cell(f"▶ {printable(held.replay)}", "warn")]
    if held.paused:
        return [Cell("‖ PAUSED", "warn")]
    if picture.sample.state != "live":
        return [Cell(f"✖ {picture.sample.state.upper()}", "bad")]
    return [Cell("● live", "ok")]


def _cost(cost: Cost) -> str:
    cpu = "—" if cost.cpu_percent is None else f"{cost.cpu_percent:.1f}"
    rss = "—" if cost.rss_bytes is None else f"{cost.rss_bytes / 1e6:.0f}"
    frame = "—" if cost.frame_ms is None else f"{cost.frame_ms:.1f}"
    return f"{cpu} % cpu  {rss} MB  {frame} ms/frame"


def counts(picture: Picture) -> dict[str, Cell]:
    """Numbers that stand behind the names of views."""
    found = Counter(finding.severity for finding in picture.findings)
    role: Role = "bad" if found["error"] else "warn" if found["warning"] else "dim"
    numbers = {"findings": Cell(f"({sum(found.values())})", role)} if found else {}
    if picture.forgotten_count:
        numbers["events"] = Cell(f"({picture.forgotten_count} older ones forgotten)", "dim")
    return numbers

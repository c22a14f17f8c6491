# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`make bench`: each figure beside its peer in the same run, interleaved.

    python -m tests.bench [--out out/bench.json] [--rounds 5] [--only NAME]

One round measures our side and the peer's one after the other, so that a machine whose
speed drifts slows both. Medians over the rounds are what to quote; the spread tells how
far to trust them.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from diag.trace.table import render
from tests.bench.rows import GROUPS, NO_TARGET, Group, Row, Sample

SCALED_UNITS = {"1/s": "/s", "B": "B"}
"""Units that take a prefix, and what follows it."""


@dataclass(frozen=True, slots=True)
class Spread:
    """Median, least and most of one figure over the rounds."""

    median: float
    least: float
    most: float

    @classmethod
    def of(cls, values: list[float]) -> Spread:
        """Summarise; `values` is not empty."""
        return cls(statistics.median(values), min(values), max(values))


def measure(group: Group, rounds: int) -> list[dict[str, Any]]:
    """All rows of one group: ours and the peer's, in turn, `rounds` times."""
    with group.open() as ours:
        samples: list[tuple[Sample, Sample]] = []
        for turn in range(rounds):
            progress(f"{group.name}: round {turn + 1} of {rounds}")
            samples.append((ours(), group.peer()))
    progress("")
    return [row_result(row, samples) for row in group.rows]


def progress(text: str) -> None:
    """Replace the line of a terminal; elsewhere a line each, and none for the end."""
    if sys.stderr.isatty():
        print(f"\r\x1b[K{text}", end="", file=sys.stderr, flush=True)
    elif text:
        print(text, file=sys.stderr, flush=True)


def row_result(row: Row, samples: list[tuple[Sample, Sample]]) -> dict[str, Any]:
    """One line of the table as plain data."""
    mine = [ours[row.key] for ours, _ in samples]
    # A peer that must be interleaved more finely than by rounds is measured by our program.
    theirs = [(ours | peer)[row.peer_key] for ours, peer in samples] if row.peer_key else []
    ratios = [a / b for a, b in zip(mine, theirs, strict=False) if b]
    median = statistics.median(mine)
    ratio = statistics.median(ratios) if ratios else None
    return {
        "name": row.name,
        "unit": row.unit,
        "ours": vars_of(Spread.of(mine)),
        "peer_name": row.peer_name if theirs else None,
        "peer": vars_of(Spread.of(theirs)) if theirs else None,
        "ratio": ratio,
        "target": row.target,
        "met": row.met(median, ratio),
    }


def vars_of(spread: Spread) -> dict[str, float]:
    """A slotted dataclass as a dictionary."""
    return {"median": spread.median, "min": spread.least, "max": spread.most}


def show(results: list[dict[str, Any]], out: Callable[[str], None] = print) -> None:
    """The table for people, within 120 columns; the peers are named below it."""
    names = list(dict.fromkeys(r["peer_name"] for r in results if r["peer"]))
    rows = [_cells(r, names) for r in results]
    header = ["figure", "ours", "least..most", "peer", "", "ratio", "target", ""]
    for line in render(header, rows):
        out(line)
    for number, name in enumerate(names, 1):
        out(f"{'peers: ' if number == 1 else '       '}[{number}] {name}")


def _cells(r: dict[str, Any], peer_names: list[str]) -> list[str]:
    ours, peer, unit = r["ours"], r["peer"], r["unit"]
    scale, shown = scaled(ours["median"], unit)
    return [
        r["name"],
        f"{ours['median'] / scale:.3g} {shown}",
        f"{ours['min'] / scale:.3g}..{ours['max'] / scale:.3g}",
        "—" if peer is None else "{1:.3g} {2}".format(*_at_scale(peer["median"], unit)),
        "" if peer is None else f"[{peer_names.index(r['peer_name']) + 1}]",
        "—" if r["ratio"] is None else f"{r['ratio']:.2f}",
        r["target"],
        verdict(r),
    ]


def verdict(row: dict[str, Any]) -> str:
    """Nothing where there is no target."""
    if row["target"] == NO_TARGET:
        return ""
    return "met" if row["met"] else "MISSED"


def _at_scale(value: float, unit: str) -> tuple[float, float, str]:
    scale, shown = scaled(value, unit)
    return scale, value / scale, shown


def scaled(value: float, unit: str) -> tuple[float, str]:
    """What to divide by, and the unit that the quotient has: 80000 1/s is 80 k/s."""
    if unit not in SCALED_UNITS:
        return 1.0, unit
    scale, prefix = next(
        ((s, p) for s, p in ((1e9, "G"), (1e6, "M"), (1e3, "k")) if abs(value) >= s), (1.0, "")
    )
    return scale, f"{prefix}{SCALED_UNITS[unit]}"


def main() -> int:
    """Measure, print, write; always 0: a benchmark judges nothing, people do."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench")
    parser.add_argument("--out", type=Path, default=Path("out/bench.json"))
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", help="groups whose name holds this word")
    args = parser.parse_args()
    chosen = [g for g in GROUPS if not args.only or args.only in g.name]
    results = [row for group in chosen for row in measure(group, args.rounds)]
    show(results)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    machine = {"system": platform.platform(), "python": platform.python_version()}
    document = {"schema": "axl-bench/1", "machine": machine, "rounds": args.rounds, "rows": results}
    args.out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    print(f"\n{args.out}")
    return 0


if __name__ == "__main__":
    sys.exit(main())

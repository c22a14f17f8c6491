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

from tests.bench.rows import GROUPS, Group, Row, Sample


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
            print(f"\r{group.name}: round {turn + 1} of {rounds}", end="", file=sys.stderr)
            samples.append((ours(), group.peer()))
    print(file=sys.stderr)
    return [row_result(row, samples) for row in group.rows]


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
    """The table for people."""
    out(f"{'figure':<44} {'ours (min..max)':<32} {'peer':<40} {'ratio':>7}  target")
    for r in results:
        o, p = r["ours"], r["peer"]
        mine = f"{o['median']:.4g} ({o['min']:.4g}..{o['max']:.4g}) {r['unit']}"
        peer = f"{p['median']:.4g} {r['unit']} {r['peer_name']}" if p else "—"
        ratio = f"{r['ratio']:.2f}" if r["ratio"] is not None else "—"
        verdict = "met" if r["met"] else "MISSED"
        out(f"{r['name']:<44} {mine:<32} {peer:<40} {ratio:>7}  {r['target']} {verdict}")


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

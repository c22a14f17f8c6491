# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How long commands took, by endpoint and opcode: read from a report of accel-trace. Pure.

No driver and no rack counts this; a capture does (see actions.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

AT_WORK: Final = "start_finish"
"""The device was at it."""
TOTAL: Final = "submit_complete"
"""From submission to the completion that the library saw."""


@dataclass(frozen=True, slots=True)
class Latency:
    """Percentiles of the commands of one opcode; None where the capture has none."""

    opcode: str
    count: int
    work_p50_ns: int | None
    work_p99_ns: int | None
    total_p50_ns: int | None
    total_p99_ns: int | None


@dataclass(frozen=True, slots=True)
class Captured:
    """What one capture tells, by Endpoint.key; the slowest opcode comes first."""

    wall_ns: int
    by_endpoint: Mapping[str, tuple[Latency, ...]]


def captured(report: Mapping[str, Any]) -> Captured:
    """From the document of `accel-trace report --json --by endpoint,opcode`.

    Raises:
        KeyError, TypeError: it is no such document.
    """
    found: dict[str, list[Latency]] = {}
    for group in report["groups"]:
        found.setdefault(group["key"]["endpoint"], []).append(_latency(group))
    capture = report["capture"]
    return Captured(
        capture["start_ns"] + capture["realtime_offset_ns"],
        {name: tuple(sorted(rows, key=_slowest_first)) for name, rows in found.items()},
    )


def _slowest_first(row: Latency) -> tuple[int, str]:
    return -(row.total_p99_ns or 0), row.opcode


def _latency(group: Mapping[str, Any]) -> Latency:
    times = tuple(_times(group["latency"]))
    return Latency(group["key"]["opcode"], group["command_count"], *times)


def _times(stages: Mapping[str, Any]) -> Iterator[int | None]:
    for stage in (AT_WORK, TOTAL):
        for percentile in ("p50_ns", "p99_ns"):
            stats = stages.get(stage)
            yield None if stats is None else stats[percentile]

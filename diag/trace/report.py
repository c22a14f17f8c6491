# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The report on a capture: everything that its text and JSON forms show."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from diag.trace.capture import Capture
from diag.trace.commands import UNKNOWN, Commands, Tally, match
from diag.trace.findings import (
    CommandRow,
    Traffic,
    Unfinished,
    UnfinishedList,
    failed,
    traffic,
    unfinished,
    worst,
)
from diag.trace.latency import DEFAULT_KEY, SIZE_EDGES, Group, Stats, group_by, summarise
from diag.trace.schema import ENUMS, code_name
from diag.trace.table import size as size_text

SCHEMA_NAME: Final = "axl.trace.report"
SCHEMA_VERSION: Final = 1
"""Of the JSON document; docs/reference/capture.md describes it."""


@dataclass(frozen=True, slots=True)
class Report:
    """All findings of one capture."""

    capture: Capture
    commands: Commands
    tally: Tally
    key: tuple[str, ...]
    overall: dict[str, Stats | None]
    groups: list[Group]
    traffic: list[Traffic]
    unfinished: UnfinishedList
    failed_count: int
    failed: list[CommandRow]
    worst: list[CommandRow]

    @property
    def end_ns(self) -> int | None:
        """When the recording ended, else its last event."""
        return end_of(self.capture, self.tally)


def end_of(capture: Capture, tally: Tally) -> int | None:
    """When the recording ended as far as is known."""
    return capture.cost.end_ns if capture.cost is not None else tally.last_ns


def make_report(
    capture: Capture, key: tuple[str, ...] = DEFAULT_KEY, worst_count: int = 5
) -> Report:
    """Analyse a capture."""
    commands, tally = match(capture.batches)
    lossy = capture.losses.endpoints_with_loss()
    failed_count, failed_rows = failed(commands)
    return Report(
        capture=capture,
        commands=commands,
        tally=tally,
        key=key,
        overall=summarise(commands),
        groups=group_by(commands, key),
        traffic=traffic(commands),
        unfinished=unfinished(commands, end_of(capture, tally), lossy),
        failed_count=failed_count,
        failed=failed_rows,
        worst=worst(commands, worst_count),
    )


def to_json(report: Report) -> dict[str, Any]:
    """The report as plain JSON values; None is unknown."""
    name = report.capture.endpoint_name
    return {
        "schema": SCHEMA_NAME,
        "version": SCHEMA_VERSION,
        "capture": _capture_json(report),
        "warnings": report.capture.warnings() + analysis_warnings(report),
        "loss": _loss_json(report),
        "recorder": None if report.capture.cost is None else asdict(report.capture.cost),
        "command_count": len(report.commands),
        "latency": _stats_json(report.overall),
        "group_key": list(report.key),
        "groups": [_group_json(report, group) for group in report.groups],
        "traffic": [_traffic_json(item) for item in report.traffic],
        "unfinished_count": report.unfinished.count,
        "lost_count": report.unfinished.lost_count,
        "uncertain_count": report.unfinished.uncertain_count,
        "unfinished": [_unfinished_json(name, item) for item in report.unfinished.rows],
        "failed_count": report.failed_count,
        "failed": [command_json(name, row) for row in report.failed],
        "worst": [command_json(name, row) for row in report.worst],
        "event_count_by_stage": stage_counts(report.tally),
    }


def stage_counts(tally: Tally) -> dict[str, int]:
    """Events per stage name, without the stages that never occur."""
    seen = np.flatnonzero(tally.by_stage).tolist()
    return {code_name("stage", stage): int(tally.by_stage[stage]) for stage in seen}


def analysis_warnings(report: Report) -> list[str]:
    """What the analysis could not use."""
    found = []
    if report.tally.ignored_count:
        found.append(f"{report.tally.ignored_count} events have an impossible time or endpoint")
    if report.tally.repeated_count:
        found.append(f"{report.tally.repeated_count} stamps were given twice; the later ones count")
    negative = sum(stats.negative_count for stats in report.overall.values() if stats)
    if negative:
        found.append(
            f"{negative} durations are below zero: the device clock is off by about as much"
        )
    return found


def key_text(report: Report, column: str, value: int) -> str | None:
    """A group key's value as people read it; None for unknown."""
    if value == UNKNOWN:
        return None
    if column == "endpoint":
        return report.capture.endpoint_name(value)
    if column == "size":
        return bucket_text(value)
    return code_name(column, value) if column in ENUMS else str(value)


def bucket_text(bucket: int) -> str:
    """Name of a size bucket."""
    if bucket == 0:
        return "0 B"
    if bucket >= len(SIZE_EDGES):
        return f">{size_text(SIZE_EDGES[-1])}"
    return f"≤{size_text(SIZE_EDGES[bucket])}"


def command_json(name: Any, row: CommandRow) -> dict[str, Any]:
    """One command as plain values."""
    return {
        "endpoint": name(row.endpoint),
        "endpoint_row": row.endpoint,
        "pid": row.pid,
        "queue": row.queue,
        "sequence": row.sequence,
        "opcode": _name_or_none("opcode", row.opcode),
        "op": row.op,
        "direction": _name_or_none("direction", row.direction),
        "bytes": row.bytes,
        "status": _name_or_none("status", row.status),
        "total_ns": row.total_ns,
        "last_stage": row.last_stage,
        "stamps_ns": row.stamps_ns,
    }


def _name_or_none(column: str, code: int | None) -> str | None:
    return None if code is None else code_name(column, code)


def _capture_json(report: Report) -> dict[str, Any]:
    capture = report.capture
    return {
        "path": str(capture.path),
        "file_bytes": capture.file_bytes,
        "format_version": capture.info.version,
        "is_complete": capture.end.complete,
        "rack": capture.info.rack,
        "host": capture.info.host,
        "command": capture.info.command,
        "clock": capture.info.clock,
        "start_ns": capture.info.start_ns,
        "end_ns": report.end_ns,
        "realtime_offset_ns": capture.info.realtime_offset_ns,
        "event_count": capture.event_count,
        "endpoints": [endpoint.to_json() for endpoint in capture.endpoints],
    }


def _loss_json(report: Report) -> dict[str, Any]:
    capture = report.capture
    rings = capture.losses.by_ring.values()
    return {
        "ring_dropped_count": capture.losses.dropped_count,
        "rings": [asdict(loss) for loss in rings],
        "refused_rings": [asdict(item) for item in capture.losses.refused],
        "file_leftover_bytes": capture.end.leftover_bytes,
        "file_damage": capture.end.damage,
        "ignored_event_count": report.tally.ignored_count,
        "repeated_stamp_count": report.tally.repeated_count,
    }


def _stats_json(stats: dict[str, Stats | None]) -> dict[str, Any]:
    return {name: None if item is None else asdict(item) for name, item in stats.items()}


def _group_json(report: Report, group: Group) -> dict[str, Any]:
    return {
        "key": {column: key_text(report, column, value) for column, value in group.key.items()},
        "command_count": group.command_count,
        "bytes": group.bytes,
        "latency": _stats_json(group.stats),
    }


def _traffic_json(item: Traffic) -> dict[str, Any]:
    return asdict(item) | {
        "direction": _name_or_none("direction", item.direction),
        "bytes_per_s": item.bytes_per_s,
        "busy_bytes_per_s": item.busy_bytes_per_s,
    }


def _unfinished_json(name: Any, item: Unfinished) -> dict[str, Any]:
    return command_json(name, item.command) | {
        "age_ns": item.age_ns,
        "is_lost": item.is_lost,
        "later_completed_count": item.later_completed_count,
        "was_given_up": item.was_given_up,
        "is_certain": item.is_certain,
    }

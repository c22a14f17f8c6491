# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The report as text."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

from diag.trace.findings import CommandRow, Unfinished
from diag.trace.latency import SPANS, STEPS, TO_COMPLETE, TO_WAKE, Group, Stats
from diag.trace.model import RecorderCost
from diag.trace.report import Report, analysis_warnings, key_text, stage_counts
from diag.trace.schema import code_name
from diag.trace.table import UNKNOWN_TEXT, duration, microseconds, rate, render, size

GROUP_ROWS: Final = 40
UNFINISHED_ROWS: Final = 20
_STAT_COLUMNS: Final = ("count", "p50", "p90", "p99", "p99.9", "max", "mean")


def to_text(report: Report) -> str:
    """The whole report; loss comes before any number that it could have spoilt."""
    sections = [
        _head(report),
        _stages(report),
        _groups(report),
        _traffic(report),
        _unfinished(report),
        _failed(report),
        _worst(report),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _head(report: Report) -> list[str]:
    capture, info = report.capture, report.capture.info
    started = datetime.fromtimestamp((info.start_ns + info.realtime_offset_ns) / 1e9, UTC)
    length = None if report.end_ns is None else report.end_ns - info.start_ns
    rack = info.rack or UNKNOWN_TEXT
    when = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    lines = [
        f"capture   {capture.path} ({size(capture.file_bytes)})",
        f"recorded  {when} on {info.host}, rack {rack}, {duration(length)}",
    ]
    if info.command is not None:
        status = capture.cost.exit_status if capture.cost else None
        ended = "exit status unknown" if status is None else f"exit status {status}"
        lines.append(f"command   {shlex.join(info.command)} ({ended})")
    lines += [
        f"events    {capture.event_count:,} of {len(report.commands):,} commands",
        f"          {_counts(report)}",
        *_loss(report),
        f"recorder  {_cost(capture.cost)}",
    ]
    return lines


def _counts(report: Report) -> str:
    counts = stage_counts(report.tally)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _loss(report: Report) -> list[str]:
    warnings = report.capture.warnings() + analysis_warnings(report)
    lines = [f"loss      {text}" for text in warnings]
    lines += [
        f"          ring {loss.ring}: {loss.dropped_count:,} events of "
        f"{report.capture.endpoint_name(loss.endpoint)}, process {loss.pid}"
        for loss in report.capture.losses.by_ring.values()
        if loss.dropped_count
    ]
    return lines or [
        "loss      none: no ring overflowed, the file is complete, every event was used"
    ]


def _cost(cost: RecorderCost | None) -> str:
    if cost is None:
        return "its cost is unknown: the recording was cut short"
    share = f"{100 * cost.cpu_ns / cost.wall_ns:.1f} % of one core" if cost.wall_ns else "—"
    return (
        f"{duration(cost.cpu_ns)} CPU ({share}), {size(cost.bytes)} written, "
        f"{cost.polls:,} polls; ended by {cost.reason}"
    )


def _stat_cells(stats: Stats | None) -> list[str]:
    if stats is None:
        return ["0", *[UNKNOWN_TEXT] * (len(_STAT_COLUMNS) - 1)]
    times = (stats.p50_ns, stats.p90_ns, stats.p99_ns, stats.p99_9_ns, stats.max_ns, stats.mean_ns)
    return [f"{stats.count:,}", *(microseconds(time) for time in times)]


def _stages(report: Report) -> list[str]:
    rows = [[span.label, *_stat_cells(report.overall[span.name]), span.meaning] for span in SPANS]
    header = ["stage, µs", *_STAT_COLUMNS, ""]
    return [line.rstrip() for line in _with_note(header, rows)]


def _with_note(header: list[str], rows: list[list[str]]) -> list[str]:
    """A table whose last column is a remark, aligned left."""
    notes = [row[-1] for row in rows]
    lines = render(header[:-1], [row[:-1] for row in rows])
    return [lines[0], *(f"{line}  {note}" for line, note in zip(lines[1:], notes, strict=True))]


def _groups(report: Report) -> list[str]:
    if not report.groups:
        return []
    shown = sorted(report.groups, key=lambda group: -group.command_count)[:GROUP_ROWS]
    rows = [
        [
            *(key_text(report, name, value) or UNKNOWN_TEXT for name, value in group.key.items()),
            *_stat_cells(_total(group)),
            size(group.bytes),
            _slowest_step(group),
        ]
        for group in shown
    ]
    header = [*report.key, *_STAT_COLUMNS, "bytes", "most time in"]
    lines = ["whole command (submit→wake, or submit→complete where nobody waited), µs"]
    lines += render(header, rows, left=len(report.key))
    if len(report.groups) > len(shown):
        lines.append(f"... {len(report.groups) - len(shown)} smaller groups: --json has them all")
    return lines


def _total(group: Group) -> Stats | None:
    wake, complete = group.stats[TO_WAKE.name], group.stats[TO_COMPLETE.name]
    # Waiters are few when work is batched: then completions say more.
    if wake is None or (complete is not None and wake.count < complete.count):
        return complete
    return wake


def _slowest_step(group: Group) -> str:
    sums = {
        span.label: stats.mean_ns * stats.count
        for span in STEPS
        if (stats := group.stats[span.name]) is not None and stats.mean_ns > 0
    }
    if not sums:
        return UNKNOWN_TEXT
    label = max(sums, key=lambda name: sums[name])
    return f"{label} {100 * sums[label] / sum(sums.values()):.0f} %"


def _traffic(report: Report) -> list[str]:
    rows = [
        [
            UNKNOWN_TEXT if item.direction < 0 else code_name("direction", item.direction),
            f"{item.command_count:,}",
            size(item.bytes),
            rate(item.bytes_per_s),
            rate(item.busy_bytes_per_s),
        ]
        for item in report.traffic
    ]
    header = ["bytes by direction", "commands", "bytes", "over all", "while executing"]
    return render(header, rows) if rows else []


def _unfinished(report: Report) -> list[str]:
    found = report.unfinished
    if not found.count:
        return []
    waiting = found.count - found.lost_count - found.uncertain_count
    kinds = [
        (found.lost_count, "lost"),
        (waiting, "unfinished when the recording ended"),
        (found.uncertain_count, "unknown, because events of their endpoint were dropped"),
    ]
    text = ", ".join(f"{count:,} {kind}" for count, kind in kinds if count)
    shown = found.rows[:UNFINISHED_ROWS]
    lines = [f"without completion: {text}"]
    lines += [f"  {_unfinished_line(report, item)}" for item in shown]
    rest = found.count - len(shown)
    return [*lines, f"  ... and {rest:,} more"] if rest > 0 else lines


def _unfinished_line(report: Report, item: Unfinished) -> str:
    later = f"{item.later_completed_count:,} later commands of its queue completed"
    seen = f"last seen {item.command.last_stage_before_completion}"
    if item.was_given_up:
        verdict = f"LOST, given up after {duration(item.age_ns)}, {seen}; {later}"
    elif item.is_lost:
        verdict = f"LOST, age {duration(item.age_ns)}, {seen}; {later}"
    elif not item.is_certain:
        verdict = f"unknown, {seen}"
    else:
        verdict = f"unfinished, age {duration(item.age_ns)}, {seen}"
    return f"{_identity(report, item.command)}: {verdict}"


def _identity(report: Report, row: CommandRow) -> str:
    opcode = UNKNOWN_TEXT if row.opcode is None else code_name("opcode", row.opcode)
    moved = f" {size(row.bytes)}" if row.bytes else ""
    return (
        f"{report.capture.endpoint_name(row.endpoint)} queue {row.queue} "
        f"sequence {row.sequence} {opcode}{moved}"
    )


def _failed(report: Report) -> list[str]:
    if not report.failed_count:
        return []
    lines = [f"completed with an error: {report.failed_count:,}"]
    for row in report.failed[:UNFINISHED_ROWS]:
        status = UNKNOWN_TEXT if row.status is None else code_name("status", row.status)
        lines.append(
            f"  {_identity(report, row)}: {status} after {duration(row.total_ns)}, "
            f"last seen {row.last_stage_before_completion}"
        )
    rest = report.failed_count - UNFINISHED_ROWS
    return [*lines, f"  ... and {rest:,} more"] if rest > 0 else lines


def _worst(report: Report) -> list[str]:
    if not report.worst:
        return []
    rows = []
    for row in report.worst:
        times = list(row.stamps_ns.values())
        steps = [
            None if before is None or after is None else after - before
            for before, after in pairwise(times)
        ]
        rows.append([_identity(report, row), microseconds(row.total_ns), *map(microseconds, steps)])
    header = ["slowest commands, µs", "total", *(span.label for span in STEPS)]
    return render(header, rows)

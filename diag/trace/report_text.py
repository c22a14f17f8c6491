# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The report as text that fits the terminal; every digit of it is in the JSON form."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime
from itertools import pairwise
from typing import Final

import numpy as np

from diag.printable import printable
from diag.trace.findings import CommandRow, Unfinished
from diag.trace.latency import SPANS, STEPS, TO_COMPLETE, TO_WAKE, Group, Stats
from diag.trace.model import RecorderCost
from diag.trace.report import Report, analysis_warnings, key_text, stage_counts
from diag.trace.schema import code_name
from diag.trace.table import UNKNOWN_TEXT, duration, fit, rate, render, size, wrap

GROUP_ROWS: Final = 40
UNFINISHED_ROWS: Final = 20
ENDPOINT_ROWS: Final = 8
COMMAND_CHARACTERS: Final = 1000
_LABEL: Final = 10
"""Columns of the words at the left edge of the head."""
_STAT_COLUMNS: Final = ("count", "p50", "p90", "p99", "p99.9", "max", "mean")
_NOTE: Final = "what it is"
_MOST: Final = "most time in"
_DROPPED_STATS: Final = ("mean", "p90", "p99.9", "bytes", "max", _MOST)
"""Least important first."""


def to_text(report: Report, width: int | None = None) -> str:
    """The whole report; loss comes before any number that it could have spoilt.

    Args:
        report: what to show.
        width: columns to stay within where possible; None for as wide as it gets.
    """
    sections = [
        _head(report, width),
        _stages(report, width),
        _groups(report, width),
        _traffic(report),
        _unfinished(report, width),
        _failed(report, width),
        _worst(report, width),
    ]
    return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _head(report: Report, width: int | None) -> list[str]:
    capture, info = report.capture, report.capture.info
    started = datetime.fromtimestamp((info.start_ns + info.realtime_offset_ns) / 1e9, UTC)
    length = None if report.end_ns is None else report.end_ns - info.start_ns
    rack = info.rack or UNKNOWN_TEXT
    when = f"{started:%Y-%m-%d %H:%M:%S} UTC"
    facts = [
        ("capture", f"{capture.path} ({size(capture.file_bytes)})"),
        ("recorded", f"{when} on {info.host}, rack {rack}, {duration(length)}"),
    ]
    if info.command is not None:
        facts.append(("command", _command(report, info.command)))
    facts += [
        ("events", f"{capture.event_count:,} of {len(report.commands):,} commands"),
        ("", _counts(report)),
        *_loss(report),
        ("recorder", _cost(capture.cost)),
        *_endpoints(report),
    ]
    return [line for label, text in facts for line in wrap(f"{label:10}{text}", width, _LABEL)]


def _command(report: Report, words: tuple[str, ...]) -> str:
    status = report.capture.cost.exit_status if report.capture.cost else None
    ended = "exit status unknown" if status is None else f"exit status {status}"
    return f"{printable(shlex.join(words), COMMAND_CHARACTERS)} ({ended})"


def _counts(report: Report) -> str:
    counts = stage_counts(report.tally)
    return ", ".join(f"{name} {count:,}" for name, count in counts.items()) or "none"


def _loss(report: Report) -> list[tuple[str, str]]:
    warnings = report.capture.warnings() + analysis_warnings(report)
    facts = [("loss", text) for text in warnings]
    for loss in report.capture.losses.by_ring.values():
        if loss.dropped_count:
            of = f"{report.capture.endpoint_name(loss.endpoint)}, process {loss.pid}"
            facts.append(("", f"ring {loss.ring}: {loss.dropped_count:,} events of {of}"))
    return facts or [
        ("loss", "none: no ring overflowed, the file is complete, every event was used")
    ]


def _cost(cost: RecorderCost | None) -> str:
    if cost is None:
        return "its cost is unknown: the recording was cut short"
    share = f"{100 * cost.cpu_ns / cost.wall_ns:.1f} % of one core" if cost.wall_ns else "—"
    return (
        f"{duration(cost.cpu_ns)} CPU ({share}), {size(cost.bytes)} written, "
        f"{cost.polls:,} polls; ended by {cost.reason}"
    )


def _endpoints(report: Report) -> list[tuple[str, str]]:
    """What the short names of the tables stand for."""
    rows = np.unique(report.commands.endpoint).tolist()
    places = {endpoint.row: endpoint.bdf for endpoint in report.capture.endpoints}
    facts = []
    for number, row in enumerate(rows[:ENDPOINT_ROWS]):
        place = f" at {places[row]}" if places.get(row) else ""
        name = f"{_short(row):5} {report.capture.endpoint_name(row)}{place}"
        facts.append(("" if number else "endpoints", name))
    rest = len(rows) - len(facts)
    return [*facts, ("", f"... and {rest:,} more: --json has them all")] if rest else facts


def _short(row: int) -> str:
    """As accel-info numbers the rack's endpoints."""
    return f"ep{row}"


def _stat_cells(stats: Stats | None) -> list[str]:
    if stats is None:
        return ["0", *[UNKNOWN_TEXT] * (len(_STAT_COLUMNS) - 1)]
    times = (stats.p50_ns, stats.p90_ns, stats.p99_ns, stats.p99_9_ns, stats.max_ns, stats.mean_ns)
    return [f"{stats.count:,}", *(duration(time) for time in times)]


def _stages(report: Report, width: int | None) -> list[str]:
    notes = max(len(span.meaning) for span in SPANS)
    rows = [
        [span.label, *_stat_cells(report.overall[span.name]), span.meaning.ljust(notes)]
        for span in SPANS
    ]
    header = ["stage", *_STAT_COLUMNS, _NOTE.ljust(notes)]
    return [line.rstrip() for line in fit(header, rows, width, droppable=(header[-1], "mean"))]


def _groups(report: Report, width: int | None) -> list[str]:
    if not report.groups:
        return []
    shown = sorted(report.groups, key=lambda group: -group.command_count)[:GROUP_ROWS]
    rows = [
        [
            *(_key_cell(report, name, value) for name, value in group.key.items()),
            *_stat_cells(_total(group)),
            size(group.bytes),
            _slowest_step(group),
        ]
        for group in shown
    ]
    names = ["ep" if name == "endpoint" else name for name in report.key]
    header = [*names, *_STAT_COLUMNS, "bytes", _MOST]
    lines = ["whole command: submit→wake, or submit→complete where nobody waited"]
    lines += fit(header, rows, width, left=len(report.key), droppable=_DROPPED_STATS)
    if len(report.groups) > len(shown):
        lines.append(f"... {len(report.groups) - len(shown)} smaller groups: --json has them all")
    return lines


def _key_cell(report: Report, column: str, value: int) -> str:
    if column == "endpoint" and value >= 0:
        return _short(value)
    text = key_text(report, column, value) or UNKNOWN_TEXT
    if column == "direction":
        return text.replace("_to_", "→").replace("device", "dev")
    return text


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
        if (stats := group.stats[span.name]) is not None
    }
    return _largest(sums)


def _largest(times: dict[str, float]) -> str:
    """The step with the most time and its share of all."""
    known = {label: time for label, time in times.items() if time > 0}
    if not known:
        return UNKNOWN_TEXT
    label = max(known, key=lambda name: known[name])
    return f"{label} {100 * known[label] / sum(known.values()):.0f} %"


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


def _unfinished(report: Report, width: int | None) -> list[str]:
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
    texts = [_unfinished_line(report, item) for item in found.rows]
    return [*wrap(f"without completion: {text}", width, 2), *_some(texts, found.count, width)]


def _some(texts: list[str], count: int, width: int | None) -> list[str]:
    """The first texts, indented, and how many there are besides."""
    shown = texts[:UNFINISHED_ROWS]
    lines = [line for text in shown for line in wrap(f"  {text}", width, 4)]
    rest = count - len(shown)
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
    moved = f" {size(row.bytes)}" if row.bytes else ""
    return (
        f"{report.capture.endpoint_name(row.endpoint)} queue {row.queue} "
        f"sequence {row.sequence} {_opcode(row)}{moved}"
    )


def _opcode(row: CommandRow) -> str:
    return UNKNOWN_TEXT if row.opcode is None else code_name("opcode", row.opcode)


def _failed(report: Report, width: int | None) -> list[str]:
    if not report.failed_count:
        return []
    texts = []
    for row in report.failed:
        status = UNKNOWN_TEXT if row.status is None else code_name("status", row.status)
        texts.append(
            f"{_identity(report, row)}: {status} after {duration(row.total_ns)}, "
            f"last seen {row.last_stage_before_completion}"
        )
    head = f"completed with an error: {report.failed_count:,}"
    return [head, *_some(texts, report.failed_count, width)]


def _worst(report: Report, width: int | None) -> list[str]:
    if not report.worst:
        return []
    rows = []
    for row in report.worst:
        steps = _steps(row)
        known = {label: float(time) for label, time in steps.items() if time is not None}
        rows.append(
            [
                _short(row.endpoint),
                str(row.queue),
                str(row.sequence),
                _opcode(row),
                size(row.bytes),
                duration(row.total_ns),
                *map(duration, steps.values()),
                _largest(known),
            ]
        )
    labels = [span.label for span in STEPS]
    header = ["ep", "queue", "sequence", "opcode", "bytes", "total", *labels, _MOST]
    # All steps or none: some of them would look like all of them.
    if width is not None and max(map(len, render(header, rows))) > width:
        header = header[:6] + header[-1:]
        rows = [row[:6] + row[-1:] for row in rows]
    return ["slowest commands", *render(header, rows)]


def _steps(row: CommandRow) -> dict[str, int | None]:
    """Time of each step of a command; None where one of its ends is unknown."""
    return {
        span.label: None if before is None or after is None else after - before
        for span, (before, after) in zip(STEPS, pairwise(row.stamps_ns.values()), strict=True)
    }

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One figure per capture: where the time goes, how it is distributed, when it happened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter
from numpy.typing import NDArray

from diag.printable import printable
from diag.trace.commands import COL_COMPLETE, COL_SUBMIT, COL_WAKE, UNKNOWN, Commands
from diag.trace.errors import UsageError
from diag.trace.findings import Unfinished
from diag.trace.latency import STEPS, TO_COMPLETE, TO_WAKE, Group, group_by
from diag.trace.report import Report
from diag.trace.schema import code_name
from diag.trace.table import size
from pyaccel.spec.formats import Status

FORMATS: Final = (".png", ".svg", ".pdf")
STEP_COLOURS: Final = ("#4e79a7", "#76b7b2", "#edc948", "#f28e2b", "#b07aa1", "#9c755f")
TOTAL_COLOUR: Final = "#222222"
OPCODE_COLOURS: Final = (
    "#1f77b4",
    "#ff7f0e",
    "#2ca02c",
    "#9467bd",
    "#8c564b",
    "#e377c2",
    "#17becf",
    "#bcbd22",
)
LOST_COLOUR: Final = "#d62728"
"""Nothing else is red."""
UNKNOWN_COLOUR: Final = "#888888"
NAMED_LOST: Final = 3
"""Commands that never completed and are named in the figure; the report names more."""
MAX_POINTS: Final = 20_000
"""Points of the timeline; the slowest are always among them."""
FEW_POINTS: Final = 500
"""Up to so many they are drawn larger."""
CURVE_POINTS: Final = 400
MAX_OPCODES: Final = 8
WIDE_RANGE: Final = 1e3
"""From this ratio on, a log axis has numbers at powers of ten only."""
FLOOR_US: Final = 1e-3
"""Latencies below 1 ns (zero, or below zero through clock error) are drawn here on log axes."""


def plot(report: Report, output: Path) -> None:
    """Draw the figure; UsageError for a suffix that is no picture or an unwritable path."""
    if output.suffix not in FORMATS:
        raise UsageError(
            f"{output.suffix or 'no suffix'!r} is no picture format",
            where=str(output),
            advice=f"End the name in one of {', '.join(FORMATS)}.",
        )
    # Names come from the capture: a dollar sign in one must not start a formula.
    style: Any = {"font.size": 10, "axes.grid": True, "grid.alpha": 0.25, "text.parse_math": False}
    with mpl.rc_context(style):
        figure = Figure(figsize=(14, 9.5), layout="constrained")
        grid = figure.add_gridspec(2, 2, height_ratios=(1, 1.05))
        _breakdown(figure.add_subplot(grid[0, 0]), report)
        _curves(figure.add_subplot(grid[0, 1]), report.commands)
        _timeline(figure.add_subplot(grid[1, :]), report)
        figure.suptitle(_title(report), fontsize=12)
        try:
            figure.savefig(output, dpi=130)
        except OSError as error:
            raise UsageError(f"cannot be written: {error.strerror}", where=str(output)) from None


def _title(report: Report) -> str:
    capture = report.capture
    dropped = capture.losses.dropped_count
    loss = f"{dropped:,} events lost in rings" if dropped else "no event lost in rings"
    if not capture.end.complete:
        loss += ", recording cut short"
    count = report.unfinished.lost_count
    missing = f", {count:,} of them lost," if count else ""
    endpoints = len(np.unique(report.commands.endpoint))
    return (
        f"{printable(capture.path.name)}: {len(report.commands):,} commands{missing} on "
        f"{endpoints} endpoint{'' if endpoints == 1 else 's'} "
        f"({capture.event_count:,} events, {size(capture.file_bytes)}; {loss})"
    )


def _breakdown(axes: Any, report: Report) -> None:
    """Mean time per stage, one bar per opcode."""
    groups = sorted(group_by(report.commands, ("opcode",)), key=lambda g: -g.command_count)
    groups = [group for group in groups if any(group.stats[step.name] for step in STEPS)]
    groups = groups[:MAX_OPCODES][::-1]
    labels = [f"{_opcode(group.key['opcode'])}\n{group.command_count:,} x" for group in groups]
    left = np.zeros(len(groups))
    for step, colour in zip(STEPS, STEP_COLOURS, strict=True):
        means = np.array([_mean_us(group, step.name) for group in groups])
        axes.barh(labels, means, left=left, color=colour, label=step.label, height=0.65)
        left += means
    for row, total in enumerate(left):
        axes.annotate(
            f" {_us(total)}", (total, row), va="center", fontsize=9, annotation_clip=False
        )
    axes.set_title("Where the time goes: mean per stage")
    axes.set_xlabel("mean latency, µs")
    axes.margins(x=0.2)
    axes.grid(visible=False, axis="y")
    if not groups:
        _nothing(axes)


def _curves(axes: Any, commands: Commands) -> None:
    """Share of commands that were at most so slow, per stage."""
    drawn = False
    spans = [*zip(STEPS, STEP_COLOURS, strict=True), (_whole(commands), TOTAL_COLOUR)]
    for span, colour in spans:
        durations, known = span.durations(commands)
        if not known.any():
            continue
        drawn = True
        times, shares = _curve(durations[known])
        is_step = span in STEPS
        axes.plot(
            times, shares, color=colour, label=span.label, drawstyle="steps-post",
            linewidth=1.8 if is_step else 2.4, linestyle="-" if is_step else "--",
        )  # fmt: skip
    axes.set_title("How it is distributed: cumulative share of commands")
    axes.set_xlabel("latency, µs (log)")
    axes.set_ylabel("commands at or below, %")
    axes.set_ylim(0, 102)
    for share in (50, 90, 99):
        axes.axhline(share, color="#888888", linewidth=0.7, linestyle=":")
        axes.annotate(
            f"p{share}", (1.004, share), xycoords=("axes fraction", "data"), fontsize=8, va="center"
        )
    if drawn:
        _log_axis(axes, "x")
        axes.legend(
            title="stage (both plots)", loc="center left", bbox_to_anchor=(1.05, 0.5), frameon=False
        )
    else:
        _nothing(axes)


def _curve(durations: NDArray[np.int64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """A few hundred points of the cumulative distribution, dense in the tail."""
    ordered = np.sort(durations)
    count = len(ordered)
    tail = 1 - np.logspace(0, -5, CURVE_POINTS // 2)
    shares = np.unique(np.concatenate((np.linspace(0, 1, CURVE_POINTS // 2), tail)))
    ranks = np.unique(np.ceil(shares * count).astype(int).clip(1, count))
    return np.maximum(ordered[ranks - 1] / 1e3, FLOOR_US), 100 * ranks / count


def _timeline(axes: Any, report: Report) -> None:
    """Every command's latency against its submission; those that never completed on top."""
    commands, clock = report.commands, _Clock.of(report)
    total, known = _whole(commands).durations(commands)
    known &= commands.status != Status.LOST
    rows = _thin_out(np.flatnonzero(known), total)
    latency = np.maximum(total[rows] / 1e3, FLOOR_US)
    submitted = (commands.stamps[rows, COL_SUBMIT] - clock.start_ns) / clock.unit_ns
    for code, colour in _opcode_colours(commands):
        chosen = commands.opcode[rows] == code
        if chosen.any():
            axes.scatter(
                submitted[chosen], latency[chosen], s=9 if len(rows) > FEW_POINTS else 30,
                alpha=0.6, color=colour,
                linewidths=0, label=_opcode(code), rasterized=True,
            )  # fmt: skip
    _mark_unfinished(axes, report, clock, float(latency.max()) if len(latency) else 1.0)
    shown = f" ({len(rows):,} of {int(known.sum()):,} shown)" if len(rows) < known.sum() else ""
    axes.set_title(f"When it happened: {_whole(commands).label} of each command{shown}")
    axes.set_xlabel(f"submitted, {clock.unit} after the first command")
    axes.set_ylabel("latency, µs (log)")
    if axes.get_legend_handles_labels()[0]:
        _log_axis(axes, "y")
        legend = axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        for handle in legend.legend_handles:
            handle.set_sizes([36])
    else:
        _nothing(axes)


@dataclass(frozen=True, slots=True)
class _Clock:
    """Zero and unit of the time line."""

    start_ns: int
    unit_ns: float
    unit: str

    @classmethod
    def of(cls, report: Report) -> _Clock:
        submit = report.commands.stamps[:, COL_SUBMIT]
        submit = submit[submit != UNKNOWN]
        if not len(submit):
            return cls(report.capture.info.start_ns, 1e9, "s")
        start, length = int(submit.min()), int(submit.max() - submit.min())
        unit_ns, unit = next(
            (item for item in ((1e9, "s"), (1e6, "ms")) if length >= item[0]), (1e3, "µs")
        )
        return cls(start, unit_ns, unit)

    def of_submission(self, item: Unfinished) -> float:
        """When it was submitted, in units."""
        submit = item.command.stamps_ns["submit"]
        return ((self.start_ns if submit is None else submit) - self.start_ns) / self.unit_ns


def _mark_unfinished(axes: Any, report: Report, clock: _Clock, highest_us: float) -> None:
    """Crosses above everything: red for lost, grey for what proves nothing."""
    rows = report.unfinished.rows
    lost = [item for item in rows if item.is_lost]
    rest = [item for item in rows if not item.is_lost]
    level = highest_us * 1.6
    rest_count = report.unfinished.count - report.unfinished.lost_count
    for items, colour, label in (
        (rest, UNKNOWN_COLOUR, f"unfinished or unknown ({rest_count:,})"),
        (lost, LOST_COLOUR, f"lost ({report.unfinished.lost_count:,})"),
    ):
        if items:
            times = [clock.of_submission(item) for item in items]
            axes.scatter(
                times, [level] * len(times), marker="x", s=60, color=colour, linewidths=2,
                label=label, zorder=3,
            )  # fmt: skip
    for number, item in enumerate(lost[:NAMED_LOST]):
        time = clock.of_submission(item)
        # Towards the middle, so that it is not cut off; one above the other.
        side = "left" if 2 * time < sum(axes.get_xlim()) else "right"
        name = report.capture.endpoint_name(item.command.endpoint)
        text = f"   {name} queue {item.command.queue} sequence {item.command.sequence}   "
        axes.annotate(
            text, (time, level), xytext=(0, 11 * number), textcoords="offset points",
            color=LOST_COLOUR, fontsize=9, va="center", ha=side,
        )  # fmt: skip


def _whole(commands: Commands) -> Any:
    """The span that stands for a whole command: to the waiter where most have one."""
    wakes = np.count_nonzero(commands.stamps[:, COL_WAKE] != UNKNOWN)
    completes = np.count_nonzero(commands.stamps[:, COL_COMPLETE] != UNKNOWN)
    return TO_WAKE if wakes and wakes >= completes else TO_COMPLETE


def _thin_out(rows: NDArray[np.intp], total: NDArray[np.int64]) -> NDArray[np.intp]:
    """At most MAX_POINTS rows: the slowest tenth of the room, an even choice for the rest."""
    if len(rows) <= MAX_POINTS:
        return rows
    slow_count = MAX_POINTS // 10
    order = np.argpartition(total[rows], len(rows) - slow_count)
    slow, rest = rows[order[-slow_count:]], np.sort(rows[order[:-slow_count]])
    step = -(-len(rest) // (MAX_POINTS - slow_count))
    return np.concatenate((rest[::step], slow))


def _log_axis(axes: Any, which: str) -> None:
    """Logarithmic, with plain numbers at 1, 2 and 5."""
    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("log")
    low, high = axis.get_view_interval()
    plain = FuncFormatter(lambda value, _position: f"{value:,g}")
    axis.set_major_formatter(plain)
    if high < low * WIDE_RANGE:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
        axis.set_minor_formatter(NullFormatter())


def _opcode_colours(commands: Commands) -> list[tuple[int, Any]]:
    codes = np.unique(commands.opcode).tolist()
    return [
        (code, OPCODE_COLOURS[number % len(OPCODE_COLOURS)]) for number, code in enumerate(codes)
    ]


def _mean_us(group: Group, name: str) -> float:
    stats = group.stats[name]
    # A stage that nobody saw has no length in the bar; below zero is clock error.
    return 0.0 if stats is None else max(stats.mean_ns / 1e3, 0.0)


def _opcode(code: int) -> str:
    return "unknown" if code == UNKNOWN else code_name("opcode", code)


def _us(value: float) -> str:
    return f"{value:,.0f} µs" if value >= 100 else f"{value:.3g} µs"


def _nothing(axes: Any) -> None:
    axes.annotate(
        "nothing to show: no complete command",
        (0.5, 0.5), xycoords="axes fraction", ha="center", color="#666666",
    )  # fmt: skip

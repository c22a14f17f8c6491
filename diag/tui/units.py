# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How quantities are spelled in a column. Pure; unknown is always a dash."""

from __future__ import annotations

from typing import Final

DASH: Final = "—"
_STEPS: Final = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_BARS: Final = "▁▂▃▄▅▆▇█"


def si(value: float | None) -> str:
    """Three digits and a decimal prefix: 0, 812, 1.23k, 45.6M."""
    if value is None:
        return DASH
    for factor, letter in _STEPS:
        # 999.95k would be spelled 1000k.
        if abs(value) >= factor * 0.9995:
            return f"{_three(value / factor)}{letter}"
    return f"{value:.0f}" if value == int(value) or abs(value) >= 100 else _three(value)


def _three(value: float) -> str:
    digits = 2 if abs(value) < 9.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}"


def tenths(value: int | None, per_unit: int) -> str:
    """A whole number in small units with one decimal: 39356 per 1000 is 39.4."""
    return DASH if value is None else f"{value / per_unit:.1f}"


def short_time(nanoseconds: int | None) -> str:
    """812 ns, 45.6 us, 1.23 ms, 12.0 s."""
    if nanoseconds is None:
        return DASH
    for factor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if abs(nanoseconds) >= factor * 0.9995:
            return f"{_three(nanoseconds / factor)} {unit}"
    return f"{nanoseconds} ns"


def duration(seconds: float | None) -> str:
    """45 s, 12 min 05 s, 3 h 07 min, 2 d 4 h."""
    if seconds is None:
        return DASH
    whole = int(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole // 60 % 60:02} min"
    return f"{whole // 86400} d {whole // 3600 % 24} h"


def sparkline(values: list[float | None], width: int, top: float | None = None) -> str:
    """The newest values, one cell each; a blank where nothing is known, "▁" for zero."""
    shown = values[-width:] if width > 0 else []
    known = [value for value in shown if value is not None]
    highest = top if top is not None else max(known, default=0.0)
    bars = "".join(_bar(value, highest) for value in shown)
    return bars.rjust(width)


def _bar(value: float | None, highest: float) -> str:
    if value is None:
        return " "
    if highest <= 0 or value <= 0:
        return _BARS[0]
    return _BARS[min(7, max(0, round(value / highest * 7)))]

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Plain text tables and numbers with units, for terminals and pipes alike."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

UNKNOWN_TEXT = "—"
_GAP = "  "


def render(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a table; the first `left` columns are aligned left, the others right."""
    widths = _widths(header, rows)

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return _GAP.join(padded).rstrip()

    return [line(header), *(line(row) for row in rows)]


def fit(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    width: int | None,
    *,
    left: int = 1,
    droppable: Sequence[str] = (),
) -> list[str]:
    """As `render`, with those of the `droppable` columns that fit; the last ones matter most."""
    widths, names = _widths(header, rows), list(header)
    kept = [at for at, name in enumerate(names) if name not in droppable]
    for name in reversed(droppable):
        tried = sorted([*kept, names.index(name)])
        total = sum(widths[at] for at in tried) + len(_GAP) * (len(tried) - 1)
        if width is None or total <= width:
            kept = tried
    chosen = [[row[at] for at in kept] for row in rows]
    return render([header[at] for at in kept], chosen, left)


def wrap(text: str, width: int | None, indent: int) -> list[str]:
    """Lines of at most `width` columns, all but the first indented; None never wraps."""
    if width is None or len(text) <= width:
        return [text]
    lines = textwrap.wrap(
        text,
        width,
        subsequent_indent=" " * indent,
        break_long_words=False,
        break_on_hyphens=False,
        replace_whitespace=False,
    )
    return lines or [text]


def duration(time_ns: float | None) -> str:
    """Nanoseconds as three digits in the unit that reads best; a dash for None."""
    if time_ns is None:
        return UNKNOWN_TEXT
    value, unit = float(time_ns), "ns"
    for larger in ("µs", "ms", "s"):
        # 999.6 would be rounded to 1000.
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, larger
    if unit == "ns" or abs(value) >= 99.95:
        return f"{value:,.0f} {unit}"
    return f"{value:.1f} {unit}" if abs(value) >= 9.995 else f"{value:.2f} {unit}"


def size(count: float | None) -> str:
    """Bytes with a binary unit; a dash for None."""
    if count is None:
        return UNKNOWN_TEXT
    for unit in ("B", "KiB", "MiB", "GiB"):
        if count < 1024:
            return f"{count:.4g} {unit}"
        count /= 1024
    return f"{count:,.2f} TiB"


def rate(bytes_per_s: float | None) -> str:
    """Bytes per second; a dash for None."""
    return UNKNOWN_TEXT if bytes_per_s is None else f"{size(bytes_per_s)}/s"


def _widths(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]

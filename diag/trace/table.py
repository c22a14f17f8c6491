# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Plain text tables and numbers with units, for terminals and pipes alike."""

from __future__ import annotations

from collections.abc import Sequence

UNKNOWN_TEXT = "—"


def render(header: Sequence[str], rows: Sequence[Sequence[str]], left: int = 1) -> list[str]:
    """Lines of a table; the first `left` columns are aligned left, the others right."""
    widths = [max(len(cell) for cell in column) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.ljust(width) if number < left else cell.rjust(width)
            for number, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return "  ".join(padded).rstrip()

    return [line(header), *(line(row) for row in rows)]


def microseconds(time_ns: float | None) -> str:
    """Nanoseconds as µs with three digits; a dash for None."""
    return UNKNOWN_TEXT if time_ns is None else f"{time_ns / 1e3:,.3f}"


def duration(time_ns: float | None) -> str:
    """Nanoseconds in the unit that reads best."""
    if time_ns is None:
        return UNKNOWN_TEXT
    for limit, divisor, unit in ((1e3, 1, "ns"), (1e6, 1e3, "µs"), (1e9, 1e6, "ms")):
        if abs(time_ns) < limit:
            return f"{time_ns / divisor:.4g} {unit}"
    return f"{time_ns / 1e9:.3f} s"


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

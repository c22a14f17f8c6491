# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How values are spelled on a terminal. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from diag.printable import printable
from diag.topo.model import GIGATRANSFERS, Link, Rack

UNKNOWN = "—"


def short_link(link: Link) -> str:
    """16GT/s x16."""
    if link.speed is None and link.width is None:
        return UNKNOWN
    speed = UNKNOWN if link.speed is None else GIGATRANSFERS.get(link.speed, f"?{link.speed}")
    width = UNKNOWN if link.width is None else str(link.width)
    return f"{speed}GT/s x{width}"


def full_link(link: Link) -> str:
    """The link as it is, and what it could be when that is more."""
    if not link.below_capability:
        return short_link(link)
    best = Link(link.max_speed, link.max_width, None, None)
    return f"{short_link(link)} (can do {short_link(best)})"


def size(count: int | None) -> str:
    """Bytes as 256M or 2G when that is exact."""
    if count is None:
        return UNKNOWN
    for unit, shift in (("T", 40), ("G", 30), ("M", 20), ("K", 10)):
        if count and not count & ((1 << shift) - 1):
            return f"{count >> shift}{unit}"
    return str(count)


def dash(value: object) -> str:
    """The value, or the sign for not available."""
    return UNKNOWN if value is None else printable(str(value))


def bdf_shortener(rack: Rack) -> int:
    """How many leading characters of bus addresses can be left out: the segment, if all is 0."""
    addresses = [port.bdf for port in rack.ports] + [e.bdf for e in rack.endpoints]
    return len("0000:") if all(a.startswith("0000:") for a in addresses) else 0


def pairs(rows: Sequence[tuple[str, str]]) -> Iterator[str]:
    """Names and values, one a line."""
    for name, value in rows:
        yield f"  {name:12} {value}"


def columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """A table as wide as its cells."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What attributes of PCI functions in sysfs say. Pure.

What makes no sense is None, never a guess.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from diag.topo.model import Bar, Peer

U8_MAX: Final = 0xFF
U16_MAX: Final = 0xFFFF
U32_MAX: Final = 0xFFFF_FFFF
U64_MAX: Final = 0xFFFF_FFFF_FFFF_FFFF
BDF: Final = re.compile(r"[0-9a-f]{4}:[0-9a-f]{2}:[01][0-9a-f]\.[0-7]")
_WIDTHS: Final = (1, 2, 4, 8, 12, 16, 32)
_SPEEDS: Final = {"2.5": 1, "5.0": 2, "8.0": 3, "16.0": 4, "32.0": 5, "64.0": 6}
# include/linux/ioport.h
_IS_MEMORY: Final = 0x200
_IS_PREFETCHABLE: Final = 0x2000
_IS_UNSET: Final = 0x2000_0000
_BRIDGE_WINDOWS: Final = 4
"""A bridge's last resources: I/O, memory, prefetchable memory, and one of CardBus."""


def number(text: str | None, most: int) -> int | None:
    """A whole number up to `most`, decimal or hexadecimal."""
    if re.fullmatch(r"0x[0-9a-f]{1,16}", text or ""):
        value = int(text or "", 16)
    elif re.fullmatch(r"[0-9]{1,20}", text or ""):
        value = int(text or "")
    else:
        return None
    return value if value <= most else None


@lru_cache(1024)
def speed(text: str | None) -> int | None:
    """Link Speed field of "16.0 GT/s PCIe"."""
    return _SPEEDS.get((text or "").partition(" ")[0])


@lru_cache(1024)
def width(text: str | None) -> int | None:
    """Lanes; 0 (no link) and all-ones are not known."""
    return next((lanes for lanes in _WIDTHS if text == str(lanes)), None)


@lru_cache(1024)
def aer_total(text: str | None) -> int | None:
    """The TOTAL line of an aer_dev_* attribute."""
    found = re.search(r"^TOTAL_ERR_[A-Z]+ ([0-9]{1,19})$", text or "", re.MULTILINE)
    return int(found[1]) if found else None


@dataclass(frozen=True, slots=True)
class Resource:
    """A line of a function's `resource` attribute; the end is inclusive."""

    start: int
    end: int
    flags: int


@lru_cache(4096)  # a live view reads the same text again and again
def resources(text: str | None) -> tuple[Resource, ...]:
    """The lines of a `resource` attribute; empty when one of them makes no sense."""
    lines = (text or "").splitlines()
    found = [re.fullmatch(r"0x([0-9a-f]{16}) 0x([0-9a-f]{16}) 0x([0-9a-f]{16})", x) for x in lines]
    rows = tuple(Resource(*(int(part, 16) for part in row.groups())) for row in found if row)
    return rows if len(rows) == len(lines) and all(row.start <= row.end for row in rows) else ()


def bars(rows: Sequence[Resource]) -> tuple[Bar, ...]:
    """The memory BARs; the address is None where none was assigned."""
    return tuple(
        Bar(number, None if row.flags & _IS_UNSET else row.start, row.end - row.start + 1)
        for number, row in enumerate(rows[:6])
        if row.flags & _IS_MEMORY
    )


def window(rows: Sequence[Resource]) -> tuple[int | None, int | None]:
    """Base and limit of a bridge's prefetchable window, else of its memory window."""
    windows = [
        row
        for row in rows[-_BRIDGE_WINDOWS:]
        if row.flags & _IS_MEMORY and not row.flags & _IS_UNSET
    ]
    for row in sorted(windows, key=lambda row: not row.flags & _IS_PREFETCHABLE):
        return row.start, row.end
    return None, None


def slot_number(name: str) -> int | None:
    """The number in a slot's name; "2-1" is the second one that says 2."""
    found = re.fullmatch(r"([0-9]{1,4})(-[0-9]+)?", name)
    return int(found[1]) if found and int(found[1]) < 8192 else None


_PEER = re.compile(r"(card:0x[0-9a-f]{16}/[0-9]{1,3}) (\S+) (?:reachable|unreachable: (.+))")
_MORE = re.compile(r"and [0-9]{1,9} more")


def peers(text: str) -> tuple[Peer, ...] | None:
    """The driver's list of other endpoints; None when a line makes no sense."""
    found: list[Peer] = []
    for line in text.splitlines():
        row = _PEER.fullmatch(line)
        if row is not None and BDF.fullmatch(row[2]):
            reason = row[3]
            found.append(Peer(row[1], row[2], reason is None, reason and reason[:400]))
        elif not _MORE.fullmatch(line):
            return None
    return tuple(found)

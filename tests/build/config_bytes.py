# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Configuration spaces byte by byte, and dumps of them as lspci prints those."""

from __future__ import annotations

import struct
from collections.abc import Iterable

EXPRESS_AT = 0x40
ACS_AT, SERIAL_AT = 0x100, 0x140
PORT_TYPES = {"endpoint": 0, "root": 4, "upstream": 5, "downstream": 6}


def function(  # noqa: PLR0913 - one per part
    kind: str,
    *,
    buses: tuple[int, int, int] = (0, 0, 0),
    now: tuple[int, int] = (4, 16),
    best: tuple[int, int] = (4, 16),
    slot: int | None = None,
    acs: int | None = None,
    serial: int | None = None,
    bar: int = 0,
    window: tuple[int, int] | None = None,
    length: int = 4096,
) -> bytes:
    """A function with an Express capability; a bridge if its kind is that of a port."""
    data = bytearray(4096)
    is_port = kind != "endpoint"
    struct.pack_into("<HHHH", data, 0, 0x1AF4, 0x10F0, 0, 0x10)
    struct.pack_into("<I", data, 8, (0x060400 if is_port else 0x120000) << 8)
    data[0x0E] = 1 if is_port else 0
    if is_port:
        data[0x18:0x1B] = bytes(buses)
        if window:
            base, limit = window
            struct.pack_into("<HH", data, 0x24, base >> 16 & 0xFFF0 | 1, limit >> 16 & 0xFFF0 | 1)
            struct.pack_into("<II", data, 0x28, base >> 32, limit >> 32)
    elif bar:
        struct.pack_into("<Q", data, 0x18, bar | 0xC)
    data[0x34] = EXPRESS_AT
    flags = 2 | PORT_TYPES[kind] << 4 | (0x100 if slot is not None else 0)
    struct.pack_into("<BBH", data, EXPRESS_AT, 0x10, 0, flags)
    struct.pack_into("<I", data, EXPRESS_AT + 0x0C, best[0] | best[1] << 4)
    struct.pack_into("<H", data, EXPRESS_AT + 0x12, now[0] | now[1] << 4)
    struct.pack_into("<I", data, EXPRESS_AT + 0x14, (slot or 0) << 19)
    if acs is not None:
        following = SERIAL_AT if serial is not None else 0
        struct.pack_into("<IHH", data, ACS_AT, 0x000D | 1 << 16 | following << 20, 0x7F, acs)
    if serial is not None:
        at = SERIAL_AT if acs is not None else ACS_AT
        struct.pack_into("<IQ", data, at, 0x0003 | 1 << 16, serial)
    return bytes(data[:length])


def dump(functions: Iterable[tuple[str, bytes]], extra: str = "") -> str:
    """What `lspci -Dxxxx` prints, with lines of `extra` below each head."""
    return "\n".join(f"{bdf} Thing: Some Maker\n{extra}{_rows(data)}\n" for bdf, data in functions)


def _rows(data: bytes) -> str:
    rows = range(0, len(data), 16)
    return "\n".join(f"{at:02x}: {data[at : at + 16].hex(' ')}" for at in rows)

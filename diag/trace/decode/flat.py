# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Just enough FlatBuffers to frame Arrow IPC messages; every offset is checked.

Arrow's own reader verifies messages too, but hands out batch metadata only through a
reader that owns its input. Framing here keeps the decoder free of I/O and lets sizes be
refused before anything is allocated for them.
"""

from __future__ import annotations

import struct
from typing import Final

from pyaccel.spec.types import Buffer

MAX_VECTOR: Final = 64
"""Tables in one vector; a capture has a column each, and one pair of metadata."""


class FlatError(ValueError):
    """The bytes are no such table."""


class FlatTable:
    """One table inside a buffer (FlatBuffers internals: tables and vtables)."""

    def __init__(self, data: Buffer, position: int) -> None:
        self._data = data
        self._position = position
        self._vtable = position - _read("<i", data, position)
        self._vtable_bytes = _read("<H", data, self._vtable)

    @classmethod
    def root(cls, data: Buffer) -> FlatTable:
        """The table that the buffer's first word points at."""
        return cls(data, _read("<I", data, 0))

    def scalar(self, field: int, layout: str, default: int) -> int:
        """Field number `field` as `layout` (struct code), `default` if absent."""
        place = self._place(field)
        return default if place is None else _read(f"<{layout}", self._data, place)

    def table(self, field: int) -> FlatTable | None:
        """A sub-table, None if absent."""
        place = self._place(field)
        return None if place is None else FlatTable(self._data, self._follow(place))

    def tables(self, field: int) -> list[FlatTable]:
        """A vector of tables, empty if absent."""
        place = self._place(field)
        if place is None:
            return []
        start = self._follow(place)
        count = _read("<I", self._data, start)
        if count > MAX_VECTOR:
            raise FlatError(f"a vector of {count} tables")
        places = (start + 4 + 4 * item for item in range(count))
        return [FlatTable(self._data, self._follow(place)) for place in places]

    def text(self, field: int) -> bytes:
        """A string's bytes, empty if absent."""
        place = self._place(field)
        if place is None:
            return b""
        start = self._follow(place)
        length = _read("<I", self._data, start)
        if start + 4 + length > len(self._data):
            raise FlatError(f"a string of {length} bytes runs past the end")
        return bytes(self._data[start + 4 : start + 4 + length])

    def _place(self, field: int) -> int | None:
        entry = 4 + 2 * field
        if entry + 2 > self._vtable_bytes:
            return None
        offset = _read("<H", self._data, self._vtable + entry)
        return self._position + offset if offset else None

    def _follow(self, place: int) -> int:
        return place + _read("<I", self._data, place)


def _read(layout: str, data: Buffer, offset: int) -> int:
    # struct would count a negative offset from the end.
    if offset < 0:
        raise FlatError(f"offset {offset} is negative")
    try:
        value: int = struct.unpack_from(layout, data, offset)[0]
    except struct.error:
        raise FlatError(f"offset {offset} is past the end ({len(data)} bytes)") from None
    return value

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Decoder of one event ring (struct event_ring_header and the records behind it).

The shell that owns the file asks `plan()` which bytes to copy, hands the copies to `feed()`,
and publishes `tail` afterwards: header, copy, tail, in this order, because the writer may
reuse a record as soon as it sees the tail beyond it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from diag.trace.errors import RingError
from diag.trace.schema import EVENT_NUMPY
from pyaccel.spec import formats
from pyaccel.spec.types import Buffer

RING_VERSION: Final = 1
MAX_CAPACITY: Final = 1 << 24
"""Records (1 GiB): far beyond what libaxl makes, small enough to reserve memory for."""
HEADER_BYTES: Final = formats.EVENT_RING_HEADER_BYTES
_FIELDS: Final[Any] = np.dtype(formats.EVENT_RING_HEADER_DTYPE).fields
TAIL_OFFSET: Final = int(_FIELDS["tail"][1])
STATE_OFFSET: Final = int(_FIELDS["head"][1])
STATE: Final = struct.Struct("<QQQ")
"""head, dropped and closed, as they lie from STATE_OFFSET on."""
_U64: Final = (1 << 64) - 1


@dataclass(frozen=True, slots=True)
class RingState:
    """The words that the writer moves."""

    head: int
    dropped: int
    closed: bool

    @classmethod
    def unpack(cls, data: Buffer) -> RingState:
        """From the STATE.size bytes at STATE_OFFSET."""
        head, dropped, closed = STATE.unpack_from(data)
        return cls(head, dropped, closed != 0)


@dataclass(frozen=True, slots=True)
class Span:
    """Bytes of the ring's file to copy."""

    offset: int
    length: int


class RingDecoder:
    """Turns one ring's bytes into events; RingError as soon as it breaks its contract."""

    def __init__(self, header: Buffer, file_bytes: int, row: int = 0) -> None:
        if len(header) < HEADER_BYTES:
            raise RingError(f"{len(header)} bytes, shorter than a ring header ({HEADER_BYTES})")
        self.header = formats.EventRingHeader.unpack_from(header)
        _check_header(self.header, file_bytes)
        self.row = row
        """Row of the capture's endpoint table; written into every event."""
        self.tail = self.header.tail
        """Records taken; what the shell publishes after `feed`."""
        self._dropped_before = 0
        self._dropped = 0
        self.expected_bytes = HEADER_BYTES + self.header.capacity * formats.EVENT_BYTES

    @property
    def dropped_count(self) -> int:
        """Events that found no room since recording began."""
        return self._dropped - self._dropped_before

    def skip(self, state: RingState) -> None:
        """Forget what is in the ring: it was written before this recording began."""
        self.tail = state.head
        self._dropped = self._dropped_before = state.dropped

    def plan(self, state: RingState) -> list[Span]:
        """The spans that hold the new records, oldest first; at most two."""
        count = (state.head - self.tail) & _U64
        capacity = self.header.capacity
        if count > capacity:
            raise RingError(
                f"head {state.head:#x} is not within {capacity} records of tail {self.tail:#x}"
            )
        if state.dropped < self._dropped:
            raise RingError(f"dropped count went back from {self._dropped} to {state.dropped}")
        self._dropped = state.dropped
        first = self.tail & (capacity - 1)
        before_wrap = min(count, capacity - first)
        return [
            Span(HEADER_BYTES + at * formats.EVENT_BYTES, length * formats.EVENT_BYTES)
            for at, length in ((first, before_wrap), (0, count - before_wrap))
            if length
        ]

    def feed(self, data: Buffer) -> np.ndarray[Any, Any]:
        """The records copied from the planned spans; moves `tail` past them."""
        if len(data) % formats.EVENT_BYTES:
            raise RingError(f"{len(data)} bytes are no whole number of records")
        events = np.frombuffer(data, dtype=EVENT_NUMPY).copy()
        events["endpoint"] = self.row
        self.tail = (self.tail + len(events)) & _U64
        return events

    def close(self) -> int:
        """Events lost by the ring since recording began."""
        return self.dropped_count


def _check_header(header: formats.EventRingHeader, file_bytes: int) -> None:
    if header.magic != formats.EVENT_RING_MAGIC:
        raise RingError(f"magic {header.magic:#018x} is not {formats.EVENT_RING_MAGIC:#018x}")
    if header.version != RING_VERSION:
        raise RingError(f"ring version {header.version}; this tool reads {RING_VERSION}")
    if header.record_bytes != formats.EVENT_BYTES:
        raise RingError(f"records of {header.record_bytes} bytes, not {formats.EVENT_BYTES}")
    capacity = header.capacity
    if not 0 < capacity <= MAX_CAPACITY or capacity & (capacity - 1):
        raise RingError(f"capacity {capacity} is not a power of two up to {MAX_CAPACITY}")
    wanted = HEADER_BYTES + capacity * formats.EVENT_BYTES
    if file_bytes < wanted:
        raise RingError(f"the file has {file_bytes} bytes, {capacity} records need {wanted}")

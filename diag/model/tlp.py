# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The TLP tap: what the endpoint's link would carry, as `tlp` records.

Every transaction of the endpoint becomes the transaction-layer packets that real
hardware would need for it. Requests and completions are cut on the aligned grid of the
negotiated sizes, which at once respects the 4 KiB rule (PCIe 6.0 s2.2.7), the Read
Completion Boundary (s2.3.1.1) and Max_Payload_Size (s2.2.2) for any alignment.
A transfer's records are: request, its completions, next request, and so on.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

import numpy as np

from diag.model import tlp_header as hdr
from diag.model import tlp_words as words
from diag.model.tlp_header import Records
from pyaccel.spec.formats import TLP_BYTES, TLP_DTYPE, TLP_STRUCT, TlpKind

ADDRESS_UNKNOWN: Final = (1 << 64) - 1
"""An interrupt delivered through an eventfd: the host gave no message address."""
NO_BAR: Final = 0xFF
HOST_ID: Final = 0
"""Requester and completer id of the root complex: 0000:00:00.0."""
DEFAULT_CAPACITY: Final = 65536
"""Records: 4 MiB."""


class LinkState(Protocol):
    """What the tap must know of the function; `ConfigSpace` provides it."""

    @property
    def max_payload_bytes(self) -> int:
        """Max_Payload_Size in use."""

    @property
    def max_read_request_bytes(self) -> int:
        """Max_Read_Request_Size in use."""

    @property
    def tag_count(self) -> int:
        """Tags that the function may have in flight."""

    def bar_address(self, bar: int) -> int | None:
        """Bus address of a BAR, None if it decodes nothing."""


class _Access(NamedTuple):
    """One memory transaction; `known` False: the address is an offset in its BAR only."""

    address: int
    length: int
    bar: int
    from_endpoint: bool
    known: bool = True


class _Packet(NamedTuple):
    """What differs between the packets of one transaction."""

    length: int
    tag: int
    data: int = 0
    data_bytes: int = 0
    status: int = 0


class TlpTap:
    """Records the transactions of one endpoint in a bounded buffer.

    The endpoint calls one method per transaction; zero-length ones are ignored. When the
    buffer is full new records are counted in `dropped` and not kept, so what is kept is
    gapless from the last `drain()` on. Not thread-safe: belongs to the endpoint's loop.

    Args:
        link: where sizes and BAR addresses come from, asked at every transaction.
        endpoint: row of the rack's endpoint table, stored in every record.
        capacity: most records kept (64 bytes each).
        clock: CLOCK_MONOTONIC in ns; tests give their own.
    """

    def __init__(
        self,
        link: LinkState,
        *,
        endpoint: int = 0,
        capacity: int = DEFAULT_CAPACITY,
        clock: Callable[[], int] = time.monotonic_ns,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"capacity {capacity} is not positive")
        self.function_id = 0
        """Bus:device.function of the endpoint; its owner keeps it current."""
        self.capacity = capacity
        """Most records kept."""
        self.dropped = 0
        """Records that found no room since `drain()`."""
        self._link = link
        self._endpoint = endpoint
        self._clock = clock
        self._raw = bytearray(capacity * TLP_BYTES)
        self._records: Records = np.frombuffer(self._raw, dtype=np.dtype(TLP_DTYPE))
        self._used = 0
        self._device_tags = hdr.TagAllocator()
        self._host_tags = hdr.TagAllocator()

    def __len__(self) -> int:
        """Records kept."""
        return self._used

    def drain(self) -> tuple[Records, int]:
        """The records kept and how many were dropped; both start again at zero."""
        taken = self._records[: self._used].copy()
        dropped, self.dropped = self.dropped, 0
        self._raw[: self._used * TLP_BYTES] = bytes(self._used * TLP_BYTES)
        self._used = 0
        return taken, dropped

    def config_read(self, offset: int, length: int, value: int | None = None) -> None:
        """The host read configuration space; `value` is what it got (little-endian)."""
        for start, size in hdr.split_dwords(offset, length):
            data = hdr.slice_value(value, start - offset, size)
            self._config(_Access(start, size, NO_BAR, from_endpoint=False), data, write=False)

    def config_write(self, offset: int, length: int, value: int | None = None) -> None:
        """The host wrote configuration space."""
        for start, size in hdr.split_dwords(offset, length):
            data = hdr.slice_value(value, start - offset, size)
            self._config(_Access(start, size, NO_BAR, from_endpoint=False), data, write=True)

    def mmio_read(
        self, bar: int, offset: int, length: int, value: int | None = None, status: int | None = 0
    ) -> None:
        """The host read a BAR; of `value`, what it got (little-endian), 4 bytes are kept.

        `status` is the Completion Status (0 SC, 1 UR, 4 CA), None if no completion was sent.
        """
        self._read(self._mmio(bar, offset, length), value, status)

    def mmio_write(self, bar: int, offset: int, length: int, value: int | None = None) -> None:
        """The host wrote a BAR."""
        self._write(self._mmio(bar, offset, length), value)

    def dma_read(self, address: int, length: int, status: int | None = 0) -> None:
        """The endpoint read memory at a bus address: requests and their completions.

        `status` as for `mmio_read`; None is a read that runs into the completion timeout.
        """
        self._read(_Access(address, length, NO_BAR, from_endpoint=True), None, status)

    def dma_write(self, address: int, length: int) -> None:
        """The endpoint wrote memory at a bus address: posted writes."""
        self._write(_Access(address, length, NO_BAR, from_endpoint=True), None)

    def interrupt(self, vector: int, address: int | None = None, data: int | None = None) -> None:
        """The endpoint signalled MSI or MSI-X `vector`.

        `address` and `data` are the message's, None when the host gave an eventfd instead;
        the record's data is then the vector number and its address `ADDRESS_UNKNOWN`.
        """
        known = address is not None
        access = _Access(address or 0, 4, NO_BAR, from_endpoint=True, known=known)
        header = words.memory(access.address, 4, self.function_id, 0, write=True)
        if self._has_room(1):
            payload = vector if data is None else data
            self._put(access, TlpKind.MSI, header, _Packet(4, 0, payload, 4))

    def _mmio(self, bar: int, offset: int, length: int) -> _Access:
        base = self._link.bar_address(bar)
        # BARs are aligned to at least 4 KiB, so that an unknown base cuts the same way.
        start = offset if base is None else base + offset
        return _Access(start, length, bar, from_endpoint=False, known=base is not None)

    def _config(self, access: _Access, data: int | None, *, write: bool) -> None:
        if not self._has_room(2):
            return
        tag = self._host_tags.take(hdr.HOST_TAGS)
        size = 0 if data is None else access.length
        kind = TlpKind.CFGWR0 if write else TlpKind.CFGRD0
        header = words.config(access.address, access.length, self.function_id, tag, write=write)
        sent = (
            _Packet(access.length, tag, data or 0, size) if write else _Packet(access.length, tag)
        )
        self._put(access, kind, header, sent, completer=self.function_id)
        # A completion carries the whole DW, its Byte Count is 4 and its address 0 (s2.2.9).
        bytes_back = 0 if write else 4
        back = words.completion((self.function_id, HOST_ID, tag), 0, bytes_back, 4, 0)
        answer = _Packet(0, tag) if write else _Packet(4, tag, data or 0, size)
        kind = TlpKind.CPL if write else TlpKind.CPLD
        self._put(access, kind, back, answer, completer=self.function_id, answer=True)

    def _write(self, access: _Access, value: int | None) -> None:
        step = self._link.max_payload_bytes
        count = hdr.grid_count(access.address, access.length, step)
        if count == 1 and self._has_room(1):
            requester = self._requester(access)
            header = words.memory(access.address, access.length, requester, 0, write=True)
            kept = 0 if value is None else min(4, access.length)
            packet = _Packet(access.length, 0, value or 0, kept)
            self._put(access, TlpKind.MWR, header, packet)
        elif count > 1:
            self._write_many(access, step, count)

    def _write_many(self, access: _Access, step: int, count: int) -> None:
        records = self._reserve(count)
        if len(records) == 0:
            return
        starts, sizes = hdr.grid(access.address, access.length, step, len(records))
        self._fill(records, TlpKind.MWR, access)
        records["address"] = starts
        records["length_bytes"] = sizes
        hdr.memory_header(records, write=True)
        if not access.known:
            records["address"] = ADDRESS_UNKNOWN

    def _read(self, access: _Access, value: int | None, status: int | None) -> None:
        step = self._link.max_read_request_bytes
        # A refused request gets one completion without data; a lost one gets none.
        piece = min(self._link.max_payload_bytes, step) if status == 0 else step
        answers = hdr.grid_count(access.address, access.length, piece)
        if answers == 1:
            self._read_one(access, value, status)
        elif answers > 1:
            self._read_many(access, step, 0 if status is None else piece, status or 0)

    def _read_one(self, access: _Access, value: int | None, status: int | None) -> None:
        answered = status is not None
        if not self._has_room(2 if answered else 1):
            return
        tag = self._take_tag(access)
        requester, address, length = self._requester(access), access.address, access.length
        header = words.memory(address, length, requester, tag, write=False)
        self._put(access, TlpKind.MRD, header, _Packet(length, tag))
        if status is None:
            return
        size = 0 if status else length
        kept = 0 if value is None or status else min(4, length)
        completer = self._completer(access)
        back = words.completion((completer, requester, tag), status, size, length, address)
        kind = TlpKind.CPL if status else TlpKind.CPLD
        packet = _Packet(size, tag, (value or 0) if kept else 0, kept, status)
        self._put(access, kind, back, packet, completer=completer, answer=True)

    def _read_many(self, access: _Access, step: int, piece: int, status: int) -> None:
        room = self.capacity - self._used
        plan = hdr.ReadPlan.make(access.address, access.length, step, piece, room)
        allocator = self._device_tags if access.from_endpoint else self._host_tags
        tags = allocator.take_many(plan.requests, self._tag_limit(access), room)
        records = self._reserve(plan.count)
        room = len(records)
        if room == 0:
            return
        self._fill(records, TlpKind.MRD, access)
        records["address"] = plan.starts[:room]
        records["length_bytes"] = plan.sizes[:room]
        records["tag"] = tags[plan.owner[:room]]
        hdr.memory_header(records, write=False)
        self._complete(records, plan, access, status)

    def _complete(self, records: Records, plan: hdr.ReadPlan, access: _Access, status: int) -> None:
        """Turn the answers among the records of a read into completions of the other side."""
        mask = plan.is_completion[: len(records)]
        done = records[mask]
        done["kind"] = TlpKind.CPL if status else TlpKind.CPLD
        done["from_endpoint"] = not access.from_endpoint
        done["bar"] = NO_BAR
        done["completer_id"] = self._completer(access)
        done["status"] = status
        if status:
            done["length_bytes"] = 0
        hdr.completion_header(done, plan.remaining[: len(records)][mask], done["address"])
        records[mask] = done
        if not access.known:
            records["address"] = ADDRESS_UNKNOWN

    def _requester(self, access: _Access) -> int:
        return self.function_id if access.from_endpoint else HOST_ID

    def _completer(self, access: _Access) -> int:
        return HOST_ID if access.from_endpoint else self.function_id

    def _tag_limit(self, access: _Access) -> int:
        return self._link.tag_count if access.from_endpoint else hdr.HOST_TAGS

    def _take_tag(self, access: _Access) -> int:
        allocator = self._device_tags if access.from_endpoint else self._host_tags
        return allocator.take(self._tag_limit(access))

    def _put(  # noqa: PLR0913 one keyword per end of the packet
        self,
        access: _Access,
        kind: TlpKind,
        header: words.Words4,
        packet: _Packet,
        *,
        completer: int = 0,
        answer: bool = False,
    ) -> None:
        """Store one record; the caller has checked that there is room."""
        TLP_STRUCT.pack_into(
            self._raw,
            self._used * TLP_BYTES,
            self._clock(),
            access.address if access.known else ADDRESS_UNKNOWN,
            packet.length,
            *header,
            self._endpoint,
            self._requester(access),
            completer,
            packet.tag,
            kind,
            access.from_endpoint is not answer,
            NO_BAR if answer else access.bar,
            packet.status,
            packet.data_bytes,
            0,
            packet.data & 0xFFFFFFFF,
            0,
        )
        self._used += 1

    def _fill(self, records: Records, kind: TlpKind, access: _Access) -> None:
        records["time_ns"] = self._clock()
        records["endpoint"] = self._endpoint
        records["requester_id"] = self._requester(access)
        records["kind"] = kind
        records["from_endpoint"] = access.from_endpoint
        records["bar"] = access.bar

    def _has_room(self, count: int) -> bool:
        """Whether all `count` records fit; if not they are counted as dropped."""
        if self.capacity - self._used >= count:
            return True
        self.dropped += count
        return False

    def _reserve(self, count: int) -> Records:
        """Room for as many of `count` records as fit; the rest is counted as dropped."""
        room = min(count, self.capacity - self._used)
        self.dropped += count - room
        records = self._records[self._used : self._used + room]
        self._used += room
        return records


assert np.dtype(TLP_DTYPE).itemsize == TLP_BYTES

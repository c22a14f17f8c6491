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
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np

from diag.model import tlp_header as hdr
from diag.model.tlp_header import Records
from pyaccel.spec.formats import TLP_BYTES, TLP_DTYPE, TlpKind

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


@dataclass(frozen=True, slots=True)
class _Access:
    """One memory transaction; `known` False: the address is an offset in its BAR only."""

    address: int
    length: int
    bar: int
    from_endpoint: bool
    known: bool = True


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
        self.dropped = 0
        """Records that found no room since `drain()`."""
        self._link = link
        self._endpoint = endpoint
        self._clock = clock
        self._records: Records = np.zeros(capacity, dtype=np.dtype(TLP_DTYPE))
        self._used = 0
        self._device_tags = hdr.TagAllocator()
        self._host_tags = hdr.TagAllocator()

    def __len__(self) -> int:
        """Records kept."""
        return self._used

    @property
    def capacity(self) -> int:
        """Most records kept."""
        return len(self._records)

    def drain(self) -> tuple[Records, int]:
        """The records kept and how many were dropped; both start again at zero."""
        taken = self._records[: self._used].copy()
        dropped = self.dropped
        self._records[: self._used] = np.zeros((), dtype=self._records.dtype)
        self._used = 0
        self.dropped = 0
        return taken, dropped

    def config_read(self, offset: int, length: int, value: int | None = None) -> None:
        """The host read configuration space; `value` is what it got (little-endian)."""
        for start, size in hdr.split_dwords(offset, length):
            data = hdr.slice_value(value, start - offset, size)
            self._config_pair(TlpKind.CFGRD0, start, size, data)

    def config_write(self, offset: int, length: int, value: int | None = None) -> None:
        """The host wrote configuration space."""
        for start, size in hdr.split_dwords(offset, length):
            data = hdr.slice_value(value, start - offset, size)
            self._config_pair(TlpKind.CFGWR0, start, size, data)

    def mmio_read(
        self, bar: int, offset: int, length: int, value: int | None = None, status: int | None = 0
    ) -> None:
        """The host read a BAR; `value` is what it got when that is at most 4 bytes.

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
        records = self._new(1)
        if records is None:
            return
        self._fill(records, TlpKind.MSI, from_endpoint=True, bar=NO_BAR)
        records["address"] = 0 if address is None else address
        records["length_bytes"] = 4
        hdr.set_data(records, vector if data is None else data, 4)
        hdr.memory_header(records, write=True)
        if address is None:
            records["address"] = ADDRESS_UNKNOWN

    def _mmio(self, bar: int, offset: int, length: int) -> _Access:
        base = self._link.bar_address(bar)
        # BARs are aligned to at least 4 KiB, so that an unknown base cuts the same way.
        start = offset if base is None else base + offset
        return _Access(start, length, bar, from_endpoint=False, known=base is not None)

    def _config_pair(self, kind: TlpKind, offset: int, size: int, data: int | None) -> None:
        records = self._new(2)
        if records is None:
            return
        self._fill(records, kind, from_endpoint=False, bar=NO_BAR)
        records["address"] = offset
        records["length_bytes"] = size
        records["completer_id"] = self.function_id
        records["tag"] = self._host_tags.take(1, hdr.HOST_TAGS)[0]
        request, answer = records[:1], records[1:]
        write = kind is TlpKind.CFGWR0
        hdr.set_data(request if write else answer, data, size)
        hdr.config_header(request, write=write)
        answer["kind"] = TlpKind.CPL if write else TlpKind.CPLD
        answer["from_endpoint"] = 1
        # The completion of a configuration read carries the whole DW (s2.2.9).
        answer["length_bytes"] = 0 if write else 4
        hdr.completion_header(answer, 4, 0)

    def _write(self, access: _Access, value: int | None) -> None:
        step = self._link.max_payload_bytes
        records = self._reserve(hdr.grid_count(access.address, access.length, step))
        if len(records) == 0:
            return
        starts, sizes = hdr.grid(access.address, access.length, step, len(records))
        self._fill(records, TlpKind.MWR, from_endpoint=access.from_endpoint, bar=access.bar)
        records["address"] = starts
        records["length_bytes"] = sizes
        if access.length <= 4:
            hdr.set_data(records[:1], value, int(sizes[0]))
        hdr.memory_header(records, write=True)
        if not access.known:
            records["address"] = ADDRESS_UNKNOWN

    def _read(self, access: _Access, value: int | None, status: int | None) -> None:
        step = self._link.max_read_request_bytes
        # A refused request gets one completion without data; a lost one gets none.
        piece = {None: 0, 0: min(self._link.max_payload_bytes, step)}.get(status, step)
        room = len(self._records) - self._used
        plan = hdr.ReadPlan.make(access.address, access.length, step, piece, room)
        allocator = self._device_tags if access.from_endpoint else self._host_tags
        limit = self._link.tag_count if access.from_endpoint else hdr.HOST_TAGS
        tags = allocator.take(plan.requests, limit, kept=room)
        records = self._reserve(plan.count)
        room = len(records)
        if room == 0:
            return
        self._fill(records, TlpKind.MRD, from_endpoint=access.from_endpoint, bar=access.bar)
        records["address"] = plan.starts[:room]
        records["length_bytes"] = plan.sizes[:room]
        records["tag"] = tags[plan.owner[:room]]
        hdr.memory_header(records, write=False)
        self._complete(records, plan, access, status or 0)
        if access.length <= 4 and status == 0:
            hdr.set_data(records[1:2], value, access.length)

    def _complete(self, records: Records, plan: hdr.ReadPlan, access: _Access, status: int) -> None:
        """Turn the answers among the records of a read into completions of the other side."""
        mask = plan.is_completion[: len(records)]
        done = records[mask]
        done["kind"] = TlpKind.CPL if status else TlpKind.CPLD
        done["from_endpoint"] = not access.from_endpoint
        done["completer_id"] = HOST_ID if access.from_endpoint else self.function_id
        done["status"] = status
        if status:
            done["length_bytes"] = 0
        hdr.completion_header(done, plan.remaining[: len(records)][mask], done["address"])
        records[mask] = done
        if not access.known:
            records["address"] = ADDRESS_UNKNOWN

    def _fill(self, records: Records, kind: TlpKind, *, from_endpoint: bool, bar: int) -> None:
        records["time_ns"] = self._clock()
        records["endpoint"] = self._endpoint
        records["requester_id"] = self.function_id if from_endpoint else HOST_ID
        records["kind"] = kind
        records["from_endpoint"] = from_endpoint
        records["bar"] = bar

    def _new(self, count: int) -> Records | None:
        """Room for all `count` records, or None and all of them counted as dropped."""
        if len(self._records) - self._used < count:
            self.dropped += count
            return None
        return self._take(count)

    def _reserve(self, count: int) -> Records:
        """Room for as many of `count` records as fit; the rest is counted as dropped."""
        room = min(count, len(self._records) - self._used)
        self.dropped += count - room
        return self._take(room)

    def _take(self, count: int) -> Records:
        records = self._records[self._used : self._used + count]
        self._used += count
        return records


assert np.dtype(TLP_DTYPE).itemsize == TLP_BYTES

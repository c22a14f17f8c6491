# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Arithmetic of TLPs: cutting transfers and encoding header DWs, whole arrays at once.

Everything here works on `tlp` record arrays and is free of state but for the tags.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

Records: TypeAlias = np.ndarray[tuple[int, ...], np.dtype[np.void]]
Words: TypeAlias = npt.NDArray[np.uint64]
Column: TypeAlias = npt.NDArray[Any]

HOST_TAGS: Final = 256
"""Tags of the root complex: 8 bits."""

# PCIe 6.0 s2.2.1, Tables 2-2 and 2-3: Fmt in 31:29, Type in 28:24 of DW 0.
FMT_DATA: Final = 0x40000000
FMT_4DW: Final = 0x20000000
TYPE_CONFIG0: Final = 0x04000000
TYPE_COMPLETION: Final = 0x0A000000


class TagAllocator:
    """Hands out transaction tags in turn (PCIe 6.0 s2.2.6.2)."""

    def __init__(self) -> None:
        self._next = 0

    def take(self, limit: int) -> int:
        """The next tag below `limit`."""
        tag = self._next % limit
        self._next = tag + 1
        return tag

    def take_many(self, count: int, limit: int, kept: int) -> Column:
        """Use `count` tags below `limit`; the first `kept` of them are returned."""
        first = self._next % limit
        self._next = (first + count) % limit
        return (first + np.arange(min(kept, count))) % limit


def split_dwords(offset: int, length: int) -> Iterator[tuple[int, int]]:
    """(offset, length) of the configuration requests of an access: one DW each (s2.2.7)."""
    end = offset + length
    while offset < end:
        stop = min(end, (offset & ~3) + 4)
        yield offset, stop - offset
        offset = stop


def slice_value(value: int | None, skip: int, size: int) -> int | None:
    """`size` bytes of a little-endian value from byte `skip`; None stays None."""
    if value is None:
        return None
    return (value >> (8 * skip)) & ((1 << (8 * size)) - 1)


def grid_count(address: int, length: int, step: int) -> int:
    """How many pieces a range has when it is cut at every multiple of `step`."""
    if length <= 0:
        return 0
    return (address + length - 1) // step - address // step + 1


def grid(address: int, length: int, step: int, count: int) -> tuple[Words, Words]:
    """Starts and sizes of the first `count` pieces of a range cut at multiples of `step`."""
    first = address // step * step
    # Offsets instead of addresses: the sum may not wrap at 2**64 but the last edge can.
    edges = np.arange(count + 1, dtype=np.int64) * step + (first - address)
    edges = np.clip(edges, 0, length)
    return edges[:-1].astype(np.uint64) + np.uint64(address), np.diff(edges).astype(np.uint64)


@dataclass(frozen=True, slots=True)
class ReadPlan:
    """The requests of a memory read and where each one's completions go among them."""

    count: int
    """Records of the whole read."""
    requests: int
    """Requests of the whole read."""
    starts: Words
    sizes: Words
    owner: Column
    """Per record: number of its request."""
    remaining: Column
    """Per record: bytes of its request from here on."""
    is_completion: npt.NDArray[np.bool_]

    @classmethod
    def make(cls, address: int, length: int, step: int, piece: int, room: int) -> ReadPlan:
        """Plan a read whose requests end at multiples of `step`.

        `piece` (<= step) cuts the completions; 0 means that none came. Only as many requests
        are planned as can fill `room` records; `count` and `requests` are of all.
        """
        requests = grid_count(address, length, step)
        answers = grid_count(address, length, piece) if piece else 0
        kept = min(requests, room)
        starts, sizes = grid(address, length, step, kept)
        planned = int(sizes.sum())
        cuts = grid_count(address, planned, piece) if piece else 0
        answer_starts, answer_sizes = grid(address, planned, piece or 1, cuts)
        owner = (answer_starts // np.uint64(step)).astype(np.int64) - address // step
        owner = np.concatenate([np.arange(kept), owner])
        # Stable: each request stays in front of its own completions.
        order = np.argsort(owner, kind="stable")
        owner = owner[order]
        all_starts = np.concatenate([starts, answer_starts])[order]
        ends = starts + sizes
        return cls(
            count=requests + answers,
            requests=requests,
            starts=all_starts,
            sizes=np.concatenate([sizes, answer_sizes])[order],
            owner=owner,
            remaining=(ends[owner] - all_starts).astype(np.int64),
            is_completion=order >= kept,
        )


def byte_enables(records: Records) -> tuple[Column, Column]:
    """Length in DW and the byte-enable byte (last BE in 7:4, first in 3:0), s2.2.5."""
    low = (records["address"] & np.uint64(3)).astype(np.int64)
    size = records["length_bytes"].astype(np.int64)
    dwords = (low + size + 3) // 4
    first = (0xF << low) & 0xF
    last = 0xF >> ((-(low + size)) & 3)
    single = dwords == 1
    enables = np.where(single, first & last, first | (last << 4))
    return dwords, enables


def memory_header(records: Records, *, write: bool) -> None:
    """Header of Memory Read and Write Requests (PCIe 6.0 s2.2.7.1, s2.2.8)."""
    dwords, enables = byte_enables(records)
    address = records["address"]
    long = address > np.uint64(0xFFFFFFFF)
    high = (address >> np.uint64(32)).astype(np.uint32)
    low = (address & np.uint64(0xFFFFFFFC)).astype(np.uint32)
    header = records["header"]
    header[:, 0] = (dwords & 0x3FF) | (FMT_DATA if write else 0) | np.where(long, FMT_4DW, 0)
    header[:, 1] = _requester(records) | enables
    header[:, 2] = np.where(long, high, low)
    header[:, 3] = np.where(long, low, 0)


def completion_header(records: Records, remaining: Column, lower: Column) -> None:
    """Header of Completions (PCIe 6.0 s2.2.9.1).

    Args:
        records: length_bytes 0 makes a completion without data.
        remaining: Byte Count: bytes of the request still owed, this completion included.
        lower: address of the first byte; its low 7 bits are the Lower Address field.
    """
    size = records["length_bytes"].astype(np.int64)
    first = (lower & np.uint64(0x7F)).astype(np.int64)
    dwords = np.where(size > 0, ((first & 3) + size + 3) // 4, 0)
    status = records["status"].astype(np.int64) << 13
    header = records["header"]
    header[:, 0] = (dwords & 0x3FF) | TYPE_COMPLETION | np.where(size > 0, FMT_DATA, 0)
    header[:, 1] = (records["completer_id"].astype(np.int64) << 16) | status
    header[:, 1] |= (remaining & 0xFFF).astype(np.uint32)
    header[:, 2] = _requester(records) | (first & 0x7F)
    header[:, 3] = 0


def _requester(records: Records) -> Column:
    tag = records["tag"].astype(np.int64) & 0xFF
    return (records["requester_id"].astype(np.int64) << 16) | (tag << 8)

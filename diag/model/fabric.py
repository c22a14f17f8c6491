# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The fabric between endpoints: where each BAR2 decodes, and the memory behind it.

Made before the worker processes are forked: an anonymous shared table and the memfds of all
device memories are then common to them. Row n is base u64, size u64, enabled u64; only
endpoint n writes it, and readers compare the whole table with the copy they decoded.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Sequence
from typing import Final

from diag.model.bus import BusError

_ROW: Final = struct.Struct("=QQQ")
_BASE_SIZE: Final = struct.Struct("=QQ")
_ENABLED: Final = struct.Struct("=Q")


def sealed_memory(name: str, size: int) -> int:
    """A memfd of `size` bytes that cannot be truncated.

    Whoever it is shared with could otherwise kill every process that has it mapped.
    """
    fd = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL)
    return fd


class Fabric:
    """Bus addresses of all device memories of a rack.

    Args:
        sizes: bytes of device memory, one per endpoint row.
        name: prefix of the memfds' names, seen in /proc.
    """

    def __init__(self, sizes: Sequence[int], name: str = "axl") -> None:
        self.sizes = tuple(sizes)
        self.memory_fds: list[int] = []
        for row, size in enumerate(self.sizes):
            if size <= 0 or size % mmap.PAGESIZE:
                raise ValueError(f"endpoint {row}: {size} bytes of memory are no whole pages")
            self.memory_fds.append(sealed_memory(f"{name}-memory{row}", size))
        self._map = mmap.mmap(-1, _ROW.size * max(1, len(self.sizes)))
        self._snapshot = b""
        self._windows: list[tuple[int, int, int]] = []
        self._views: dict[int, memoryview] = {}
        self._listeners: list[Callable[[], None]] = []

    def publish(self, row: int, base: int | None, size: int, *, enabled: bool) -> None:
        """Say where the BAR2 of `row` decodes; `base` None or not `enabled`: nowhere."""
        at = _ROW.size * row
        # Disabled first, so that no reader pairs a new base with an old size.
        _ENABLED.pack_into(self._map, at + 16, 0)
        _BASE_SIZE.pack_into(self._map, at, base or 0, size)
        _ENABLED.pack_into(self._map, at + 16, int(enabled and base is not None))

    def state(self) -> bytes:
        """The whole table; differs from an earlier copy if any BAR2 came, went or moved."""
        return self._map[:]

    def locate(self, address: int, length: int) -> tuple[int, int]:
        """(row, offset in its device memory) of a bus address; BusError if nothing decodes it."""
        if self.state() != self._snapshot:
            self._reload()
        for base, end, row in self._windows:
            if base <= address < end:
                if address + length > end:
                    break
                return row, address - base
        raise BusError(address, length, "no endpoint decodes this address")

    def resolve(self, address: int, length: int) -> memoryview:
        """Writable bytes of a peer's device memory at a bus address, or BusError."""
        row, offset = self.locate(address, length)
        return self._memory(row)[offset : offset + length]

    def listen(self, callback: Callable[[], None]) -> None:
        """Call `callback` after every `notify()` of this process."""
        self._listeners.append(callback)

    def forget(self, callback: Callable[[], None]) -> None:
        """Undo `listen`."""
        if callback in self._listeners:
            self._listeners.remove(callback)

    def notify(self) -> None:
        """An endpoint of this process signalled a fence: waiting queues look again."""
        for callback in self._listeners:
            callback()

    def close(self) -> None:
        """Close the memfds and forget the table (of this process)."""
        for fd in self.memory_fds:
            os.close(fd)
        self.memory_fds.clear()
        self._views.clear()
        self._map.close()

    def _reload(self) -> None:
        self._snapshot = self._map[:]
        rows = zip(_ROW.iter_unpack(self._snapshot), self.sizes, strict=False)
        self._windows = [
            (base, base + min(claimed, size), row)
            for row, ((base, claimed, enabled), size) in enumerate(rows)
            if enabled
        ]

    def _memory(self, row: int) -> memoryview:
        view = self._views.get(row)
        if view is None:
            view = memoryview(mmap.mmap(self.memory_fds[row], self.sizes[row]))
            self._views[row] = view
        return view

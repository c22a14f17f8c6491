# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the ioctl fuzzer puts into fields: values that fit, and values that never should.

A field is known by its name alone: numbers that an ioctl gave out under a name go in again
under that name, so a new ioctl of the header takes part without a line here.
"""

from __future__ import annotations

import ctypes
import mmap
import os
import random
import struct
import time
from collections import defaultdict

from tests.linux.session import PAGE, copy, fence_wait, nop
from tests.linux.uapi import Interface, pointers

_EVIL = (1, 2, 3, 7, PAGE - 1, PAGE, 1 << 20, 1 << 31, (1 << 32) - 1, 1 << 40, 1 << 63, -1)
_WAIT_NS = 5_000_000
_KEPT = 24
"""Most values of a name that are remembered."""
_SPECIAL = {
    "pad": (0,),
    "flags": (0, 0, 0, 0, 1, 2, 3),
    "bytes": (PAGE, PAGE, 4 * PAGE, PAGE + 1, 1 << 20),
    "memory": (0, 1, 1, 2),
    "slots_log2": (0, 6, 6, 8),
    "coalesce_count": (0, 0, 3),
    "coalesce_us": (0, 0, 50),
    "slot_count": (1, 1, 2, 5, 16),
    "in_sync_count": (0, 0, 0, 1, 3),
    "out_sync": (0, 0),
    "event_fd": (0, 0, -1),
    "kind": (1, 2),
}


class Arena:
    """Memory with a guard page behind it: who reads one byte too many gets EFAULT."""

    def __init__(self, pages: int) -> None:
        self.size = pages * PAGE
        self._map = mmap.mmap(-1, self.size + PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.mprotect(ctypes.c_void_p(self.address + self.size), PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")

    def put_last(self, data: bytes) -> int:
        """Leave the bytes right before the guard page; their address."""
        self._map[self.size - len(data) : self.size] = data
        return self.address + self.size - len(data)

    def last(self, size: int) -> bytes:
        """The bytes right before the guard page."""
        return self._map[self.size - size : self.size]


class Values:
    """Values of one fuzzed file. Threads share it: what they see may be out of date."""

    def __init__(self, interface: Interface, rng: random.Random) -> None:
        self.rng = rng
        self.pool: dict[str, list[int]] = defaultdict(list)
        self._interface = interface
        self._pointers = pointers()
        self._arena = Arena(16)
        self.pool["event_fd"] += [os.eventfd(0), os.open("/dev/null", os.O_RDWR)]

    def structure(self, name: str) -> bytes:
        """An ioctl's structure, mostly plausible."""
        data = bytearray(self._interface.size(name))
        if self.rng.random() < 0.02:
            return self.rng.randbytes(len(data))
        for field, offset, size in self._interface.scalars(name):
            value = self._field(field) & (1 << 8 * size) - 1
            data[offset : offset + size] = value.to_bytes(size, "little")
        return bytes(data)

    def learn(self, name: str, data: bytes) -> None:
        """Remember what an ioctl that succeeded gave out."""
        for field, offset, size in self._interface.scalars(name):
            value = int.from_bytes(data[offset : offset + size], "little")
            known = self.pool[field]
            if value and value not in known and field not in _SPECIAL:
                known.append(value)
                del known[:-_KEPT]

    def pick(self, field: str) -> int:
        """Something that was given out under this name, or 0."""
        known = list(self.pool[field])
        return self.rng.choice(known) if known else 0

    def _field(self, field: str) -> int:
        if self.rng.random() < (0.01 if field in {"pad", "flags"} else 0.03):
            return self.rng.choice(_EVIL)
        if field in self._pointers:
            return self._pointer(field)
        if field == "timeout_ns":
            return time.monotonic_ns() + self.rng.choice((-1, 0, 1, _WAIT_NS))
        if field in _SPECIAL and (self.rng.random() < 0.7 or not self.pool[field]):
            return self.rng.choice(_SPECIAL[field])
        return self.pick(field)

    def _pointer(self, field: str) -> int:
        """Commands, handles or pages before the guard; sometimes past it, or nowhere."""
        if field == "user_address":
            inside = self._arena.address & -PAGE
            return self.rng.choice((0, 0, 0, inside, inside + 2 * PAGE, self.pick("mapped")))
        data = self._commands() if field == "slots" else self._handles()
        address = self._arena.put_last(data)
        nowhere = (0, 64, -PAGE, 1 << 47, self._arena.address + self._arena.size - 32)
        wild = (*nowhere, self.pick("mapped"), address + self.rng.randrange(1, 64))
        return address if self.rng.random() < 0.9 else self.rng.choice(wild)

    def _handles(self) -> bytes:
        return struct.pack("<3I", *(self.pick("out_sync") & 0xFFFFFFFF for _ in range(3)))

    def _commands(self) -> bytes:
        """Up to 16 slots: the kernel reads as many as slot_count says, from the first."""
        return b"".join(self._command() for _ in range(self.rng.choice((1, 1, 2, 5, 16))))

    def _command(self) -> bytes:
        kind = self.rng.random()
        src, dst = self.pick("va"), self.pick("va")
        if kind < 0.5:
            return nop()
        if kind < 0.85:
            return copy(src, dst, self.rng.choice((1, 64, PAGE, PAGE + 1)))
        if kind < 0.9:
            return fence_wait(src, self.rng.choice((0, 1)))
        if kind < 0.95:
            return copy(self.rng.getrandbits(48), dst, 1 << 20)
        return self.rng.randbytes(64)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""BAR0 as storage: resets, access rules and hooks, all from the register description.

Every access of the host passes `RegisterFile.read` or `.write`; every access of the device
names a register. A hook adds behaviour to one register; what it does not do follows from
the register's description: read-only fields ignore writes, write-1-to-clear fields clear,
write-only fields read as zero, reserved offsets read as zero and ignore writes.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pyaccel.spec.regs import REGISTERS
from pyaccel.spec.types import Register

DOORBELL_BASE = 0x10000
"""First byte of the doorbell pages, which are no storage of this file."""

ReadHook = Callable[..., int]
"""Called with the register's indices; gives its value."""
WriteHook = Callable[..., int | None]
"""Called with (raw, new, *indices): `raw` the bits written, `new` what the access rules make
of them. Returns what to store, None to leave the register as it is."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """One element of a register at its offset."""

    register: Register
    indices: tuple[int, ...]
    slot: int
    rw: int
    rw1c: int
    wo: int


def _masks(register: Register) -> tuple[int, int, int]:
    rw, rw1c, wo = (
        sum(field.mask for field in register.fields if field.access == access)
        for access in ("rw", "rw1c", "wo")
    )
    return rw, rw1c, wo


def _entries() -> dict[int, _Entry]:
    entries: dict[int, _Entry] = {}
    for register in REGISTERS:
        if register.offset >= DOORBELL_BASE:
            continue
        masks = _masks(register)
        for indices in itertools.product(*map(range, register.counts)):
            entries[register.at(*indices)] = _Entry(register, indices, len(entries), *masks)
    return entries


_ENTRIES = _entries()
_RESETS = [entry.register.reset for entry in _ENTRIES.values()]
_SLOTS = {(e.register.name, *e.indices): e.slot for e in _ENTRIES.values()}


class RegisterFile:
    """The control registers of one endpoint (BAR0 below the doorbell pages)."""

    def __init__(self) -> None:
        self._values = list(_RESETS)
        self._latched: dict[int, int] = {}
        self._readers: dict[str, ReadHook] = {}
        self._lies: dict[str, int] = {}
        self._writers: dict[str, WriteHook] = {}
        self.refused_accesses = 0
        """Accesses of a size or alignment that the contract does not allow."""

    def on_read(self, register: Register, hook: ReadHook) -> None:
        """Let `hook` give the value when the host reads."""
        self._readers[register.name] = hook

    def on_write(self, register: Register, hook: WriteHook) -> None:
        """Let `hook` decide what a write of the host does."""
        self._writers[register.name] = hook

    def lie(self, register: Register, value: int | None) -> None:
        """Let the host read `value`, whatever the register holds; None ends that."""
        if value is None:
            self._lies.pop(register.name, None)
        else:
            self._lies[register.name] = value

    def get(self, register: Register, *indices: int) -> int:
        """The stored value, hooks aside; KeyError for indices that do not exist."""
        return self._values[_SLOTS[(register.name, *indices)]]

    def set(self, register: Register, value: int, *indices: int) -> None:
        """Store a value as the device, access rules aside."""
        self._values[_SLOTS[(register.name, *indices)]] = value

    def update(self, register: Register, *indices: int, **fields: int) -> None:
        """Replace the named fields as the device."""
        self.set(register, register.make(self.get(register, *indices), **fields), *indices)

    def reset(self, survivors: Iterable[Register] = ()) -> None:
        """Give every register its reset value except the survivors."""
        kept = [(r, i, self.get(r, *i)) for r in survivors for i in _all_indices(r)]
        self._values[:] = _RESETS
        self._latched.clear()
        for register, indices, value in kept:
            self.set(register, value, *indices)

    def read(self, offset: int, length: int) -> bytes:
        """What the host reads; zero where there is no register or the access is refused."""
        if length in (4, 8) and offset % length == 0:
            return self._read_one(offset, length).to_bytes(length, "little")
        if length > 8 and length % 4 == 0 and offset % 4 == 0:
            # A burst: as the dwords that a bridge would make of it.
            steps = range(offset, offset + length, 4)
            return b"".join(self._read_one(at, 4).to_bytes(4, "little") for at in steps)
        self.refused_accesses += 1
        return bytes(length)

    def write(self, offset: int, data: bytes) -> None:
        """What the host writes; without effect where it is refused."""
        length = len(data)
        if length in (4, 8) and offset % length == 0:
            self._write_one(offset, int.from_bytes(data, "little"), length)
        elif length > 8 and length % 4 == 0 and offset % 4 == 0:
            for at in range(0, length, 4):
                self._write_one(offset + at, int.from_bytes(data[at : at + 4], "little"), 4)
        else:
            self.refused_accesses += 1

    def _value(self, entry: _Entry) -> int:
        lie = self._lies.get(entry.register.name)
        if lie is not None:
            return lie
        hook = self._readers.get(entry.register.name)
        value = self._values[entry.slot] if hook is None else hook(*entry.indices)
        return value & ~entry.wo

    def _read_one(self, offset: int, length: int) -> int:
        entry = _ENTRIES.get(offset)
        if entry is None:
            return self._read_high(offset) if length == 4 else self._read_pair(offset)
        value = self._value(entry)
        if entry.register.width == 64:
            if length == 4:
                self._latched[offset] = value >> 32
            return value if length == 8 else value & 0xFFFFFFFF
        if length == 8:
            return self._refuse_wide()
        return value

    def _read_high(self, offset: int) -> int:
        entry = _ENTRIES.get(offset - 4)
        if entry is None or entry.register.width != 64:
            return 0
        latched = self._latched.get(offset - 4)
        return self._value(entry) >> 32 if latched is None else latched

    def _read_pair(self, offset: int) -> int:
        return self._refuse_wide() if offset + 4 in _ENTRIES else 0

    def _refuse_wide(self) -> int:
        self.refused_accesses += 1
        return 0

    def _write_one(self, offset: int, data: int, length: int) -> None:
        entry = _ENTRIES.get(offset)
        shift = 0
        if entry is None and length == 4:
            entry, shift = _ENTRIES.get(offset - 4), 32
            if entry is not None and entry.register.width != 64:
                return
        if entry is None:
            return
        if length == 8 and entry.register.width == 32:
            self.refused_accesses += 1
            return
        self._store(entry, data << shift, ((1 << (8 * length)) - 1) << shift)

    def _store(self, entry: _Entry, raw: int, mask: int) -> None:
        old = self._values[entry.slot]
        rw = entry.rw & mask
        new = (old & ~rw | raw & rw) & ~(raw & entry.rw1c)
        hook = self._writers.get(entry.register.name)
        stored = new if hook is None else hook(raw, new, *entry.indices)
        if stored is not None:
            self._values[entry.slot] = stored


def _all_indices(register: Register) -> Iterable[tuple[int, ...]]:
    return itertools.product(*map(range, register.counts))

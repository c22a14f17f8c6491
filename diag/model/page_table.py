# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Contexts: each has one device page table in host memory, walked here.

    va:  47..39 level 3 | 38..30 level 2 | 29..21 level 1 | 20..12 level 0 | 11..0 offset

Only what is mapped is ever cached, so that a new mapping needs no invalidation; a removed
or changed one does (CONTEXT.CONTROL.INVALIDATE).
"""

from __future__ import annotations

import itertools
from typing import Any, Final

import numpy as np

from diag.model.dma import Dma, Segment
from diag.model.status import CommandError
from pyaccel.spec.formats import (
    LARGE_PAGE_SHIFT,
    PAGE_SHIFT,
    PTE_ADDRESS_MASK,
    PTE_LEAF_MASK,
    PTE_SPACE_MASK,
    PTE_SPACE_SHIFT,
    PTE_VALID_MASK,
    PTE_WRITABLE_MASK,
    VA_BITS,
    Space,
    Status,
)

MAX_RANGE_BYTES: Final = 1 << 34
"""Longest range of one operand. A hostile page table can map one page everywhere, so the
size of device memory alone does not bound the work of a command."""
_MAX_CACHED_RANGES: Final = 4096
_MAX_CACHED_TABLES: Final = 16384
_PAGE: Final = 1 << PAGE_SHIFT
_LARGE: Final = 1 << LARGE_PAGE_SHIFT
_INDEX: Final = 0x1FF
_BOTH: Final = PTE_VALID_MASK | PTE_LEAF_MASK

_Run = tuple[int, int, int, int]
"""(space, address, length, va) of adjacent pages."""


class Context:
    """One device page table and what was learned from it."""

    __slots__ = ("_dma", "_ranges", "_tables", "enabled", "faulted", "placed", "root")

    def __init__(self, dma: Dma) -> None:
        self._dma = dma
        self.root = 0
        self.enabled = False
        self.faulted = False
        self._ranges: dict[tuple[int, int, bool], list[Segment]] = {}
        self._tables: dict[int, memoryview | int] = {}
        self.placed: dict[Any, Any] = {}
        """Operands over memory that was translated, by what asks for them."""

    def invalidate(self) -> None:
        """Forget cached translations, and with them every view of host memory."""
        self.placed.clear()
        self._ranges.clear()
        self._tables.clear()

    def reset(self) -> None:
        """Back to power-on."""
        self.invalidate()
        self.root = 0
        self.enabled = False
        self.faulted = False

    def segments(self, va: int, length: int, write: bool) -> list[Segment]:
        """The bytes va..va+length (length > 0); CommandError for the first that is not usable."""
        key = (va, length, write)
        found = self._ranges.get(key)
        if found is None:
            found = self._translate(va, length, write)
            if len(self._ranges) >= _MAX_CACHED_RANGES:
                self._ranges.clear()
            self._ranges[key] = found
        return found

    def remember(self, key: Any, placed: Any) -> None:
        """Keep an operand until the translation may be another."""
        if len(self.placed) >= _MAX_CACHED_RANGES:
            self.placed.clear()
        self.placed[key] = placed

    def _translate(self, va: int, length: int, write: bool) -> list[Segment]:
        if length > MAX_RANGE_BYTES:
            reason = f"{length:#x} bytes in one range, most is {MAX_RANGE_BYTES:#x}"
            raise CommandError(Status.INVALID_FIELD, reason, address=va)
        if va + length > 1 << VA_BITS:
            raise _page_fault(va)
        segments: list[Segment] = []
        for space, address, size, start in self._runs(va, length, write):
            try:
                segments += self._dma.segments(space, address, size, write=write)
            except CommandError as error:
                if error.status is Status.PAGE_FAULT:
                    error.address = start
                raise
        return segments

    def _runs(self, va: int, length: int, write: bool) -> list[_Run]:
        runs: list[_Run] = []
        end = va + length
        while va < end:
            stop = min(end, (va | (_LARGE - 1)) + 1)
            table = self._leaf_table(va)
            if isinstance(table, int):
                runs.append(_large_run(table, va, stop, write))
            else:
                runs += _small_runs(table, va, stop, write)
            va = stop
        return runs if len(runs) == 1 else _merge(runs)

    def _leaf_table(self, va: int) -> memoryview | int:
        """The level 0 table that covers `va`, or the 2 MiB leaf itself."""
        key = va >> LARGE_PAGE_SHIFT
        found = self._tables.get(key)
        if found is None:
            found = self._descend(va)
            if len(self._tables) >= _MAX_CACHED_TABLES:
                self._tables.clear()
            self._tables[key] = found
        return found

    def _descend(self, va: int) -> memoryview | int:
        address = self.root
        for shift in (39, 30, LARGE_PAGE_SHIFT):
            entry: int = self._table(address)[va >> shift & _INDEX]
            if not entry & PTE_VALID_MASK:
                raise _page_fault(va)
            if entry & PTE_LEAF_MASK:
                if shift != LARGE_PAGE_SHIFT:
                    raise _page_fault(va)
                return entry
            address = entry & PTE_ADDRESS_MASK
        return self._table(address)

    def _table(self, address: int) -> memoryview:
        return self._dma.host(address, _PAGE, write=False).cast("Q")


def _large_run(entry: int, va: int, stop: int, write: bool) -> _Run:
    space = _check_leaf(entry, va, write)
    # Bits 20:12 of a large page's address have no meaning (it is 2 MiB aligned).
    base = entry & PTE_ADDRESS_MASK & -_LARGE
    return space, base + (va & (_LARGE - 1)), stop - va, va


def _small_runs(table: memoryview, va: int, stop: int, write: bool) -> list[_Run]:
    first = va >> PAGE_SHIFT & _INDEX
    last = (stop - 1) >> PAGE_SHIFT & _INDEX
    if first == last:
        entry: int = table[first]
        space = _check_leaf(entry, va, write)
        return [(space, (entry & PTE_ADDRESS_MASK) + (va & (_PAGE - 1)), stop - va, va)]
    # A copy: the host may change the table while it is looked at.
    entries = np.array(table[first : last + 1], dtype=np.uint64)
    _check_leaves(entries, va, write)
    return _split(entries & np.uint64(PTE_ADDRESS_MASK | PTE_SPACE_MASK), va, stop)


def _check_leaf(entry: int, va: int, write: bool) -> int:
    """The leaf's address space; CommandError if it cannot be used."""
    space = (entry & PTE_SPACE_MASK) >> PTE_SPACE_SHIFT
    if entry & _BOTH != _BOTH or space > Space.PEER:
        raise _page_fault(va)
    if write and not entry & PTE_WRITABLE_MASK:
        raise CommandError(Status.PROTECTION_FAULT, "the page is read-only", address=va)
    return space


def _check_leaves(
    entries: np.ndarray[tuple[int], np.dtype[np.uint64]], va: int, write: bool
) -> None:
    """As `_check_leaf` for all at once; the first bad entry is the one that is reported."""
    needed = np.uint64(_BOTH | PTE_WRITABLE_MASK if write else _BOTH)
    both_space_bits = np.uint64(PTE_SPACE_MASK)
    good = ((entries & needed) == needed) & ((entries & both_space_bits) != both_space_bits)
    if not good.all():
        bad = int(good.argmin())
        at = va if bad == 0 else (va & -_PAGE) + bad * _PAGE
        _check_leaf(int(entries[bad]), at, write)


def _split(keys: np.ndarray[tuple[int], np.dtype[np.uint64]], va: int, stop: int) -> list[_Run]:
    """Runs of adjacent pages; a key is a page's address with its space in the low bits."""
    starts = [0, *(np.flatnonzero(keys[1:] - keys[:-1] != _PAGE) + 1).tolist(), len(keys)]
    page_va = va & -_PAGE
    runs = []
    for begin, end in itertools.pairwise(starts):
        key = int(keys[begin])
        start = max(va, page_va + begin * _PAGE)
        size = min(stop, page_va + end * _PAGE) - start
        address = (key & PTE_ADDRESS_MASK) + (start & (_PAGE - 1))
        runs.append(((key & PTE_SPACE_MASK) >> PTE_SPACE_SHIFT, address, size, start))
    return runs


def _merge(runs: list[_Run]) -> list[_Run]:
    merged = [runs[0]]
    for run in runs[1:]:
        space, address, size, va = merged[-1]
        if run[0] == space and run[1] == address + size:
            merged[-1] = (space, address, size + run[2], va)
        else:
            merged.append(run)
    return merged


def _page_fault(va: int) -> CommandError:
    return CommandError(Status.PAGE_FAULT, f"va {va:#x} is not mapped", address=va)

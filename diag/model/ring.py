# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Rings that lie in several host mappings, as behind an IOMMU.

A ring in one mapping needs none of this: the queue works on the host's memory in place.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from pyaccel.spec.formats import PAGE_SHIFT, SLOT_BYTES

_PAGE: Final = 1 << PAGE_SHIFT
_WORD_SHIFT: Final = PAGE_SHIFT - 3
_WORD_MASK: Final = (1 << _WORD_SHIFT) - 1
_M32: Final = 0xFFFFFFFF


class FetchedRing:
    """A submission ring whose new slots are copied into memory of the device's own.

    Args:
        pieces: the ring in the host's memory, whole pages each.
        head: first slot that was not executed yet, free-running.
    """

    def __init__(self, pieces: Sequence[memoryview], head: int) -> None:
        self._pages = _pages(pieces)
        self._next = head
        self.slots = memoryview(bytearray(len(self._pages) << PAGE_SHIFT))
        """What was fetched, each slot at its place in the ring."""

    def fetch(self, tail: int) -> None:
        """Copy the slots up to `tail`, which is at most one ring ahead."""
        size = len(self.slots)
        at = self._next * SLOT_BYTES % size
        left = (tail - self._next & _M32) * SLOT_BYTES
        while left:
            start = at % _PAGE
            step = min(left, _PAGE - start)
            page = self._pages[at // _PAGE]
            self.slots[at : at + step] = page[start : start + step]
            at = (at + step) % size
            left -= step
        self._next = tail


class ScatteredWords:
    """A completion ring as 64-bit words; each store is one aligned store, as into one mapping."""

    def __init__(self, pieces: Sequence[memoryview]) -> None:
        self._pages = [page.cast("Q") for page in _pages(pieces)]

    def __setitem__(self, at: int, word: int) -> None:
        """Store a word."""
        self._pages[at >> _WORD_SHIFT][at & _WORD_MASK] = word


def _pages(pieces: Sequence[memoryview]) -> list[memoryview]:
    return [piece[at : at + _PAGE] for piece in pieces for at in range(0, len(piece), _PAGE)]

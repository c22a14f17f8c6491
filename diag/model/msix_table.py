# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""BAR4: MSI-X table and pending bit array (PCIe 6.0 s6.1.4.2).

Delivery goes through the vfio interface, which has no use for the messages written here:
the table is storage that behaves as hardware does, so that a driver can read it back.
"""

from __future__ import annotations

from typing import Final

from pyaccel.spec.formats import BAR4_BYTES, MSIX_TABLE_OFFSET, MSIX_VECTORS

_ENTRY_BYTES: Final = 16
_TABLE_END: Final = MSIX_TABLE_OFFSET + _ENTRY_BYTES * MSIX_VECTORS


class MsixTable:
    """The bytes of BAR4."""

    def __init__(self) -> None:
        self._bytes = bytearray(BAR4_BYTES)
        self.reset()

    def reset(self) -> None:
        """Every vector masked, nothing pending."""
        self._bytes[:] = bytes(BAR4_BYTES)
        for vector in range(MSIX_VECTORS):
            self._bytes[MSIX_TABLE_OFFSET + _ENTRY_BYTES * vector + 12] = 1

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the BAR."""
        return bytes(self._bytes[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Table entries take writes; the pending bits and the rest do not."""
        end = min(offset + len(data), _TABLE_END)
        if offset < end:
            self._bytes[offset:end] = data[: end - offset]

    def masked(self, vector: int) -> bool:
        """Vector Control, Mask Bit."""
        return bool(self._bytes[MSIX_TABLE_OFFSET + _ENTRY_BYTES * vector + 12] & 1)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the bytes of a function's configuration space say (PCIe Base 6.0, chapter 7). Pure.

Any length is taken: 64 bytes without privilege, 256 of a conventional function, 4096 of an
express one. What lies beyond the end, and lists that run in circles, are not known.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from diag.topo.model import Bar, Link, PortKind

CONVENTIONAL_BYTES: Final = 256
EXPRESS_BYTES: Final = 4096

_CARDBUS: Final = 2
_CAP_EXPRESS: Final = 0x10
_EXT_CAP_SERIAL: Final = 0x0003
_EXT_CAP_ACS: Final = 0x000D
_MOST_CAPS: Final = 48
"""A list of capabilities cannot be longer: each takes four bytes of 192."""
_MOST_EXT_CAPS: Final = 960
_BARS: Final = 0x10
_BAR_COUNT: Final = 6
_PORT_TYPES: Final[dict[int, PortKind]] = {4: "root", 5: "upstream", 6: "downstream"}
_ACS_REDIRECTS: Final = 0x2C
"""P2P Request Redirect, P2P Completion Redirect, P2P Egress Control (s7.7.11.3)."""


@dataclass(frozen=True, slots=True)
class ConfigSpace:
    """The bytes from offset 0 on.

    Args:
        data: at least the 64 bytes of the header.
    """

    data: bytes

    def u8(self, offset: int) -> int | None:
        """A byte; None beyond the end."""
        return self._unpack("<B", offset)

    def u16(self, offset: int) -> int | None:
        """A word; None beyond the end."""
        return self._unpack("<H", offset)

    def u32(self, offset: int) -> int | None:
        """A double word; None beyond the end."""
        return self._unpack("<I", offset)

    def _unpack(self, kind: str, offset: int) -> int | None:
        if offset + struct.calcsize(kind) > len(self.data):
            return None
        value: int = struct.unpack_from(kind, self.data, offset)[0]
        return value

    @property
    def is_answer(self) -> bool:
        """Whether the function answered: no vendor has the number 0xffff."""
        return self.u16(0) not in {0xFFFF, None}

    @property
    def class_code(self) -> int:
        """Base class, sub-class and interface."""
        return (self.u32(8) or 0) >> 8

    @property
    def is_bridge(self) -> bool:
        """Whether the header is that of a bridge, to PCI or to CardBus."""
        return (self.u8(0x0E) or 0) & 0x7F in {1, _CARDBUS}

    @property
    def buses(self) -> tuple[int | None, int | None]:
        """Secondary and subordinate bus of a bridge."""
        return self.u8(0x19), self.u8(0x1A)

    def capability(self, number: int) -> int | None:
        """Offset of a capability."""
        return next((at for found, at in self._capabilities() if found == number), None)

    def extended_capability(self, number: int) -> int | None:
        """Offset of an extended capability."""
        return next((at for found, at in self._extended() if found == number), None)

    def _capabilities(self) -> Iterator[tuple[int, int]]:
        has_list = (self.u16(6) or 0) & 0x10
        at = (self.u8(0x34) or 0) & ~3 if has_list else 0
        for _ in range(_MOST_CAPS):
            number, following = self.u8(at), self.u8(at + 1)
            if at < 0x40 or number is None or following is None:
                return
            yield number, at
            at = following & ~3

    def _extended(self) -> Iterator[tuple[int, int]]:
        at = CONVENTIONAL_BYTES
        for _ in range(_MOST_EXT_CAPS):
            header = self.u32(at) or 0
            if at < CONVENTIONAL_BYTES or header in {0, 0xFFFF_FFFF}:
                return
            yield header & 0xFFFF, at
            at = header >> 20 & ~3

    @property
    def port_kind(self) -> PortKind | None:
        """Which kind of port or bridge it says it is; None for endpoints."""
        if not self.is_bridge:
            return None
        express = self.capability(_CAP_EXPRESS)
        flags = self.u16(express + 2) if express is not None else None
        return _PORT_TYPES.get((flags or 0) >> 4 & 0xF, "bridge")

    def link(self) -> Link | None:
        """Its link as this end has it; None for functions without one."""
        express = self.capability(_CAP_EXPRESS)
        best = self.u32(express + 0x0C) if express is not None else None
        now = self.u16(express + 0x12) if express is not None else None
        if best is None or now is None:
            return None
        # 0 lanes: there is no link (nothing is plugged in), or the function is part of the root.
        rates = (now & 0xF, now >> 4 & 0x3F, best & 0xF, best >> 4 & 0x3F)
        return Link(*(rate or None for rate in rates))

    @property
    def slot(self) -> int | None:
        """Physical slot number of a port that has a slot; 0 is what is soldered on (s7.5.3.9)."""
        express = self.capability(_CAP_EXPRESS)
        if express is None or not (self.u16(express + 2) or 0) & 0x100:
            return None
        capabilities = self.u32(express + 0x14)
        return (capabilities or 0) >> 19 or None

    @property
    def serial(self) -> int | None:
        """Device Serial Number."""
        at = self.extended_capability(_EXT_CAP_SERIAL)
        low = None if at is None else self.u32(at + 4)
        high = None if at is None else self.u32(at + 8)
        return None if low is None or high is None else high << 32 | low

    @property
    def redirects_peers(self) -> bool | None:
        """Whether ACS sends requests between peers upwards; None: it cannot be known from this."""
        at = self.extended_capability(_EXT_CAP_ACS)
        control = None if at is None else self.u16(at + 6)
        if control is not None:
            return bool(control & _ACS_REDIRECTS)
        is_express = self.capability(_CAP_EXPRESS) is not None
        whole = EXPRESS_BYTES if is_express else CONVENTIONAL_BYTES
        return False if len(self.data) >= whole else None

    @property
    def bars(self) -> tuple[Bar, ...]:
        """Memory BARs of an endpoint; their sizes cannot be seen without writing to them."""
        found, number = [], 0
        while number < _BAR_COUNT and not self.is_bridge:
            low = self.u32(_BARS + 4 * number) or 0
            is_wide = low & 0x7 == 0x4
            high = self.u32(_BARS + 4 * number + 4) if is_wide and number < _BAR_COUNT - 1 else 0
            address = (high or 0) << 32 | low & ~0xF
            if low and not low & 1:
                found.append(Bar(number, address or None, None))
            number += 2 if is_wide else 1
        return tuple(found)

    @property
    def window(self) -> tuple[int | None, int | None]:
        """Base and limit of a PCI bridge's prefetchable window, else of its memory window."""
        if (self.u8(0x0E) or 0) & 0x7F != 1:
            return None, None
        prefetchable, above = self.u32(0x24), (self.u32(0x28), self.u32(0x2C))
        is_wide = (prefetchable or 0) & 0xF == 1
        upper = [(part or 0) << 32 if is_wide else 0 for part in above]
        for word, high in ((prefetchable, upper), (self.u32(0x20), [0, 0])):
            if not word:
                continue
            base = high[0] | (word & 0xFFF0) << 16
            limit = high[1] | word & 0xFFF0_0000 | 0xF_FFFF
            if base <= limit:
                return base, limit
        return None, None

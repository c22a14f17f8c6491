# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Types that the generated tables are made of."""

from __future__ import annotations

from dataclasses import dataclass

Buffer = bytes | bytearray | memoryview
"""What the generated `unpack_from` methods read from."""

Packed = bytes
"""What the generated `pack` methods give: a record may have a field named `bytes`."""

DtypeSpec = list[tuple[str, str] | tuple[str, str, tuple[int, ...]]]
"""Argument of numpy.dtype(), kept plain so that importing a table does not import NumPy."""


@dataclass(frozen=True, slots=True)
class Field:
    """Bits `high`..`low` of a register; `access` is ro, rw, wo or rw1c."""

    name: str
    high: int
    low: int
    access: str
    doc: str

    @property
    def mask(self) -> int:
        """The field's bits in place."""
        return ((1 << (self.high - self.low + 1)) - 1) << self.low


@dataclass(frozen=True, slots=True)
class Register:
    """One register, or an array of them with one stride per dimension (bytes)."""

    name: str
    title: str
    offset: int
    width: int
    counts: tuple[int, ...]
    strides: tuple[int, ...]
    reset: int
    fields: tuple[Field, ...]

    def at(self, *indices: int) -> int:
        """Offset of one element in BAR0; IndexError outside the array."""
        if len(indices) != len(self.counts):
            raise IndexError(f"{self.name} takes {len(self.counts)} indices, got {len(indices)}")
        offset = self.offset
        for index, count, stride in zip(indices, self.counts, self.strides, strict=True):
            if not 0 <= index < count:
                raise IndexError(f"{self.name}: index {index} is outside 0..{count - 1}")
            offset += index * stride
        return offset

    def field(self, name: str) -> Field:
        """The field called `name`; KeyError if there is none."""
        for candidate in self.fields:
            if candidate.name == name:
                return candidate
        raise KeyError(f"{self.name} has no field {name}")

    def get(self, value: int, name: str) -> int:
        """Field `name` out of a register value."""
        found = self.field(name)
        return (value & found.mask) >> found.low

    def make(self, base: int = 0, **fields: int) -> int:
        """`base` with the named fields replaced; ValueError if one does not fit."""
        value = base
        for name, content in fields.items():
            found = self.field(name)
            if content < 0 or content > found.mask >> found.low:
                raise ValueError(f"{self.name}.{name} cannot hold {content:#x}")
            value = (value & ~found.mask) | (content << found.low)
        return value

    def decode(self, value: int) -> dict[str, int]:
        """Every field by name."""
        return {found.name: (value & found.mask) >> found.low for found in self.fields}

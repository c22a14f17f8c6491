# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A reader of TLP headers written from the specification, not from our encoder."""

from __future__ import annotations

from typing import Any, NamedTuple

KINDS = {
    (0b000, 0b00000): "MRd32",
    (0b001, 0b00000): "MRd64",
    (0b010, 0b00000): "MWr32",
    (0b011, 0b00000): "MWr64",
    (0b000, 0b00100): "CfgRd0",
    (0b010, 0b00100): "CfgWr0",
    (0b000, 0b01010): "Cpl",
    (0b010, 0b01010): "CplD",
}


class Decoded(NamedTuple):
    """A header as PCIe 6.0 s2.2 reads it; fields that a type does not have are None."""

    kind: str
    dwords: int
    """Length field; 0 in it means 1024, except for completions without data."""
    requester: int
    tag: int
    address: int | None = None
    """First enabled byte."""
    size: int | None = None
    """Enabled bytes, from first to last."""
    completer: int | None = None
    status: int | None = None
    byte_count: int | None = None
    lower_address: int | None = None


def decode(header: Any) -> Decoded:
    """Read the four header DWs of a record; AssertionError if reserved bits are set."""
    dw0, dw1, dw2, dw3 = (int(word) for word in header)
    kind = KINDS[dw0 >> 29, dw0 >> 24 & 0x1F]
    assert dw0 & 0x00FFFC00 == 0, "traffic class, attributes and reserved bits are zero here"
    length = dw0 & 0x3FF
    if kind.startswith("Cpl"):
        dwords = (length or 1024) if kind == "CplD" else 0
        assert dw3 == 0
        return Decoded(
            kind,
            dwords,
            dw2 >> 16,
            dw2 >> 8 & 0xFF,
            completer=dw1 >> 16,
            status=dw1 >> 13 & 7,
            byte_count=(dw1 & 0xFFF) or 4096,
            lower_address=dw2 & 0x7F,
        )
    dwords = length or 1024
    base = dw2 << 32 | dw3 if kind.endswith("64") else dw2
    assert base & 3 == 0
    assert kind.endswith("64") or dw3 == 0
    assert not kind.endswith("64") or dw2, "addresses below 4 GiB use the short header"
    first, last = dw1 & 0xF, dw1 >> 4 & 0xF
    skip = _lowest(first)
    if dwords == 1:
        assert last == 0
        size = first.bit_length() - skip
    else:
        assert last & 1, "the last DW starts with its first byte"
        assert first & 8, "the first DW ends with its last byte"
        size = 4 * dwords - skip - (4 - last.bit_length())
    return Decoded(kind, dwords, dw1 >> 16, dw1 >> 8 & 0xFF, base + skip, size)


def _lowest(mask: int) -> int:
    """Number of the lowest bit that is set."""
    assert mask, "a request without enabled bytes"
    return (mask & -mask).bit_length() - 1

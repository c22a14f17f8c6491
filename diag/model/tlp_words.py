# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Header DWs of single TLPs, as numbers.

The twin of the array functions in `tlp_header` for the small transactions that make up
most of a trace: plain integers are some twenty times faster than arrays of one element.
"""

from __future__ import annotations

from diag.model.tlp_header import FMT_4DW, FMT_DATA, TYPE_COMPLETION, TYPE_CONFIG0

Words4 = tuple[int, int, int, int]


def byte_enables(address: int, length: int) -> tuple[int, int]:
    """Length in DW and the byte-enable byte of a request (PCIe 6.0 s2.2.5)."""
    low = address & 3
    dwords = (low + length + 3) >> 2
    first = (0xF << low) & 0xF
    last = 0xF >> (-(low + length) & 3)
    return dwords, first & last if dwords == 1 else first | last << 4


def memory(address: int, length: int, requester: int, tag: int, *, write: bool) -> Words4:
    """Memory Read or Write Request (PCIe 6.0 s2.2.7.1)."""
    dwords, enables = byte_enables(address, length)
    first = dwords & 0x3FF | (FMT_DATA if write else 0)
    second = requester << 16 | (tag & 0xFF) << 8 | enables
    low = address & 0xFFFFFFFC
    if address >> 32:
        return first | FMT_4DW, second, address >> 32, low
    return first, second, low, 0


def config(offset: int, length: int, target: int, tag: int, *, write: bool) -> Words4:
    """Type 0 Configuration Request of the host (PCIe 6.0 s2.2.7.1)."""
    _, enables = byte_enables(offset, length)
    first = 1 | TYPE_CONFIG0 | (FMT_DATA if write else 0)
    return first, (tag & 0xFF) << 8 | enables, target << 16 | offset & 0xFFC, 0


def completion(
    route: tuple[int, int, int], status: int, size: int, remaining: int, lower: int
) -> Words4:
    """Completion (PCIe 6.0 s2.2.9.1).

    Args:
        route: completer id, requester id, tag.
        status: Completion Status.
        size: payload bytes, 0 for a completion without data.
        remaining: Byte Count.
        lower: address of the first byte.
    """
    completer, requester, tag = route
    dwords = ((lower & 3) + size + 3) >> 2 if size else 0
    first = dwords & 0x3FF | TYPE_COMPLETION | (FMT_DATA if size else 0)
    second = completer << 16 | status << 13 | remaining & 0xFFF
    return first, second, requester << 16 | (tag & 0xFF) << 8 | lower & 0x7F, 0

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The FlatBuffers reader: offsets from a file lead nowhere outside it."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.trace.decode.flat import FlatError, FlatTable


def table(vtable_offset, *entries):
    """A table at 4 whose vtable lies `vtable_offset` bytes before it, then its vtable at 16."""
    vtable = struct.pack(f"<HH{len(entries)}H", 4 + 2 * len(entries), 12, *entries)
    return struct.pack("<Ii", 4, vtable_offset) + bytes(8) + vtable


def test_field_is_read_through_the_vtable():
    """The regular case: a vtable behind the table, one field."""
    data = bytearray(table(4 - 16, 4))
    data[8:12] = struct.pack("<I", 77)
    assert FlatTable.root(bytes(data)).scalar(0, "I", 0) == 77
    assert FlatTable.root(bytes(data)).scalar(5, "I", 3) == 3


def test_vtable_before_the_beginning_is_an_error():
    """A negative place must not be read as one counted from the end."""
    with pytest.raises(FlatError, match="negative"):
        FlatTable.root(table(12, 4))


def test_vector_of_absurd_length_is_an_error():
    """The length is refused before anything is made of it."""
    data = bytearray(table(4 - 16, 4))
    data[8:16] = struct.pack("<II", 4, 1 << 30)
    with pytest.raises(FlatError, match="a vector of"):
        FlatTable.root(bytes(data)).tables(0)
    with pytest.raises(FlatError, match="runs past the end"):
        FlatTable.root(bytes(data)).text(0)


@given(st.binary(max_size=64), st.integers(0, 5))
def test_random_bytes_give_values_or_an_error(data, field):
    """Nothing else, whatever the offsets say."""
    try:
        found = FlatTable.root(data)
        found.scalar(field, "q", 0)
        found.text(field)
        found.tables(field)
    except FlatError:
        pass

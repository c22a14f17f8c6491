# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The ring decoder: which bytes hold new records, and what is no ring."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.trace.decode.ring import HEADER_BYTES, RingDecoder, RingState
from diag.trace.errors import RingError
from pyaccel.spec.formats import EVENT_BYTES, Stage
from tests.build.events import EVENT, event, ring_header

CAPACITY = 8
FILE_BYTES = HEADER_BYTES + CAPACITY * EVENT_BYTES


def decoder(**fields):
    """A decoder of a ring of eight records."""
    return RingDecoder(ring_header(**({"capacity": CAPACITY} | fields)), FILE_BYTES, row=3)


def take(ring, head, records, dropped=0):
    """What the shell does: plan, copy the spans out of `records`, feed."""
    data = bytes(HEADER_BYTES) + records.tobytes()
    spans = ring.plan(RingState(head, dropped, closed=False))
    return ring.feed(b"".join(data[span.offset : span.offset + span.length] for span in spans))


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"magic": 0x4141414141414141}, "magic"),
        ({"version": 2}, "version 2"),
        ({"record_bytes": 32}, "records of 32"),
        ({"capacity": 0}, "capacity 0"),
        ({"capacity": 12}, "capacity 12"),
        ({"capacity": 1 << 40}, "capacity"),
        ({"capacity": 16}, "the file has"),
    ],
)
def test_hostile_header_is_refused_with_its_reason(fields, message):
    """Every field of the header that could mislead the reader is checked."""
    with pytest.raises(RingError, match=message):
        decoder(**fields)


def test_short_header_is_refused():
    """A file shorter than the header is no ring."""
    with pytest.raises(RingError, match="shorter"):
        RingDecoder(ring_header(CAPACITY)[:-1], FILE_BYTES)


@given(first=st.integers(0, (1 << 64) - 1), count=st.integers(0, CAPACITY))
def test_records_come_out_in_order_across_the_wrap(first, count):
    """Any start, also one whose counters wrap at 2**64, gives the records oldest first."""
    ring = decoder(tail=first)
    records = np.zeros(CAPACITY, EVENT)
    for number in range(count):
        records[(first + number) % CAPACITY] = event(Stage.SUBMIT, number + 1, number)[0]
    got = take(ring, (first + count) % (1 << 64), records)
    assert got["sequence"].tolist() == list(range(count))
    assert ring.tail == (first + count) % (1 << 64)


def test_endpoint_row_is_written_into_every_event():
    """The writer does not know the capture's table: the reader fills the row in."""
    ring = decoder()
    assert take(ring, 2, np.zeros(CAPACITY, EVENT))["endpoint"].tolist() == [3, 3]


@pytest.mark.parametrize("head", [4, 15, 1 << 63])
def test_head_outside_the_ring_is_an_error(head):
    """A head behind the tail or more than the capacity ahead breaks the contract."""
    ring = decoder(tail=5)
    with pytest.raises(RingError, match="head"):
        ring.plan(RingState(head, 0, closed=False))


def test_dropped_count_that_shrinks_is_an_error():
    """Losses cannot be taken back."""
    ring = decoder()
    ring.plan(RingState(0, 7, closed=False))
    with pytest.raises(RingError, match="went back"):
        ring.plan(RingState(0, 6, closed=False))


def test_skip_forgets_old_records_and_old_losses():
    """What a ring held before the recording is neither shown nor counted as lost."""
    ring = decoder()
    ring.skip(RingState(8, 100, closed=False))
    ring.plan(RingState(8, 103, closed=False))
    assert ring.tail == 8
    assert ring.close() == 3


def test_fraction_of_a_record_is_an_error():
    """A short copy never becomes an event."""
    with pytest.raises(RingError, match="whole number"):
        decoder().feed(bytes(EVENT_BYTES + 1))

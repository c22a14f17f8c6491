# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The TLP tap: cutting by the specification's rules, encoding, bounds."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model import pci_caps as caps
from diag.model.config_space import ConfigSpace
from diag.model.pci_caps import ConfigOptions
from diag.model.tlp import ADDRESS_UNKNOWN, NO_BAR, TlpTap
from diag.model.tlp_header import Records
from pyaccel.spec.formats import TlpKind
from tests.build.tlp import Decoded, decode

BDF = 0x0500
BAR = 0x40_0000_0000
RCB = 64


@dataclass
class Link:
    """A link with given sizes."""

    max_payload_bytes: int = 256
    max_read_request_bytes: int = 512
    tag_count: int = 32
    bar: int | None = BAR

    def bar_address(self, bar: int) -> int | None:
        """Where every BAR is."""
        return None if self.bar is None else self.bar + (bar << 32)


def make_tap(link: Link | None = None, capacity: int = 65536) -> TlpTap:
    """A tap of endpoint 3 at 05:00.0 with a clock that stands."""
    tap = TlpTap(link or Link(), endpoint=3, capacity=capacity, clock=lambda: 1_000_000)
    tap.function_id = BDF
    return tap


def taken(tap: TlpTap) -> tuple[Records, list[Decoded]]:
    """The records and their headers, decoded."""
    records, dropped = tap.drain()
    assert dropped == 0
    return records, [decode(header) for header in records["header"]]


LINKS = st.builds(
    Link,
    max_payload_bytes=st.sampled_from([128, 256, 512]),
    max_read_request_bytes=st.sampled_from([128, 256, 512, 1024, 2048, 4096]),
    tag_count=st.sampled_from([32, 256]),
)
ADDRESSES = st.one_of(
    st.integers(0, 1 << 20),
    st.integers((1 << 32) - 8192, (1 << 32) + 8192),
    st.integers(0, (1 << 64) - (1 << 17)),
)
LENGTHS = st.one_of(st.integers(1, 64), st.integers(1, 1 << 16))


@given(LINKS, ADDRESSES, LENGTHS)
def test_writes_cover_the_range_once(link: Link, address: int, length: int) -> None:
    """Posted writes join to the range, fit Max_Payload_Size and stay inside 4 KiB pages."""
    tap = make_tap(link)
    tap.dma_write(address, length)
    records, headers = taken(tap)
    at = address
    for record, header in zip(records, headers, strict=True):
        assert header.kind.startswith("MWr")
        assert (header.address, int(record["address"])) == (at, at)
        size = int(record["length_bytes"])
        assert header.size == size
        assert header.dwords * 4 <= link.max_payload_bytes
        assert at // 4096 == (at + size - 1) // 4096
        assert header.requester == BDF
        at += size
    assert at == address + length
    assert set(records["kind"]) == {TlpKind.MWR}
    assert set(records["from_endpoint"]) == {1}


@given(LINKS, ADDRESSES, LENGTHS)
def test_reads_are_answered_completely(link: Link, address: int, length: int) -> None:
    """Requests join to the range and every one gets completions that join to it."""
    tap = make_tap(link)
    tap.dma_read(address, length)
    records, headers = taken(tap)
    at = owed = answer_at = 0
    at = address
    request: Decoded | None = None
    for record, header in zip(records, headers, strict=True):
        if record["kind"] == TlpKind.MRD:
            assert owed == 0, "a request before the last one was answered"
            assert header.address == at
            assert header.size is not None
            assert header.dwords * 4 <= link.max_read_request_bytes
            assert at // 4096 == (at + header.size - 1) // 4096
            assert header.tag < link.tag_count
            request, owed, answer_at = header, header.size, at
            at += header.size
            continue
        assert request is not None
        assert header.kind == "CplD"
        assert (header.tag, header.requester, header.completer) == (request.tag, BDF, 0)
        assert header.byte_count == owed
        assert header.lower_address == answer_at & 0x7F
        size = int(record["length_bytes"])
        assert header.dwords == ((answer_at & 3) + size + 3) // 4
        assert header.dwords * 4 <= link.max_payload_bytes
        assert size == owed or (answer_at + size) % RCB == 0, "split elsewhere than at the RCB"
        owed -= size
        answer_at += size
    assert owed == 0
    assert at == address + length


@given(LINKS, ADDRESSES, LENGTHS, st.integers(1, 40))
def test_small_and_large_paths_agree(link: Link, address: int, length: int, room: int) -> None:
    """A transfer recorded at once equals its pieces recorded one by one, room or not."""
    whole, pieces = make_tap(link, room), make_tap(link)
    whole.dma_read(address, length)
    step = link.max_read_request_bytes
    at, end = address, address + length
    while at < end:
        stop = min(end, (at // step + 1) * step)
        pieces.dma_read(at, stop - at)
        at = stop
    expected, _ = pieces.drain()
    found, dropped = whole.drain()
    assert np.array_equal(found, expected[: len(found)])
    assert len(found) + dropped == len(expected)
    # A request with its only completion is kept whole or not at all.
    assert len(found) == min(room, len(expected)) or (room, len(expected)) == (1, 2)


def test_tags_go_round() -> None:
    """Consecutive requests use different tags until all are used."""
    tap = make_tap(Link(tag_count=32))
    for number in range(40):
        tap.dma_read(0x1000 * number, 64)
    records, _ = tap.drain()
    tags = records["tag"][records["kind"] == TlpKind.MRD]
    assert tags.tolist() == [number % 32 for number in range(40)]


def test_refused_read_gets_one_completion_per_request() -> None:
    """An unsupported request is answered by a completion without data, a lost one by none."""
    tap = make_tap()
    tap.dma_read(0x1000, 1024, status=1)
    records, headers = taken(tap)
    assert [header.kind for header in headers] == ["MRd32", "Cpl", "MRd32", "Cpl"]
    assert [header.status for header in headers] == [None, 1, None, 1]
    assert records["status"].tolist() == [0, 1, 0, 1]
    for length, requests in ((64, 1), (1024, 2)):
        tap.dma_read(0x1000, length, status=None)
        records, headers = taken(tap)
        assert [header.kind for header in headers] == ["MRd32"] * requests


def test_single_refused_read() -> None:
    """A small refused read has a completion with the status and without data."""
    tap = make_tap()
    tap.mmio_read(0, 0x10, 4, value=0x55, status=4)
    records, headers = taken(tap)
    assert [header.kind for header in headers] == ["MRd64", "Cpl"]
    assert headers[1].status == 4
    assert records["length_bytes"].tolist() == [4, 0]
    assert records["data_bytes"].tolist() == [0, 0]


def test_mmio_knows_bar_and_value() -> None:
    """A register access is at the BAR's bus address and keeps the first bytes."""
    tap = make_tap()
    tap.mmio_write(0, 0x10004, 4, 0x11223344)
    tap.mmio_read(0, 0x18, 8, 0x8877665544332211)
    records, headers = taken(tap)
    assert [header.kind for header in headers] == ["MWr64", "MRd64", "CplD"]
    assert headers[0].address == BAR + 0x10004
    assert [header.requester for header in headers] == [0, 0, 0]
    assert headers[2].completer == BDF
    assert records["bar"].tolist() == [0, 0, NO_BAR]
    assert records["from_endpoint"].tolist() == [0, 0, 1]
    assert records["data"].tolist() == [0x11223344, 0, 0x44332211]
    assert records["data_bytes"].tolist() == [4, 0, 4]
    assert set(records["endpoint"]) == {3}
    assert set(records["time_ns"]) == {1_000_000}


@pytest.mark.parametrize("length", [4, 4096])
def test_mmio_of_an_unassigned_bar_has_no_address(length: int) -> None:
    """What reaches a BAR that decodes nothing is recorded with an unknown address."""
    tap = make_tap(Link(bar=None))
    tap.mmio_write(2, 0x20, length)
    tap.mmio_read(2, 0x20, length)
    records, _ = tap.drain()
    assert set(records["address"]) == {ADDRESS_UNKNOWN}
    assert set(records["bar"]) == {2, NO_BAR}


def test_config_access_is_one_dw_each() -> None:
    """An access of 8 bytes becomes two requests, each with its completion and value."""
    tap = make_tap()
    tap.config_write(0x12, 4, 0xAABBCCDD)
    tap.config_read(0x100, 8, 0x2222222211111111)
    records, headers = taken(tap)
    kinds = ["CfgWr0", "Cpl", "CfgWr0", "Cpl", "CfgRd0", "CplD", "CfgRd0", "CplD"]
    assert [header.kind for header in headers] == kinds
    assert records["address"].tolist() == [0x12, 0x12, 0x14, 0x14, 0x100, 0x100, 0x104, 0x104]
    assert records["data"].tolist()[::2] == [0xCCDD, 0xAABB, 0, 0]
    assert records["data"].tolist()[5::2] == [0x11111111, 0x22222222]
    assert headers[0].size == 2
    assert headers[1].byte_count == 4
    target = [int(header[2]) for header in records["header"][::2]]
    assert target == [BDF << 16 | offset for offset in (0x10, 0x14, 0x100, 0x104)]
    assert set(records["completer_id"]) == {BDF}


def test_interrupts_with_and_without_a_message() -> None:
    """An MSI is a write of one DW; an eventfd's vector has no address."""
    tap = make_tap()
    tap.interrupt(2, 0xFEE00000, 0x4022)
    tap.interrupt(5)
    records, headers = taken(tap)
    assert [header.kind for header in headers] == ["MWr32", "MWr32"]
    assert records["kind"].tolist() == [TlpKind.MSI, TlpKind.MSI]
    assert records["address"].tolist() == [0xFEE00000, ADDRESS_UNKNOWN]
    assert records["data"].tolist() == [0x4022, 5]


def test_nothing_is_nothing() -> None:
    """Transactions of no bytes leave no record."""
    tap = make_tap()
    tap.dma_read(0x1000, 0)
    tap.dma_write(0x1000, 0)
    tap.config_read(0, 0)
    assert len(tap) == 0


def test_loss_is_counted_exactly() -> None:
    """Kept and dropped records add up, also for a transfer far larger than the buffer."""
    tap = make_tap(capacity=10)
    tap.dma_read(0, 1 << 34)
    tap.dma_write(0, 1 << 20)
    tap.interrupt(0)
    tap.config_read(0, 4)
    records, dropped = tap.drain()
    total = (1 << 34) // 512 + (1 << 34) // 256 + (1 << 20) // 256 + 1 + 2
    assert (len(records), dropped) == (10, total - 10)
    tap.interrupt(0)
    assert len(tap) == 1
    assert tap.dropped == 0


def test_last_addresses() -> None:
    """A transfer may end at the last byte of the address space."""
    tap = make_tap()
    tap.dma_write((1 << 64) - 1024, 1024)
    tap.dma_read((1 << 64) - 700, 700)
    records, headers = taken(tap)
    assert sum(int(size) for size in records["length_bytes"][:4]) == 1024
    assert headers[3].address == (1 << 64) - 256


def test_config_space_is_a_link() -> None:
    """The tap follows sizes, tags and BARs of a real configuration space."""
    config = ConfigSpace(ConfigOptions(serial=1, memory_bytes=1 << 20))
    tap = TlpTap(config)
    config.assign_bar(0, BAR)
    config.enable()
    tap.dma_write(0, 4096)
    assert len(tap) == 32
    config.write(caps.EXPRESS_OFFSET + 8, (2 << 5 | 5 << 12).to_bytes(2, "little"))
    tap.dma_write(0, 4096)
    assert len(tap) == 32 + 8
    tap.mmio_write(0, 0, 4, 1)
    records, _ = tap.drain()
    assert records["address"][-1] == BAR


def test_capacity_must_be_positive() -> None:
    """A tap without room is refused."""
    with pytest.raises(ValueError, match="capacity 0"):
        TlpTap(Link(), capacity=0)

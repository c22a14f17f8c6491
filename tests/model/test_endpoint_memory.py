# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Page tables, copies, isolation, and memory of peers."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.model.bus import BusError
from diag.model.endpoint import EndpointConfig
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.testing import BAR_BASE, Driver, FakeHost, plug
from pyaccel.spec import regs
from pyaccel.spec.formats import Opcode, Space, Status
from pyaccel.spec.regs import AddressReason, AddressState
from tests.build.commands import copy, fence, nop
from tests.build.host import AREA, DEVICE_VA, HOST_VA, SCATTERED_VA, Bench

PAGE = 4096
RNG = np.random.default_rng(5)
QUIET = settings(
    max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@QUIET
@given(
    st.integers(0, 3 * PAGE),
    st.integers(0, 3 * PAGE),
    st.integers(0, 5 * PAGE),
    st.sampled_from([(HOST_VA, DEVICE_VA), (SCATTERED_VA, DEVICE_VA), (HOST_VA, SCATTERED_VA)]),
)
def test_copy_moves_exactly_the_bytes(
    bench: Bench, source: int, target: int, length: int, areas: tuple[int, int]
) -> None:
    """Any offsets and lengths, over adjacent and over scattered pages."""

    def read(va: int, size: int) -> bytes:
        return bench.pages(va, size) if va >= SCATTERED_VA else bytes(bench.bytes(va, size))

    whole = 10 * PAGE
    bench.host.at(bench.area, whole)[:] = RNG.bytes(whole)
    bench.host.at(bench.scattered, AREA)[:] = RNG.bytes(AREA)
    from_va, to_va = areas[0] + source, areas[1] + target
    expected = bytearray(read(areas[1], whole))
    expected[target : target + length] = read(from_va, length) if length else b""
    assert bench.run(copy(from_va, to_va, length)).status == Status.OK
    assert read(areas[1], whole) == bytes(expected)


@QUIET
@given(st.integers(0, 3 * PAGE), st.integers(0, 3 * PAGE), st.integers(1, 4 * PAGE))
@pytest.mark.parametrize("area", [HOST_VA, SCATTERED_VA, DEVICE_VA])
def test_overlapping_copy_is_as_if_through_a_buffer(
    bench: Bench, area: int, source: int, target: int, length: int
) -> None:
    """Forwards and backwards, in one piece and in scattered pages."""

    def read(size: int) -> bytes:
        return bench.pages(area, size) if area == SCATTERED_VA else bytes(bench.bytes(area, size))

    for base in (bench.area, bench.scattered):
        bench.host.at(base, AREA)[:] = RNG.bytes(AREA)
    expected = bytearray(read(8 * PAGE))
    expected[target : target + length] = expected[source : source + length]
    assert bench.run(copy(area + source, area + target, length)).status == Status.OK
    assert read(8 * PAGE) == bytes(expected)


def test_copy_can_give_the_checksum_of_what_it_read(bench: Bench) -> None:
    """CHECKSUM: CRC-32 as zlib computes it, over scattered pages too."""
    bench.host.at(bench.scattered, AREA)[:] = RNG.bytes(AREA)
    completion = bench.run(copy(SCATTERED_VA + 100, DEVICE_VA, 9000, flags=2))
    assert completion.result == zlib.crc32(bench.pages(SCATTERED_VA + 100, 9000))


def test_large_pages_map_two_mebibytes_at_once(bench: Bench) -> None:
    """A leaf at level 1; neighbours of small pages merge with it into one run."""
    va = 0x2000_0000
    bench.table.map(va, 0x20_0000, 0x40_0000, space=Space.DEVICE, large=True)
    bench.table.map(va + 0x40_0000, 0x60_0000, 0x4000, space=Space.DEVICE)
    context = bench.endpoint.engine.contexts[0]
    segments = context.segments(va + 0x1000, 0x40_2000, True)
    assert [(s.space, s.address, len(s.view)) for s in segments] == [
        (Space.DEVICE, 0x20_1000, 0x40_2000)
    ]


def test_pages_with_gaps_are_not_one_run(bench: Bench) -> None:
    """Every second page of memory, in ascending order."""
    va = 0x3000_0000
    for page in range(8):
        bench.table.map(va + page * PAGE, 2 * page * PAGE, PAGE, space=Space.DEVICE)
    segments = bench.endpoint.engine.contexts[0].segments(va + 8, 8 * PAGE - 8, False)
    assert [segment.address for segment in segments] == [8, *(2 * n * PAGE for n in range(1, 8))]


def test_run_over_two_host_mappings_is_split() -> None:
    """Adjacent bus addresses in two DMA mappings: two views, one copy."""
    host = FakeHost(1 << 22, split=1 << 16)
    endpoint = plug(host)
    driver = Driver(host, endpoint)
    table, queue = driver.context(0), driver.queue(0)
    host._next = (1 << 16) - PAGE
    area = host.alloc(4 * PAGE)
    table.map(HOST_VA, area, 4 * PAGE)
    table.map(DEVICE_VA, 0, 4 * PAGE, space=Space.DEVICE)
    host.at(area, 4 * PAGE)[:] = RNG.bytes(4 * PAGE)
    assert queue.run(copy(HOST_VA, DEVICE_VA, 4 * PAGE)).status == Status.OK
    assert bytes(endpoint.memory.view[: 4 * PAGE]) == bytes(host.at(area, 4 * PAGE))


@pytest.mark.parametrize("page", [0, 1, 3])
def test_page_fault_names_the_first_bad_address(bench: Bench, page: int) -> None:
    """The error block gives the first unmapped byte; nothing was written."""
    va = HOST_VA + 0x80
    bench.table.unmap(HOST_VA + page * PAGE, PAGE)
    bench.bytes(DEVICE_VA, 8)[:] = b"untouched"[:8]
    assert bench.run(copy(va, DEVICE_VA, 5 * PAGE)).status == Status.PAGE_FAULT
    expected = va if page == 0 else HOST_VA + page * PAGE
    assert bench.driver.read(regs.ERROR_ADDRESS) == expected
    assert bytes(bench.bytes(DEVICE_VA, 8)) == b"untouched"[:8]


@pytest.mark.parametrize("entry", [0, 1, 4, 0x35, 0x35 | 2, 1 << 51])
def test_leaf_that_is_not_one_faults(bench: Bench, entry: int) -> None:
    """Not valid, not a leaf, or an address space that does not exist."""
    bench.table.put(HOST_VA, entry)
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.PAGE_FAULT


def test_leaf_above_level_one_faults(bench: Bench) -> None:
    """There are no pages of 1 GiB."""
    words = bench.host.at(bench.table.root, PAGE).cast("Q")
    words[1] = 0x7
    assert bench.run(copy(1 << 39, DEVICE_VA, 8)).status == Status.PAGE_FAULT


def test_read_only_page_refuses_writes(bench: Bench) -> None:
    """PROTECTION_FAULT on write, for one page and inside a long range; reading is fine."""
    bench.table.map(0x3000_0000, bench.area, 4 * PAGE)
    bench.table.map(0x3000_2000, bench.area, PAGE, writable=False)
    assert bench.run(copy(0x3000_2000, DEVICE_VA, 8)).status == Status.OK
    for va, length in ((0x3000_2000, 8), (0x3000_0000, 4 * PAGE)):
        assert bench.run(copy(DEVICE_VA, va, length)).status == Status.PROTECTION_FAULT
        assert bench.driver.read(regs.ERROR_ADDRESS) == 0x3000_2000
        bench.driver.write(regs.CONTEXT_STATUS, 1, 0)
        bench.driver.write(regs.ERROR_STATUS, 1)


@pytest.mark.parametrize(
    ("va", "length", "status"),
    [
        ((1 << 48) - 4, 8, Status.PAGE_FAULT),
        ((1 << 64) - 8, 8, Status.PAGE_FAULT),
        ((1 << 48) + HOST_VA, 8, Status.PAGE_FAULT),
        (HOST_VA, 1 << 40, Status.INVALID_FIELD),
        (HOST_VA, (1 << 64) - 1, Status.INVALID_FIELD),
    ],
)
def test_ranges_out_of_bounds_are_refused(
    bench: Bench, va: int, length: int, status: Status
) -> None:
    """Wild addresses and lengths cost nothing and wrap nowhere."""
    assert bench.run(copy(va, DEVICE_VA, length)).status == status


def test_device_page_beyond_memory_faults(bench: Bench) -> None:
    """A leaf that points behind the end of device memory."""
    bench.table.map(0x3000_0000, bench.endpoint.config.memory_bytes, PAGE, space=Space.DEVICE)
    assert bench.run(copy(0x3000_0000, DEVICE_VA, 8)).status == Status.PAGE_FAULT
    assert bench.driver.read(regs.ERROR_ADDRESS) == 0x3000_0000


def test_host_page_that_the_host_does_not_offer_is_unsupported(bench: Bench) -> None:
    """UNSUPPORTED_REQUEST, which is the fabric's fault and does not stop the context."""
    bench.table.map(0x3000_0000, 0xDEAD_0000_0000, PAGE)
    assert bench.run(copy(0x3000_0000, DEVICE_VA, 8)).status == Status.UNSUPPORTED_REQUEST
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK


def test_page_table_outside_host_memory_is_unsupported(bench: Bench) -> None:
    """A root that leads nowhere."""
    bench.driver.write(regs.CONTEXT_ROOT, 0xDEAD_0000_0000, 0)
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.UNSUPPORTED_REQUEST


def test_fault_stops_its_context_alone(bench: Bench) -> None:
    """Later commands of the context are refused; other contexts and nops of others go on."""
    other = bench.driver.context(1)
    other.map(HOST_VA, bench.area, PAGE)
    assert bench.run(copy(0x9999_0000, DEVICE_VA, 8)).status == Status.PAGE_FAULT
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.CONTEXT_FAULTED
    assert bench.run(nop()).status == Status.CONTEXT_FAULTED
    assert bench.run(copy(HOST_VA, HOST_VA + 64, 8, context=1)).status == Status.OK
    assert bench.driver.read(regs.CONTEXT_STATUS, 0) == 1
    assert bench.driver.read(regs.CONTEXT_STATUS, 1) == 0
    bench.driver.write(regs.CONTEXT_STATUS, 1, 0)
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK


def test_contexts_see_only_what_they_map(bench: Bench) -> None:
    """The same va leads to different memory, or to none."""
    bench.driver.context(1)
    assert bench.run(copy(HOST_VA, HOST_VA, 8, context=1)).status == Status.PAGE_FAULT
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK


def test_removed_mapping_is_gone_after_invalidate(bench: Bench) -> None:
    """Cached translations live until INVALIDATE; a new mapping needs none."""
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK
    bench.table.unmap(HOST_VA, PAGE)
    bench.driver.write(regs.CONTEXT_CONTROL, 3, 0)
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.PAGE_FAULT
    bench.table.map(HOST_VA, bench.area, PAGE)
    bench.driver.write(regs.CONTEXT_STATUS, 1, 0)
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK


def test_no_view_of_host_memory_survives_dma_changed(bench: Bench) -> None:
    """The server can unmap: nothing of the endpoint holds the memory."""
    bench.run(copy(SCATTERED_VA, DEVICE_VA, 3 * PAGE))
    bench.queue.put(fence(Opcode.FENCE_WAIT, HOST_VA, 1))
    bench.queue.ring()
    bench.endpoint.dma_changed()
    bench.host._view.release()
    bench.host.memory.extend(b"x")  # BufferError if any view were left


class Pair:
    """Two endpoints of one fabric, each with its own bench; rows 0 and 1."""

    def __init__(self) -> None:
        sizes = [1 << 22, 1 << 22]
        self.fabric = Fabric(sizes)
        self.loop = Loop()
        configs = [
            EndpointConfig(n=n, serial=9, index=n, count=2, memory_bytes=size)
            for n, size in enumerate(sizes)
        ]
        self.benches = [Bench(config, self.fabric, self.loop) for config in configs]

    def bar2(self, n: int) -> int:
        """Bus address of an endpoint's device memory."""
        return BAR_BASE + (n << 36)

    def write_address(self, n: int = 0, **changed: int) -> None:
        """Write place, card, path and both peer rows of endpoint n."""
        driver = self.benches[n].driver
        values = {"place": (n + 1) << 8, "serial": 9, "index": n, "depth": 2, "count": 2} | changed
        driver.write(regs.ADDR_PLACE, values["place"])
        driver.write(regs.ADDR_CARD, values["index"])
        driver.write(regs.ADDR_CARD_SERIAL, values["serial"])
        driver.write(regs.ADDR_PATH_DEPTH, values["depth"])
        for port in range(2):
            driver.write(regs.ADDR_PATH, 1 << 31 | port << 8, port)
        for row in range(2):
            base = self.bar2(row) + (values.get("shift", 0) if row == n else 0)
            driver.write(regs.PEER_ADDRESS, base, row)
            driver.write(regs.PEER_SIZE, values.get("size", 1 << 22), row)
            driver.write(regs.PEER_SERIAL, 9, row)
            driver.write(regs.PEER_INFO, row | 1 << 31, row)
        driver.write(regs.ADDR_PEER_COUNT, values["count"])

    def commit(self, n: int = 0, value: int = 1) -> tuple[AddressState, AddressReason]:
        """Write COMMIT; gives what STATUS says."""
        driver = self.benches[n].driver
        driver.write(regs.ADDR_COMMIT, value)
        fields = regs.ADDR_STATUS.decode(driver.read(regs.ADDR_STATUS))
        return AddressState(fields["STATE"]), AddressReason(fields["REASON"])

    def close(self) -> None:
        """Give everything back."""
        for bench in self.benches:
            bench.endpoint.close()
        self.loop.close()
        self.fabric.close()


@pytest.fixture
def pair() -> Iterator[Pair]:
    """Two endpoints."""
    made = Pair()
    yield made
    made.close()


PEER_VA = 0x5000_0000


def test_peer_copy_needs_a_committed_address(pair: Pair) -> None:
    """ADDRESS_STALE before, done after, stale again after a reset of the place."""
    first, second = pair.benches
    first.table.map(PEER_VA, pair.bar2(1), 16 * PAGE, space=Space.PEER)
    command = copy(DEVICE_VA, PEER_VA + 5, 20000)
    first.bytes(DEVICE_VA, 20000)[:] = RNG.bytes(20000)
    assert first.run(command).status == Status.ADDRESS_STALE
    pair.write_address()
    assert pair.commit() == (AddressState.COMMITTED, AddressReason.NONE)
    assert first.run(command).status == Status.OK
    assert bytes(second.bytes(DEVICE_VA + 5, 20000)) == bytes(first.bytes(DEVICE_VA, 20000))
    assert first.driver.read(regs.TELEMETRY_BYTES_PEER) == 20000
    assert pair.commit(value=0) == (AddressState.STALE, AddressReason.NONE)
    assert first.run(command).status == Status.ADDRESS_STALE
    pair.commit()
    first.endpoint.capture_place(9, 0)
    assert first.run(command).status == Status.ADDRESS_STALE


def test_peer_page_outside_the_peer_table_is_unsupported(pair: Pair) -> None:
    """Only windows of the committed table can be reached."""
    first = pair.benches[0]
    first.table.map(PEER_VA, pair.bar2(1), PAGE, space=Space.PEER)
    pair.write_address(count=1)
    assert pair.commit()[0] is AddressState.COMMITTED
    assert first.run(copy(DEVICE_VA, PEER_VA, 8)).status == Status.UNSUPPORTED_REQUEST


def test_peer_whose_memory_is_off_is_unsupported(pair: Pair) -> None:
    """A cached translation does not outlive the peer's BAR."""
    first, second = pair.benches
    first.table.map(PEER_VA, pair.bar2(1), PAGE, space=Space.PEER)
    pair.write_address()
    pair.commit()
    assert first.run(copy(DEVICE_VA, PEER_VA, 8)).status == Status.OK
    second.endpoint.config_space.enable(memory=False)
    assert first.run(copy(DEVICE_VA, PEER_VA, 8)).status == Status.UNSUPPORTED_REQUEST
    second.endpoint.config_space.enable()
    assert first.run(copy(DEVICE_VA, PEER_VA, 8)).status == Status.OK
    second.endpoint.lose_link()
    assert first.run(copy(DEVICE_VA, PEER_VA, 8)).status == Status.UNSUPPORTED_REQUEST


def test_fence_signalled_by_a_peer_releases_the_queue(pair: Pair) -> None:
    """A word in the waiter's device memory, written by the other endpoint."""
    first, second = pair.benches
    first.table.map(PEER_VA, pair.bar2(1), PAGE, space=Space.PEER)
    pair.write_address()
    pair.commit()
    second.queue.put(fence(Opcode.FENCE_WAIT, DEVICE_VA, 3, sequence=4))
    second.queue.ring()
    assert second.queue.poll() is None
    assert first.run(fence(Opcode.FENCE_SIGNAL, PEER_VA, 3)).status == Status.OK
    assert second.queue.wait().sequence == 4


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"place": 0x0108}, AddressReason.BDF_MISMATCH),
        ({"serial": 8}, AddressReason.CARD_MISMATCH),
        ({"index": 1}, AddressReason.CARD_MISMATCH),
        ({"depth": 3}, AddressReason.PATH_INVALID),
        ({"depth": 17}, AddressReason.PATH_INVALID),
        ({"count": 0}, AddressReason.SELF_PEER_MISSING),
        ({"count": 65}, AddressReason.PEER_INVALID),
        ({"count": 3}, AddressReason.PEER_INVALID),
        ({"size": 1 << 37}, AddressReason.PEER_INVALID),
        ({"shift": PAGE}, AddressReason.SELF_BAR_MISMATCH),
        ({"size": PAGE}, AddressReason.SELF_BAR_MISMATCH),
    ],
)
def test_commit_is_rejected_with_its_reason(
    pair: Pair, changed: dict[str, int], reason: AddressReason
) -> None:
    """Each disagreement with where the endpoint sits has a reason; peers stay refused."""
    pair.write_address(**changed)
    assert pair.commit() == (AddressState.REJECTED, reason)
    assert pair.benches[0].driver.read(regs.ADDR_GENERATION) == 0


def test_address_generation_survives_and_address_does_not(pair: Pair) -> None:
    """Commits are counted over resets; a moved BAR2 makes the address stale."""
    pair.write_address()
    pair.commit()
    pair.commit()
    endpoint = pair.benches[0].endpoint
    endpoint.config_space.assign_bar(2, pair.bar2(0) + (1 << 34))
    assert endpoint.address.state is AddressState.STALE
    assert pair.benches[0].driver.read(regs.ADDR_GENERATION) == 2


def test_fabric_resolves_only_enabled_windows() -> None:
    """Addresses outside, across the end, or of a disabled row are BusErrors."""
    fabric = Fabric([PAGE, 2 * PAGE])
    fabric.publish(1, 0x10_0000, 2 * PAGE, enabled=True)
    fabric.resolve(0x10_0010, 4)[:] = b"abcd"
    assert bytes(fabric.resolve(0x10_0000, 2 * PAGE)[16:20]) == b"abcd"
    for address, length in ((0xFFFFF, 2), (0x10_1FFF, 2), (0x10_2000, 1)):
        with pytest.raises(BusError):
            fabric.resolve(address, length)
    fabric.publish(1, None, 2 * PAGE, enabled=True)
    with pytest.raises(BusError):
        fabric.resolve(0x10_0010, 4)
    fabric.close()

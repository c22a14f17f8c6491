# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""BAR0 and the blocks behind it, resets included."""

from __future__ import annotations

import pytest

from diag.model.bus import PciFunction, Region, ResetKind
from diag.model.endpoint import EndpointConfig
from diag.model.registers import DOORBELL_BASE, RegisterFile
from diag.model.telemetry import Utilisation
from diag.model.testing import Driver, FakeHost, boot, plug, step
from pyaccel.spec import regs
from pyaccel.spec.formats import MAGIC, Status
from pyaccel.spec.regs import AddressState, QueueState, ResetCause
from pyaccel.spec.types import Register
from tests.build.commands import copy, nop
from tests.build.host import DEVICE_VA, HOST_VA, Bench

CONTROL = [r for r in regs.REGISTERS if r.offset < DOORBELL_BASE]


@pytest.mark.parametrize("register", CONTROL, ids=lambda r: r.name)
def test_register_reads_its_reset_value(register: Register) -> None:
    """Storage starts with the resets of the description, write-only fields as zero."""
    readable = ~sum(f.mask for f in register.fields if f.access == "wo")
    at = register.at(*(0 for _ in register.counts))
    size = register.width // 8
    got = int.from_bytes(RegisterFile().read(at, size), "little")
    assert got == register.reset & readable


@pytest.mark.parametrize("register", CONTROL, ids=lambda r: r.name)
def test_write_changes_only_writable_fields(register: Register) -> None:
    """All-ones and then zeros: read-only fields keep their reset value."""
    storage, size = RegisterFile(), register.width // 8
    at = register.at(*(n - 1 for n in register.counts))
    writable = sum(f.mask for f in register.fields if f.access == "rw")
    cleared = sum(f.mask for f in register.fields if f.access == "rw1c")
    hidden = sum(f.mask for f in register.fields if f.access == "wo")
    for value in ((1 << register.width) - 1, 0):
        before = int.from_bytes(storage.read(at, size), "little")
        storage.write(at, value.to_bytes(size, "little"))
        expected = (before & ~writable | value & writable) & ~(value & cleared) & ~hidden
        assert int.from_bytes(storage.read(at, size), "little") == expected


def test_sizes_and_alignments_outside_the_contract_are_refused() -> None:
    """Bytes, words, misaligned and 64-bit accesses to 32-bit registers have no effect."""
    storage = RegisterFile()
    scratch = regs.CTRL_SCRATCH.offset
    for offset, size in (
        (scratch, 1),
        (scratch, 2),
        (scratch + 2, 4),
        (scratch - 4, 8),
        (scratch, 3),
    ):
        storage.write(offset, b"\xff" * size)
        assert storage.read(offset, size) == bytes(size)
    assert storage.refused_accesses == 10
    assert storage.get(regs.CTRL_SCRATCH) == 0


def test_64_bit_registers_take_two_halves() -> None:
    """Two 32-bit writes make one value; reserved offsets read as zero."""
    storage = RegisterFile()
    at = regs.CONTEXT_ROOT.at(3)
    storage.write(at, (0x11223344).to_bytes(4, "little"))
    storage.write(at + 4, (0x55667788).to_bytes(4, "little"))
    assert storage.get(regs.CONTEXT_ROOT, 3) == 0x5566778811223344
    assert storage.read(0x3000, 4) == bytes(4)


def test_low_half_latches_the_high_half_of_a_counter() -> None:
    """A counter that carries between the two reads still gives one consistent value."""
    storage = RegisterFile()
    values = iter([0x0_FFFF_FFFF, 0x1_0000_0000])
    storage.on_read(regs.TELEMETRY_PROGRESS, lambda: next(values))
    at = regs.TELEMETRY_PROGRESS.offset
    assert storage.read(at, 4) == b"\xff" * 4
    assert storage.read(at + 4, 4) == bytes(4)


def test_bulk_read_equals_single_reads(bench: Bench) -> None:
    """A long read is what a bridge would make of it: 32-bit reads in order."""
    burst = bench.endpoint.region_read(Region.BAR0, 0, 0x30)
    single = [bench.endpoint.region_read(Region.BAR0, at, 4) for at in range(0, 0x30, 4)]
    assert burst == b"".join(single)


def test_identity_block_says_who_the_endpoint_is() -> None:
    """Serial, place on the card, memory."""
    config = EndpointConfig(serial=0xA0C000000000BEEF, index=2, count=3, memory_bytes=1 << 22)
    endpoint = plug(FakeHost(), config)
    driver = Driver(FakeHost(), endpoint)
    assert driver.read(regs.IDENT_MAGIC) == MAGIC
    assert driver.read(regs.IDENT_BOARD_SERIAL) == 0xA0C000000000BEEF
    assert driver.read(regs.IDENT_ENDPOINT) == 2 | 3 << 8
    assert driver.read(regs.IDENT_MEMORY_BYTES) == 1 << 22
    function: PciFunction = endpoint
    assert function.spec.regions[Region.BAR2].fd is not None


def test_error_block_keeps_the_first_and_counts_the_rest(bench: Bench) -> None:
    """The first error is named, later ones count, and writing VALID clears the block."""
    driver = bench.driver
    first = bench.run(copy(0x9999_0000, DEVICE_VA, 8))
    second = bench.run(nop(op=1))
    assert (first.flags >> 1 & 1, second.flags >> 1 & 1) == (1, 0)
    status = regs.ERROR_STATUS.decode(driver.read(regs.ERROR_STATUS))
    assert (status["VALID"], status["HAS_COMMAND"], status["HAS_ADDRESS"]) == (1, 1, 1)
    assert driver.read(regs.ERROR_COUNT) == 1 + 1
    assert driver.read(regs.ERROR_SEQUENCE) == first.sequence
    assert driver.read(regs.ERROR_ADDRESS) == 0x9999_0000
    assert driver.read(regs.CTRL_STATUS) & regs.CTRL_STATUS.field("ERROR").mask
    driver.write(regs.ERROR_STATUS, 1)
    assert [driver.read(r) for r in (regs.ERROR_STATUS, regs.ERROR_COUNT, regs.ERROR_TIME)] == [
        0
    ] * 3
    assert bench.host.interrupts == [0], "the first error raises the event vector"


@pytest.mark.parametrize("how", ["flr", "bus", "disconnect"])
def test_reset_clears_everything_but_the_survivors(bench: Bench, how: str) -> None:
    """Queues, contexts, address and errors are gone; generation, counters and clock stay."""
    endpoint, driver = bench.endpoint, bench.driver
    bench.run(copy(HOST_VA, DEVICE_VA, 4096))
    bench.run(copy(0x9999_0000, DEVICE_VA, 8))
    progress = driver.read(regs.TELEMETRY_PROGRESS)
    driver.write(regs.CTRL_SCRATCH, 5)
    driver.write(regs.CLOCK_LATCH, 1)
    ticks = driver.read(regs.CLOCK_TICKS)
    if how == "flr":
        devctl = endpoint.config_space._table["devctl"].offset
        endpoint.region_write(Region.CONFIG, devctl, (0x8000).to_bytes(2, "little"))
    elif how == "bus":
        endpoint.reset(ResetKind.SECONDARY_BUS)
    else:
        endpoint.detach()
    cause = ResetCause.SECONDARY_BUS if how == "bus" else ResetCause.FUNCTION
    assert driver.read(regs.CTRL_RESET_CAUSE) == cause
    assert driver.read(regs.CTRL_GENERATION) == 1
    assert driver.read(regs.TELEMETRY_PROGRESS) == progress
    assert driver.read(regs.CLOCK_TICKS) == ticks
    assert driver.read(regs.TELEMETRY_BYTES_HOST_TO_DEVICE) >= 4096
    assert driver.read(regs.IDENT_BOARD_SERIAL) == endpoint.config.serial
    zero = (regs.CTRL_SCRATCH, regs.CTRL_CONTROL, regs.ERROR_STATUS, regs.ERROR_COUNT)
    assert [driver.read(register) for register in zero] == [0] * 4
    assert driver.read(regs.CONTEXT_ROOT, 0) == driver.read(regs.QUEUE_SQ_BASE, 0) == 0
    assert regs.QUEUE_STATUS.get(driver.read(regs.QUEUE_STATUS, 0), "STATE") == QueueState.DISABLED
    assert endpoint.config_space.bar_address(2) is None


def test_endpoint_works_again_after_reset_and_boot(bench: Bench) -> None:
    """Firmware restores the BARs, the driver sets up anew."""
    bench.endpoint.detach()
    boot(bench.endpoint)
    bench.endpoint.attach(bench.host)
    driver = Driver(bench.host, bench.endpoint)
    driver.context(0)
    assert driver.queue(0).run(nop(1)).status == Status.OK


def test_client_leaves_no_data_behind(bench: Bench) -> None:
    """Device memory is zero after a disconnect; a plain reset keeps it."""
    bench.endpoint.region_write(Region.BAR2, 100, b"secret")
    bench.endpoint.reset(ResetKind.FUNCTION)
    assert bench.endpoint.region_read(Region.BAR2, 100, 6) == b"secret"
    bench.endpoint.detach()
    assert bench.endpoint.region_read(Region.BAR2, 100, 6) == bytes(6)


def test_no_dma_without_bus_mastering(bench: Bench) -> None:
    """Clearing the bus master bit stops fetching; setting it again goes on."""
    endpoint = bench.endpoint
    endpoint.region_write(Region.CONFIG, 4, (2).to_bytes(2, "little"))
    bench.queue.put(nop(1, flags=1))
    bench.queue.ring()
    assert bench.queue.poll() is None
    endpoint.region_write(Region.CONFIG, 4, (6).to_bytes(2, "little"))
    assert bench.queue.wait().sequence == 1


def test_queue_reset_takes_several_queues_at_once(bench: Bench) -> None:
    """Each bit resets its queue; the others keep running."""
    for number in (1, 2, 3):
        bench.driver.queue(number)
    bench.driver.write(regs.CTRL_QUEUE_RESET, 0b1010)
    states = [
        regs.QUEUE_STATUS.get(bench.driver.read(regs.QUEUE_STATUS, n), "STATE") for n in range(4)
    ]
    ready, disabled = QueueState.READY, QueueState.DISABLED
    assert states == [ready, disabled, ready, disabled]
    assert bench.driver.read(regs.CTRL_RESET_CAUSE) == ResetCause.QUEUE
    assert bench.driver.read(regs.CTRL_GENERATION) == 0


def test_latched_clock_does_not_move(bench: Bench) -> None:
    """TICKS changes only with LATCH, and never goes back."""
    driver = bench.driver
    driver.write(regs.CLOCK_LATCH, 1)
    first = driver.read(regs.CLOCK_TICKS)
    assert driver.read(regs.CLOCK_TICKS) == first
    driver.write(regs.CLOCK_LATCH, 0)
    assert driver.read(regs.CLOCK_TICKS) > first
    assert driver.read(regs.CLOCK_FREQUENCY) == 100_000_000


def test_traffic_is_counted_by_direction(bench: Bench) -> None:
    """Host to device, back, and inside, each in its own counter."""
    driver = bench.driver
    names = (
        regs.TELEMETRY_BYTES_HOST_TO_DEVICE,
        regs.TELEMETRY_BYTES_DEVICE_TO_HOST,
        regs.TELEMETRY_BYTES_DEVICE_TO_DEVICE,
        regs.TELEMETRY_BYTES_PEER,
    )
    bench.run(copy(HOST_VA, DEVICE_VA, 100))
    bench.run(copy(DEVICE_VA, HOST_VA, 30))
    bench.run(copy(DEVICE_VA, DEVICE_VA + 4096, 7))
    bench.run(copy(HOST_VA, HOST_VA + 4096, 1))
    assert [driver.read(name) for name in names] == [101, 31, 7, 0]


def test_idle_endpoint_has_no_timer(bench: Bench) -> None:
    """After work is done nothing is scheduled: an idle endpoint costs no CPU."""
    bench.queue.run(nop(1, flags=1))
    step(bench.endpoint)
    loop = bench.endpoint.loop
    assert [timer for _, _, timer in loop._timers if timer.callback is not None] == []


def test_utilisation_covers_the_last_second_only() -> None:
    """Busy time fades out after a second; a long busy span is full load."""
    second = 1_000_000_000
    load = Utilisation()
    load.add(10 * second, 10 * second + second // 2)
    assert 450 <= load.permille(10 * second + 900_000_000) <= 600
    assert load.permille(12 * second) == 0
    load.add(20 * second, 25 * second)
    assert load.permille(25 * second) == 1000


def test_sensors_are_equal_for_equal_seeds() -> None:
    """Two endpoints with one seed agree at rest, with another they differ."""
    read = lambda seed: Driver(  # noqa: E731 - three uses in one line
        FakeHost(), plug(FakeHost(), EndpointConfig(seed=seed))
    ).read(regs.TELEMETRY_TEMPERATURE)
    assert read(4) == read(4) != read(5)


def test_address_state_is_stale_after_power_on(bench: Bench) -> None:
    """Nothing was committed yet; the place was captured from configuration writes."""
    status = regs.ADDR_STATUS.decode(bench.driver.read(regs.ADDR_STATUS))
    assert status == {"STATE": AddressState.STALE, "REASON": 0, "CAPTURED_VALID": 1}
    assert bench.driver.read(regs.ADDR_CAPTURED) == 0x0100

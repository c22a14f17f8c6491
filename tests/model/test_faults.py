# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The fault catalogue: what each fault does to a host, and to nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from diag.model.bus import Region, ResetKind
from diag.model.fault_base import Parameter
from diag.model.fault_kinds import CATALOGUE
from diag.model.faults import LOG_RECORDS, catalogue
from diag.model.testing import step
from diag.model.tlp import TlpTap
from pyaccel.spec import regs
from pyaccel.spec.formats import Completion, Opcode, Status, TlpKind
from tests.build.commands import copy, nop
from tests.build.host import DEVICE_VA, HOST_VA, Bench

TO_DEVICE = copy(HOST_VA, DEVICE_VA, 256)


def submit(bench: Bench, count: int, **header: int) -> list[Completion]:
    """Run nops 1..count and give the completions that came."""
    for sequence in range(1, count + 1):
        bench.queue.put(nop(sequence, **header))
    bench.queue.ring()
    step(bench.endpoint, 3_000_000)
    found = []
    while (completion := bench.queue.poll()) is not None:
        found.append(completion)
    return found


def aer(bench: Bench) -> int:
    """AER uncorrectable error status."""
    return bench.endpoint.config_space._get("aer_uncorrectable_status")


def test_lost_completion_skips_one_sequence(bench: Bench) -> None:
    """The command is executed and counted, its completion never comes."""
    bench.endpoint.faults.inject("lost_completion", after=2)
    assert [c.sequence for c in submit(bench, 5)] == [1, 2, 4, 5]
    assert bench.driver.read(regs.TELEMETRY_PROGRESS) == 5


@pytest.mark.parametrize("bits", [1, 7])
def test_corrupt_payload_flips_exactly_that_many_bits(bench: Bench, bits: int) -> None:
    """The copy succeeds, its checksum is of the good data, the target differs."""
    bench.bytes(HOST_VA, 256)[:] = bytes(range(256))
    good = bench.run(copy(HOST_VA, DEVICE_VA + 4096, 256, flags=2))
    bench.endpoint.faults.inject("corrupt_payload", bits=bits)
    bad = bench.run(copy(HOST_VA, DEVICE_VA, 256, flags=2))
    assert (bad.status, bad.result) == (Status.OK, good.result)
    pairs = zip(bytes(bench.bytes(DEVICE_VA, 256)), range(256), strict=True)
    assert sum((got ^ sent).bit_count() for got, sent in pairs) == bits


def test_corruption_is_repeatable_by_seed() -> None:
    """Equal seeds corrupt equal bits, other seeds others."""
    results = []
    for seed in (5, 5, 6):
        bench = Bench()
        bench.endpoint.faults.inject("corrupt_payload", bits=3, seed=seed)
        bench.run(TO_DEVICE)
        results.append(bytes(bench.bytes(DEVICE_VA, 256)))
        bench.close()
    assert results[0] == results[1] != results[2]


def test_hung_queue_stops_until_queue_reset(bench: Bench) -> None:
    """Work is there, nothing moves, other queues run; a queue reset helps."""
    bench.endpoint.faults.inject("hung_queue", queue=0, after=1)
    other = bench.driver.queue(1)
    assert [c.sequence for c in submit(bench, 3)] == [1]
    assert bench.driver.read(regs.QUEUE_SQ_HEAD, 0) == 1
    assert other.run(nop(9)).sequence == 9
    bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
    bench.queue = bench.driver.queue(0)
    assert [c.sequence for c in submit(bench, 2)] == [1, 2]


def test_hung_queue_goes_on_when_the_fault_is_cleared(bench: Bench) -> None:
    """Nothing is lost by having been stuck."""
    number = bench.endpoint.faults.inject("hung_queue")
    assert submit(bench, 3) == []
    bench.endpoint.faults.clear(number)
    assert [bench.queue.wait().sequence for _ in range(3)] == [1, 2, 3]


def test_stopped_heartbeat_stays_and_goes_on(bench: Bench) -> None:
    """HEARTBEAT is frozen while commands still run."""
    sensors = bench.endpoint.sensors
    bench.endpoint.clock._start_ns -= 10_000_000_000
    number = bench.endpoint.faults.inject("heartbeat_stop")
    before = bench.driver.read(regs.TELEMETRY_HEARTBEAT)
    bench.endpoint.clock._start_ns -= 10_000_000_000
    assert bench.driver.read(regs.TELEMETRY_HEARTBEAT) == before == sensors.heartbeat()
    assert len(submit(bench, 1)) == 1
    bench.endpoint.faults.clear(number)
    assert bench.driver.read(regs.TELEMETRY_HEARTBEAT) >= before + 100


def test_a_stuck_reset_keeps_the_firmware_down_until_a_reset_works(bench: Bench) -> None:
    """READY stays 0 after as many resets as it was told, and comes back with the next."""
    bench.endpoint.faults.inject("stuck_reset", count=2)
    seen = []
    for kind in (ResetKind.FUNCTION, ResetKind.SECONDARY_BUS, ResetKind.FUNCTION):
        bench.endpoint.reset(kind)
        seen.append(regs.CTRL_STATUS.get(bench.driver.read(regs.CTRL_STATUS), "READY"))

    assert seen == [0, 0, 1]


@pytest.mark.parametrize("distribution", ["constant", "uniform", "exponential"])
def test_late_completions_come_late_and_in_order(bench: Bench, distribution: str) -> None:
    """Later commands wait behind a late one; all arrive."""
    bench.endpoint.faults.inject(
        "late_completion",
        distribution=distribution,
        latency_us=20_000.0,
        least_us=10_000.0,
        count=2,
    )
    assert submit(bench, 5) == []
    assert [bench.queue.wait().sequence for _ in range(5)] == [1, 2, 3, 4, 5]


def test_late_completion_after_a_fence_wait_is_not_dropped(bench: Bench) -> None:
    """One hold that ends in another."""
    from tests.build.commands import fence  # noqa: PLC0415 - one use

    bench.endpoint.faults.inject("late_completion", latency_us=2000.0)
    va = bench.alloc(8, device=False)
    bench.queue.put(fence(Opcode.FENCE_WAIT, va, 1, sequence=1))
    bench.queue.put(nop(2))
    bench.queue.ring()
    bench.bytes(va, 8)[0] = 1
    assert [bench.queue.wait().sequence for _ in range(2)] == [1, 2]


def test_lost_interrupt_keeps_completion_and_count(bench: Bench) -> None:
    """The host sees fewer interrupts than the device raised: that is how it is found."""
    bench.endpoint.faults.inject("lost_interrupt", after=1)
    assert len(submit(bench, 3, flags=1)) == 3
    assert bench.host.interrupts == [1, 1]
    assert bench.driver.read(regs.QUEUE_INTERRUPTS, 0) == 3


@pytest.mark.parametrize(
    ("name", "status", "code", "bit"),
    [
        ("poisoned", Status.POISONED, regs.ErrorCode.DMA_POISONED, 12),
        ("completion_timeout", Status.COMPLETION_TIMEOUT, regs.ErrorCode.DMA_TIMEOUT, 14),
        ("unsupported_request", Status.UNSUPPORTED_REQUEST, regs.ErrorCode.DMA_UNSUPPORTED, None),
    ],
)
def test_bus_fault_ends_one_command(
    bench: Bench, name: str, status: Status, code: regs.ErrorCode, bit: int | None
) -> None:
    """Status, error block and AER agree; the next command is fine."""
    bench.endpoint.faults.inject(name)
    assert bench.run(TO_DEVICE).status == status
    where = bench.driver.read(regs.ERROR_STATUS)
    assert regs.ERROR_STATUS.get(where, "CODE") == code
    assert bench.driver.read(regs.ERROR_ADDRESS) == bench.area
    assert aer(bench) == (0 if bit is None else 1 << bit)
    assert bench.run(TO_DEVICE).status == Status.OK


def test_bus_fault_on_reads_leaves_writes_alone(bench: Bench) -> None:
    """A poisoned read needs a read of host memory."""
    bench.endpoint.faults.inject("poisoned", count=0)
    assert bench.run(copy(DEVICE_VA, HOST_VA, 8)).status == Status.OK
    assert bench.run(copy(DEVICE_VA, DEVICE_VA + 64, 8)).status == Status.OK


def test_memory_errors_are_counted(bench: Bench) -> None:
    """A corrected one is only counted, an uncorrected one ends its command."""
    faults, driver = bench.endpoint.faults, bench.driver
    faults.inject("memory_ce", errors=5)
    assert bench.run(TO_DEVICE).status == Status.OK
    assert driver.read(regs.TELEMETRY_MEMORY_CORRECTED) == 5
    faults.inject("memory_ue")
    assert bench.run(TO_DEVICE).status == Status.MEMORY_ERROR
    assert driver.read(regs.TELEMETRY_MEMORY_UNCORRECTED) == 1
    assert driver.read(regs.ERROR_ADDRESS) == 0
    assert bench.run(TO_DEVICE).status == Status.OK


def test_link_down_answers_all_ones_everywhere(bench: Bench) -> None:
    """Registers, memory, configuration: all-ones; writes are dropped; nothing is fetched."""
    endpoint = bench.endpoint
    number = endpoint.faults.inject("link_down")
    for region in (Region.BAR0, Region.BAR2, Region.BAR4, Region.CONFIG):
        assert endpoint.region_read(region, 0, 4) == b"\xff" * 4
    endpoint.region_write(Region.BAR2, 0, b"lost")
    bench.queue.put(nop(1, flags=1))
    bench.queue.ring_shadow()
    step(endpoint)
    assert bench.host.interrupts == []
    endpoint.faults.clear(number)
    assert endpoint.region_read(Region.BAR2, 0, 4) == bytes(4)
    assert bench.driver.read(regs.CTRL_RESET_CAUSE) == regs.ResetCause.SECONDARY_BUS


def test_a_retrained_link_ends_the_fault(bench: Bench) -> None:
    """However the link comes back, it is one hot reset, and the fault is no longer active."""
    told: list[bool] = []
    endpoint = bench.endpoint
    endpoint.on_retrained = lambda: told.append(endpoint.link_up)
    number = endpoint.faults.inject("link_down")
    waiting = endpoint.faults.inject("link_down", after=100)
    before = endpoint.registers.get(regs.CTRL_GENERATION)
    endpoint.retrain()
    endpoint.retrain()
    endpoint.faults.clear(number)
    assert [row["id"] for row in endpoint.faults.active()] == [waiting]
    assert endpoint.registers.get(regs.CTRL_GENERATION) == before + 1
    assert told == [True]


def test_clearing_link_down_makes_the_address_stale(bench: Bench) -> None:
    """The link's return is a hot reset: the driver sets the address up again."""
    bench.endpoint.registers.set(regs.ADDR_STATUS, regs.AddressState.COMMITTED)
    number = bench.endpoint.faults.inject("link_down")
    bench.endpoint.faults.clear(number)
    status = regs.ADDR_STATUS.get(bench.driver.read(regs.ADDR_STATUS), "STATE")
    assert status == regs.AddressState.STALE


def halted(bench: Bench) -> int:
    """CTRL.STATUS.HALTED."""
    return regs.CTRL_STATUS.get(bench.driver.read(regs.CTRL_STATUS), "HALTED")


def test_a_fatal_memory_error_halts_until_a_function_reset(bench: Bench) -> None:
    """The command fails, no other is fetched, not even after a queue reset; a reset heals."""
    endpoint, driver = bench.endpoint, bench.driver
    endpoint.faults.inject("memory_ue", fatal=1)
    second = driver.queue(1)
    for command in (TO_DEVICE, nop(2)):
        bench.queue.put(command)
    bench.queue.ring()
    second.put(nop(1))
    second.ring()
    step(endpoint)
    first = bench.queue.poll()
    assert first is not None
    assert first.status == Status.MEMORY_ERROR
    assert driver.read(regs.ERROR_STATUS) >> 8 & 0xFF == regs.ErrorCode.MEMORY_UNCORRECTED
    assert halted(bench) == 1
    driver.write(regs.CTRL_QUEUE_RESET, 1)
    again = driver.queue(0)
    again.put(nop(3))
    again.ring()
    step(endpoint)
    assert [queue.poll() for queue in (bench.queue, again, second)] == [None, None, None]
    endpoint.reset(ResetKind.FUNCTION)
    assert halted(bench) == 0


@pytest.mark.parametrize(("report_ms", "code"), [(1, regs.ErrorCode.QUEUE_HUNG), (0, 0)])
def test_firmware_reports_a_hung_queue_if_asked(bench: Bench, report_ms: int, code: int) -> None:
    """QUEUE_HUNG names queue and command; by default the host must notice by itself."""
    bench.endpoint.faults.inject("hung_queue", after=1, report_ms=report_ms)
    for sequence in (7, 8):
        bench.queue.put(nop(sequence))
    bench.queue.ring()
    step(bench.endpoint, 5_000_000)
    assert bench.driver.read(regs.ERROR_STATUS) >> 8 & 0xFF == code
    assert bench.driver.read(regs.ERROR_SEQUENCE) == (8 if code else 0)


def test_a_hang_that_was_reset_is_not_reported(bench: Bench) -> None:
    """The watchdog looks whether the queue still hangs."""
    bench.endpoint.faults.inject("hung_queue", report_ms=1)
    bench.queue.put(nop(1))
    bench.queue.ring()
    bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
    step(bench.endpoint, 5_000_000)
    assert bench.driver.read(regs.ERROR_STATUS) == 0


@pytest.mark.parametrize(
    ("fault", "command", "counter"),
    [
        ("poisoned", TO_DEVICE, "nonfatal"),
        ("completion_timeout", TO_DEVICE, "nonfatal"),
        ("unsupported_request", TO_DEVICE, None),
        ("memory_ce", TO_DEVICE, None),
    ],
)
def test_aer_counts_what_the_endpoint_itself_detects(
    bench: Bench, fault: str, command: bytes, counter: str | None
) -> None:
    """An unsupported request is the completer's error: here only Received Master Abort."""
    bench.endpoint.faults.inject(fault)
    bench.run(command)
    counts = bench.endpoint.config_space.aer_counts
    assert {name for name, count in counts.items() if count} == ({counter} - {None})
    status = int.from_bytes(bench.endpoint.config_space.read(0x06, 2), "little")
    assert bool(status & 0x2000) == (fault == "unsupported_request")


def test_link_comes_back_after_its_duration(bench: Bench) -> None:
    """With duration_ms the fault clears itself."""
    bench.endpoint.faults.inject("link_down", duration_ms=1)
    step(bench.endpoint, 5_000_000)
    assert bench.endpoint.link_up
    assert bench.endpoint.faults.active() == []


def test_link_goes_down_in_front_of_a_command(bench: Bench) -> None:
    """`after` counts commands."""
    bench.endpoint.faults.inject("link_down", after=2)
    for sequence in range(4):
        bench.queue.put(nop(sequence))
    bench.queue.ring()
    assert not bench.endpoint.link_up
    assert bench.endpoint.engine.queues[0].cq_tail == 2


def test_probability_and_filters_select(bench: Bench) -> None:
    """About half with 0.5, none on other queues or opcodes."""
    faults = bench.endpoint.faults
    faults.inject("lost_completion", probability=0.5, count=0, seed=1)
    assert 10 < len(submit(bench, 50)) < 40
    faults.clear()
    bench.queue = bench.driver.queue(2)
    faults.inject("lost_completion", queue=3, count=0)
    faults.inject("lost_completion", opcode=Opcode.COPY, count=0)
    assert len(submit(bench, 5)) == 5


def test_firings_are_logged_and_the_log_is_bounded(bench: Bench) -> None:
    """Who, where and when; the total stays exact."""
    faults = bench.endpoint.faults
    number = faults.inject("wrong_sequence", count=0, delta=0)
    total = LOG_RECORDS + 40
    for _ in range(total // 37):
        submit(bench, 37)
    submit(bench, total % 37)
    assert faults.fired == total
    assert len(faults.log) == LOG_RECORDS
    record = faults.log[-1]
    assert (record["id"], record["fault"], record["queue"]) == (number, "wrong_sequence", 0)
    assert faults.active()[0]["fired"] == total


def test_no_fault_leaves_no_hook(bench: Bench) -> None:
    """Off costs nothing: the engine has neither hooks nor watch."""
    engine, faults = bench.endpoint.engine, bench.endpoint.faults
    assert engine.hooks is None
    number = faults.inject("lost_interrupt")
    assert engine.hooks is faults
    faults.clear(number)
    faults.clear(12345)
    assert engine.hooks is None
    assert engine.dma.watch is None


@pytest.mark.parametrize(
    ("name", "params", "message"),
    [
        ("no_such", {}, "there is no fault 'no_such'; known: .*lost_completion"),
        ("lost_completion", {"bits": 1}, "lost_completion has no parameter 'bits'"),
        ("lost_completion", {"probability": 2}, "probability must be a number from 0 to 1"),
        ("lost_completion", {"count": -1}, "count must be a whole number from 0"),
        ("lost_completion", {"count": 1.5}, "count must be a whole number"),
        ("lost_completion", {"queue": 16}, "queue must be a whole number from 0 to 15"),
        ("lost_completion", {"queue": True}, "queue must be"),
        ("corrupt_payload", {"bits": "many"}, "bits must be a whole number from 1"),
        ("late_completion", {"distribution": "normal"}, "must be one of constant, uniform"),
        ("late_completion", {"latency_us": float("nan")}, "latency_us must be a number"),
    ],
)
def test_bad_requests_are_explained(
    bench: Bench, name: str, params: dict[str, Any], message: str
) -> None:
    """ValueError says what is wrong and what would be right; nothing is injected."""
    with pytest.raises(ValueError, match=message):
        bench.endpoint.faults.inject(name, **params)
    assert bench.endpoint.faults.active() == []


@pytest.mark.parametrize("name", sorted(CATALOGUE))
def test_every_fault_is_described_and_clears_without_trace(bench: Bench, name: str) -> None:
    """Docs for people; with defaults it can be injected, hit and cleared."""
    row = next(row for row in catalogue() if row["name"] == name)
    assert row["doc"]
    assert all(parameter["doc"] for parameter in row["parameters"])
    bench.endpoint.faults.inject(name)
    for command in (nop(1, flags=1), TO_DEVICE):
        bench.queue.put(command)
    bench.queue.ring_shadow()
    step(bench.endpoint, 2_000_000)
    bench.endpoint.faults.clear()
    assert bench.endpoint.link_up
    assert bench.endpoint.sensors.heartbeat_stopped is None


def test_catalogue_has_the_faults_of_the_issue() -> None:
    """Each fault of the contract by its name, and those of a device that lies."""
    assert set(CATALOGUE) == {
        "absurd_identity",
        "completion_timeout",
        "corrupt_completion",
        "corrupt_payload",
        "endless_completions",
        "heartbeat_stop",
        "huge_telemetry",
        "hung_queue",
        "late_completion",
        "link_down",
        "lost_completion",
        "lost_interrupt",
        "memory_ce",
        "memory_ue",
        "phase_flip",
        "poisoned",
        "stuck_queue",
        "stuck_reset",
        "unsupported_request",
        "wild_ring_head",
        "wrong_sequence",
    }


def test_parameter_without_default_takes_none() -> None:
    """An unset filter stays unset."""
    assert Parameter("queue", "x", None, 0, 3).check(None) is None


def test_tap_sees_every_transaction_of_a_copy(bench: Bench) -> None:
    """Doorbell write, ring fetch, payload, completion and interrupt, in order."""
    endpoint = bench.endpoint
    endpoint.tap = tap = TlpTap(endpoint.config_space, endpoint=0)
    bench.queue.put(copy(HOST_VA, DEVICE_VA, 256, flags=1))
    bench.queue.ring()
    records, dropped = tap.drain()
    endpoint.tap = None
    kinds = [TlpKind(kind) for kind in records["kind"]]
    assert dropped == 0
    assert kinds[0] is TlpKind.MWR
    assert kinds[-2:] == [TlpKind.MWR, TlpKind.MSI]
    fetched = records[records["kind"] == TlpKind.MRD]
    assert fetched["address"].tolist() == [bench.queue.sq_base, bench.area]
    assert fetched["length_bytes"].tolist() == [64, 256]
    assert records["address"][-2] == bench.queue.cq_base
    assert tap.function_id == 0x0100
    assert endpoint.engine.hooks is None


def test_tap_shows_an_unsupported_request(bench: Bench) -> None:
    """The completion of the refused read carries UR."""
    endpoint = bench.endpoint
    endpoint.tap = tap = TlpTap(endpoint.config_space)
    endpoint.faults.inject("unsupported_request")
    bench.run(TO_DEVICE)
    records, _ = tap.drain()
    endpoint.tap = None
    assert 1 in records["status"].tolist()

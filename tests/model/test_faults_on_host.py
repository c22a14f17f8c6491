# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Each fault of the catalogue as a program sees it: libaxl names it, and work goes on."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable, Iterator

import pytest

import pyaccel
from diag.model.fault_kinds import CATALOGUE
from pyaccel import testing
from pyaccel.spec.regs import ErrorCode

SHAPE = (1024,)
Work = Callable[[pyaccel.Device, pyaccel.Queue], None]


@pytest.fixture(scope="module")
def rack() -> Iterator[testing.Rack]:
    """One endpoint is enough."""
    with testing.rack("1x1") as running:
        yield running


@pytest.fixture
def device(rack: testing.Rack, monkeypatch: pytest.MonkeyPatch) -> Iterator[pyaccel.Device]:
    """Healthy endpoint 0, of a program that calls a queue hung after 300 ms."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(rack.runtime_dir))
    monkeypatch.setenv("AXL_HANG_TIMEOUT_MS", "300")
    with pyaccel.open(rack.uri(0)) as opened:
        yield opened
    rack.clear_faults()


@pytest.fixture
def queue(device: pyaccel.Device) -> Iterator[pyaccel.Queue]:
    """A queue of it."""
    with device.queue() as opened:
        yield opened


def nops(_: pyaccel.Device, queue: pyaccel.Queue) -> None:
    """Five nops in one batch."""
    for _ in range(5):
        queue.nop()
    queue.submit().wait()


def upload(device: pyaccel.Device, queue: pyaccel.Queue) -> None:
    """A copy from host memory to device memory."""
    queue.copy(device.empty(SHAPE), device.empty(SHAPE, memory="host"))
    queue.submit().wait()


def corrupted(device: pyaccel.Device, queue: pyaccel.Queue) -> None:
    """A copy whose checksum is compared with what arrived."""
    target, source = device.empty(SHAPE), device.empty(SHAPE)
    queue.copy(target, source, checksum=True)
    fence = queue.submit()
    assert fence.result().result == zlib.crc32(source.read().tobytes())
    if zlib.crc32(target.read().tobytes()) != fence.result().result:
        raise ArithmeticError("the payload was corrupted")


def checked(device: pyaccel.Device, _: pyaccel.Queue) -> None:
    """Look at the endpoint until it is found dead."""
    for _ in range(100):
        device.check()
        time.sleep(0.05)


def reset_queue(_: pyaccel.Device, queue: pyaccel.Queue) -> None:
    """Ask for a reset of the queue."""
    queue.reset()


def reset(device: pyaccel.Device, _: pyaccel.Queue) -> None:
    """Ask for a reset of the endpoint."""
    device.reset()


def unbelieved(device: pyaccel.Device, _: pyaccel.Queue) -> None:
    """Values that no card reaches are no values."""
    seen = device.telemetry()
    assert (seen.temperature_millicelsius, seen.power_milliwatt) == (None, None)
    assert (seen.clock_khz, seen.utilisation_permille) == (None, None)


# What a program gets, and the code in the error block; None: it does not notice.
EXPECTED: dict[str, tuple[Work, type[Exception] | None, str, ErrorCode | None]] = {
    "lost_completion": (nops, pyaccel.CommandLostError, "sequence 2", None),
    "wrong_sequence": (nops, pyaccel.CommandLostError, "sequence 2", None),
    "corrupt_completion": (nops, pyaccel.CommandLostError, "sequence 2", None),
    "corrupt_payload": (corrupted, ArithmeticError, "corrupted", None),
    "hung_queue": (nops, pyaccel.QueueHungError, "queue 0 hangs", ErrorCode.QUEUE_HUNG),
    "heartbeat_stop": (checked, pyaccel.FirmwareStoppedError, "firmware stopped", None),
    "stuck_reset": (reset, None, "", None),
    "late_completion": (nops, None, "", None),
    "lost_interrupt": (nops, None, "", None),
    "poisoned": (upload, pyaccel.CommandError, "poisoned", ErrorCode.DMA_POISONED),
    "unsupported_request": (
        upload,
        pyaccel.CommandError,
        "unsupported_request",
        ErrorCode.DMA_UNSUPPORTED,
    ),
    "completion_timeout": (
        upload,
        pyaccel.CommandError,
        "completion_timeout",
        ErrorCode.DMA_TIMEOUT,
    ),
    "memory_ce": (upload, None, "", None),
    "memory_ue": (upload, pyaccel.CommandError, "memory_error", ErrorCode.MEMORY_UNCORRECTED),
    "link_down": (nops, pyaccel.DeviceGoneError, "ENODEV", None),
    "phase_flip": (nops, pyaccel.QueueHungError, "queue 0 hangs", None),
    "endless_completions": (nops, None, "", None),
    "stuck_queue": (reset_queue, pyaccel.AxlError, "queue", None),
    "wild_ring_head": (nops, None, "", None),
    "huge_telemetry": (unbelieved, None, "", None),
    "absurd_identity": (reset, pyaccel.AxlError, "address_rejected", None),
}
SETTINGS: dict[str, dict[str, float]] = {
    "lost_completion": {"after": 1},
    "wrong_sequence": {"after": 1},
    "corrupt_completion": {"after": 1},
    "hung_queue": {"report_ms": 50},
    "late_completion": {"latency_us": 100_000.0},
    "lost_interrupt": {"count": 0},
}


def test_every_fault_has_an_expectation() -> None:
    """A fault that is added must say here what a program sees of it."""
    assert set(EXPECTED) == set(CATALOGUE)


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_a_program_sees_a_fault_by_name_and_goes_on(
    rack: testing.Rack, device: pyaccel.Device, queue: pyaccel.Queue, name: str
) -> None:
    """The right exception with the right words, nothing hangs, and a new device works."""
    work, exception, words, code = EXPECTED[name]
    rack.inject(name, 0, **SETTINGS.get(name, {}))
    if exception is None:
        work(device, queue)
    else:
        with pytest.raises(exception, match=words):
            work(device, queue)
    if code is not None:
        record = device.error(clear=True)
        assert record is not None
        assert record.code == code
    rack.clear_faults()
    device.close()
    with pyaccel.open(rack.uri(0)) as again, again.queue() as fresh:
        nops(again, fresh)
        again.check()
        assert again.error() is None


def test_a_fatal_memory_error_needs_a_reset_and_gets_one(
    rack: testing.Rack, device: pyaccel.Device, queue: pyaccel.Queue
) -> None:
    """HALTED: named at once, shown as wedged, and over after Device.reset()."""
    rack.inject("memory_ue", 0, fatal=1)
    with pytest.raises(pyaccel.CommandError, match="memory_error"):
        upload(device, queue)
    with pytest.raises(pyaccel.FirmwareStoppedError):
        nops(device, queue)
    row = rack.call("topology.get")["endpoints"][0]
    assert (row["state"], "HALTED" in row["reason"]) == ("wedged", True)
    counts = rack.call("aer.get")["endpoints"][0]
    assert counts["counts"]["fatal"] == 1
    assert "UncorrIntErr" in counts["uncorrectable"]
    device.reset()
    with device.queue() as fresh:
        nops(device, fresh)
    assert rack.call("topology.get")["endpoints"][0]["state"] == "online"


@pytest.mark.parametrize("after", [0, 2])
def test_a_link_that_flaps_unnoticed_gives_work_up_by_name(
    rack: testing.Rack, device: pyaccel.Device, queue: pyaccel.Queue, after: int
) -> None:
    """The link is back before anybody looked: the generation tells, old handles are stale."""
    rack.inject("link_down", 0, duration_ms=1, after=after)
    with pytest.raises((pyaccel.CommandAbortedError, pyaccel.StaleHandleError)):
        nops(device, queue)
    with pytest.raises(pyaccel.StaleHandleError):
        nops(device, queue)
    with device.queue() as fresh:
        nops(device, fresh)


def test_faults_together_stay_in_order(
    rack: testing.Rack, device: pyaccel.Device, queue: pyaccel.Queue
) -> None:
    """Late completions without interrupts: slow, in order, none lost, and nobody hangs."""
    rack.inject("late_completion", 0, latency_us=20_000.0, distribution="exponential", count=3)
    rack.inject("lost_interrupt", 0, count=0)
    rack.inject("late_completion", 0, latency_us=5_000.0, after=4, count=2)
    for _ in range(10):
        queue.nop()
    fence = queue.submit()
    results = [fence.result(position) for position in range(10)]
    assert [result.sequence for result in results] == list(range(fence.first, fence.sequence + 1))
    assert {result.status_name for result in results} == {"ok"}
    finished = [result.finish_ns or 0 for result in results]
    assert finished == sorted(finished)
    assert min(finished) > 0
    assert queue.stats().lost == 0

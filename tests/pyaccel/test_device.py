# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Endpoints of a real rack: finding, opening, looking after."""

from __future__ import annotations

import os
import pickle
import time

import numpy as np
import pytest

import pyaccel
from pyaccel._native import ffi
from pyaccel.info import bdf_text, make_telemetry
from pyaccel.spec.regs import AddressState, ErrorCode


def test_devices_lists_the_rack_in_stable_order(rack) -> None:
    """Board serial and endpoint index order the list; slot, path and memory are known."""
    found = pyaccel.devices(rack.source)

    assert [(e.endpoint_index, e.ordinal) for e in found] == [(0, 0), (1, 1), (0, 2), (1, 3)]
    assert found == sorted(found, key=lambda e: (e.board_serial, e.endpoint_index))
    assert {e.backend for e in found} == {rack.source.partition(":")[0]}
    assert all(len(e.path) == 5 and e.slot for e in found)
    assert all(e.memory_bytes > 0 and e.memory_address > 0 for e in found)


def test_visible_devices_filter_and_order(rack, monkeypatch) -> None:
    """AXL_VISIBLE_DEVICES names stable ids; the list follows it."""
    ids = [endpoint.id for endpoint in pyaccel.devices(rack.source)]
    monkeypatch.setenv("AXL_VISIBLE_DEVICES", f"{ids[3]},{ids[1]}")

    assert [endpoint.id for endpoint in pyaccel.devices(rack.source)] == [ids[3], ids[1]]


def test_an_endpoint_opens_by_ordinal_place_and_identity(rack) -> None:
    """Ordinal, BDF, stable id and the listed URI all lead to the same endpoint."""
    info = pyaccel.devices(rack.source)[2]
    for uri in (rack.uri(2), rack.uri(info.bdf), rack.uri(info.id), info.uri):
        with pyaccel.open(uri) as device:
            assert (device.id, device.bdf) == (info.id, info.bdf)
            assert device.info.endpoint == info


def test_an_open_endpoint_has_a_committed_address(device) -> None:
    """Opening sets up the device address; the peer table has all four endpoints."""
    info = device.info

    assert info.address_state is AddressState.COMMITTED
    assert info.state == "online"
    assert info.peer_count == 4
    assert (info.link_speed, info.link_width) == (4, 16)


@pytest.mark.rack_only("the kernel driver shares its endpoints")
def test_a_second_opener_is_told_that_the_endpoint_is_busy(rack, device) -> None:
    """DeviceBusyError names the endpoint; the first holder works on."""
    with pytest.raises(pyaccel.DeviceBusyError) as caught:
        pyaccel.open(rack.uri(0))

    assert caught.value.errno is not None
    assert caught.value.endpoint == rack.uri(0)
    assert device.telemetry().heartbeat >= 0


@pytest.mark.parametrize("selector", ["9", "0000:77:00.0", "card:0x0000000000000bad/0"])
def test_an_unknown_endpoint_is_not_found(rack, selector: str) -> None:
    """DeviceNotFoundError says how to see what is there."""
    with pytest.raises(pyaccel.DeviceNotFoundError, match="accel-info"):
        pyaccel.open(rack.uri(selector))


@pytest.mark.parametrize("uri", ["rack:", "nonsense:1", "0000:05", "a\0b"])
def test_a_malformed_uri_is_refused(rack, uri: str) -> None:
    """What cannot be parsed raises an AxlError, never opens something else."""
    with pytest.raises(pyaccel.AxlError):
        pyaccel.open(uri)


def test_without_driver_and_rack_there_are_no_devices(tmp_path, monkeypatch) -> None:
    """DeviceNotFoundError says how to start a rack."""
    tmp_path.chmod(0o700)
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(tmp_path))

    with pytest.raises(pyaccel.DeviceNotFoundError, match="accel-rack up"):
        pyaccel.devices("rack")


def test_telemetry_counts_commands(device, queue) -> None:
    """Progress grows by the commands that finished; sensors give plausible values."""
    before = device.telemetry()
    for _ in range(5):
        queue.nop()
    queue.submit().wait()
    after = device.telemetry()

    assert after.progress - before.progress == 5
    assert after.device_ticks > before.device_ticks
    assert after.temperature_millicelsius is not None
    assert 0 < after.temperature_millicelsius < 120_000


def test_a_sensor_that_does_not_work_is_none() -> None:
    """A cleared valid bit makes the value None, not 0."""
    raw = ffi.new("struct axl_telemetry *")
    raw.valid = 0b1101
    raw.power_milliwatt = 7
    sample = make_telemetry(raw)

    assert sample.power_milliwatt is None
    assert sample.temperature_millicelsius == 0


def test_a_reset_makes_old_objects_stale(device, queue) -> None:
    """The generation grows; old queues say so; the default context is a new one."""
    generation = device.generation
    tensor = device.from_numpy([1.0])
    device.reset()

    assert device.generation != generation
    queue.copy(tensor, tensor)
    with pytest.raises(pyaccel.StaleHandleError):
        queue.submit()
    with device.queue() as fresh:
        x = device.from_numpy(np.float32([1, 2]))
        fresh.binary("add", x, x, x)
        fresh.submit().wait()
        assert x.read().tolist() == [2, 4]


def test_a_bus_reset_brings_the_endpoint_back(device) -> None:
    """After a secondary bus reset the address is committed again."""
    device.reset("bus")

    assert device.info.address_state is AddressState.COMMITTED
    with pytest.raises(pyaccel.InvalidArgumentError, match="'function' or 'bus'"):
        device.reset("soft")


def test_the_error_block_names_the_command(device, queue) -> None:
    """After a fault error() tells code, queue, sequence and address, until it is cleared."""
    assert device.error() is None
    x = device.empty((4,))
    wild = Wild(0x7000_0000_0000)
    queue.copy(x, wild.tensor)
    fence = queue.submit()
    with pytest.raises(pyaccel.CommandError):
        fence.wait()
    found = device.error(clear=True)

    assert found is not None
    assert found.code is ErrorCode.PAGE_FAULT
    assert (found.queue, found.sequence, found.opcode) == (queue.index, fence.sequence, "copy")
    assert found.address == wild.va
    assert device.error() is None


class Wild:
    """Memory that no context maps."""

    def __init__(self, va: int) -> None:
        self.va = va
        self.nbytes = 16
        self.tensor = pyaccel.Tensor(self, (4,))


def test_link_down_is_reported_as_gone(faulty) -> None:
    """An endpoint that answers all-ones raises DeviceGoneError, and can still be closed."""
    with pyaccel.open(faulty.uri(3)) as device:
        queue = device.queue()
        faulty.inject("link_down", 3)
        with pytest.raises(pyaccel.DeviceGoneError) as caught:
            device.telemetry()
        assert caught.value.endpoint == device.id
        queue.nop()
        with pytest.raises(pyaccel.DeviceGoneError):
            queue.submit().wait(5)
    faulty.clear_faults()
    with pyaccel.open(faulty.uri(3)) as device:
        device.check()


def test_an_endpoint_that_no_reset_helps_is_wedged(faulty) -> None:
    """After a reset that failed check() raises DeviceWedgedError, not that of a hung queue."""
    with pyaccel.open(faulty.uri(2)) as device:
        faulty.inject("stuck_reset", 2, count=0)
        with pytest.raises(pyaccel.AxlError):
            device.reset()
        with pytest.raises(pyaccel.DeviceWedgedError, match="wedged") as caught:
            device.check()
        assert (caught.value.endpoint, device.info.state) == (device.id, "wedged")


@pytest.mark.rack_only("the kernel driver finds that and resets the endpoint by itself")
def test_a_stopped_heartbeat_is_found_by_check(faulty) -> None:
    """check() looks at progress: FirmwareStoppedError when the heartbeat stands still."""
    with pyaccel.open(faulty.uri(2)) as device:
        device.check()
        faulty.inject("heartbeat_stop", 2)
        with pytest.raises(pyaccel.FirmwareStoppedError):
            check_often(device)


def check_often(device: pyaccel.Device) -> None:
    """Call check() until it raises, for some seconds at most."""
    for _ in range(200):
        device.check()
        time.sleep(0.05)


def test_a_closed_device_says_so(rack) -> None:
    """Every use after close() raises ClosedError; closing again does nothing."""
    device = pyaccel.open(rack.uri(1))
    queue, buffer = device.queue(), device.buffer(64)
    device.close()
    device.close()

    queue.nop()

    for use in (device.telemetry, device.check, queue.submit, queue.poll, buffer.read):
        with pytest.raises((pyaccel.ClosedError, BufferError)):
            use()
    pyaccel.open(rack.uri(1)).close()


def test_a_forked_child_is_refused_and_harms_nobody(device, queue) -> None:
    """A child gets ForkedProcessError at once; the parent's device works on after its end."""
    buffer = device.buffer(4096)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            device.telemetry()
            answer = b"no error"
        except pyaccel.ForkedProcessError as error:
            answer = str(error).encode()
        buffer.close()
        del buffer
        queue.close()
        device.close()
        os.write(writer, answer)
        os._exit(0)
    os.waitpid(child, 0)

    assert b"fork" in os.read(reader, 1000)
    os.close(reader)
    os.close(writer)
    queue.nop()
    queue.submit().wait()
    buffer.write(b"still here")


def test_errors_keep_their_attributes_when_pickled() -> None:
    """A worker process can hand its error to its parent."""
    error = pyaccel.CommandLostError("it", errno=5, endpoint="card:1/0", queue=3, sequence=9)
    copied = pickle.loads(pickle.dumps(error))

    assert (copied.queue, copied.sequence, copied.endpoint) == (3, 9, "card:1/0")
    assert str(copied) == str(error)


def test_bdf_text_splits_the_fields() -> None:
    """Segment, bus, device and function have 16, 8, 5 and 3 bits."""
    assert bdf_text(0x0001_05_F9) == "0001:05:1f.1"

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""libaxl on a running rack: what axl.h promises when nothing is wrong."""

from __future__ import annotations

import errno
import os
import select
import time

import pytest
from axl_binding import SOURCE, Axl, AxlError, Device

from diag.model.rack.launch import RunningRack
from pyaccel.spec.formats import Opcode, Status
from tests.build import commands as cmd
from tests.build.waiting import until

NONBLOCK = 2
QUIET = 1


def test_enumerate_lists_all_endpoints_in_stable_order(axl: Axl, rack: RunningRack) -> None:
    """Four endpoints of two cards, by serial and index, with URIs that open them."""
    found = axl.enumerate(SOURCE)
    keys = [(i.board_serial, i.endpoint_index) for i in found]
    assert keys == sorted(keys)
    assert [i.ordinal for i in found] == [0, 1, 2, 3]
    assert all(i.path_depth > 1 and i.memory_bytes for i in found)
    with axl.open(axl.ffi.string(found[3].uri).decode()) as device:
        assert device.info().endpoint.board_serial == found[3].board_serial


def test_visible_devices_filter_and_order(
    axl: Axl, rack: RunningRack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AXL_VISIBLE_DEVICES gives ordinals to what it names, in its order; the rest is hidden."""
    ids = axl.ids(SOURCE)
    monkeypatch.setenv("AXL_VISIBLE_DEVICES", f"{ids[2]},{ids[0]}")
    assert axl.ids(SOURCE) == [ids[2], ids[0]]
    with pytest.raises(AxlError, match="hides others") as failed:
        axl.open(f"{SOURCE}#{ids[1]}")
    assert failed.value.code == errno.ENODEV
    monkeypatch.setenv("AXL_VISIBLE_DEVICES", "0")
    with pytest.raises(AxlError, match="no stable id") as failed:
        axl.ids(SOURCE)
    assert failed.value.code == errno.EINVAL


@pytest.mark.parametrize("uri", [f"{SOURCE}#x", f"{SOURCE}#1:2", "rack:", "card:5/0", "-1", "99:1"])
def test_malformed_uri_is_refused(axl: Axl, rack: RunningRack, uri: str) -> None:
    """What cannot name an endpoint is EINVAL, and the message shows how to write one."""
    with pytest.raises(AxlError, match=r"card:0xSERIAL|rack:NAME") as failed:
        axl.open(uri)
    assert failed.value.code == errno.EINVAL


def test_info_shows_the_committed_address(device: Device) -> None:
    """After opening the device address is committed and all peers are known."""
    info = device.info()
    assert (info.address_state, info.address_reason) == (1, 0)
    assert (info.state, info.peer_count, info.vectors) == (0, 4, 17)
    assert info.link_width


def test_copy_there_and_back_moves_the_bytes(device: Device) -> None:
    """Host to device, device to device, device to host: the same bytes, and BAR2 shows them."""
    context = device.context()
    queue = device.queue(context)
    va = device.lib.axl_buffer_va
    source, target = device.buffer(context, 3 << 20), device.buffer(context, 3 << 20)
    first = device.buffer(context, 3 << 20, "DEVICE")
    second = device.buffer(context, 3 << 20, "DEVICE")
    data = os.urandom(3 << 20)
    device.bytes(source)[:] = data
    batch = cmd.copy(va(source), va(first), len(data))
    batch += cmd.copy(va(first), va(second), len(data))
    batch += cmd.copy(va(second), va(target), len(data))
    last = queue.run(batch)
    assert bytes(device.bytes(target)) == data == bytes(device.bytes(second))
    result = queue.result(last)
    assert result.timing_valid
    assert result.fetch_ns <= result.start_ns <= result.finish_ns


def test_buffers_are_zero_and_memory_is_given_back(device: Device) -> None:
    """New memory reads as zero even where an older buffer had been written."""
    context = device.context()
    free = device.info().memory_free_bytes
    for memory in ("HOST", "DEVICE"):
        for size in (4096, 1 << 20, 5 << 20):
            buffer = device.buffer(context, size, memory)
            assert not any(bytes(device.bytes(buffer))[::509])
            device.bytes(buffer)[:] = b"\xff" * size
            device._undo.pop()()
    assert until(lambda: device.info().memory_free_bytes == free)


def test_too_much_device_memory_is_refused_with_what_is_free(device: Device) -> None:
    """ENOMEM names the free bytes; nothing is lost."""
    context = device.context()
    with pytest.raises(AxlError, match="are free") as failed:
        device.buffer(context, 1 << 39, "DEVICE")
    assert failed.value.code == errno.ENOMEM
    device.buffer(context, 4096, "DEVICE")


def test_imported_memfd_is_reached_by_the_device(device: Device) -> None:
    """A sealed memfd of somebody else is source of a copy; one that may shrink is refused."""
    context = device.context()
    queue = device.queue(context)
    fd = os.memfd_create("import", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, 1 << 16)
    os.pwrite(fd, b"hello", 4096)
    out = device.ffi.new("struct axl_buffer **")
    device.axl.check(device.lib.axl_buffer_import(context, fd, 4096, 8192, out))
    target = device.buffer(context, 4096)
    queue.run(cmd.copy(device.lib.axl_buffer_va(out[0]), device.lib.axl_buffer_va(target), 5))
    assert bytes(device.bytes(target))[:5] == b"hello"
    device.lib.axl_buffer_destroy(out[0])
    assert -device.lib.axl_buffer_import(context, fd, 0, 1 << 20, out) == errno.EINVAL
    os.close(fd)
    unsealed = os.memfd_create("import", 0)
    os.ftruncate(unsealed, 4096)
    assert -device.lib.axl_buffer_import(context, unsealed, 0, 4096, out) == errno.EINVAL
    assert "shrink" in device.axl.last_error()
    os.close(unsealed)


def test_peer_to_peer_copy(axl: Axl, device: Device, rack: RunningRack) -> None:
    """An endpoint writes straight into the device memory of another one."""
    with axl.open(f"{SOURCE}#3") as other:
        theirs = other.buffer(other.context(), 1 << 20, "DEVICE")
        context = device.context()
        queue = device.queue(context)
        mine = device.buffer(context, 1 << 20)
        device.bytes(mine)[:] = data = os.urandom(1 << 20)
        out = device.ffi.new("struct axl_buffer **")
        axl.check(device.lib.axl_buffer_import_peer(context, theirs, out))
        assert device.lib.axl_buffer_map(out[0]) == device.ffi.NULL
        assert "a peer's buffer has no memory for the CPU" in axl.last_error()
        va = device.lib.axl_buffer_va
        queue.run(cmd.copy(va(mine), va(out[0]), len(data)))
        assert bytes(other.bytes(theirs)) == data
        device.lib.axl_buffer_destroy(out[0])


def test_fault_stays_in_its_context(device: Device) -> None:
    """A page fault stops its own context only, is named, and recovery lets it go on."""
    bad, good = device.context(), device.context()
    broken, working = device.queue(bad), device.queue(good)
    buffer = device.buffer(good, 4096)
    va = device.lib.axl_buffer_va(buffer)
    first = broken.submit(cmd.copy(0x123000, 0x456000, 64) + cmd.nop())
    with pytest.raises(AxlError, match="page_fault") as failed:
        broken.wait(first)
    assert failed.value.code == errno.EIO
    assert broken.take_error().sequence == first - 1
    error = device.axl.struct("axl_device_error", device.lib.axl_device_error, device.c, 1)
    assert (error.code, error.has_command, error.sequence) == (1, 1, first - 1)
    assert device.lib.axl_context_is_faulted(bad) == 1
    assert device.lib.axl_context_is_faulted(good) == 0
    working.run(cmd.copy(va, va + 128, 64))
    assert device.lib.axl_context_recover(bad) == 0
    broken.run(cmd.nop())


def test_malformed_batch_submits_nothing(device: Device) -> None:
    """One bad command refuses the whole batch and is named; the ring is untouched."""
    queue = device.queue(device.context())
    bad = bytearray(cmd.nop())
    bad[0] = 200
    with pytest.raises(AxlError, match="command 1 ") as failed:
        queue.submit(cmd.nop() + bytes(bad))
    assert failed.value.code == errno.EINVAL
    with pytest.raises(AxlError) as failed:
        queue.submit(cmd.nop() * 2048)
    assert failed.value.code == errno.E2BIG
    assert queue.stats().submitted == 0


def test_full_ring_blocks_or_says_again(device: Device) -> None:
    """A full ring is EAGAIN without blocking; blocking submission goes through in the end."""
    context = device.context()
    queue = device.queue(context, slots_log2=4)
    gate = device.buffer(context, 4096)
    va = device.lib.axl_buffer_va(gate)
    queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1))
    queue.submit(cmd.nop() * 15, QUIET)
    with pytest.raises(AxlError) as failed:
        queue.submit(cmd.nop(), NONBLOCK)
    assert failed.value.code == errno.EAGAIN
    signal = device.queue(context)
    signal.run(cmd.fence(Opcode.FENCE_SIGNAL, va, 1))
    for _ in range(8):
        last = queue.submit(cmd.nop() * 16, QUIET)
    queue.wait(last)
    assert queue.stats().completed == 16 + 8 * 16


def test_wait_times_out_and_can_be_repeated(device: Device) -> None:
    """ETIMEDOUT loses nothing: the same wait succeeds later."""
    context = device.context()
    queue, other = device.queue(context), device.queue(context)
    va = device.lib.axl_buffer_va(device.buffer(context, 4096))
    last = queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 7))
    with pytest.raises(AxlError) as failed:
        queue.wait(last, 0.01)
    assert failed.value.code == errno.ETIMEDOUT
    other.run(cmd.fence(Opcode.FENCE_SIGNAL, va, 7))
    queue.wait(last)


def test_queue_descriptor_serves_an_event_loop(device: Device) -> None:
    """The descriptor is quiet when idle, readable on completion, quiet again after a poll.

    Of two at most: the last completion may be taken in before it is announced.
    """
    queue = device.queue(device.context())
    fd = device.axl.check(device.lib.axl_queue_fd(queue.c))
    device.lib.axl_queue_poll(queue.c)
    assert not select.select([fd], [], [], 0)[0]
    last = queue.submit(cmd.nop())
    deadline = time.monotonic() + 20
    while device.lib.axl_queue_poll(queue.c) < last:
        assert select.select([fd], [], [], deadline - time.monotonic())[0]
    if select.select([fd], [], [], 1)[0]:
        device.lib.axl_queue_poll(queue.c)
    assert not select.select([fd], [], [], 0.05)[0]


@pytest.mark.rack_only("the kernel driver shares its endpoints")
def test_second_open_is_busy(axl: Axl, device: Device) -> None:
    """One client per endpoint; the second is told where to look, the first does not notice."""
    with pytest.raises(AxlError, match="accel-rack status") as failed:
        axl.open(f"{SOURCE}#0")
    assert failed.value.code == errno.EBUSY
    device.queue(device.context()).run(cmd.nop())


def test_handles_of_an_older_generation_are_stale(device: Device) -> None:
    """A reset ends work in flight with ECANCELED; old handles answer ESTALE, new ones work."""
    context = device.context()
    queue = device.queue(context)
    buffer = device.buffer(context, 4096)
    generation = device.lib.axl_device_generation(device.c)
    last = queue.submit(cmd.fence(Opcode.FENCE_WAIT, device.lib.axl_buffer_va(buffer), 1))
    device.axl.check(device.lib.axl_device_reset(device.c, 1))
    assert device.lib.axl_device_generation(device.c) != generation
    with pytest.raises(AxlError) as failed:
        queue.wait(last)
    assert failed.value.code == errno.ECANCELED
    assert queue.result(last).status == Status.ABORTED
    with pytest.raises(AxlError, match="was reset since") as failed:
        queue.submit(cmd.nop())
    assert failed.value.code == errno.ESTALE
    with pytest.raises(AxlError) as failed:
        device.buffer(context, 4096)
    assert failed.value.code == errno.ESTALE
    device.queue(device.context()).run(cmd.nop())
    assert device.info().address_state == 1


@pytest.mark.parametrize("kind", [1, 2])
def test_reset_many_times(device: Device, kind: int) -> None:
    """Function and bus reset work again and again, without escalation."""
    for _ in range(10):
        device.axl.check(device.lib.axl_device_reset(device.c, kind))
        assert device.info().state == 0
    device.queue(device.context()).run(cmd.nop())


def test_telemetry_counts_bytes_and_correlates_the_clock(device: Device) -> None:
    """Bytes moved are counted per direction; host time lies between before and after."""
    context = device.context()
    queue = device.queue(context)
    host, memory = device.buffer(context, 1 << 20), device.buffer(context, 1 << 20, "DEVICE")
    read = device.lib.axl_device_telemetry
    before = device.axl.struct("axl_telemetry", read, device.c)
    va = device.lib.axl_buffer_va
    queue.run(cmd.copy(va(host), va(memory), 1 << 20))
    after = device.axl.struct("axl_telemetry", read, device.c)
    assert after.bytes_host_to_device - before.bytes_host_to_device >= 1 << 20
    assert after.progress > before.progress
    assert before.host_ns < after.host_ns <= time.clock_gettime_ns(time.CLOCK_MONOTONIC)
    assert after.valid & 1


def test_structures_grow_and_shrink_with_the_caller(device: Device) -> None:
    """min(size) bytes are written and the rest is zeroed."""
    buffer = device.ffi.new("char[4096]", b"\xff" * 4096)
    info = device.ffi.cast("struct axl_device_info *", buffer)
    device.axl.check(device.lib.axl_device_info(device.c, info, 4096))
    size = device.ffi.sizeof("struct axl_device_info")
    assert bytes(device.ffi.buffer(buffer))[size:] == bytes(4096 - size)
    device.ffi.buffer(buffer)[:] = b"\xee" * 4096
    device.axl.check(device.lib.axl_device_info(device.c, info, 8))
    assert bytes(device.ffi.buffer(buffer))[8:] == b"\xee" * 4088

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What libaxl and pyaccel do over the kernel driver only; pytest runs this inside the guest.

test_libaxl.py starts it there. Its racks are GuestRack: endpoint 0 and 1 are of one card.
"""

from __future__ import annotations

import errno
import json
import mmap
import os
import re
import resource
import select
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pyaccel
from pyaccel._native import ffi, lib
from tests.build.guest_rack import GuestRack

PAGE = 4096
NOBODY = 65534
GROUP = 4242
DRIVER = Path("/sys/bus/pci/drivers/axl")
READ_ONLY = 1


@pytest.fixture
def rack(tmp_path: Path) -> Iterator[GuestRack]:
    """The rack; faults are cleared afterwards."""
    rack = GuestRack(tmp_path)
    yield rack
    rack.clear_faults()


@pytest.fixture
def device(rack: GuestRack) -> Iterator[pyaccel.Device]:
    """Endpoint 0, open."""
    with pyaccel.open(rack.uri(0)) as opened:
        yield opened


@pytest.fixture
def queue(device: pyaccel.Device) -> Iterator[pyaccel.Queue]:
    """A queue of endpoint 0."""
    with device.queue() as opened:
        yield opened


def as_nobody(action: Callable[[], object]) -> dict[str, Any]:
    """What `action` raises in a child without rights: kind and text; the result otherwise."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        os.setgroups([])
        os.setresgid(NOBODY, NOBODY, NOBODY)
        os.setresuid(NOBODY, NOBODY, NOBODY)
        try:
            told: dict[str, Any] = {"result": action()}
        except BaseException as error:  # noqa: BLE001 - the parent judges it
            told = {"kind": type(error).__name__, "text": str(error)}
        os.write(writer, json.dumps(told).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        seen: dict[str, Any] = json.load(pipe)
    os.waitpid(child, 0)
    return seen


def node_of(info: pyaccel.EndpointInfo) -> Path:
    """Its device file."""
    (name,) = (path.name for path in Path(f"/sys/bus/pci/devices/{info.bdf}/accel").iterdir())
    return Path("/dev/accel", name)


# --- finding and opening ----------------------------------------------------------------


def test_the_driver_comes_before_racks() -> None:
    """Without a source the endpoints of the driver are listed, and the first is opened."""
    found = pyaccel.devices()
    assert [e.uri for e in found] == [f"kernel#{e.id}" for e in found]
    with pyaccel.open() as device:
        assert device.id == found[0].id


def test_an_endpoint_is_shared(device: pyaccel.Device, queue: pyaccel.Queue) -> None:
    """A second Device of the same endpoint works beside the first, with memory of its own."""
    with pyaccel.open(device.info.endpoint.uri) as other:
        mine, theirs = device.empty((64,)), other.empty((64,))
        queue.fill(mine, 1.0)
        with other.queue() as second:
            second.fill(theirs, 2.0)
            fences = [queue.submit(), second.submit()]
        fences[0].wait()
        assert (mine.read() == 1.0).all()


def test_a_queue_cannot_be_chosen(device: pyaccel.Device) -> None:
    """The driver gives out queues; asking for one says so."""
    with pytest.raises(pyaccel.AxlError, match="AXL_QUEUE_ANY") as caught:
        device.queue(5)
    assert caught.value.errno == errno.EOPNOTSUPP


# --- rights and limits ------------------------------------------------------------------


@pytest.fixture
def node(device: pyaccel.Device) -> Iterator[Path]:
    """The device file of endpoint 0; owner and mode are put back afterwards."""
    node = node_of(device.info.endpoint)
    before = node.stat()
    yield node
    os.chown(node, before.st_uid, before.st_gid)
    node.chmod(before.st_mode & 0o7777)


def test_listing_needs_no_right_and_opening_names_the_rule(rack: GuestRack, node: Path) -> None:
    """A file of root's alone: the message says which rule would give it to a group."""
    os.chown(node, 0, 0)
    node.chmod(0o600)
    assert as_nobody(lambda: len(pyaccel.devices("kernel"))) == {"result": 4}
    told = as_nobody(lambda: pyaccel.open(rack.uri(0)).id)
    assert told["kind"] == "PermissionDeniedError"
    assert str(node) in told["text"]
    assert "udev rule" in told["text"]


def test_opening_names_the_group_to_join(rack: GuestRack, node: Path) -> None:
    """A file of a group: the message has group, mode and command; members get in."""
    os.chown(node, 0, GROUP)
    node.chmod(0o660)
    told = as_nobody(lambda: pyaccel.open(rack.uri(0)).id)
    assert told["kind"] == "PermissionDeniedError"
    assert re.search(r"group 4242, mode 0660.*usermod -aG 4242", told["text"])
    node.chmod(0o666)
    assert "result" in as_nobody(lambda: pyaccel.open(rack.uri(0)).id)


def test_a_reset_of_everybody_needs_a_right(rack: GuestRack, node: Path) -> None:
    """Device.reset() without CAP_SYS_ADMIN says who may, and what one may do instead."""
    node.chmod(0o666)

    def reset() -> None:
        with pyaccel.open(rack.uri(0)) as device:
            device.queue().reset()
            device.reset()

    told = as_nobody(reset)
    assert told["kind"] == "PermissionDeniedError"
    assert "CAP_SYS_ADMIN" in told["text"]
    assert "axl_queue_reset() ends only your own" in told["text"]


def import_pages(device: pyaccel.Device, count: int) -> pyaccel.Buffer:
    """A memfd of so many pages, imported."""
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, count * PAGE)
    try:
        return device.import_fd(fd, count * PAGE)
    finally:
        os.close(fd)


def test_pinning_beyond_the_limit_names_it(rack: GuestRack, node: Path) -> None:
    """RLIMIT_MEMLOCK counts; the error has its value and says how to raise it."""
    node.chmod(0o666)

    def pin() -> None:
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (16 * PAGE, 16 * PAGE))
        with pyaccel.open(rack.uri(0)) as device:
            import_pages(device, 16).close()
            kept = import_pages(device, 16)
            import_pages(device, 1)
            kept.close()

    told = as_nobody(pin)
    assert told["kind"] == "PermissionDeniedError"
    assert "4096 bytes cannot be pinned" in told["text"]
    assert "may lock 65536 in all (RLIMIT_MEMLOCK)" in told["text"]
    assert all(way in told["text"] for way in ("ulimit -l", "limits.conf", "LimitMEMLOCK="))


# --- memory of the caller -----------------------------------------------------------------


class Pinned:
    """axl_buffer_create_user(), which pyaccel has no method for, on pyaccel's context."""

    def __init__(self, device: pyaccel.Device, address: int, size: int, flags: int = 0) -> None:
        out = ffi.new("struct axl_buffer **")
        with device.context._handle as context:
            place = ffi.cast("void *", address)
            self.status = lib.axl_buffer_create_user(context, place, size, flags, out)
        self.c = out[0]
        self.why = ffi.string(lib.axl_last_error()).decode()
        self.nbytes = size
        self.va = lib.axl_buffer_va(self.c)


def address_of(memory: mmap.mmap) -> int:
    """Where it is."""
    return int(ffi.cast("uintptr_t", ffi.from_buffer(memory)))


def test_commands_work_in_memory_of_the_caller(device: pyaccel.Device, queue) -> None:
    """What a program wrote is computed on in place; the buffer's address is the program's."""
    memory = mmap.mmap(-1, 4 * PAGE)
    x = np.frombuffer(memory, np.float32)
    x[:] = np.arange(x.size)
    pinned = Pinned(device, address_of(memory), len(memory))
    assert pinned.status == 0, pinned.why
    assert int(ffi.cast("uintptr_t", lib.axl_buffer_map(pinned.c))) == address_of(memory)
    assert lib.axl_buffer_bytes(pinned.c) == len(memory)
    tensor = pyaccel.Tensor(pinned, (x.size,))
    queue.binary("add", tensor, 1.0, tensor)
    queue.submit().wait()
    assert np.array_equal(x, np.arange(x.size) + 1)
    lib.axl_buffer_destroy(pinned.c)


def test_read_only_memory_is_protected(device: pyaccel.Device, queue) -> None:
    """Commands read it; one that writes ends with protection_fault and changes nothing."""
    memory = mmap.mmap(-1, PAGE)
    memory[:4] = np.float32(7).tobytes()
    pinned = Pinned(device, address_of(memory), PAGE, READ_ONLY)
    assert pinned.status == 0, pinned.why
    tensor, out = pyaccel.Tensor(pinned, (1,)), device.empty((1,))
    queue.copy(out, tensor)
    queue.submit().wait()
    assert out.read() == 7
    queue.fill(tensor, 1.0)
    with pytest.raises(pyaccel.CommandError, match="protection_fault"):
        queue.submit().wait()
    assert memory[:4] == np.float32(7).tobytes()
    lib.axl_buffer_destroy(pinned.c)


def test_what_is_no_memory_is_refused(device: pyaccel.Device) -> None:
    """Odd sizes, NULL and holes are refused with a reason, and nothing is left behind."""
    memory = mmap.mmap(-1, 2 * PAGE)
    start = address_of(memory)
    refused = [(start + 8, PAGE), (start, 100), (0, PAGE), (start, 0)]
    assert {Pinned(device, *what).status for what in refused} == {-errno.EINVAL}
    hole = Pinned(device, 1 << 46, PAGE)
    assert (hole.status, hole.c) == (-errno.EFAULT, ffi.NULL)
    assert "memory of this process" in hole.why


# --- trouble --------------------------------------------------------------------------------


def test_an_error_is_told_at_once(device: pyaccel.Device, queue) -> None:
    """Whoever saw a command fail finds its error record, however late the event interrupt is."""
    for _ in range(20):
        queue.copy(device.empty((4,)), pyaccel.Tensor(Nowhere(), (4,)))
        fence = queue.submit()
        with pytest.raises(pyaccel.CommandError):
            fence.wait()
        told = device.error(clear=True)
        assert told is not None
        assert (told.sequence, told.address) == (fence.sequence, Nowhere.va)
        assert not select.select([device.event_fd()], [], [], 0)[0]
        device.context.recover()


class Nowhere:
    """Memory that no context maps."""

    va = 0x7000_0000_0000
    nbytes = 16


def test_the_driver_resets_a_hung_queue(rack: GuestRack, device: pyaccel.Device, queue) -> None:
    """A wait without limit ends with CommandAbortedError; the endpoint stays healthy."""
    rack.inject("hung_queue", 0)
    queue.nop()
    with pytest.raises(pyaccel.CommandAbortedError):
        queue.submit().wait()
    rack.clear_faults()
    device.check()
    queue.nop()
    queue.submit().wait()


def test_a_reset_by_another_file_is_noticed(device: pyaccel.Device, queue) -> None:
    """Somebody else resets the endpoint: work is given up, handles are stale, new ones work."""
    word = device.empty((1,), "int64")
    queue.fence_wait(word, 1)
    fence = queue.submit()
    with pyaccel.open(device.info.endpoint.uri) as other:
        other.reset()
    with pytest.raises(pyaccel.CommandAbortedError):
        fence.wait()
    queue.nop()
    with pytest.raises(pyaccel.StaleHandleError):
        queue.submit()
    device.check()
    with device.queue() as fresh:
        fresh.nop()
        fresh.submit().wait()


def test_removal_is_the_end_of_everything(rack: GuestRack) -> None:
    """Unbound with work in flight: each call says gone, a memfd stays, closing is safe."""
    device = pyaccel.open(rack.uri(1))
    bdf = device.bdf
    queue, word = device.queue(), device.empty((1,), "int64")
    kept = import_pages(device, 1)
    kept.write(b"mine")
    queue.fence_wait(word, 1)
    fence = queue.submit()
    (DRIVER / "unbind").write_text(bdf)
    try:
        with pytest.raises(pyaccel.DeviceGoneError):
            fence.wait()
        queue.nop()
        uses = (queue.submit, device.telemetry, device.check, device.create_context, device.queue)
        for use in (*uses, device.reset, device.error):
            with pytest.raises(pyaccel.DeviceGoneError, match="accel-info"):
                use()
        assert device.info.state == "gone"
        assert kept.read(4) == b"mine"
        with pytest.raises(pyaccel.DeviceNotFoundError):
            pyaccel.open(f"kernel#{bdf}")
        device.close()
    finally:
        (DRIVER / "bind").write_text(bdf)
    with pyaccel.open(f"kernel#{bdf}") as again, again.queue() as fresh:
        fresh.nop()
        fresh.submit().wait()


def test_memory_of_a_lost_peer_faults(rack: GuestRack, device: pyaccel.Device, queue) -> None:
    """After the peer was reset a copy from it ends with page_fault; it reads nothing."""
    with pyaccel.open(rack.uri(2)) as other:
        imported = device.import_peer(other.from_numpy(np.float32([5, 6])).buffer)
        out = device.empty((2,))
        queue.copy(out, imported.tensor((2,)))
        queue.submit().wait()
        assert out.read().tolist() == [5, 6]
        other.reset()
        queue.copy(out, imported.tensor((2,)))
        with pytest.raises(pyaccel.CommandError, match="page_fault"):
            queue.submit().wait()
        assert out.read().tolist() == [5, 6]
        imported.close()

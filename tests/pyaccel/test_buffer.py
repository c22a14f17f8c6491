# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory: views without copies, and lifetimes that cannot be got wrong."""

from __future__ import annotations

import gc
import itertools
import os
import weakref

import ml_dtypes
import numpy as np
import pytest

import pyaccel
from tests.build.waiting import until


@pytest.mark.parametrize("memory", ["device", "host"])
def test_new_memory_is_zero_and_shared_with_its_views(device, memory: str) -> None:
    """memoryview, numpy.frombuffer and read() see the same bytes."""
    with device.buffer(100, memory=memory) as buffer:
        assert (buffer.nbytes, buffer.memory) == (100, memory)
        assert buffer.read() == bytes(100)
        view, array = memoryview(buffer), np.frombuffer(buffer, np.uint8)
        view[3] = 7
        array[4] = 9
        assert buffer.read(2, 3) == b"\x07\x09"
        assert array.nbytes == view.nbytes == 100
        del view, array


def test_views_hold_a_buffer_open(device) -> None:
    """close() raises BufferError while a view lives, and works afterwards."""
    buffer = device.buffer(4096)
    array = buffer.numpy()
    assert buffer.views >= 1
    with pytest.raises(BufferError, match="alive"):
        buffer.close()
    array[0] = 1
    del array
    buffer.close()

    assert buffer.closed
    with pytest.raises(BufferError, match="closed"):
        memoryview(buffer)


@pytest.mark.parametrize("memory", ["device", "host"])
def test_views_outlive_the_device(rack, memory: str) -> None:
    """An array of a closed device keeps its values; the buffer goes with the array."""
    device = pyaccel.open(rack.uri(1))
    tensor = device.from_numpy(np.arange(5, dtype=np.int32), memory=memory)
    array = tensor.numpy()
    device.close()

    assert array.tolist() == [0, 1, 2, 3, 4]
    del array
    assert tensor.buffer.closed
    pyaccel.open(rack.uri(1)).close()


@pytest.mark.rack_only("the kernel driver shares its endpoints")
def test_views_hold_the_endpoint(rack) -> None:
    """Nobody opens the endpoint of a closed device before the last view is gone."""
    device = pyaccel.open(rack.uri(1))
    array = device.from_numpy(np.arange(5, dtype=np.int32)).numpy()
    device.close()
    with pytest.raises(pyaccel.DeviceBusyError, match="views of its memory"):
        pyaccel.open(rack.uri(1))
    del array
    pyaccel.open(rack.uri(1)).close()


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order_of_letting_go_is_safe(rack, order: tuple[int, ...]) -> None:
    """Device, context, queue and buffer may be dropped in any order, work in flight or not."""
    device = pyaccel.open(rack.uri(1))
    context = device.create_context()
    queue, buffer = context.queue(), context.buffer(1 << 16)
    queue.fill(buffer.tensor((1 << 14,)), 1.0)
    queue.submit()
    things = [device, context, queue, buffer]
    del device, context, queue, buffer
    for position in order:
        things[position] = None
        gc.collect()
    pyaccel.open(rack.uri(1)).close()


def test_garbage_cycles_are_collected_in_any_order(rack) -> None:
    """Objects that only a cycle holds are finalised without touching freed memory."""
    device = pyaccel.open(rack.uri(1))
    cycle = [device, device.queue(), device.buffer(4096)]
    cycle.append(cycle)
    gone = weakref.ref(device)
    del device, cycle
    gc.collect()

    assert gone() is None
    pyaccel.open(rack.uri(1)).close()


def test_memory_returns_when_a_buffer_is_dropped(device) -> None:
    """The device's free memory grows back."""
    before = device.memory_free
    buffer = device.buffer(1 << 20)
    assert device.memory_free <= before - (1 << 20)
    del buffer

    assert until(lambda: device.memory_free == before)


def test_a_buffer_closed_under_a_command_lives_until_it_ended(device, queue) -> None:
    """close() while work is in flight frees later; new commands are refused at once."""
    before = device.memory_free
    buffer, word = device.buffer(4096), device.empty((1,), "int64")
    free = device.memory_free
    queue.fence_wait(word, 1)
    queue.fill(buffer.tensor((1024,)), 2.0)
    fence = queue.submit()
    target = buffer.tensor((1024,))
    buffer.close()
    assert device.memory_free == free
    queue.fill(target, 3.0)
    with pytest.raises(pyaccel.ClosedError):
        queue.submit()
    word.write(1)
    fence.wait()

    assert until(lambda: device.memory_free > free)
    del word, target
    assert until(lambda: device.memory_free == before)


def test_out_of_memory_says_how_much_is_free(device) -> None:
    """OutOfMemoryError is a MemoryError; the message has the numbers."""
    with pytest.raises(MemoryError, match=r"\d") as caught:
        device.buffer(1 << 40)

    assert isinstance(caught.value, pyaccel.OutOfMemoryError)


@pytest.mark.parametrize("nbytes", [0, -1, 1 << 64])
def test_impossible_sizes_are_refused(device, nbytes: int) -> None:
    """Zero, negative and unaddressable sizes raise ValueError."""
    with pytest.raises(ValueError, match="cannot be"):
        device.buffer(nbytes)


def test_unknown_kinds_of_memory_are_refused(device) -> None:
    """The message lists the kinds that exist."""
    with pytest.raises(ValueError, match="'device', 'host'"):
        device.buffer(64, memory="tape")


def test_reads_and_writes_stay_inside(device) -> None:
    """Ranges outside the buffer raise ValueError and change nothing."""
    buffer = device.buffer(16)
    buffer.write(b"abcd", 12)
    for action in (
        lambda: buffer.write(b"abcde", 12),
        lambda: buffer.write(b"a", -1),
        lambda: buffer.read(17),
        lambda: buffer.read(1, 16),
    ):
        with pytest.raises(ValueError, match="of a buffer of 16"):
            action()

    assert buffer.read() == bytes(12) + b"abcd"


@pytest.mark.parametrize(
    "dtype", ["uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64", "bool"]
)
def test_dlpack_shares_memory_with_numpy(device, dtype: str) -> None:
    """numpy.from_dlpack sees the tensor's values and writes through; both keep the buffer."""
    tensor = device.from_numpy(np.array([[0, 1, 1], [1, 0, 1]], dtype))
    array = np.from_dlpack(tensor.T)
    assert array.dtype == dtype
    assert np.array_equal(array, tensor.read().T)
    tensor.write(1)
    assert array.all()
    buffer = weakref.ref(tensor.buffer)
    del tensor
    gc.collect()

    assert array.all()
    assert buffer() is not None
    del array
    gc.collect()
    assert buffer() is None


def test_a_buffer_is_bytes_for_dlpack(device) -> None:
    """A Buffer itself exports its bytes, on the CPU's device type."""
    buffer = device.buffer(8)
    array = np.from_dlpack(buffer)

    assert (array.dtype, array.shape) == (np.uint8, (8,))
    assert buffer.__dlpack_device__() == (1, 0)


def test_bfloat16_tensors_use_ml_dtypes(device) -> None:
    """A bfloat16 array keeps its element type on the way there and back."""
    values = np.array([1.5, -2.25], ml_dtypes.bfloat16)
    tensor = device.from_numpy(values)

    assert tensor.read().dtype == ml_dtypes.bfloat16
    assert np.array_equal(tensor.read(), values)


def test_numpy_functions_take_tensors(device) -> None:
    """A tensor converts to an array where NumPy wants one."""
    assert np.sum(device.from_numpy(np.float32([1, 2, 3]))) == 6


def test_an_imported_memfd_is_shared(device, queue) -> None:
    """The device works in memory that somebody else owns by descriptor."""
    fd = os.memfd_create("test", os.MFD_ALLOW_SEALING)
    try:
        os.ftruncate(fd, 8192)
        os.pwrite(fd, np.float32([1, 2, 3, 4]).tobytes(), 4096)
        buffer = device.import_fd(fd, 4096, offset=4096)
        x = buffer.tensor((4,))
        queue.binary("mul", x, 10, x)
        queue.submit().wait()
        assert np.frombuffer(os.pread(fd, 16, 4096), np.float32).tolist() == [10, 20, 30, 40]
        with pytest.raises(ValueError, match="EINVAL"):
            device.import_fd(fd, 100)
    finally:
        os.close(fd)


def test_a_memfd_that_may_shrink_is_refused(device) -> None:
    """Memory that its owner can take away under the device is not mapped."""
    fd = os.memfd_create("test")
    try:
        os.ftruncate(fd, 4096)
        with pytest.raises(ValueError, match="F_SEAL_SHRINK"):
            device.import_fd(fd, 4096)
    finally:
        os.close(fd)


def test_peers_copy_from_each_other(rack, device, queue) -> None:
    """An imported peer buffer is a source of copies and has no memory for this CPU."""
    with pyaccel.open(rack.uri(2)) as other:
        theirs = other.from_numpy(np.arange(1000, dtype=np.float32))
        imported = device.import_peer(theirs.buffer)
        assert imported.memory == "peer"
        with pytest.raises(BufferError, match="peer"):
            memoryview(imported)
        mine = device.empty((1000,))
        queue.copy(mine, imported.tensor((1000,)))
        queue.submit().wait()

        assert np.array_equal(mine.read(), np.arange(1000))
        assert device.telemetry().bytes_peer >= 4000


def test_a_peers_original_outlives_its_import(rack, device, queue) -> None:
    """Closing the original, even its device, first is safe; it goes when the import goes."""
    other = pyaccel.open(rack.uri(3))
    empty = other.memory_free
    theirs = other.from_numpy(np.float32([5, 6]))
    imported = device.import_peer(theirs.buffer)
    theirs.buffer.close()
    del theirs
    assert other.memory_free < empty
    mine = device.empty((2,))
    queue.copy(mine, imported.tensor((2,)))
    queue.submit().wait()
    assert mine.read().tolist() == [5, 6]
    other.close()
    imported.close()
    pyaccel.open(rack.uri(3)).close()

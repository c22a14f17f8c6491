# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Calls of pyaccel as users write them: mypy --strict must accept every line. Never run.

Where the type of a result is promised, `assert_type` holds it.
"""

from __future__ import annotations

from typing import Any, assert_type

import numpy as np

import pyaccel


def find_and_open() -> None:
    """Endpoints, devices and what they say of themselves."""
    found = assert_type(pyaccel.devices(), list[pyaccel.EndpointInfo])
    names = [f"{info.id} {info.bdf} {info.slot}" for info in found]
    with pyaccel.open(found[0].uri if names else None) as device:
        assert_type(device, pyaccel.Device)
        info = assert_type(device.info, pyaccel.DeviceInfo)
        assert_type(info.state, str)
        assert_type(device.memory_free, int)
        temperature: int | None = device.telemetry().temperature_millicelsius
        error = device.error()
        if error is not None:
            code: int = error.code
            del code
        del temperature
        device.check()
        device.reset()


def compute(device: pyaccel.Device) -> Any:
    """Tensors, commands, batches and fences."""
    queue = assert_type(device.queue(slots_log2=6), pyaccel.Queue)
    a = assert_type(device.from_numpy(np.arange(6, dtype=np.float32)), pyaccel.Tensor)
    out = assert_type(device.empty((6,), "float32"), pyaccel.Tensor)
    assert_type(queue.binary("add", a, 1.5, out), int)
    queue.unary("relu", out, out)
    queue.reduce("sum", a.reshape(2, 3), device.empty((2, 1)), 1)
    queue.matmul(a.reshape(2, 3), a.reshape(3, 2), device.empty((2, 2)), beta=1.0)
    fence = assert_type(queue.submit(), pyaccel.Fence)
    fence.wait(timeout=1.0)
    assert_type(fence.done, bool)
    duration: int | None = fence.result(0).duration_ns
    with queue.batch() as batch:
        queue.copy(out, a)
        queue.nop()
    batch.fence.wait()
    stats = queue.stats()
    assert_type(stats.missed_interrupts, int)
    del duration
    return out.read()


def memory(device: pyaccel.Device, peer: pyaccel.Device) -> bytes:
    """Buffers and the ways to look into them."""
    with device.buffer(4096, memory="host") as buffer:
        assert_type(buffer, pyaccel.Buffer)
        buffer.write(b"hello", offset=8)
        view = memoryview(buffer)
        view.release()
        array = np.frombuffer(memoryview(buffer), dtype=np.uint8)
        words = buffer.tensor((4,), "int64", offset=64)
        del array
        assert_type(words.T.shape, tuple[int, ...])
        np.from_dlpack(words)
        original = assert_type(peer.buffer(1 << 20), pyaccel.Buffer)
        assert_type(device.import_peer(original), pyaccel.Buffer)
        return assert_type(buffer.read(5, 8), bytes)


def trouble(queue: pyaccel.Queue) -> str:
    """Exceptions carry where it happened."""
    try:
        queue.submit().wait()
    except pyaccel.CommandLostError as error:
        queue.reset()
        return f"{error.endpoint} {error.queue} {error.sequence} {error.opcode}"
    except (pyaccel.QueueHungError, pyaccel.DeviceGoneError) as error:
        return f"{error.endpoint} {error.errno}"
    return ""


async def asynchronous(queue: pyaccel.Queue) -> None:
    """A fence is awaitable."""
    await queue.submit()


def isolated(device: pyaccel.Device) -> None:
    """Contexts of one's own."""
    context = assert_type(device.create_context(), pyaccel.Context)
    if context.is_faulted:
        context.recover()
    context.close()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Figures of docs/notes/python-binding.md: `python -m tests.pyaccel.measure_binding`."""

from __future__ import annotations

import ctypes
import timeit
from collections.abc import Callable
from pathlib import Path

import pyaccel
from pyaccel import testing
from pyaccel._native import ffi, lib

LIBRARY = next((Path(pyaccel.__file__).parent / "_lib").glob("libaxl.so*"))
REPEATS = 9


def cost_ns(call: Callable[[], object], number: int) -> float:
    """Nanoseconds of one call: the best of some rounds, which other load disturbs least."""
    return min(timeit.repeat(call, number=number, repeat=REPEATS)) / number * 1e9


def binding_rows(queue: pyaccel.Queue) -> dict[str, Callable[[], object]]:
    """The same library functions through both bindings."""
    plain = ctypes.CDLL(str(LIBRARY))
    plain.axl_version.restype = ctypes.c_uint32
    plain.axl_queue_result.argtypes = [
        ctypes.c_void_p, ctypes.c_uint64, ctypes.c_void_p, ctypes.c_size_t,
    ]  # fmt: skip
    pointer = queue._handle._pointer
    address = int(ffi.cast("uintptr_t", pointer))
    size = ffi.sizeof("struct axl_result")
    raw, room = ffi.new("struct axl_result *"), ctypes.create_string_buffer(size)
    return {
        "axl_version(), cffi": lib.axl_version,
        "axl_version(), ctypes": plain.axl_version,
        "axl_queue_result(), cffi": lambda: lib.axl_queue_result(pointer, 1, raw, size),
        "axl_queue_result(), ctypes": lambda: plain.axl_queue_result(address, 1, room, size),
    }


def command_rows(device: pyaccel.Device, queue: pyaccel.Queue) -> dict[str, Callable[[], object]]:
    """Appending commands, without submitting them."""
    x, y, out = (device.empty((64, 64)) for _ in range(3))
    bias, total = device.empty((64,)), device.empty((64,))
    return {
        "queue.nop()": queue.nop,
        "queue.copy(out, x)": lambda: queue.copy(out, x),
        "queue.unary('relu', x, out)": lambda: queue.unary("relu", x, out),
        "queue.binary('add', x, y, out)": lambda: queue.binary("add", x, y, out),
        "queue.binary('add', x, bias, out)": lambda: queue.binary("add", x, bias, out),
        "queue.binary('mul', x, 2.0, out)": lambda: queue.binary("mul", x, 2.0, out),
        "queue.reduce('sum', x, total, 0)": lambda: queue.reduce("sum", x, total, 0),
        "queue.matmul(x, y, out)": lambda: queue.matmul(x, y, out),
    }


def main() -> None:
    """Print all rows."""
    with testing.rack("1x1"), pyaccel.open() as device, device.queue() as queue:
        queue.nop()
        queue.submit().wait()
        for name, call in binding_rows(queue).items():
            print(f"{name:36} {cost_ns(call, 50_000):7.0f} ns")
        for name, call in command_rows(device, queue).items():
            print(f"{name:36} {cost_ns(call, 2_000):7.0f} ns")
            queue._current().clear()


if __name__ == "__main__":
    main()

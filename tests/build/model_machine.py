# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""pyaccel's commands on a reference device in this process: no library, no sockets.

machine = ModelMachine()
x = machine.tensor([1.0, -2.0])
machine.run.unary("relu", x, x)     # packed, checked and executed at once
x.read()
"""

from __future__ import annotations

from typing import Any

import numpy as np

from diag.model.testing import Driver, FakeHost, plug
from pyaccel.commands import Commands
from pyaccel.dtypes import numpy_dtype
from pyaccel.spec.formats import Completion, Status
from pyaccel.tensor import Memory, Tensor

MEMORY_BYTES = 1 << 23
VA = 0x10_0000


class ModelBuffer:
    """Part of the machine's memory, as pyaccel.Buffer but without a library."""

    def __init__(self, view: memoryview, va: int) -> None:
        self.view = view
        self.va = va
        self.nbytes = view.nbytes

    def numpy(self) -> np.ndarray:
        """The bytes."""
        return np.frombuffer(self.view, np.uint8)


class ModelTensor(Tensor):
    """A tensor whose values are read from a ModelBuffer."""

    def numpy(self) -> np.ndarray:
        """The values, zero copy."""
        kind = numpy_dtype(self.dtype)
        strides = [stride * kind.itemsize for stride in self.strides]
        raw: Any = self.buffer
        return np.ndarray(self.shape, kind, raw.numpy(), self.offset, strides)

    def _like(self, shape, strides, offset) -> ModelTensor:
        return ModelTensor(self.buffer, shape, self.dtype, strides=strides, offset=offset)


class _Runner(Commands):
    """Executes each command at once."""

    def __init__(self, machine: ModelMachine) -> None:
        self._machine = machine
        self.last = b""
        self.completion = Completion()

    def append(self, command: bytes, *_buffers: Memory) -> int:
        """Run it; AssertionError names a status that is not OK."""
        self.last = command
        self.completion = self._machine.execute(command)
        assert self.completion.status == Status.OK, Status(self.completion.status).name
        return 0


class ModelMachine:
    """One endpoint with one context and one queue; memory is handed out and taken back."""

    def __init__(self) -> None:
        self._host = FakeHost(MEMORY_BYTES + (1 << 20))
        self._driver = Driver(self._host, plug(self._host))
        table = self._driver.context()
        self._base = self._host.alloc(MEMORY_BYTES)
        table.map(VA, self._base, MEMORY_BYTES)
        self._queue = self._driver.queue()
        self._used = 0
        self.run = _Runner(self)

    def execute(self, command: bytes) -> Completion:
        """Submit and wait."""
        return self._queue.run(command)

    def reset(self) -> None:
        """Forget all tensors; their memory is handed out again."""
        self._used = 0

    def buffer(self, nbytes: int) -> ModelBuffer:
        """Memory that is not zeroed: what is left over must not matter."""
        size = (nbytes + 63) & ~63 or 64
        at, self._used = self._used, self._used + size
        assert self._used <= MEMORY_BYTES, "the test uses too much memory"
        return ModelBuffer(self._host.at(self._base + at, max(nbytes, 1)), VA + at)

    def tensor(self, values: Any, dtype: object = None) -> ModelTensor:
        """A tensor with a copy of values."""
        array = np.asarray(values) if dtype is None else np.asarray(values, dtype)
        tensor = ModelTensor(self.buffer(array.nbytes), array.shape, array.dtype)
        tensor.numpy()[...] = array
        return tensor

    def empty(self, shape: tuple[int, ...], dtype: object = np.float32) -> ModelTensor:
        """A tensor of leftovers."""
        return self.tensor(np.full(shape, 77, dtype))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A bench: one endpoint with a context, a queue and mapped memory, driven in-process."""

from __future__ import annotations

from typing import Any

import numpy as np

from diag.model.compute.dtypes import STORAGE
from diag.model.endpoint import Endpoint, EndpointConfig
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.testing import Driver, FakeHost, plug
from pyaccel.spec.formats import Completion, Dtype, Space
from tests.build.commands import At

HOST_VA = 0x1000_0000
DEVICE_VA = 0x4000_0000
SCATTERED_VA = 0x7000_0000
AREA = 1 << 20

Array = np.ndarray[Any, Any]


class Bench:
    """Endpoint 0 (or `config`) with context 0 and queue 0.

    HOST_VA maps host memory, DEVICE_VA device memory, both in one piece; SCATTERED_VA maps
    host pages in reverse order, so that no two pages are adjacent. `split`: see FakeHost.
    """

    def __init__(
        self,
        config: EndpointConfig | None = None,
        fabric: Fabric | None = None,
        loop: Loop | None = None,
        split: int = 0,
    ) -> None:
        self.host = FakeHost(1 << 23, split)
        self.endpoint: Endpoint = plug(self.host, config, fabric=fabric, loop=loop)
        self.driver = Driver(self.host, self.endpoint)
        self.table = self.driver.context(0)
        self.area = self.host.alloc(AREA)
        self.table.map(HOST_VA, self.area, AREA)
        self.table.map(DEVICE_VA, 0, AREA, space=Space.DEVICE)
        self.scattered = self.host.alloc(AREA)
        for page in range(AREA // 4096):
            self.table.map(
                SCATTERED_VA + page * 4096, self.scattered + AREA - 4096 * (page + 1), 4096
            )
        self.queue = self.driver.queue(0)
        self.sequence = 0
        self._next = 0

    def bytes(self, va: int, size: int) -> memoryview:
        """Memory at a va of HOST_VA's or DEVICE_VA's area."""
        if va >= DEVICE_VA:
            return self.endpoint.memory.view[va - DEVICE_VA : va - DEVICE_VA + size]
        return self.host.at(self.area + va - HOST_VA, size)

    def alloc(self, size: int, *, device: bool = True) -> int:
        """A va of fresh bytes, 64-byte aligned."""
        at = self._next
        self._next += (size + 63) & -64
        assert self._next <= AREA
        return (DEVICE_VA if device else HOST_VA) + at

    def put(self, values: Array, dtype: Dtype) -> At:
        """Store an array in device memory as `dtype`, row-major."""
        stored = np.ascontiguousarray(values).astype(STORAGE[dtype])
        va = self.alloc(max(stored.nbytes, 1))
        self.bytes(va, stored.nbytes)[:] = stored.tobytes()
        return At(va, dtype)

    def out(self, shape: tuple[int, ...], dtype: Dtype) -> At:
        """Room for a result."""
        size = int(np.prod(shape)) * STORAGE[dtype].itemsize
        return At(self.alloc(max(size, 1)), dtype)

    def get(self, what: At, shape: tuple[int, ...]) -> Array:
        """A row-major array out of memory."""
        dtype = STORAGE[what.dtype]
        size = int(np.prod(shape)) * dtype.itemsize
        return np.frombuffer(bytes(self.bytes(what.va, size)), dtype=dtype).reshape(shape)

    def run(self, command: bytes) -> Completion:
        """Run one command whose sequence number is filled in here."""
        self.sequence += 1
        numbered = command[:8] + self.sequence.to_bytes(8, "little") + command[16:]
        completion = self.queue.run(numbered)
        assert completion.sequence == self.sequence
        return completion

    def pages(self, va: int, size: int) -> bytes:
        """Bytes of the scattered area, in the order of virtual addresses."""
        start, result = va - SCATTERED_VA, b""
        for page in range(start // 4096, (start + size - 1) // 4096 + 1):
            result += bytes(self.host.at(self.scattered + AREA - 4096 * (page + 1), 4096))
        return result[start % 4096 : start % 4096 + size]

    def close(self) -> None:
        """Give everything back."""
        self.endpoint.close()
        self.endpoint.fabric.close()
        self.endpoint.loop.close()

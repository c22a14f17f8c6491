# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Device side of the hot path, in one process: `python -m tests.bench.hot_path`.

Prints CPU time per command (medians), so that the machine's other load shows little.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import numpy as np

from diag.model.endpoint import EndpointConfig
from diag.model.testing import Driver, FakeHost, plug, step
from pyaccel.spec.formats import Binary, Dtype, Opcode, Space
from tests.build.commands import At, copy, f64, nop, tensor

BATCH = 500
SOURCE, TARGET = 0x1000_0000, 0x8000_0000
SIZE = 1 << 24


def main() -> None:
    """Measure and print."""
    host = FakeHost(1 << 26)
    endpoint = plug(host, EndpointConfig(memory_bytes=1 << 26))
    driver = Driver(host, endpoint)
    table, queue = driver.context(0), driver.queue(0, sq_log2=12, cq_log2=12)
    area = host.alloc(SIZE)
    table.map(SOURCE, area, SIZE)
    table.map(TARGET, 0, SIZE, space=Space.DEVICE, large=True)

    def batched(command: bytes, count: int = BATCH) -> float:
        for _ in range(count):
            queue.put(command)
        start = time.process_time_ns()
        queue.ring_shadow()
        while endpoint.engine.queues[0].head != queue.tail:
            step(endpoint, 0)
        spent = time.process_time_ns() - start
        while queue.poll():
            pass
        return spent / count

    def show(name: str, measure: Callable[[], float]) -> float:
        values = sorted(measure() for _ in range(15))
        median = statistics.median(values)
        print(f"{name:34} {median / 1000:9.2f} us  (best {values[0] / 1000:.2f})")
        return median

    add = tensor(
        Opcode.BINARY,
        (64,),
        [At(TARGET, Dtype.F32)] * 3,
        params=[f64(1)],
        op=Binary.ADD,
        dtype=Dtype.F32,
    )
    show("nop, batched", lambda: batched(nop()))
    show("nop, one at a time", lambda: batched(nop(flags=1), 1))
    show("copy 64 B, batched", lambda: batched(copy(SOURCE, TARGET, 64)))
    show("add 64 x f32, batched", lambda: batched(add))
    a, b = np.ones(SIZE, np.uint8), np.zeros(SIZE, np.uint8)

    def memcpy() -> float:
        start = time.process_time_ns()
        np.copyto(b, a)
        return float(time.process_time_ns() - start)

    ours = show("copy 16 MiB", lambda: batched(copy(SOURCE, TARGET, SIZE), 1))
    theirs = show("numpy copy 16 MiB", memcpy)
    print(f"copy rate relative to numpy: {theirs / ours:.2f}")


if __name__ == "__main__":
    main()

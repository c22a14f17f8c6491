# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the benchmarks are compared with: the bare mechanism, nothing of ours in it."""

from __future__ import annotations

import os
import statistics
import time

ROUNDS = 3000
WARM_UP = 200


def eventfd_ping_pong_us() -> float:
    """Median round trip between two Python processes over two eventfds, in microseconds."""
    there, back = os.eventfd(0), os.eventfd(0)
    child = os.fork()
    if child == 0:
        try:
            for _ in range(ROUNDS + WARM_UP):
                os.eventfd_read(there)
                os.eventfd_write(back, 1)
        finally:
            os._exit(0)
    times = []
    for _ in range(ROUNDS + WARM_UP):
        begin = time.perf_counter_ns()
        os.eventfd_write(there, 1)
        os.eventfd_read(back)
        times.append(time.perf_counter_ns() - begin)
    os.waitpid(child, 0)
    os.close(there)
    os.close(back)
    return statistics.median(times[WARM_UP:]) / 1e3

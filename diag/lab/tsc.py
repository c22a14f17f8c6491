# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How fast this machine's time-stamp counter runs: an emulated processor shows it as its own.

On a busy machine the guest's kernel measures it against timers that the emulator serves late:
2445 MHz became 204 MHz, and the guest's clock ran twelve times too fast.
"""

from __future__ import annotations

import ctypes
import functools
import mmap
import platform
import time
from collections.abc import Callable

# rdtsc; shl rdx, 32; or rax, rdx; ret
_READ_TSC = bytes.fromhex("0f31 48c1e220 4809d0 c3")
_INTERVAL_NS = 100_000_000


@functools.cache
def tsc_khz() -> int | None:
    """Its frequency; None where there is none or it cannot be read."""
    if platform.machine() != "x86_64":
        return None
    try:
        page = mmap.mmap(-1, mmap.PAGESIZE, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
    except OSError:
        return None  # this system lets nobody write code
    page.write(_READ_TSC)
    read = ctypes.CFUNCTYPE(ctypes.c_uint64)(ctypes.addressof(ctypes.c_char.from_buffer(page)))
    first = _sample(read)
    time.sleep(_INTERVAL_NS / 1e9)
    last = _sample(read)
    return round((last[0] - first[0]) * 1_000_000 / (last[1] - first[1]))


def _sample(read: Callable[[], int]) -> tuple[int, int]:
    """Counter and time of the same moment: of several tries the one that took least."""
    tries = []
    for _ in range(20):
        before = time.monotonic_ns()
        counter = int(read())
        after = time.monotonic_ns()
        tries.append((after - before, counter, before))
    _, counter, moment = min(tries)
    return counter, moment

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The ioctl fuzzer beside a process that works on the same endpoint."""

from __future__ import annotations

import random
import subprocess
import time
from typing import Any

from tests.linux.checks.common import SEED, SHARE, node_of, open_at
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy

_BYTES = 16 * PAGE
_RCU_S = 2.0
"""What ended is given back a little later."""


def fuzzed(bdf: str, seed: str, seconds: str) -> dict[str, Any]:
    """How each ioctl ended, by name and errno; what the neighbour saw, and what is left over."""
    rng = random.Random(SEED)
    work = Work(open_at(bdf))
    there, memory, back = (work.buffer(_BYTES, kind) for kind in (HOST, DEVICE, HOST))
    before = work.accel.do("get_info")
    command = [SHARE / "ioctl_fuzzer", node_of(bdf), seed, seconds]
    fuzzer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    wrong = copies = 0
    while fuzzer.poll() is None:
        there.cpu[:] = rng.randbytes(_BYTES)
        status = work.run(copy(there.va, memory.va, _BYTES) + copy(memory.va, back.va, _BYTES))
        wrong += status != 0 or back.cpu[:] != there.cpu[:]
        copies += 1
    output = fuzzer.communicate()[0]
    time.sleep(_RCU_S)
    after = work.accel.do("get_info")
    return {
        "exit": fuzzer.returncode,
        "ends": [line.split() for line in output.splitlines()],
        "copies": copies,
        "wrong": wrong,
        "generations": after.generation - before.generation,
        "kept_bytes": before.memory_free_bytes - after.memory_free_bytes,
    }


CHECKS = (fuzzed,)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queues reset by their owner, and what a lost command holds back until then."""

from __future__ import annotations

import os
import time
from typing import Any

from tests.linux.checks.common import holding, open_at, queue_stats
from tests.linux.results import Results
from tests.linux.session import DEVICE, Work, nop

RESETS = 6
"""More than the four a minute that count as a storm when the endpoint is the reason."""
NOBODY = 65534


def reset_own(bdf: str) -> dict[str, Any]:
    """A queue reset by its owner without any privilege, several times; others go on."""
    work, beside = Work(open_at(bdf)), Work(open_at(bdf))
    shown = Results(work)
    generation = work.accel.do("get_info").generation
    held, release = holding(beside)
    os.seteuid(NOBODY)
    denied = work.accel.attempt("reset", kind=1)[0]
    rounds = []
    for _ in range(RESETS):
        sequence, _ = holding(work)
        status = work.accel.attempt("queue_reset", queue_id=work.queue)[0]
        waited, made = work.wait(sequence)
        entry = shown.of(sequence)
        rounds.append([status, waited, made.failed_status, entry and entry.status])
    after = work.run(nop())
    os.seteuid(0)
    undisturbed = beside.wait(held, timeout_s=0)[0]
    release()
    beside_status, beside_made = beside.wait(held)
    return {
        "denied": denied,
        "rounds": rounds,
        "after": after,
        "over": shown.head().over,
        "beside": [undisturbed, beside_status, beside_made.failed_status],
        "aborted": queue_stats(work)["aborted"],
        "generations": work.accel.do("get_info").generation - generation,
    }


def _memory_settles(work: Work, expected: int) -> int:
    """Free memory, given a moment to become what is expected."""
    for _ in range(100):
        free = int(work.accel.do("get_info").memory_free_bytes)
        if free == expected:
            break
        time.sleep(0.05)
    return free


def lost(bdf: str, how: str) -> dict[str, Any]:
    """Memory after a lost command (a fault withholds it): taken until the queue is reset."""
    work = Work(open_at(bdf))
    shown = Results(work)
    free = work.accel.do("get_info").memory_free_bytes
    memory = work.buffer(1 << 20, DEVICE)
    first = work.submit(nop())
    second = work.submit(nop())
    work.wait(second)
    statuses = [shown.of(first).status, shown.of(second).status]
    memory.cpu.close()
    work.accel.do("bo_unmap", context_id=work.context, va=memory.va)
    work.accel.gem_close(memory.handle)
    work.run(nop())
    time.sleep(1.5)
    held = work.accel.do("get_info").memory_free_bytes
    count = queue_stats(work)["lost"]
    work.accel.do(how, queue_id=work.queue)
    return {
        "statuses": statuses,
        "held": free - held,
        "given_back": free - _memory_settles(work, free),
        "lost": count,
    }


CHECKS = (reset_own, lost)

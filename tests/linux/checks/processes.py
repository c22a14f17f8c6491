# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Several processes on one endpoint: whatever one does, another never notices."""

from __future__ import annotations

import os
import random
import signal
import time
from collections.abc import Callable
from typing import Any

from tests.linux.checks.common import SEED, open_at
from tests.linux.session import DEVICE, HOST, Work, copy, nop

_MIB = 1 << 20


def _forked(action: Callable[[], None]) -> int:
    """A child that does `action` until it is killed."""
    child = os.fork()
    if child == 0:
        try:
            action()
        finally:
            os._exit(1)
    return child


def _copier(bdf: str) -> None:
    """DMA without a pause."""
    work = Work(open_at(bdf))
    there, memory = work.buffer(_MIB, HOST), work.buffer(_MIB, DEVICE)
    batch = copy(there.va, memory.va, _MIB) + copy(memory.va, there.va, _MIB)
    while True:
        work.wait(work.submit(batch * 8))


def _vandal(bdf: str, told: int) -> None:
    """Noise as commands, and well-formed commands with wild addresses."""
    rng = random.Random(SEED)
    work = Work(open_at(bdf))
    mine = work.buffer(4096, HOST)
    refused = faulted = 0
    while True:
        refused += work.attempt(rng.randbytes(64 * rng.randrange(1, 9)))[0] != 0
        wild = rng.choice((0, mine.va + 4096, rng.getrandbits(48), rng.getrandbits(64), 2**64 - 64))
        target = rng.choice((mine.va, wild))
        status, sequence = work.attempt(copy(wild, target, rng.choice((1, 64, 4096, 1 << 30))))
        if status == 0:
            faulted += work.wait(sequence)[1].failed_status != 0
            work.accel.do("context_state", context_id=work.context, flags=1)
        os.pwrite(told, f"{refused} {faulted}".encode(), 0)


def _verified(work: Work, rng: random.Random, rounds: int) -> int:
    """Copies of odd sizes there and back; how many were wrong."""
    there, memory, back = (work.buffer(_MIB, kind) for kind in (HOST, DEVICE, HOST))
    wrong = 0
    for _ in range(rounds):
        there.cpu[:] = rng.randbytes(_MIB)
        length = rng.randrange(1, _MIB)
        status = work.run(
            copy(there.va, memory.va, length) + nop() + copy(memory.va, back.va, length)
        )
        wrong += status != 0 or back.cpu[:length] != there.cpu[:length]
    return wrong


def crowd(bdf: str, kills: str) -> dict[str, Any]:
    """One process works and checks, one vandalises, one after the other is killed in a DMA."""
    rng = random.Random(SEED)
    work = Work(open_at(bdf))
    before = work.accel.do("get_info")
    told = os.memfd_create("vandal")
    vandal = _forked(lambda: _vandal(bdf, told))
    wrong = 0
    for _ in range(int(kills)):
        copier = _forked(lambda: _copier(bdf))
        beside = Work(open_at(bdf))
        wrong += _verified(beside, rng, 3)
        beside.accel.close()
        time.sleep(rng.random() / 10)
        os.kill(copier, signal.SIGKILL)
        wrong += work.run(nop() * 10) != 0
        os.waitpid(copier, 0)
    alive = os.waitpid(vandal, os.WNOHANG)[0] == 0
    os.kill(vandal, signal.SIGKILL)
    os.waitpid(vandal, 0)
    refused, faulted = map(int, os.pread(told, 64, 0).split())
    after = work.accel.do("get_info")
    return {
        "wrong": wrong,
        "vandal_alive": alive,
        "refused": refused,
        "faulted": faulted,
        "generations": after.generation - before.generation,
        "kept_bytes": before.memory_free_bytes - after.memory_free_bytes,
    }


CHECKS = (crowd,)

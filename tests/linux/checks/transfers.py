# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: copies between memory of every kind."""

from __future__ import annotations

import random
from typing import Any

from tests.linux.checks.common import SEED, open_at
from tests.linux.memory_kinds import Area, areas, export, mapped_import
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, nop

SIZE = 2 << 20


def _shuffle(work: Work, made: list[Area], rounds: int) -> list[int]:
    """Random copies between random areas, followed in `expected`; the statuses."""
    rng = random.Random(SEED)
    statuses = set()
    for area in made:
        area.expected[:] = rng.randbytes(SIZE)
        area.cpu[:] = bytes(area.expected)
    for _ in range(rounds):
        source, target = rng.choice(made), rng.choice(made)
        length = rng.choice((1, 8, 64, PAGE - 1, PAGE, PAGE + 1, rng.randrange(1, SIZE // 2)))
        src, dst = rng.randrange(SIZE - length), rng.randrange(SIZE - length)
        statuses.add(work.run(copy(source.va + src, target.va + dst, length)))
        target.expected[dst : dst + length] = source.expected[src : src + length]
    return sorted(statuses)


def _wrong(work: Work, made: list[Area]) -> list[str]:
    """The areas that do not hold what they must for the CPU and for commands."""
    back = work.buffer(SIZE, HOST)
    wrong = []
    for area in made:
        work.run(copy(area.va, back.va, SIZE))
        if back.cpu[:] != area.expected or area.cpu[:] != area.expected:
            wrong.append(area.name)
    return wrong


def transfers(bdf: str, *others: str) -> dict[str, Any]:
    """Random copies between every kind of memory, that of `others` included."""
    work = Work(open_at(bdf), slots_log2=12)
    made = areas(work, SIZE)
    owners = [Work(open_at(other)) for other in others]
    for owner in owners:
        buffer = owner.buffer(SIZE, DEVICE)
        va = mapped_import(work, export(owner.accel, buffer.handle))
        made.append(Area("peer", va, SIZE, buffer.cpu))
    statuses = _shuffle(work, made, 150)
    return {
        "areas": [area.name for area in made],
        "statuses": statuses,
        "wrong": _wrong(work, made),
        "batches": work.run(nop() * 3000),
    }


CHECKS = (transfers,)

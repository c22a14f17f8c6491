# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Work in flight on several endpoints while the host does something to some of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, attribute, open_at, until
from tests.linux.checks.leaks import kernel_kib
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, fence_wait, nop
from tests.linux.syncobj import Syncobj

_END = "end"


@dataclass(frozen=True, slots=True)
class _Held:
    """A batch that ends when it is released, or when its endpoint is reset."""

    bdf: str
    work: Work
    fence: Syncobj
    sequence: int
    release: Callable[[], None]
    generation: int


def _hold(bdf: str) -> _Held:
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    fence = Syncobj(work.accel)
    sequence = work.submit(fence_wait(word.va, 1) + nop() * 3, out_sync=fence.handle)

    def release() -> None:
        word.cpu[0] = 1

    return _Held(bdf, work, fence, sequence, release, work.accel.do("get_info").generation)


def _round_trip(bdf: str) -> bool:
    """Whether a new context copies right."""
    work = Work(open_at(bdf))
    there, memory, back = (work.buffer(PAGE, kind) for kind in (HOST, DEVICE, HOST))
    there.cpu[:] = bytes(range(256)) * (PAGE // 256)
    status = work.run(copy(there.va, memory.va, PAGE) + copy(memory.va, back.va, PAGE))
    right = status == 0 and back.cpu[:] == there.cpu[:]
    work.accel.close()
    return right


def _judge(held: _Held) -> dict[str, Any]:
    """What became of it."""
    fence = held.fence.status()
    held.release()
    waited, made = held.work.wait(held.sequence)
    info = held.work.accel.do("get_info")
    seen = {
        "fence": fence,
        "wait": waited,
        "failed": made.failed_status,
        "fence_at_last": held.fence.status(),
        "goes_on": held.work.attempt(nop())[0],
        "generation": info.generation,
        "generations": info.generation - held.generation,
        "address_state": attribute(held.bdf, "address_state"),
        "state": attribute(held.bdf, "state"),
        "fresh": _round_trip(held.bdf),
        "memory_free_bytes": held.work.accel.do("get_info").memory_free_bytes,
        "descriptors": len(list(Path("/proc/self/fd").iterdir())),
        "kernel_kib": kernel_kib(),
    }
    held.work.accel.close()
    return seen


def rounds(folder: str, *bdfs: str) -> int:
    """Rounds for tests.linux.rounds.Rounds, until it says that it was the last."""
    place, number = SHARE / folder, 0
    while True:
        held = [_hold(bdf) for bdf in bdfs]
        (place / f"ready-{number}").touch()
        if not _wait_for(place / f"go-{number}", place / _END):
            return number
        text = json.dumps({one.bdf: _judge(one) for one in held})
        (place / "seen.new").write_text(text)
        (place / "seen.new").rename(place / f"seen-{number}")
        number += 1


def _wait_for(wanted: Path, end: Path) -> bool:
    assert until(lambda: wanted.exists() or end.exists())
    return wanted.exists()


CHECKS = (rounds,)

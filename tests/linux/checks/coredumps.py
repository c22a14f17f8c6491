# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: what the kernel keeps of an endpoint that failed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.linux.checks.common import held, inject_aer, open_at, until
from tests.linux.session import HOST, PAGE, Work, copy, nop

CLASS = Path("/sys/class/devcoredump")


def dumps(bdf: str) -> list[Path]:
    """What is kept of one endpoint."""
    found = CLASS.glob("devcd*")
    return [path for path in found if (path / "failing_device").resolve().name == bdf]


def throw_away(bdf: str) -> None:
    """Every dump of an endpoint: the kernel keeps an old one and drops those after it."""
    for path in dumps(bdf):
        (path / "data").write_text("1")


def take(bdf: str) -> dict[str, Any]:
    """The dump of an endpoint, once there is one; then it is thrown away."""
    until(lambda: bool(dumps(bdf)))
    found = dumps(bdf)
    data = found[0] / "data"
    text = data.read_text()
    mode = data.stat().st_mode & 0o777
    throw_away(bdf)
    return {"count": len(found), "text": text, "mode": mode}


def dumped_hang(bdf: str) -> dict[str, Any]:
    """A queue whose commands a fault holds, with some behind; the dump of that."""
    throw_away(bdf)
    work, beside = Work(open_at(bdf)), Work(open_at(bdf))
    memory = work.buffer(PAGE, HOST)
    beside.run(nop())
    sequence = work.submit(copy(memory.va, memory.va, 256) + nop() * 2)
    answer = work.wait(sequence, timeout_s=60)[0]
    seen = take(bdf)
    open_at(bdf).do("reset", kind=1)
    return {**seen, "answer": answer, "after_asked": len(dumps(bdf))}


def dumped_fatal(bdf: str) -> dict[str, Any]:
    """A fatal error in the AER registers, with work in flight."""
    throw_away(bdf)
    work, sequence = held(bdf)
    inject_aer(bdf, 0x40000)
    work.wait(sequence, timeout_s=60)
    return take(bdf)


CHECKS = (dumped_hang, dumped_fatal)

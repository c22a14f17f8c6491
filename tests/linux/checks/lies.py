# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A device that lies: what a process gets, and whether its neighbours notice."""

from __future__ import annotations

from typing import Any

from tests.linux.checks.common import attribute, open_at
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, nop

_COMMANDS = 40


def believed(bdf: str) -> dict[str, Any]:
    """Batches on queue pair 0, of which the device lies, and copies on the one beside it."""
    lied_to, beside = Work(open_at(bdf)), Work(open_at(bdf))
    there, memory = beside.buffer(PAGE, HOST), beside.buffer(PAGE, DEVICE)
    ends, wrong = [], 0
    for number in range(3):
        sequence = lied_to.submit(nop() * _COMMANDS)
        there.cpu[:] = bytes([number + 1]) * PAGE
        wrong += beside.run(copy(there.va, memory.va, PAGE) + nop() * _COMMANDS) != 0
        wrong += memory.cpu[:] != there.cpu[:]
        status, made = lied_to.wait(sequence, timeout_s=90)
        ends.append([status, made.failed_status])
    return {
        "index": lied_to.index,
        "ends": ends,
        "missing": sequence - made.ended_sequence,
        "wrong_beside": wrong,
        "state": attribute(bdf, "state"),
    }


def stuck_queue(bdf: str) -> dict[str, Any]:
    """A queue is reset that does not stop for it; then everything anew."""
    work = Work(open_at(bdf))
    generation = work.accel.do("get_info").generation
    work.run(nop())
    answer = work.accel.attempt("queue_reset", queue_id=work.queue)[0]
    fresh = Work(open_at(bdf))
    return {
        "answer": answer,
        "old": work.attempt(nop())[0],
        "generations": fresh.accel.do("get_info").generation - generation,
        "fresh": fresh.run(nop()),
    }


def sensors(bdf: str) -> dict[str, int]:
    """One sample of telemetry, by field."""
    accel = open_at(bdf)
    seen = accel.do("telemetry")
    return {name: getattr(seen, name) for name in accel.interface.field_names("telemetry")}


CHECKS = (believed, stuck_queue, sensors)

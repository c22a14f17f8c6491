# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Batches: pages that are not there, the end of the ring, commands that are none."""

from __future__ import annotations

import ctypes
import errno
import mmap
import tempfile
import threading
from typing import Any

from pyaccel.spec.formats import Dtype, Opcode
from tests.build import commands as build
from tests.linux.arena import Arena
from tests.linux.checks.common import open_at, queue_stats
from tests.linux.session import DEVICE, HOST, PAGE, TIMEOUT_S, Work, copy, nop
from tests.linux.userfault import MissingPage

_SLOTS = 16
_KERNEL = 0xFFFF_8880_0000_0000
_COUNTERS = ("submitted", "doorbells", "bytes_submitted", "in_flight")


def _submit_at(work: Work, address: int, slot_count: int) -> tuple[int, int]:
    """Submit slots that lie anywhere: (0 or errno, sequence)."""
    status, made = work.accel.attempt(
        "submit", queue_id=work.queue, slots=address, slot_count=slot_count
    )
    return status, made.sequence


def _counters(work: Work) -> list[int]:
    """What a submission counts."""
    stats = queue_stats(work)
    return [stats[name] for name in _COUNTERS]


def absent_slots(bdf: str) -> dict[str, Any]:
    """Slots in pages that nobody has touched, and in pages that cannot be read."""
    work = Work(open_at(bdf))
    first = work.submit(nop())
    work.wait(first)
    with tempfile.TemporaryFile() as file:
        file.write(nop() * 200)
        file.flush()
        pages = mmap.mmap(file.fileno(), 0)
        address = ctypes.addressof(ctypes.c_char.from_buffer(pages))
        untouched, last = _submit_at(work, address, 200)
        ended = work.wait(last)[0]
    arena = Arena(1)
    before = _counters(work)
    half = arena.put_last(nop() * 4)
    refused = [
        _submit_at(work, half, 5)[0],
        _submit_at(work, half + 1, 4)[0],
        _submit_at(work, half + 4 * 64, 1)[0],
        _submit_at(work, 0, 1)[0],
        _submit_at(work, _KERNEL, 1)[0],
        _submit_at(work, 2**64 - 64, 2)[0],
    ]
    same = _counters(work) == before
    status, after = _submit_at(work, half, 4)
    return {
        "untouched": [untouched, last - first, ended],
        "refused": refused,
        "same": same,
        "after": [status, after - last, work.wait(after)[0]],
    }


def wrapping(bdf: str) -> dict[str, Any]:
    """Batches of the whole ring from each of its slots, two slots to a command."""
    work = Work(open_at(bdf), slots_log2=4)
    there, wrong = work.buffer(PAGE, HOST), []
    for start in range(_SLOTS):
        batch = b"".join(_fill(there.va + n, start + n) for n in range(_SLOTS // 2))
        there.cpu[:_SLOTS] = bytes(_SLOTS)
        status = work.run(batch)
        if status or list(there.cpu[: _SLOTS // 2]) != [start + n for n in range(_SLOTS // 2)]:
            wrong.append((start, status, there.cpu[:_SLOTS].hex()))
        work.run(nop())
    return {"wrong": wrong, "commands": queue_stats(work)["submitted"]}


def _fill(va: int, value: int) -> bytes:
    """Set one byte: two slots."""
    where = build.At(va, Dtype.U8)
    return build.tensor(Opcode.FILL, (1,), [where], params=(value,), dtype=Dtype.U8)


def refused_batch(bdf: str) -> dict[str, Any]:
    """A command that is none, at each place of a batch of commands that are."""
    work = Work(open_at(bdf), slots_log2=4)
    memory, there = work.buffer(PAGE, DEVICE), work.buffer(PAGE, HOST)
    there.cpu[:64] = b"\1" * 64
    last = work.submit(nop())
    work.wait(last)
    before = _counters(work)
    good, bad = copy(there.va, memory.va, 64), build.nop(op=1)
    refused = [
        work.attempt(b"".join(bad if n == place else good for n in range(_SLOTS)))[0]
        for place in range(_SLOTS)
    ]
    same = _counters(work) == before
    work.run(copy(memory.va, there.va, 64))
    return {
        "refused": set(refused) == {errno.EINVAL},
        "same": same,
        "untouched": bytes(there.cpu[:64]) == bytes(64),
        "next": work.submit(nop()) - last,
    }


class _Stalled:
    """A thread inside SUBMIT, asleep because its slots are not there."""

    def __init__(self, work: Work) -> None:
        self.page = MissingPage()
        self.status = -1
        self._thread = threading.Thread(target=self._submit, args=(work,), daemon=True)
        self._thread.start()
        self.sleeps = self.page.wait_for_reader(TIMEOUT_S)

    def _submit(self, work: Work) -> None:
        self.status = _submit_at(work, self.page.address, 1)[0]

    def end(self) -> int:
        """Let it go on; what SUBMIT answered."""
        self.page.supply(nop())
        self._thread.join(TIMEOUT_S)
        return self.status


def stalled_slots(bdf: str) -> dict[str, Any]:
    """Two submitters sleep on their slots: nobody else waits for them, not even a reset."""
    work, other = Work(open_at(bdf)), Work(open_at(bdf))
    fine, lost = _Stalled(work), _Stalled(work)
    seen: dict[str, Any] = {
        "sleep": [fine.sleeps, lost.sleeps],
        "same queue": work.run(nop()),
        "other file": other.run(nop()),
        "supplied": fine.end(),
    }
    before = other.accel.do("get_info").generation
    other.accel.do("reset", kind=1)
    seen["generations"] = other.accel.do("get_info").generation - before
    seen["again"] = Work(open_at(bdf)).run(nop())
    seen["still"] = lost.status
    seen["stale"] = lost.end()
    return seen


CHECKS = (absent_slots, wrapping, refused_batch, stalled_slots)

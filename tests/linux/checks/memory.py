# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Buffers: what is copied, who sees it, when it is given back."""

from __future__ import annotations

import random
import struct
import time
from typing import Any

from tests.linux.checks.common import SEED, open_at
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, fence_wait, nop


def copies(bdf: str) -> dict[str, Any]:
    """Nops and copies of many sizes and offsets through device memory, compared."""
    rng = random.Random(SEED)
    accel = open_at(bdf)
    work = Work(accel)
    size = 1 << 20
    there, memory, back = (work.buffer(size, kind) for kind in (HOST, DEVICE, HOST))
    there.cpu[:] = rng.randbytes(size)
    wrong, statuses = 0, [work.run(nop()), work.run(nop() * 100)]
    for length in (1, 63, 4095, 4097, 65_537, rng.randrange(1, size // 2), size // 2):
        src, mid, dst = (rng.randrange(size - length) for _ in range(3))
        slots = copy(there.va + src, memory.va + mid, length)
        slots += copy(memory.va + mid, back.va + dst, length)
        statuses.append(work.run(slots))
        expected = there.cpu[src : src + length]
        wrong += back.cpu[dst : dst + length] != expected
        wrong += memory.cpu[mid : mid + length] != expected
    progress = accel.do("telemetry").progress
    return {"statuses": statuses, "wrong": wrong, "progress": progress}


def faults(bdf: str) -> dict[str, Any]:
    """Unmapped and read-only addresses in one context, while another works."""
    bad, good = Work(open_at(bdf)), Work(open_at(bdf))
    source = bad.buffer(PAGE, HOST)
    fixed = bad.buffer(PAGE, HOST, flags=1)
    unmapped = bad.run(copy(source.va, source.va + (1 << 30), 64))
    refused = bad.run(nop())
    beside = good.run(nop())
    state = bad.accel.do("context_state", context_id=bad.context, flags=1).faulted
    read_only = bad.run(copy(source.va, fixed.va, 64))
    bad.accel.do("context_state", context_id=bad.context, flags=1)
    recovered = bad.run(copy(fixed.va, source.va, 64))
    time.sleep(0.2)
    record = good.accel.do("error")
    return {
        "statuses": [unmapped, refused, beside, read_only, recovered],
        "faulted": state,
        "records": record.records,
        "code": record.code,
    }


def neighbours(bdf: str) -> dict[str, Any]:
    """One file cannot name what another owns; memory is handed on empty."""
    mine, other = Work(open_at(bdf)), open_at(bdf)
    secret = mine.buffer(1 << 20, DEVICE)
    secret.cpu[:] = b"s" * (1 << 20)
    attempts = [
        other.attempt("context_state", context_id=mine.context)[0],
        other.attempt("queue_create", context_id=mine.context)[0],
        other.attempt("wait", queue_id=mine.queue)[0],
        other.attempt("bo_map", context_id=mine.context, handle=secret.handle)[0],
    ]
    secret.cpu.close()
    mine.accel.close()
    info = other.do("get_info")
    made = other.do("bo_create", bytes=info.memory_free_bytes // 2, memory=DEVICE)
    left = other.memory(made.mmap_offset, made.bytes)
    return {"attempts": attempts, "leaked": left.find(b"s") >= 0, "free": info.memory_free_bytes}


def unmap_in_flight(bdf: str) -> dict[str, Any]:
    """Memory unmapped under a command that waits stays its own until the command ends."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    memory = work.buffer(1 << 20, DEVICE)
    free = work.accel.do("get_info").memory_free_bytes
    sequence = work.submit(fence_wait(word.va, 1))
    memory.cpu.close()
    work.accel.do("bo_unmap", context_id=work.context, va=memory.va)
    work.accel.gem_close(memory.handle)
    held = work.accel.do("get_info").memory_free_bytes
    word.cpu[0:8] = struct.pack("<Q", 1)
    status, made = work.wait(sequence)
    for _ in range(100):
        given_back = work.accel.do("get_info").memory_free_bytes
        if given_back != held:
            break
        time.sleep(0.05)
    gained = [held - free, given_back - free]
    return {"status": status, "failed": made.failed_status, "gained": gained}


CHECKS = (copies, faults, neighbours, unmap_in_flight)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queues: order, room, hangs, counters, and the tracepoints of a command."""

from __future__ import annotations

import struct
import threading
from typing import Any

from tests.linux.checks.common import TRACING, holding, open_at, queue_stats
from tests.linux.results import Results
from tests.linux.session import HOST, PAGE, Work, copy, fence_wait, nop
from tests.linux.syncobj import Syncobj


def syncobjs(bdf: str) -> dict[str, Any]:
    """A batch signals its syncobj; another queue starts only when it has."""
    accel = open_at(bdf)
    first, second = Work(accel), Work(accel)
    word = first.buffer(PAGE, HOST)
    done = Syncobj(accel)
    first.submit(fence_wait(word.va, 1), out_sync=done.handle)
    early = done.wait(timeout_s=0.2)
    word.cpu[0:8] = struct.pack("<Q", 1)
    handles = struct.pack("<I", done.handle)
    address = accel.interface.ffi.from_buffer(handles)
    sequence = second.submit(
        nop(), in_sync_count=1, in_syncs=int(accel.interface.ffi.cast("uintptr_t", address))
    )
    late = done.wait(timeout_s=0)
    return {"early": early, "late": late, "second": second.wait(sequence)[0]}


def nonblock(bdf: str) -> dict[str, Any]:
    """A full ring refuses a batch that may not wait, and takes it once there is room."""
    work = Work(open_at(bdf), slots_log2=4)
    word = work.buffer(PAGE, HOST)
    work.submit(fence_wait(word.va, 1))
    filled = work.attempt(nop() * 15, flags=1)[0]
    full = work.attempt(nop(), flags=1)[0]
    too_big = work.attempt(nop() * 17, flags=1)[0]
    word.cpu[0:8] = struct.pack("<Q", 1)
    waited, sequence = work.attempt(nop() * 16)
    return {
        "filled": filled,
        "full": full,
        "too_big": too_big,
        "waited": waited,
        "wait": work.wait(sequence)[0],
    }


def hang(bdf: str) -> dict[str, Any]:
    """A queue that a fault hung: its job is given up, the queue goes on."""
    work, beside = Work(open_at(bdf)), Work(open_at(bdf))
    status, made = work.wait(work.submit(nop()), timeout_s=60)
    after = work.run(nop())
    return {
        "status": status,
        "failed": made.failed_status,
        "after": after,
        "beside": beside.run(nop()),
        "generation": work.accel.do("get_info").generation,
    }


def later(bdf: str) -> dict[str, Any]:
    """A command that ends while its waiter sleeps, and one more."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    sequence = work.submit(fence_wait(word.va, 1))
    release = threading.Timer(0.5, word.cpu.__setitem__, (slice(0, 8), struct.pack("<Q", 1)))
    release.start()
    status, made = work.wait(sequence)
    work.submit(nop())
    after, last = work.wait(work.submit(nop()))
    return {"status": [status, after], "failed": [made.failed_status, last.failed_status]}


def stages(bdf: str) -> dict[str, Any]:
    """The tracepoints of one NOP, in the order of their times: [name, sequence]."""
    work = Work(open_at(bdf))
    work.run(nop())
    (TRACING / "trace").write_text("")
    (TRACING / "events/axl/enable").write_text("1")
    status = work.run(nop())
    (TRACING / "events/axl/enable").write_text("0")
    seen = []
    for line in (TRACING / "trace").read_text().splitlines():
        if ": axl_" not in line:
            continue
        name, _, text = line.partition(": axl_")[2].partition(": ")
        fields = dict(pair.split("=", 1) for pair in text.split())
        seen.append([int(fields["time_ns"]), name, int(fields.get("sequence", 0)), fields["dev"]])
    return {"status": status, "events": sorted(seen)}


def stats(bdf: str) -> dict[str, Any]:
    """Counters of a queue after known work, in flight and after."""
    work = Work(open_at(bdf))
    shown = Results(work)
    buffer = work.buffer(PAGE, HOST)
    work.run(nop() * 3 + copy(buffer.va, buffer.va + 2048, 1000))
    work.run(copy(1 << 47, buffer.va, 64))
    work.accel.do("context_state", context_id=work.context, flags=1)
    held, release = holding(work)
    during = queue_stats(work)
    release()
    work.wait(held)
    after, head = queue_stats(work), shown.head()
    same = [after["interrupts"] == head.interrupts, after["missed_interrupts"] == 0]
    return {"during": during, "in_flight": after["in_flight"], "same": same}


CHECKS = (syncobjs, nonblock, hang, later, stages, stats)

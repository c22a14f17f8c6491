# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Results of commands in memory that the file maps."""

from __future__ import annotations

import ctypes
import errno
import mmap
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, holding, is_told, open_at, unbound
from tests.linux.results import Results
from tests.linux.session import HOST, PAGE, Work, copy, nop

QUEUE_EVENT_FD = 1
HAMMER_S = 8


def results(bdf: str) -> dict[str, Any]:
    """The entries of some commands, one of which fails, and of more than the ring holds."""
    work = Work(open_at(bdf), slots_log2=4)
    shown = Results(work)
    source = work.buffer(PAGE, HOST)
    empty = shown.of(1) is None
    work.run(nop() + copy(source.va, source.va + 2048, 64) + copy(1 << 47, source.va, 64))
    first = [shown.of(sequence) for sequence in (1, 2, 3)]
    work.accel.do("context_state", context_id=work.context, flags=1)
    for _ in range(3):
        work.run(nop() * 8)
    head = shown.head()
    times = [
        [one.submit_ns, one.fetch_ns, one.start_ns, one.finish_ns, one.complete_ns]
        for one in first
        if one is not None and one.flags
    ]
    return {
        "empty": empty,
        "statuses": [one and one.status for one in first],
        "opcodes": [one and one.opcode for one in first],
        "times": times,
        "head": [head.ended_sequence, head.over, head.entry_count, list(head.reserved)],
        "too_old": shown.of(3) is None,
        "newest": [one and one.sequence for one in (shown.of(27), shown.of(12), shown.of(11))],
    }


def _errno_of(action: Callable[[], object]) -> int:
    """0, or the errno of what it raised."""
    try:
        action()
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _change_protection() -> int:
    """mprotect() of the only read-only mapping of the device to writable: 0 or the errno."""
    libc = ctypes.CDLL(None, use_errno=True)
    maps = Path("/proc/self/maps").read_text().splitlines()
    (line,) = [line for line in maps if " r--s " in line and "/dev/accel/" in line]
    start, end = (int(word, 16) for word in line.split()[0].split("-"))
    protection = mmap.PROT_READ | mmap.PROT_WRITE
    done = libc.mprotect(ctypes.c_void_p(start), ctypes.c_size_t(end - start), protection)
    return ctypes.get_errno() if done else 0


def results_are_read_only(bdf: str) -> dict[str, int]:
    """Ways to write to results, or to see another file's: the errno of each."""
    work, other = Work(open_at(bdf)), open_at(bdf)
    offset, size = work.results_at
    mapped = Results(work)

    def attempt(fd: int, flags: int, protection: int) -> int:
        return _errno_of(lambda: mmap.mmap(fd, size, flags, protection, offset=offset))

    write = mmap.PROT_READ | mmap.PROT_WRITE
    return {
        "shared": attempt(work.accel.fd, mmap.MAP_SHARED, write),
        "private": attempt(work.accel.fd, mmap.MAP_PRIVATE, write),
        "mprotect": _change_protection(),
        "still": mapped.head().ended_sequence,
        "other file": attempt(other.fd, mmap.MAP_SHARED, mmap.PROT_READ),
        "too long": _errno_of(
            lambda: mmap.mmap(
                work.accel.fd, size + PAGE, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset
            )
        ),
    }


def results_are_whole(bdf: str) -> dict[str, int]:
    """What torn_results, which the host built, sees while 16 entries are overwritten."""
    work = Work(open_at(bdf), slots_log2=4)
    buffer = work.buffer(PAGE, HOST)
    rings = (nop() * 16, copy(buffer.va, buffer.va + 2048, 8) * 16)
    os.set_inheritable(work.accel.fd, True)
    arguments = [work.accel.fd, *work.results_at, HAMMER_S]
    reader = subprocess.Popen(
        [SHARE / "torn_results", *map(str, arguments)],
        close_fds=False,
        stdout=subprocess.PIPE,
        text=True,
    )
    while reader.poll() is None:
        for batch in rings:
            work.submit(batch)
    assert reader.stdout is not None
    whole, wrong, refused = map(int, reader.stdout.read().split())
    return {"whole": whole, "wrong": wrong, "refused": refused}


def results_outlive(bdf: str) -> dict[str, Any]:
    """Mappings of results after their queue, and after their endpoint, have gone."""
    work = Work(open_at(bdf))
    destroyed = Results(work)
    sequence, _ = holding(work)
    work.accel.do("queue_destroy", queue_id=work.queue)
    gone = Work(open_at(bdf))
    removed = Results(gone)
    event = os.eventfd(0)
    told = Work(open_at(bdf), flags=QUEUE_EVENT_FD, event_fd=event)
    last, _ = holding(gone)
    with unbound(bdf):
        answers = {
            "destroyed": [destroyed.of(sequence).status, destroyed.head().over],
            "removed": [removed.of(last).status, removed.head().over],
            "untouched": removed.entry(1000) is None,
            "told": is_told(event),
        }
        told.accel.close()
    return answers


CHECKS = (results, results_are_read_only, results_are_whole, results_outlive)

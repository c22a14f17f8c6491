# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: pages of a process, pinned for commands."""

from __future__ import annotations

import ctypes
import mmap
import os
import resource
import signal
import struct
import time
from collections.abc import Callable
from typing import Any

from tests.linux.checks.common import open_at, unbound
from tests.linux.memory_kinds import (
    OWN_PAGES,
    READ_ONLY,
    address_of,
    anonymous,
    charged_kib,
    pin,
    pinned_pages,
    shared,
)
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, fence_wait, nop

NOBODY = 65534


def _in_child(action: Callable[[], list[int]]) -> list[int]:
    """What `action` returns in a child, which then ends."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writer, " ".join(map(str, action())).encode())
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as pipe:
        seen = pipe.read()
    os.waitpid(child, 0)
    return [int(word) for word in seen.split()]


def _limited(bdf: str) -> list[int]:
    """An ordinary user with 64 KiB of RLIMIT_MEMLOCK: all of it, one page more, all again."""
    work = Work(open_at(bdf))
    resource.setrlimit(resource.RLIMIT_MEMLOCK, (16 * PAGE, 16 * PAGE))
    os.setresuid(NOBODY, NOBODY, NOBODY)
    memory, page = shared(16 * PAGE), shared(PAGE)
    status, handle = pin(work, memory)
    seen = [status, charged_kib(), pin(work, page)[0]]
    work.accel.gem_close(handle)
    return [*seen, charged_kib(), pin(work, page)[0], charged_kib()]


def pin_limits(bdf: str) -> dict[str, Any]:
    """What cannot be pinned, and who pays."""
    work = Work(open_at(bdf))
    before = pinned_pages()
    hole = anonymous(8 * PAGE)
    start = address_of(hole)
    seen = {
        "limited": _in_child(lambda: _limited(bdf)),
        "unmapped": pin(work, hole, user_address=start + (1 << 40))[0],
        "beyond": pin(work, hole, bytes=(1 << 29))[0],
        "kernel": pin(work, hole, user_address=(1 << 64) - (1 << 20))[0],
        "wrapped": pin(work, hole, user_address=(1 << 64) - PAGE)[0],
        "unaligned": pin(work, hole, user_address=start + 8)[0],
        "odd": pin(work, hole, bytes=PAGE + 8)[0],
        "device": pin(work, work.buffer(PAGE, DEVICE).cpu)[0],
    }
    return seen | {"left": pinned_pages() - before, "charged": charged_kib()}


def pin_read_only(bdf: str) -> dict[str, Any]:
    """Pages that may only be read: refused without READ_ONLY, readable with it."""
    work = Work(open_at(bdf))
    target = work.buffer(4 * PAGE, HOST)
    fd = os.open("/tmp", os.O_RDWR | os.O_TMPFILE | os.O_CLOEXEC)
    os.pwrite(fd, b"read" * PAGE, 0)
    fixed = mmap.mmap(fd, 4 * PAGE, flags=mmap.MAP_PRIVATE)
    start = address_of(fixed)
    os.close(fd)
    if ctypes.CDLL(None).mprotect(ctypes.c_void_p(start), 4 * PAGE, mmap.PROT_READ):
        raise OSError("mprotect")
    writable = pin(work, fixed, user_address=start)[0]
    status, handle = pin(work, fixed, user_address=start, flags=READ_ONLY)
    place = {"context_id": work.context, "handle": handle}
    refused = work.accel.attempt("bo_map", **place)[0]
    va = work.accel.do("bo_map", **place, flags=READ_ONLY).va
    read = work.run(copy(va, target.va, 4 * PAGE))
    return {
        "statuses": [writable, status, refused],
        "read": read,
        "same": target.cpu[:] == b"read" * PAGE,
        "written": work.run(copy(target.va, va, 8)),
    }


def pin_in_flight(bdf: str) -> dict[str, Any]:
    """Pages of which only a command's mapping is left, and then not even that."""
    work = Work(open_at(bdf))
    before = pinned_pages()
    word, target = work.buffer(PAGE, HOST), work.buffer(64 * PAGE, HOST)
    memory = anonymous(64 * PAGE)
    memory[:] = b"kept" * (16 * PAGE)
    _, handle = pin(work, memory)
    va = work.accel.do("bo_map", context_id=work.context, handle=handle).va
    first = work.submit(fence_wait(word.va, 1) + copy(va, target.va, 64 * PAGE))
    work.accel.gem_close(handle)
    memory.close()
    mapped = pinned_pages() - before
    word.cpu[0:8] = struct.pack("<Q", 1)
    statuses = [work.wait(first)[1].failed_status]
    second = work.submit(fence_wait(word.va, 2))
    work.accel.do("bo_unmap", context_id=work.context, va=va)
    unmapped = pinned_pages() - before
    word.cpu[0:8] = struct.pack("<Q", 2)
    statuses.append(work.wait(second)[1].failed_status)
    return {
        "same": target.cpu[:] == b"kept" * (16 * PAGE),
        "statuses": statuses,
        "pinned": [mapped, unmapped, _left(before)],
    }


def _left(before: int) -> int:
    """Pinned pages more than before, once what runs behind has ended."""
    for _ in range(100):
        if pinned_pages() == before:
            break
        time.sleep(0.05)
    return pinned_pages() - before


def pin_killed(bdf: str) -> dict[str, Any]:
    """A process is killed with pinned pages and a command that uses them."""
    before = pinned_pages()
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        work = Work(open_at(bdf))
        word, memory = work.buffer(PAGE, HOST), anonymous(1 << 20)
        _, handle = pin(work, memory)
        va = work.accel.do("bo_map", context_id=work.context, handle=handle).va
        work.submit(fence_wait(word.va, 1) + copy(va, va + PAGE, PAGE))
        os.write(tell, b"x")
        time.sleep(600)
    os.read(ready, 1)
    pinned = pinned_pages() - before
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return {"pinned": pinned, "left": _left(before), "again": Work(open_at(bdf)).run(nop())}


def pin_removed(bdf: str) -> dict[str, Any]:
    """The driver is unbound while pages are pinned and the file stays open."""
    work = Work(open_at(bdf))
    before = pinned_pages()
    made = [pin(work, make(1 << 21))[0] for make in OWN_PAGES.values()]
    with unbound(bdf):
        seen = {"late": pin(work, shared(PAGE))[0], "left": _left(before)}
        seen["charged"] = charged_kib()
        work.accel.close()
    return {"made": made, **seen, "after": _left(before)}


CHECKS = (pin_limits, pin_read_only, pin_in_flight, pin_killed, pin_removed)

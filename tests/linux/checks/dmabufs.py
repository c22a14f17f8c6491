# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: dma-bufs."""

from __future__ import annotations

import mmap
import os
import signal
from pathlib import Path
from typing import Any

from tests.linux.checks.common import open_at, unbound
from tests.linux.memory_kinds import (
    attempt_import,
    export,
    mapped_import,
    pin,
    shared,
    udmabuf,
)
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy
from tests.linux.uapi import Accel


def dmabufs(bdf: str, other: str) -> dict[str, Any]:
    """Host memory of one endpoint in another, which outlives the first; both seen by the CPU."""
    owner, user = Work(open_at(bdf)), Work(open_at(other))
    size = 8 * PAGE
    host, device = owner.buffer(size, HOST), owner.buffer(size, DEVICE)
    fds = [export(owner.accel, buffer.handle) for buffer in (host, device)]
    host.cpu[:], device.cpu[:] = b"h" * size, b"d" * size
    parts = [mmap.mmap(fd, 2 * PAGE, offset=3 * PAGE) for fd in fds]
    host.cpu[3 * PAGE : 3 * PAGE + 4], device.cpu[4 * PAGE : 4 * PAGE + 4] = b"HOST", b"DEVI"
    seen = [bytes(parts[0][:4]), bytes(parts[1][PAGE : PAGE + 4])]
    same = attempt_import(owner.accel, fds[0])[1] == host.handle
    va = mapped_import(user, fds[0])
    target = user.buffer(size, HOST)
    first = user.run(copy(va, target.va, size))
    equal = target.cpu[:] == host.cpu[:]
    with unbound(bdf):
        after = user.run(copy(target.va, va + PAGE, PAGE))
        signals = [_signal_of(part) for part in parts]
        owner.accel.close()
    target.cpu[:] = bytes(size)
    last = user.run(copy(va, target.va, size))
    return {
        "seen": [text.decode() for text in seen],
        "same": same,
        "statuses": [first, after, last],
        "equal": equal,
        "kept": target.cpu[:4].decode() + target.cpu[PAGE : PAGE + 4].decode(),
        "signals": signals,
    }


def _signal_of(memory: mmap.mmap) -> int:
    """The signal that reading it ends a child with, 0 for none."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        os._exit(memory[0] and 0)
    _, ended = os.waitpid(child, 0)
    return os.WTERMSIG(ended)


def foreign(bdf: str) -> dict[str, Any]:
    """Another driver (vgem) imports host memory and is refused device memory."""
    work = Work(open_at(bdf))
    user_memory = shared(PAGE)
    pinned = pin(work, user_memory)[1]
    node = next(Path("/sys/devices").glob("**/vgem/drm/card*"))
    vgem = Accel(work.accel.interface, Path("/dev/dri") / node.name)
    fds = [export(work.accel, work.buffer(PAGE, kind).handle) for kind in (HOST, DEVICE)]
    seen = [attempt_import(vgem, fd)[0] for fd in fds]
    try:
        export(work.accel, pinned)
    except OSError as error:
        seen.append(error.errno or -1)
    return {"imports": seen}


def udmabuf_removed(bdf: str) -> dict[str, Any]:
    """The driver is unbound while a foreign dma-buf is imported; the buffer's owner keeps it."""
    work = Work(open_at(bdf))
    fd, memory = udmabuf(4 * PAGE)
    va = mapped_import(work, fd)
    source = work.buffer(PAGE, HOST)
    source.cpu[:4] = b"here"
    status = work.run(copy(source.va, va, PAGE))
    with unbound(bdf):
        late = attempt_import(work.accel, fd)[0]
        work.accel.close()
    return {"status": status, "late": late, "kept": memory[:4].decode()}


CHECKS = (dmabufs, foreign, udmabuf_removed)

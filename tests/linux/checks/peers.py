# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: peer-to-peer."""

from __future__ import annotations

import errno
import mmap
import os
import random
import re
import time
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SEED, TRACING, open_at, unbound
from tests.linux.memory_kinds import attempt_import, export, mapped_import
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, nop


def peers(*bdfs: str) -> dict[str, Any]:
    """Every endpoint reads and writes the memory of every other; what sysfs says of them."""
    rng = random.Random(SEED)
    works = {bdf: Work(open_at(bdf)) for bdf in bdfs}
    size = 1 << 20
    memory = {bdf: work.buffer(size, DEVICE) for bdf, work in works.items()}
    fds = {bdf: export(works[bdf].accel, memory[bdf].handle) for bdf in bdfs}
    statuses, wrong = set(), []
    for user in bdfs:
        for owner in bdfs:
            if owner == user:
                continue
            va = mapped_import(works[user], fds[owner])
            text = rng.randbytes(size)
            memory[owner].cpu[:], memory[user].cpu[:] = text, bytes(size)
            length = rng.randrange(1, size // 2)
            src, dst = rng.randrange(size - length), rng.randrange(size - length)
            # Pull, then push what was pulled to another place.
            statuses.add(works[user].run(copy(va + src, memory[user].va + dst, length)))
            statuses.add(works[user].run(copy(memory[user].va + dst, va + dst, length)))
            part = text[src : src + length]
            if memory[user].cpu[dst : dst + length] != part:
                wrong.append(f"{user} from {owner}")
            if memory[owner].cpu[:] != text[:dst] + part + text[dst + length :]:
                wrong.append(f"{user} to {owner}")
    moved = works[bdfs[0]].accel.do("telemetry").bytes_peer
    return {"statuses": sorted(statuses), "wrong": wrong, "moved": moved, "sysfs": reach(*bdfs)}


def reach(*bdfs: str) -> dict[str, list[str]]:
    """The lines of axl/peers, by endpoint."""
    return {
        bdf: Path(f"/sys/bus/pci/devices/{bdf}/axl/peers").read_text().splitlines() for bdf in bdfs
    }


def directions(bdf: str, other: str) -> list[str]:
    """What the driver calls a copy between two kinds of memory."""
    owner, work = Work(open_at(other)), Work(open_at(bdf))
    host, device = (work.buffer(PAGE, kind).va for kind in (HOST, DEVICE))
    peer = mapped_import(work, export(owner.accel, owner.buffer(PAGE, DEVICE).handle))
    pairs = [(host, device), (device, host), (device, device), (peer, host), (device, peer)]
    event = TRACING / "events/axl/axl_submit/enable"
    (TRACING / "trace").write_text("")
    event.write_text("1")
    work.run(b"".join(copy(src, dst, 64) for src, dst in pairs))
    event.write_text("0")
    return re.findall(r" direction=(\w+)", (TRACING / "trace").read_text())


def peer_refused(bdf: str, other: str) -> dict[str, Any]:
    """Device memory that cannot be reached: refused; through host memory it can be had."""
    owner, user = Work(open_at(bdf)), Work(open_at(other))
    device, host = owner.buffer(PAGE, DEVICE), owner.buffer(PAGE, HOST)
    device.cpu[:4] = b"peer"
    refused = attempt_import(user.accel, export(owner.accel, device.handle))[0]
    va = mapped_import(user, export(owner.accel, host.handle))
    mine = user.buffer(PAGE, DEVICE)
    statuses = [owner.run(copy(device.va, host.va, PAGE)), user.run(copy(va, mine.va, PAGE))]
    return {"refused": refused, "statuses": statuses, "staged": mine.cpu[:4].decode()}


def peer_lost(bdf: str, other: str, how: str) -> dict[str, Any]:
    """The owner of mapped memory is reset or removed: commands of the user fault, no more."""
    owner, user = Work(open_at(bdf)), Work(open_at(other))
    theirs = owner.buffer(PAGE, DEVICE)
    fd = export(owner.accel, theirs.handle)
    place = {"context_id": user.context, "handle": attempt_import(user.accel, fd)[1]}
    vas = [user.accel.do("bo_map", **place).va for _ in range(2)]
    mine = user.buffer(PAGE, HOST)
    seen = {"before": [user.run(copy(mine.va, va, 8)) for va in vas]}
    if how == "unbind":
        with unbound(bdf):
            seen |= _after_loss(user, place, vas, mine.va)
            owner.accel.close()
    else:
        owner.accel.do("reset", kind=int(how))
        seen |= _after_loss(user, place, vas, mine.va)
    fresh = Work(open_at(bdf))
    memory = fresh.buffer(PAGE, DEVICE)
    va = mapped_import(user, export(fresh.accel, memory.handle))
    seen["again"] = [user.run(copy(mine.va, va, 8))]
    return seen


def _after_loss(user: Work, place: dict[str, int], vas: list[int], own: int) -> dict[str, Any]:
    """What becomes of mappings at `vas`, and of what else the context does."""
    state = {"context_id": user.context, "flags": 1}
    copies = (copy(vas[0], own, 8), copy(own, vas[1], 8))
    faults = [
        (user.run(slots), user.accel.do("context_state", **state).faulted) for slots in copies
    ]
    return {
        "faults": faults,
        "remap": user.accel.attempt("bo_map", **place)[0],
        "unmaps": [user.accel.attempt("bo_unmap", context_id=user.context, va=va)[0] for va in vas],
        "own": user.run(copy(own, own + 8, 8)),
    }


def peer_storm(bdf: str, other: str, resets: str) -> dict[str, Any]:
    """Two endpoints map each other's memory again and again while both are reset."""
    progress = mmap.mmap(-1, PAGE)
    children = []
    for number, pair in enumerate(((bdf, other), (other, bdf))):
        child = os.fork()
        if child == 0:
            os._exit(_map_until_told(progress, number, *pair))
        children.append(child)
    for number in range(int(resets)):
        # Not before each has mapped something since the last reset.
        seen = progress[:2]
        while progress[0] == seen[0] or progress[1] == seen[1]:
            time.sleep(0.01)
        accel = open_at((bdf, other)[number % 2])
        accel.do("reset", kind=1)
        accel.close()
    progress[2] = 1
    ended = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
    return {"ended": ended, "again": [Work(open_at(target)).run(nop()) for target in (bdf, other)]}


def _map_until_told(progress: mmap.mmap, number: int, owner_bdf: str, user_bdf: str) -> int:
    """Export, import, map and copy until told to stop; the first unexpected errno, or 0."""
    known = {errno.ESTALE, errno.EAGAIN, errno.EXDEV, errno.ECANCELED}
    while not progress[2]:
        owner, user = open_at(owner_bdf), open_at(user_bdf)
        try:
            target, work = Work(owner), Work(user)
            fd = export(owner, target.buffer(PAGE, DEVICE).handle)
            va = mapped_import(work, fd)
            os.close(fd)
            work.run(copy(work.buffer(PAGE, HOST).va, va, PAGE))
            progress[number] = (progress[number] + 1) % 256
        except OSError as error:
            if error.errno not in known:
                return error.errno or 1
        finally:
            user.close()
            owner.close()
    return 0


CHECKS = (peers, reach, directions, peer_refused, peer_lost, peer_storm)

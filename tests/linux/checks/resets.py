# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Resets, errors and removal with work in flight."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, held, inject_aer, open_at
from tests.linux.session import DEVICE, PAGE, Work, nop


def reset(bdf: str, how: str) -> dict[str, Any]:
    """A reset with work in flight: by ioctl ("1": function, "2": bus) or by a sysfs method."""
    work, sequence = held(bdf)
    memory = work.buffer(PAGE, DEVICE)
    before = work.accel.do("get_info").generation
    folder = Path(f"/sys/bus/pci/devices/{bdf}")
    if how.isdigit():
        work.accel.do("reset", kind=int(how))
    else:
        (folder / "reset_method").write_text(how)
        (folder / "reset").write_text("1")
    lost = work.wait(sequence)[0]
    stale = [
        work.attempt(nop())[0],
        work.accel.attempt("bo_map", context_id=work.context, handle=memory.handle)[0],
        work.accel.attempt("queue_create", context_id=work.context)[0],
    ]
    info = work.accel.do("get_info")
    return {
        "lost": lost,
        "stale": stale,
        "generations": info.generation - before,
        "address_state": info.address_state,
        "state": (folder / "axl/state").read_text().strip(),
        "again": Work(open_at(bdf)).run(nop()),
    }


def unbind(bdf: str) -> dict[str, Any]:
    """The driver is taken away from under an open file with work in flight."""
    work, sequence = held(bdf)
    memory = work.buffer(PAGE, DEVICE)
    memory.cpu[0] = 1
    driver = Path("/sys/bus/pci/drivers/axl")
    (driver / "unbind").write_text(bdf)
    child = os.fork()
    if child == 0:
        # Not a core dump, not Python's handler: just the signal.
        signal.signal(signal.SIGBUS, signal.SIG_DFL)
        os._exit(memory.cpu[0])
    _, ended = os.waitpid(child, 0)
    answers = [
        work.wait(sequence)[0],
        work.attempt(nop())[0],
        work.accel.attempt("get_info")[0],
    ]
    work.accel.close()
    (driver / "bind").write_text(bdf)
    return {
        "signal": os.WTERMSIG(ended),
        "answers": answers,
        "again": Work(open_at(bdf)).run(nop()),
    }


def killed(bdf: str) -> dict[str, Any]:
    """A process dies with work in flight; its neighbour never notices."""
    neighbour = Work(open_at(bdf))
    free = neighbour.accel.do("get_info").memory_free_bytes
    ready, tell = os.pipe()
    child = os.fork()
    if child == 0:
        work, _ = held(bdf)
        work.buffer(1 << 20, DEVICE)
        os.write(tell, b"x")
        time.sleep(600)
    os.read(ready, 1)
    os.kill(child, signal.SIGKILL)
    statuses = [neighbour.run(nop()) for _ in range(20)]
    os.waitpid(child, 0)
    left = neighbour.accel.do("get_info").memory_free_bytes
    return {"statuses": sorted(set(statuses)), "lost_bytes": free - left}


def gone(bdf: str) -> dict[str, Any]:
    """An endpoint that reads all-ones: noticed, and everything answered."""
    work, sequence = held(bdf)
    (SHARE / "held").touch()
    status = work.wait(sequence, timeout_s=60)[0]
    state = Path(f"/sys/bus/pci/devices/{bdf}/axl/state").read_text().strip()
    return {"status": status, "state": state, "submit": work.attempt(nop())[0]}


def unplugged(bdf: str) -> dict[str, Any]:
    """An endpoint that is taken out of its slot: its work ends, its file answers."""
    work, sequence = held(bdf)
    (SHARE / "held").touch()
    lost = work.wait(sequence, timeout_s=90)[0]
    answers = [work.attempt(nop())[0], work.accel.attempt("get_info")[0]]
    work.accel.close()
    return {"lost": lost, "answers": answers}


def aer(bdf: str, kind: str) -> dict[str, Any]:
    """An error injected into the AER registers, with work in flight."""
    bits = {"correctable": (0, 0x1), "nonfatal": (0x4000, 0), "fatal": (0x40000, 0)}[kind]
    work, sequence = held(bdf)
    inject_aer(bdf, *bits)
    folder = Path(f"/sys/bus/pci/devices/{bdf}/axl")
    time.sleep(3)
    lost = work.wait(sequence, timeout_s=0.5)[0]
    return {
        "lost": lost,
        "state": (folder / "state").read_text().strip(),
        "address_state": (folder / "address_state").read_text().strip(),
        "again": Work(open_at(bdf)).run(nop()),
    }


CHECKS = (reset, unbind, killed, gone, unplugged, aer)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Runtime power management: endpoints that sleep by themselves while nobody uses them."""

from __future__ import annotations

import mmap
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from tests.linux.checks.common import (
    SEED,
    SHARE,
    attribute,
    holding,
    inject_aer,
    open_at,
    unbound,
    until,
)
from tests.linux.checks.debugfs import read
from tests.linux.checks.hwmon import hwmon
from tests.linux.checks.power import sleep_system
from tests.linux.checks.reset_failures import fresh_work
from tests.linux.memory_kinds import export, mapped_import
from tests.linux.session import DEVICE, HOST, PAGE, Buffer, Work, copy, nop

DELAY_MS = 100
WATCH_S = 1.5
"""Many times the delay: who is still awake then is so for a reason."""


def folder(bdf: str) -> Path:
    """The endpoint in sysfs."""
    return Path(f"/sys/bus/pci/devices/{bdf}")


@contextmanager
def allowed(bdf: str, delay_ms: int = DELAY_MS) -> Iterator[None]:
    """The endpoint may sleep, until the block ends."""
    power = folder(bdf) / "power"
    before = (power / "autosuspend_delay_ms").read_text()
    (power / "autosuspend_delay_ms").write_text(str(delay_ms))
    (power / "control").write_text("auto")
    try:
        yield
    finally:
        (power / "control").write_text("on")
        (power / "autosuspend_delay_ms").write_text(before)


def is_asleep(bdf: str) -> bool:
    """Whether it sleeps, as the PM core and the PCI core see it."""
    states = [folder(bdf) / "power/runtime_status", folder(bdf) / "power_state"]
    return [path.read_text().strip() for path in states] == ["suspended", "D3hot"]


def falls_asleep(bdf: str) -> bool:
    """Whether it does, in time."""
    return until(lambda: is_asleep(bdf))


def stays_awake(bdf: str) -> bool:
    """Whether it is never asleep for as long as somebody watches."""
    end = time.monotonic() + WATCH_S
    awake = True
    while awake and time.monotonic() < end:
        awake = (folder(bdf) / "power/runtime_status").read_text().strip() == "active"
        time.sleep(0.02)
    return awake


def unmapped(buffer: Buffer) -> Buffer:
    """A buffer that the CPU does not see any more."""
    buffer.cpu.close()
    return buffer


def slept_idle(bdf: str, times: str) -> dict[str, Any]:
    """Asleep again and again; every submission wakes it and finds the memory as it was."""
    work = Work(open_at(bdf))
    source, target = work.buffer(PAGE, HOST), work.buffer(PAGE, HOST)
    memory = unmapped(work.buffer(PAGE, DEVICE))
    generation = attribute(bdf, "generation")
    text = random.Random(SEED).randbytes(PAGE)
    source.cpu[:] = text
    work.run(copy(source.va, memory.va, PAGE))
    rounds = []
    with allowed(bdf):
        for _ in range(int(times)):
            asleep = falls_asleep(bdf)
            target.cpu[:] = bytes(PAGE)
            status = work.run(copy(memory.va, target.va, PAGE))
            rounds.append([asleep, status, target.cpu[:] == text])
        fresh = fresh_work(bdf)
    same = attribute(bdf, "generation") == generation
    return {"rounds": rounds, "same_generation": same, "fresh": fresh}


def looked_at_asleep(bdf: str) -> dict[str, Any]:
    """Who only looks does not wake it; who asks does."""
    work = Work(open_at(bdf))
    with allowed(bdf):
        falls_asleep(bdf)
        seen: dict[str, Any] = {
            "hwmon": hwmon(bdf)[0],
            "registers": read(bdf, "registers"),
            "state": read(bdf, "state"),
            "queues": read(bdf, "queues"),
            "attribute": attribute(bdf, "state"),
            # Longer than a period of the health check.
            "still": [is_asleep(bdf), time.sleep(WATCH_S), is_asleep(bdf)],
        }
        seen["telemetry"] = work.accel.do("telemetry").temperature_millicelsius > 0
        seen["again"] = falls_asleep(bdf)
        work.accel.close()
        seen["closed"] = falls_asleep(bdf)
    seen["awake"] = hwmon(bdf)[0]
    return seen


def kept_awake(bdf: str, other: str) -> dict[str, list[bool]]:
    """What lasts longer than a system call: awake meanwhile, asleep after it."""
    work, user = Work(open_at(bdf)), Work(open_at(other))
    seen: dict[str, list[bool]] = {}

    def hold(name: str, done: Callable[[], object]) -> None:
        awake = stays_awake(bdf)
        done()
        seen[name] = [awake, falls_asleep(bdf)]

    with allowed(bdf):
        sequence, release = holding(work)
        hold("command", lambda: (release(), work.wait(sequence)))
        memory = work.buffer(PAGE, DEVICE)
        memory.cpu[:4] = b"kept"
        hold("mapping", memory.cpu.close)
        fd = export(work.accel, memory.handle)
        seen["exported"] = [falls_asleep(bdf)]
        shared = mmap.mmap(fd, PAGE)
        right = shared[:4] == b"kept"
        hold("mapping of a dma-buf", shared.close)
        seen["content"] = [right]
        mapped_import(user, fd)
        hold("buffer of a peer", user.accel.close)
    return seen


def peer_reset_asleep(owner_bdf: str, user_bdf: str) -> dict[str, Any]:
    """Memory of a peer is taken away from one that sleeps: it finds out when it wakes."""
    owner, user = Work(open_at(owner_bdf)), Work(open_at(user_bdf))
    fd = export(owner.accel, unmapped(owner.buffer(PAGE, DEVICE)).handle)
    va = mapped_import(user, fd)
    mine = user.buffer(PAGE, HOST)
    before = user.run(copy(mine.va, va, 8))
    with ExitStack() as stack:
        for bdf in (owner_bdf, user_bdf):
            stack.enter_context(allowed(bdf))
        asleep = falls_asleep(user_bdf)
        owner.accel.do("reset", kind=1)
        still = is_asleep(user_bdf)
        fault = user.run(copy(mine.va, va, 8))
        state = {"context_id": user.context, "flags": 1}
        faulted = user.accel.do("context_state", **state).faulted
        own = user.run(copy(mine.va, mine.va + 8, 8))
    return {"before": before, "asleep": [asleep, still], "after": [fault, faulted, own]}


def reset_asleep(bdf: str) -> dict[str, Any]:
    """Somebody resets the function, or an error does, while it sleeps."""
    ends: dict[str, Callable[[], object]] = {
        "flr": lambda: (folder(bdf) / "reset").write_text("1"),
        "fatal": lambda: inject_aer(bdf, 0x40000),
    }
    (folder(bdf) / "reset_method").write_text("flr")
    seen: dict[str, Any] = {}
    with allowed(bdf):
        for name, end in ends.items():
            work = Work(open_at(bdf))
            sequence = work.submit(nop())
            work.wait(sequence)
            generation = int(attribute(bdf, "generation"))
            asleep = falls_asleep(bdf)
            end()
            once = until(lambda to=generation + 1: int(attribute(bdf, "generation")) == to)
            stale = work.attempt(nop())[0]
            seen[name] = [asleep, once, stale, fresh_work(bdf), falls_asleep(bdf)]
            seen[name].append(int(attribute(bdf, "generation")) == generation + 1)
    return seen


def forgot_in_d3(bdf: str) -> dict[str, Any]:
    """The endpoint has forgotten everything when it is woken."""
    work = Work(open_at(bdf))
    sequence = work.submit(nop())
    work.wait(sequence)
    generation = int(attribute(bdf, "generation"))
    with allowed(bdf):
        asleep = falls_asleep(bdf)
        (SHARE / "held").touch()
        until((SHARE / "acted").exists)
        lost = work.attempt(nop())[0]
        fresh = fresh_work(bdf)
        more = int(attribute(bdf, "generation")) > generation
        again = falls_asleep(bdf)
    return {"asleep": [asleep, again], "lost": lost, "more": more, "fresh": fresh}


def sleep_in_sleep(bdf: str) -> list[Any]:
    """The system sleeps while the endpoint does, and its driver goes and comes back."""
    work = Work(open_at(bdf))
    with allowed(bdf):
        seen: list[Any] = [falls_asleep(bdf)]
        sleep_system()
        seen += [work.run(nop()), falls_asleep(bdf)]
        with unbound(bdf):
            gone = work.attempt(nop())[0]
        seen += [gone, falls_asleep(bdf), fresh_work(bdf)]
    return seen


def slept_in_a_hurry(bdf: str, times: str) -> list[list[int]]:
    """It sleeps as soon as it can, while several threads want something of it."""
    statuses: list[list[int]] = []

    def use() -> None:
        work = Work(open_at(bdf))
        for _ in range(int(times)):
            buffer = work.buffer(PAGE, DEVICE)
            target = work.buffer(PAGE, HOST)
            buffer.cpu[:8] = b"in haste"
            status = work.run(copy(buffer.va, target.va, PAGE))
            statuses.append([status, int(target.cpu[:8] != b"in haste")])
            unmapped(buffer)
            work.accel.do("bo_unmap", context_id=work.context, va=buffer.va)

    with allowed(bdf, delay_ms=0):
        threads = [threading.Thread(target=use) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    return statuses


CHECKS = (
    slept_idle,
    looked_at_asleep,
    kept_awake,
    peer_reset_asleep,
    reset_asleep,
    forgot_in_d3,
    sleep_in_sleep,
    slept_in_a_hurry,
)

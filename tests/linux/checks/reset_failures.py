# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Resets that fail, or that nobody told the driver of, with work in flight."""

from __future__ import annotations

import time
from pathlib import Path
from threading import Thread
from typing import Any

from tests.linux.checks.common import SHARE, attribute, held, inject_aer, open_at, until
from tests.linux.session import Work, nop

_OVERLAPS = 5


def interrupts(bdf: str) -> int:
    """How often any vector of the endpoint has fired."""
    rows = [line.split() for line in Path("/proc/interrupts").read_text().splitlines()]
    return sum(int(word) for row in rows if row[-1:] == [bdf] for word in row[1:] if word.isdigit())


def settings(bdf: str) -> list[str]:
    """What software wrote into configuration space: command, BARs, MSI-X, device control."""
    space = Path(f"/sys/bus/pci/devices/{bdf}/config").read_bytes()
    return [space[at:end].hex() for at, end in ((4, 6), (0x10, 0x28), (0x52, 0x54), (0x78, 0x7A))]


def fresh_work(bdf: str) -> dict[str, Any]:
    """Whether the endpoint can be used as after probing, interrupts included."""
    online = until(lambda: attribute(bdf, "state") == "online")
    before = interrupts(bdf)
    statuses = {Work(open_at(bdf)).run(nop()) for _ in range(3)}
    return {
        "online": online,
        "address": attribute(bdf, "address_state"),
        "statuses": sorted(statuses),
        "interrupts": until(lambda: interrupts(bdf) > before),
    }


def reset_behind(bdf: str, how: str) -> dict[str, Any]:
    """The endpoint forgets everything; the driver notices, or somebody resets it by sysfs."""
    work, sequence = held(bdf)
    generation, before = int(attribute(bdf, "generation")), settings(bdf)
    (SHARE / "held").touch()
    until((SHARE / "acted").exists)
    if how != "driver":
        folder = Path(f"/sys/bus/pci/devices/{bdf}")
        (folder / "reset_method").write_text(how)
        (folder / "reset").write_text("1")
    lost = work.wait(sequence, timeout_s=60)[0]
    fresh = fresh_work(bdf)
    more = int(attribute(bdf, "generation")) > generation
    return {"lost": lost, "more": more, "same": settings(bdf) == before, "fresh": fresh}


def reset_then_error(bdf: str) -> dict[str, Any]:
    """A reset of the driver's own, and then a fatal error whose reset the kernel does."""
    generation, before = int(attribute(bdf, "generation")), settings(bdf)
    open_at(bdf).do("reset", kind=1)
    inject_aer(bdf, 0x40000)
    until(lambda: int(attribute(bdf, "generation")) == generation + 2)
    return {"before": before, "after": settings(bdf), **fresh_work(bdf)}


def stuck(bdf: str) -> dict[str, Any]:
    """Somebody asks for a reset of the function, after which the firmware may not come up."""
    work, sequence = held(bdf)
    status = work.accel.attempt("reset", kind=1)[0]
    return {
        "reset": status,
        "lost": work.wait(sequence, timeout_s=10)[0],
        "submit": work.attempt(nop())[0],
        "context": work.accel.attempt("context_create")[0],
        "state": attribute(bdf, "state"),
    }


def wedged(bdf: str) -> dict[str, Any]:
    """No reset helps, until somebody insists when one would."""
    seen = stuck(bdf)
    (SHARE / "held").touch()
    until((SHARE / "acted").exists)
    open_at(bdf).do("reset", kind=2)
    return {**seen, "fresh": fresh_work(bdf)}


def has_settled(bdf: str) -> bool:
    """Whether the endpoint is online, and for a while."""
    quiet_s, seen = 3.0, attribute(bdf, "generation")
    since = time.monotonic()
    while time.monotonic() - since < quiet_s:
        now = attribute(bdf, "generation")
        if now != seen or attribute(bdf, "state") != "online":
            return False
        time.sleep(0.1)
    return True


def overlapping(bdf: str) -> dict[str, Any]:
    """The driver, the kernel and AER reset the same link at the same time, again and again."""
    work, sequence = held(bdf)
    folder = Path(f"/sys/bus/pci/devices/{bdf}")
    (folder / "reset_method").write_text("bus")
    generation = int(attribute(bdf, "generation"))
    asked: list[int] = []

    def ask() -> None:
        accel = open_at(bdf)
        asked.extend(accel.attempt("reset", kind=2)[0] for _ in range(_OVERLAPS))

    def insist() -> None:
        for _ in range(_OVERLAPS):
            (folder / "reset").write_text("1")

    others = [Thread(target=ask), Thread(target=insist)]
    for other in others:
        other.start()
    inject_aer(bdf, 0x40000)
    for other in others:
        other.join()
    return {
        "asked": sorted(set(asked)),
        "lost": work.wait(sequence, timeout_s=10)[0],
        "settled": until(lambda: has_settled(bdf)),
        "generations": int(attribute(bdf, "generation")) - generation,
        **fresh_work(bdf),
    }


CHECKS = (reset_behind, reset_then_error, stuck, wedged, overlapping)

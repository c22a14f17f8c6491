# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the checks share: endpoints by their BDF, work in flight, injected errors."""

from __future__ import annotations

import os
import select
import struct
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from tests.linux.session import HOST, PAGE, Work, fence_wait
from tests.linux.uapi import Accel, Interface

SHARE = Path("/run/axl-lab/share")
NODES = Path("/dev/accel")
TRACING = Path("/sys/kernel/tracing")
SEED = 20240501
_POLL_S = 0.05
_PATIENCE_S = 90.0
"""The machine may be busy with other things."""


@cache
def interface() -> Interface:
    """The types, from the text that the host left in the shared folder."""
    return Interface((SHARE / "axl_accel.cdef").read_text())


def node_of(bdf: str) -> Path:
    """The device file of the endpoint at `bdf`."""
    return NODES / next(Path(f"/sys/bus/pci/devices/{bdf}/accel").iterdir()).name


def open_at(bdf: str) -> Accel:
    """The endpoint at `bdf`, opened."""
    return Accel(interface(), node_of(bdf))


@contextmanager
def unbound(bdf: str) -> Iterator[None]:
    """The endpoint at `bdf` without its driver, until the block ends."""
    driver = Path("/sys/bus/pci/drivers/axl")
    (driver / "unbind").write_text(bdf)
    try:
        yield
    finally:
        (driver / "bind").write_text(bdf)


def held(bdf: str) -> tuple[Work, int]:
    """A queue whose only command never ends by itself."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    return work, work.submit(fence_wait(word.va, 1))


def holding(work: Work) -> tuple[int, Callable[[], None]]:
    """A command in a queue that waits, and what lets it go on."""
    word = work.buffer(PAGE, HOST)

    def release() -> None:
        word.cpu[0:8] = struct.pack("<Q", 1)

    return work.submit(fence_wait(word.va, 1)), release


def queue_stats(work: Work) -> dict[str, int]:
    """QUEUE_STATS by name."""
    made = work.accel.do("queue_stats", queue_id=work.queue)
    fields = work.accel.interface.ffi.typeof(made).item.fields
    return {name: getattr(made, name) for name, _ in fields if name != "queue_id"}


def is_told(event: int, timeout_s: float = 20.0) -> bool:
    """Whether an eventfd becomes readable; then it is quiet again."""
    ready = select.select([event], [], [], timeout_s)[0]
    if ready:
        os.eventfd_read(event)
    return bool(ready)


def until(condition: Callable[[], bool]) -> bool:
    """Wait for a condition; whether it came true in time."""
    deadline = time.monotonic() + _PATIENCE_S
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(_POLL_S)
    return True


def attribute(bdf: str, name: str) -> str:
    """One of the endpoint's own sysfs attributes."""
    return Path(f"/sys/bus/pci/devices/{bdf}/axl", name).read_text().strip()


def inject_aer(bdf: str, uncorrectable: int, correctable: int = 0) -> None:
    """Report an error of the endpoint through the kernel's aer_inject (struct aer_error_inj)."""
    domain, bus, rest = bdf.split(":")
    device, function = rest.split(".")
    where = (int(bus, 16), int(device, 16), int(function))
    words = (uncorrectable, correctable, 0, 1, 2, 3, int(domain, 16))
    subprocess.run(["modprobe", "aer_inject"], check=True)
    # Not created when the module is missing: the error says so then.
    with Path("/dev/aer_inject").open("r+b", buffering=0) as injector:
        injector.write(struct.pack("<BBBx7I", *where, *words))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the checks share: endpoints by their BDF, and work that is in flight."""

from __future__ import annotations

from pathlib import Path

from tests.linux.session import HOST, PAGE, Work, fence_wait
from tests.linux.uapi import Accel, Interface

SHARE = Path("/run/axl-lab/share")
NODES = Path("/dev/accel")
TRACING = Path("/sys/kernel/tracing")
SEED = 20240501


def interface() -> Interface:
    """The types, from the text that the host left in the shared folder."""
    return Interface((SHARE / "axl_accel.cdef").read_text())


def node_of(bdf: str) -> Path:
    """The device file of the endpoint at `bdf`."""
    return NODES / next(Path(f"/sys/bus/pci/devices/{bdf}/accel").iterdir()).name


def open_at(bdf: str) -> Accel:
    """The endpoint at `bdf`, opened."""
    return Accel(interface(), node_of(bdf))


def held(bdf: str) -> tuple[Work, int]:
    """A queue whose only command never ends by itself."""
    work = Work(open_at(bdf))
    word = work.buffer(PAGE, HOST)
    return work, work.submit(fence_wait(word.va, 1))

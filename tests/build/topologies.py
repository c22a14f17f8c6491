# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Pictures of PCI trees for tests, without any rack."""

from __future__ import annotations

import dataclasses
from typing import Any

from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from diag.model.rack.topology_file import render_topology
from diag.topo.model import Address, Endpoint, Link, Port, Rack

STALE = Address("stale", None, 0)


def link(speed: int | None = 4, width: int | None = 16) -> Link:
    """A link that could do 16 GT/s x16."""
    return Link(speed, width, 4, 16)


def port(**changes: Any) -> Port:
    """A root port with bus 1 below it."""
    base = Port("0000:00:01.0", "root", None, 1, 1, 1, link(), 0x40_0000_0000, 0x40_100F_FFFF)
    return dataclasses.replace(base, **changes)


def endpoint(**changes: Any) -> Endpoint:
    """A healthy endpoint below that port."""
    base = Endpoint(
        n=0,
        bdf="0000:01:00.0",
        parent="0000:00:01.0",
        path=("0000:00:01.0",),
        slot=1,
        card=0,
        serial=0x00A0_C000_0000_0001,
        index=0,
        count=1,
        link=link(),
        bars=(),
        irq="msix",
        memory_bytes=256 << 20,
        health="online",
        generation=0,
        address=Address("committed", None, 1),
    )
    return dataclasses.replace(base, **changes)


def rack(*endpoints: Endpoint, ports: tuple[Port, ...] = (), **changes: Any) -> Rack:
    """A rack of one root port unless told otherwise."""
    chosen = endpoints or (endpoint(),)
    base = Rack("test", "test", 1, live=True, live_reason=None, ports=(), endpoints=chosen)
    return dataclasses.replace(base, ports=ports or (port(),), **changes)


def topology_text(name: str) -> str:
    """The topology file of a shipped rack."""
    return render_topology(enumerate_rack(load_rack(name)))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Where everything in a rack sits: ports and endpoints with bus numbers and addresses.

This is what firmware leaves behind after enumeration, and what the `topology` file says.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, Literal

from diag.model.rack.words import Irq, LinkSpec

PortKind = Literal["root", "upstream", "downstream"]

_BDF: Final = re.compile(r"([0-9a-f]{4}):([0-9a-f]{2}):([0-1][0-9a-f])\.([0-7])")


@dataclass(frozen=True, slots=True)
class PlacedPort:
    """A root port or a switch port.

    `link` is the link below a root or downstream port and the link above an upstream port. The
    window covers every BAR below (limit inclusive); it is None when there is none.
    """

    bdf: str
    kind: PortKind
    parent: str | None
    secondary: int
    subordinate: int
    link: LinkSpec
    slot: int | None
    window_base: int | None
    window_limit: int | None


@dataclass(frozen=True, slots=True)
class PlacedEndpoint:
    """An endpoint.

    `n` numbers the rack's endpoints in depth-first order; `path` names the ports above it, root
    port first.
    """

    n: int
    bdf: str
    parent: str
    serial: int
    index: int
    count: int
    card: int
    slot: int | None
    link: LinkSpec
    path: tuple[str, ...]
    bar0: int
    bar2: int
    bar2_bytes: int
    bar4: int
    irq: Irq
    socket: str


@dataclass(frozen=True, slots=True)
class Placement:
    """A rack after enumeration. Ports and endpoints are in depth-first order, parents first."""

    name: str
    generation: int
    ports: tuple[PlacedPort, ...]
    endpoints: tuple[PlacedEndpoint, ...]


def make_bdf(bus: int, device: int, function: int = 0, segment: int = 0) -> str:
    """The usual spelling, 0000:05:00.0."""
    return f"{segment:04x}:{bus:02x}:{device:02x}.{function}"


def bdf_word(bdf: str) -> int:
    """Segment in bits 31:16, bus 15:8, device 7:3, function 2:0; ValueError if it is no BDF."""
    match = _BDF.fullmatch(bdf)
    if not match:
        raise ValueError(f"{bdf!r} is no bus address such as 0000:05:00.0")
    segment, bus, device = (int(part, 16) for part in match.groups()[:3])
    return segment << 16 | bus << 8 | device << 3 | int(match[4])

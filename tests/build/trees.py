# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Any PCI tree: root ports with switches below switches, and endpoints in some of their legs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from hypothesis import strategies as st

from tests.build.config_bytes import function

MAX_DEPTH = 6
MAX_ENDPOINTS = 256
LAST_BUS = 255


@dataclass(slots=True)
class Member:
    """A port or an endpoint."""

    bdf: str
    kind: str
    path: tuple[str, ...]
    width: int = 16
    buses: tuple[int, int, int] = (0, 0, 0)
    has_below: bool = False


@dataclass(slots=True)
class Tree:
    """The members of a tree, parents first."""

    members: list[Member] = field(default_factory=list)
    next_bus: int = 1

    def functions(self) -> Iterator[tuple[str, bytes]]:
        """Bus addresses and configuration spaces, in the order that lspci has."""
        for each in sorted(self.members, key=lambda member: member.bdf):
            yield each.bdf, function(each.kind, buses=each.buses, now=(4, each.width), length=256)

    def ports(self) -> set[tuple[str, str, str | None]]:
        """Bus address, kind and parent of each port."""
        return {
            (each.bdf, each.kind, each.path[-1] if each.path else None)
            for each in self.members
            if each.kind != "endpoint"
        }

    def endpoints(self) -> set[tuple[str, tuple[str, ...]]]:
        """Bus address and path of each endpoint."""
        return {(each.bdf, each.path) for each in self.members if each.kind == "endpoint"}

    def occupied(self) -> set[str]:
        """Ports with something at the other end of their link."""
        return {each.bdf for each in self._upper_ends() if each.has_below}

    def slow(self) -> set[str]:
        """Those of them that run with fewer lanes than they could."""
        return {each.bdf for each in self._upper_ends() if each.has_below and each.width < 16}

    def _upper_ends(self) -> Iterator[Member]:
        return (each for each in self.members if each.kind in {"root", "downstream"})

    def port(self, bus: int, device: int, kind: str, path: tuple[str, ...], width: int) -> Member:
        """A port with a bus of its own below it."""
        made = Member(f"0000:{bus:02x}:{device:02x}.0", kind, path, width)
        made.buses = (bus, self.next_bus, self.next_bus)
        self.next_bus += 1
        self.members.append(made)
        return made

    def fill(self, below: Member, shape: Any) -> None:
        """Put at the other end of a port's link: a device of so many functions, or a switch."""
        path, bus = (*below.path, below.bdf), below.buses[1]
        if isinstance(shape, int):
            room = MAX_ENDPOINTS - sum(each.kind == "endpoint" for each in self.members)
            for number in range(min(shape, room)):
                below.has_below = True
                bdf = f"0000:{bus:02x}:00.{number}"
                self.members.append(Member(bdf, "endpoint", path, below.width))
            return
        if self.next_bus + len(shape) >= LAST_BUS:
            return
        below.has_below = True
        upper = self.port(bus, 0, "upstream", path, below.width)
        inner = (*path, upper.bdf)
        legs = [
            self.port(upper.buses[1], device, "downstream", inner, width)
            for device, (width, _) in enumerate(shape)
        ]
        for leg, (_, inside) in zip(legs, shape, strict=True):
            self.fill(leg, inside)
            leg.buses = (*leg.buses[:2], self.next_bus - 1)
        upper.buses = (*upper.buses[:2], self.next_bus - 1)


WIDTHS = st.sampled_from([16, 16, 8, 1])


def _switch(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(st.tuples(WIDTHS, inside), min_size=1, max_size=8)


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any tree of up to MAX_DEPTH switches above each other."""
    leaf = st.sampled_from([0, 1, 1, 8])
    shape: st.SearchStrategy[Any] = leaf
    for _ in range(draw(st.integers(0, MAX_DEPTH))):
        shape = st.one_of(leaf, _switch(shape))
    tree = Tree()
    roots = draw(st.lists(st.tuples(WIDTHS, shape), min_size=1, max_size=8))
    ports = [tree.port(0, n + 1, "root", (), width) for n, (width, _) in enumerate(roots)]
    for port, (_, inside) in zip(ports, roots, strict=True):
        tree.fill(port, inside)
        port.buses = (*port.buses[:2], max(port.buses[1], tree.next_bus - 1))
    return tree


def full_tree() -> Tree:
    """Six switches above each other and 256 endpoints below the last."""
    shape: Any = [(16, 8)] * (MAX_ENDPOINTS // 8)
    for _ in range(MAX_DEPTH - 1):
        shape = [(16, shape)]
    tree = Tree()
    root = tree.port(0, 1, "root", (), 16)
    tree.fill(root, shape)
    root.buses = (0, 1, tree.next_bus - 1)
    return tree

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The tree as lines: one for each link, with the port above and the device below it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass

from diag.topo.model import Endpoint, Port, Rack


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the tree.

    Args:
        key: bus address of the upper port, or of the endpoint where no port is known.
        upper: bus address of the port above the link.
        lower: of what is below it; None for an empty slot, or where several functions are.
        n: number of the endpoint at the lower end.
        below: numbers of all endpoints at or under it.
        depth: links above it.
        guides: lines of the tree in front of the name.
        has_children: whether it can be folded.
        folded: whether it is.
    """

    key: str
    upper: str | None
    lower: str | None
    n: int | None
    below: tuple[int, ...]
    depth: int
    guides: str = ""
    has_children: bool = False
    folded: bool = False


@dataclass(frozen=True, slots=True)
class _Node:
    key: str
    upper: str | None
    lower: str | None
    n: int | None
    children: tuple[_Node, ...]
    below: tuple[int, ...]


class Tree:
    """The links of a rack, ready to be listed again and again while its shape stays.

    Args:
        rack: whose links.
    """

    def __init__(self, rack: Rack) -> None:
        self._ports: dict[str | None, list[Port]] = {}
        self._endpoints: dict[str | None, list[Endpoint]] = {}
        for port in rack.ports:
            self._ports.setdefault(port.parent, []).append(port)
        for endpoint in rack.endpoints:
            self._endpoints.setdefault(endpoint.parent, []).append(endpoint)
        self._roots = tuple(self._children(None))

    def rows(
        self, folded: Collection[str] = (), wanted: Callable[[Row], bool] | None = None
    ) -> list[Row]:
        """The visible lines; with `wanted`, those that it likes and what is above them."""
        found: list[Row] = []
        self._list(self._roots, "", 0, folded, wanted, found)
        return found

    def _list(  # noqa: PLR0913, PLR0917 - a recursion carries its state
        self,
        nodes: tuple[_Node, ...],
        guides: str,
        depth: int,
        folded: Collection[str],
        wanted: Callable[[Row], bool] | None,
        found: list[Row],
    ) -> None:
        shown = [node for node in nodes if wanted is None or _any_wanted(node, depth, wanted)]
        for node in shown:
            last = node is shown[-1]
            closed = node.key in folded and wanted is None
            branch = ("└─ " if last else "├─ ") if depth else ""
            found.append(_row(node, depth, guides + branch, closed))
            if not closed:
                inner = guides + ("   " if last else "│  ") if depth else ""
                self._list(node.children, inner, depth + 1, folded, wanted, found)

    def _children(self, parent: str | None) -> Iterator[_Node]:
        for port in self._ports.get(parent, []):
            yield self._port_node(port)
        for endpoint in self._endpoints.get(parent, []):
            yield _Node(endpoint.bdf, None, endpoint.bdf, endpoint.n, (), (endpoint.n,))

    def _port_node(self, port: Port) -> _Node:
        ports = self._ports.get(port.bdf, [])
        endpoints = self._endpoints.get(port.bdf, [])
        lower: Port | Endpoint | None = None
        if len(ports) + len(endpoints) == 1:
            lower = ports[0] if ports else endpoints[0]
        if isinstance(lower, Endpoint):
            return _Node(port.bdf, port.bdf, lower.bdf, lower.n, (), (lower.n,))
        inner = None if lower is None else lower.bdf
        children = tuple(self._children(inner or port.bdf))
        below = tuple(n for child in children for n in child.below)
        return _Node(port.bdf, port.bdf, inner, None, children, below)


def shape(rack: Rack) -> tuple[tuple[str, str | None], ...]:
    """What must be equal for the lines of the tree to stay."""
    members: list[Port | Endpoint] = [*rack.ports, *rack.endpoints]
    return tuple((member.bdf, member.parent) for member in members)


def _row(node: _Node, depth: int, guides: str, folded: bool) -> Row:
    return Row(
        key=node.key,
        upper=node.upper,
        lower=node.lower,
        n=node.n,
        below=node.below,
        depth=depth,
        guides=guides,
        has_children=bool(node.children),
        folded=folded,
    )


def _any_wanted(node: _Node, depth: int, wanted: Callable[[Row], bool]) -> bool:
    if wanted(_row(node, depth, "", folded=False)):
        return True
    return any(_any_wanted(child, depth + 1, wanted) for child in node.children)

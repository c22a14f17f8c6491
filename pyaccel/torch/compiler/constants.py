# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What depends on no input of a graph: masks, positions, numbers as tensors."""

from __future__ import annotations

from typing import Final

import torch
from torch.fx import Graph, GraphModule, Node

from pyaccel.torch.compiler.graphs import calls, escaping, on_device

MOST_ELEMENTS: Final = 1 << 20
"""Larger ones are made each time: they live as long as the compiled function."""


class Constants:
    """Takes the constants out of a graph, which gets them as further inputs.

    Args:
        graph: changed in place.
        visible: outputs that the user sees: those are made anew, for they may be written to.
    """

    def __init__(self, graph: GraphModule, visible: int) -> None:
        constant = _constants(graph.graph, visible)
        used = [node for node in constant if any(user not in constant for user in node.users)]
        made = (on_device(node) for node in used)
        self._devices = sorted({each.device.index or 0 for each in made if each is not None})
        self._made: tuple[list[int], list[torch.Tensor]] | None = None
        self._make = _function(graph, constant, used) if used else None
        _become_inputs(graph.graph, used)

    def get(self) -> list[torch.Tensor]:
        """Them; made when first asked for, and again after a reset of one of their devices."""
        if self._make is None:
            return []
        sessions = [torch.ops.axl.session(index) for index in self._devices]
        if self._made is None or self._made[0] != sessions:
            made = list(self._make())
            for index in self._devices:
                # Whichever stream uses them: they are there.
                torch.accelerator.synchronize(index)
            self._made = sessions, made
        return self._made[1]


def _constants(graph: Graph, visible: int) -> dict[Node, None]:
    """In the order of the graph."""
    given_away = escaping(graph, visible)
    found: dict[Node, None] = {}
    for node in calls(graph):
        inputs = node.all_input_nodes
        if node not in given_away and all(node in found for node in inputs) and _is_small(node):
            found[node] = None
    return found


def _is_small(node: Node) -> bool:
    made = on_device(node)
    target = node.target
    assert isinstance(target, torch._ops.OpOverload)
    seeded = torch.Tag.nondeterministic_seeded in target.tags
    return (
        made is not None
        and made.numel() <= MOST_ELEMENTS
        and not seeded
        and not target._schema.is_mutable
    )


def _function(graph: GraphModule, constant: dict[Node, None], used: list[Node]) -> GraphModule:
    """A graph of its own that makes those that are used."""
    alone = Graph()
    copies: dict[Node, Node] = {}
    for node in constant:
        copies[node] = alone.node_copy(node, copies.__getitem__)
    alone.output(tuple(copies[node] for node in used))
    return GraphModule(graph, alone)


def _become_inputs(graph: Graph, used: list[Node]) -> None:
    last = [node for node in graph.nodes if node.op == "placeholder"][-1:]
    for number, node in enumerate(used):
        with graph.inserting_after(last[0] if last else None):
            given = graph.placeholder(f"constant_{number}")
        given.meta = dict(node.meta)
        node.replace_all_uses_with(given)
        last = [given]
    graph.eliminate_dead_code()

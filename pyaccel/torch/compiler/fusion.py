# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Elementwise operations of one shape and type that become one command.

A node joins the groups of its operands as long as a command can hold them and nothing outside
of a group would have to come both after and before it.
"""

from __future__ import annotations

import operator

import torch
from torch.fx import GraphModule, Node
from torch.fx.passes.tools_common import stable_topological_sort

from pyaccel.torch.compiler.graphs import calls, positions
from pyaccel.torch.compiler.program import Program, can_fuse, iteration, operands

Group = list[Node]


def fuse(graph: GraphModule) -> None:
    """In place."""
    for group in _Groups(graph).found():
        _replace(graph, group)
    stable_topological_sort(graph)
    graph.graph.eliminate_dead_code()


class _Groups:
    def __init__(self, graph: GraphModule) -> None:
        self._place = positions(graph.graph.nodes)
        self._group_of: dict[Node, Group] = {}
        self._readers: dict[Node, list[Node]] = {}
        for node in calls(graph.graph):
            if can_fuse(node):
                self._join(node)

    def found(self) -> list[Group]:
        """Those of two nodes or more."""
        different = {id(group): group for group in self._group_of.values()}
        return [group for group in different.values() if len(group) > 1]

    def _join(self, node: Node) -> None:
        """With as many of the groups near it as a command can hold."""
        joined = [node]
        for group in self._near(node):
            more = sorted([*joined, *group], key=self._place.__getitem__)
            if Program(more).fits() and self._is_convex(more):
                joined = more
        for each in joined:
            self._group_of[each] = joined
        for source in operands(node):
            self._readers.setdefault(source, []).append(node)

    def _near(self, node: Node) -> list[Group]:
        """Groups that make its operands, then those that read them too."""
        sources = operands(node)
        beside = [reader for source in sources for reader in self._readers.get(source, ())]
        near = {
            id(self._group_of[each]): self._group_of[each]
            for each in (*sources, *beside)
            if each in self._group_of and _alike(each, node)
        }
        return list(near.values())

    def _is_convex(self, members: Group) -> bool:
        """Whether no way leads out of the members and back, through other groups as a whole."""
        inside: set[Node] = set(members)
        seen: set[Node] = set()
        floor = self._floor(self._place[members[0]])
        waiting = [source for node in members for source in operands(node)]
        waiting = [node for node in waiting if node not in inside]
        while waiting:
            node = waiting.pop()
            if node in inside:
                return False
            group = [each for each in self._group_of.get(node, [node]) if each not in inside]
            if node in seen or max(self._place[each] for each in group) < floor:
                continue
            seen.update(group)
            waiting += [source for each in group for source in each.all_input_nodes]
        return True

    def _floor(self, place: int) -> int:
        """The place before which no way, however long, leads to a node at `place` or later."""
        spans = {
            (self._place[group[0]], self._place[group[-1]]) for group in self._group_of.values()
        }
        while True:
            low = min([place, *(start for start, end in spans if start < place <= end)])
            if low == place:
                return place
            place = low


def _alike(first: Node, second: Node) -> bool:
    """Whether one command can compute both."""
    a, b = iteration(first), iteration(second)
    return (a.shape, a.dtype, a.device) == (b.shape, b.dtype, b.device)


def _replace(graph: GraphModule, group: Group) -> None:
    """The group as one node; a sort brings it to its place."""
    program = Program(group)
    with graph.graph.inserting_after(group[-1]):
        after = command = graph.graph.call_function(
            torch.ops.axl.fused.default, program.arguments()
        )
    for number, output in enumerate(program.outputs):
        shape = output.node.meta["val"].shape
        with graph.graph.inserting_after(after):
            after = made = graph.graph.call_function(operator.getitem, (command, number))
        if output.reduce and len(shape) != len(program.shape):
            with graph.graph.inserting_after(after):
                after = made = graph.graph.call_function(
                    torch.ops.aten.view.default, (after, list(shape))
                )
        made.meta = dict(output.node.meta)
        output.node.replace_all_uses_with(made)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the passes ask of a graph of AOTAutograd."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import torch
from torch.fx import Graph, GraphModule, Node
from torch.utils import _pytree as pytree


def value(node: object) -> torch.Tensor | None:
    """The fake tensor that a node makes; None if it makes something else, or is no node."""
    made = node.meta.get("val") if isinstance(node, Node) else None
    return made if isinstance(made, torch.Tensor) else None


def on_device(node: object) -> torch.Tensor | None:
    """Likewise, None also if it is not on axl or its sizes are not numbers."""
    made = value(node)
    if made is None or made.device.type != "axl":
        return None
    numbers = (*made.shape, *made.stride())
    return made if all(isinstance(number, int) for number in numbers) else None


def calls(graph: Graph) -> Iterator[Node]:
    """Nodes that call an ATen operator or another of the dispatcher."""
    for node in graph.nodes:
        if node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload):
            yield node


def device_index(graph: GraphModule) -> int | None:
    """The device of the first tensor on axl; None if there is none."""
    for node in graph.graph.nodes:
        made = value(node)
        if made is not None and made.device.type == "axl":
            return made.device.index or 0
    return None


def visible_outputs(graph: GraphModule, *, is_backward: bool) -> int:
    """How many outputs, the first ones, the user sees; the others are kept for backward."""
    (output,) = graph.graph.find_nodes(op="output")
    count = len(output.args[0])
    context = torch._guards.TracingContext.try_get()
    if is_backward or context is None or context.fw_metadata is None:
        return count
    return min(count, int(context.fw_metadata.num_forward_returns))


def mutates(graph: Graph) -> bool:
    """Whether an input changes."""
    return any(node.target._schema.is_mutable for node in calls(graph))  # type: ignore[union-attr]


def is_view(node: Node) -> bool:
    """Whether a result of the node shares memory with an argument."""
    schema = getattr(node.target, "_schema", None)
    if schema is None:
        return node.op == "call_function"  # getitem, of views or not
    # reshape() and the like say nothing, and may be views.
    return schema.name in _MAY_VIEW or any(made.alias_info for made in schema.returns)


_MAY_VIEW = frozenset({"aten::_unsafe_view", "aten::reshape", "aten::contiguous"})


def escaping(graph: Graph, visible: int) -> set[Node]:
    """Nodes whose memory the user gets: visible outputs, and what those are views of."""
    (output,) = graph.find_nodes(op="output")
    found: set[Node] = set()
    leaves = pytree.tree_leaves(output.args)[:visible]
    waiting = [node for node in leaves if isinstance(node, Node)]
    while waiting:
        node = waiting.pop()
        if node in found:
            continue
        found.add(node)
        if is_view(node):
            waiting += node.all_input_nodes
    return found


def positions(nodes: Iterable[Node]) -> dict[Node, int]:
    """Where each node stands."""
    return {node: place for place, node in enumerate(nodes)}

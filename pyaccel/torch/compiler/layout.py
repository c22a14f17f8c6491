# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Copies that are not needed; products and sums that take their operands as they lie.

PyTorch folds batch dimensions into one before a product, which copies what was transposed;
MATMUL takes five of them with any strides, and scales and adds by itself.
"""

from __future__ import annotations

import math
from typing import Any, Final, NamedTuple

import torch
from torch.fx import Graph, GraphModule, Node

from pyaccel.torch.compiler.graphs import calls, escaping, is_view, mutates, on_device

aten = torch.ops.aten
_VIEWS: Final = (aten.view.default, aten._unsafe_view.default, aten.reshape.default)
_MOST_DIMS: Final = 7
"""Five of batch and two of the matrix."""


def simplify(graph: GraphModule, visible: int) -> None:
    """In place."""
    if mutates(graph.graph):
        return  # a copy may be there to keep what was before
    _drop_copies(graph.graph, visible)
    for node in list(graph.graph.find_nodes(op="call_function", target=aten.bmm.default)):
        _unfold(graph.graph, node)
    for node in list(graph.graph.find_nodes(op="call_function", target=aten.sum.dim_IntList)):
        _reduce_before_folding(graph.graph, node)
    graph.graph.eliminate_dead_code()


def _drop_copies(graph: Graph, visible: int) -> None:
    given_away = escaping(graph, visible)
    for node in list(calls(graph)):
        # Of an input a copy stays: the user may write to it before backward reads the copy.
        if node.target is not aten.clone.default or node in given_away or _is_of_input(node):
            continue
        (original,) = node.all_input_nodes
        source, copy = on_device(original), on_device(node)
        if source is not None and copy is not None and source.stride() == copy.stride():
            node.replace_all_uses_with(original)


def _reduce_before_folding(graph: Graph, total: Node) -> None:
    """A sum over rows that were folded, as of the gradient of a bias: over what they were."""
    folded = total.args[0]
    dims: Any = total.args[1]
    made, result = on_device(folded), on_device(total)
    if made is None or result is None or not isinstance(folded, Node) or total.kwargs:
        return
    source = folded.args[0] if folded.target in _VIEWS else None
    given = on_device(source)
    if given is None or not isinstance(source, Node) or list(dims) != [0]:
        return
    if made.dim() != 2 or given.dim() < 3 or given.shape[-1] != made.shape[-1]:
        return
    leading = list(range(given.dim() - 1))
    with graph.inserting_before(total):
        whole = graph.call_function(aten.sum.dim_IntList, (source, leading))
        whole.meta["val"] = given.new_empty(given.shape[-1:])
        viewed = _view(graph, whole, tuple(result.shape))
    total.replace_all_uses_with(viewed)


def _is_of_input(copy: Node) -> bool:
    (source,) = copy.all_input_nodes
    while is_view(source) and len(source.all_input_nodes) == 1:
        (source,) = source.all_input_nodes
    return source.op == "placeholder"


class _Operand(NamedTuple):
    """A matrix or several, and how to read them from `node`."""

    node: Node
    batch: tuple[int, ...]
    is_transposed: bool
    scale: float


def _unfold(graph: Graph, product: Node) -> None:
    """Bmm of folded batches: a product over the batches as they were."""
    operands = [_before_folding(node) for node in product.args if isinstance(node, Node)]
    shape = on_device(product)
    batches = {found.batch for found in operands if found is not None and len(found.batch) > 1}
    if shape is None or None in operands or len(batches) != 1:
        return
    (batch,) = batches
    with graph.inserting_before(product):
        a, b = (_read(graph, found, batch) for found in operands if found is not None)
        scale = math.prod(found.scale for found in operands if found is not None)
        wide = graph.call_function(torch.ops.axl.matmul.default, (a, b, None, scale, 0.0))
        wide.meta["val"] = shape.new_empty((*batch, *shape.shape[1:]))
        folded = _view(graph, wide, tuple(shape.shape))
    product.replace_all_uses_with(folded)
    _skip_folding(wide, folded)
    _take_scale(wide)
    _take_addend(wide)


def _before_folding(node: Node) -> _Operand | None:
    """What a stack of matrices was made of; None if it is not on axl."""
    is_transposed = node.target is aten.transpose.int and _swaps_last(node)
    folded = node.args[0] if is_transposed else node
    made = on_device(folded)
    if made is None or not isinstance(folded, Node):
        return None
    source, scale = folded, 1.0
    unfolded = on_device(folded.args[0]) if folded.target in _VIEWS else None
    if (
        unfolded is not None
        and 3 < unfolded.dim() <= _MOST_DIMS
        and unfolded.shape[-2:] == made.shape[-2:]
    ):
        source, scale = _before_scaling(folded.args[0])  # type: ignore[arg-type]
        made = unfolded
    return _Operand(source, tuple(made.shape[:-2]), is_transposed, scale)


def _swaps_last(node: Node) -> bool:
    return sorted(dim % 3 for dim in node.args[1:]) == [1, 2]  # type: ignore[operator]


def _before_scaling(node: Node) -> tuple[Node, float]:
    """What a node copies and multiplies by numbers, and their product."""
    scale = 1.0
    while True:
        source, shape = node.args[0] if node.args else None, on_device(node)
        made = on_device(source)
        if made is None or shape is None or not isinstance(source, Node):
            return node, scale
        if made.shape != shape.shape or made.dtype != shape.dtype:
            return node, scale
        if node.target is aten.mul.Scalar or _is_multiple(node):
            factor: Any = node.args[1]
            scale *= factor
        elif node.target not in (aten.clone.default, aten.expand.default):
            return node, scale
        node = source


def _is_multiple(node: Node) -> bool:
    return node.target is aten.mul.Tensor and isinstance(node.args[1], int | float)


def _read(graph: Graph, operand: _Operand, batch: tuple[int, ...]) -> Node:
    """The operand with the batch that the product has."""
    node, made = operand.node, on_device(operand.node)
    assert made is not None
    if operand.batch != batch:
        node = _view(graph, node, (*batch, *made.shape[-2:]))
    if operand.is_transposed:
        made = node.meta["val"]
        node = graph.call_function(aten.transpose.int, (node, -2, -1))
        node.meta["val"] = made.transpose(-2, -1)
    return node


def _view(graph: Graph, node: Node, shape: tuple[int, ...]) -> Node:
    viewed = graph.call_function(aten.view.default, (node, list(shape)))
    viewed.meta["val"] = node.meta["val"].view(shape)
    return viewed


def _skip_folding(wide: Node, folded: Node) -> None:
    """Whoever undoes the folding gets what was never folded."""
    for user in list(folded.users):
        made = on_device(user)
        if user.target in _VIEWS and made is not None and made.shape == wide.meta["val"].shape:
            user.replace_all_uses_with(wide)
            user.graph.erase_node(user)
    if not folded.users:
        folded.graph.erase_node(folded)


def _take_scale(wide: Node) -> None:
    """A number that the product alone is multiplied by."""
    users = list(wide.users)
    if len(users) == 1 and (users[0].target is aten.mul.Scalar or _is_multiple(users[0])):
        a, b, c, alpha, beta = wide.args
        wide.args = (a, b, c, alpha * users[0].args[1], beta)  # type: ignore[operator]
        users[0].replace_all_uses_with(wide)
        users[0].graph.erase_node(users[0])


def _take_addend(wide: Node) -> None:
    """A tensor that is added to the product alone, a mask for example."""
    users = list(wide.users)
    if len(users) != 1 or users[0].target is not aten.add.Tensor or users[0].kwargs:
        return
    (user,) = users
    addend = user.args[1] if user.args[0] is wide else user.args[0]
    added, made = on_device(addend), on_device(user)
    if added is None or made is None or added.dtype != made.dtype:
        return
    if made.shape != wide.meta["val"].shape:
        return
    a, b, _, alpha, _ = wide.args
    # The addend may be made after the product: the product moves to where it is added.
    user.prepend(wide)
    wide.args = (a, b, addend, alpha, 1.0)
    user.replace_all_uses_with(wide)
    user.graph.erase_node(user)

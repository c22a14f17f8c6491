# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.compile(backend="axl"): a graph as few commands, submitted together.

What is done to the graphs of AOTAutograd, in this order:

    decompositions  norms and softmax as operations that can be fused
    layout          copies that only change a layout go; scales move into products
    constants       what depends on no input is computed once
    fusion          chains of elementwise operations become FUSED commands

Eager mode submits whenever the device has nothing to do, which costs a doorbell for nearly
every operator of a fast one. Of a graph it is known that more will follow. PyTorch finds this
backend by the entry point `torch_dynamo_backends`. `inductor` is PyTorch's own compiler.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from functorch.compile import (  # type: ignore[import-untyped]
    default_partition,
    make_boxed_func,
)
from torch._dynamo.backends.common import aot_autograd
from torch.utils import _pytree as pytree

from pyaccel.torch.compiler.constants import Constants
from pyaccel.torch.compiler.decompositions import DECOMPOSITIONS
from pyaccel.torch.compiler.fusion import fuse
from pyaccel.torch.compiler.graphs import device_index, visible_outputs
from pyaccel.torch.compiler.layout import simplify

Inputs = list[Any]


def optimise(graph: torch.fx.GraphModule, visible: int) -> Constants:
    """Change a graph in place; what is left to be given to it, after its inputs.

    Args:
        graph: of AOTAutograd: functional, of ATen operators.
        visible: how many of its outputs, the first ones, the user sees.
    """
    simplify(graph, visible)
    constants = Constants(graph, visible)
    fuse(graph)
    graph.graph.eliminate_dead_code()
    graph.recompile()
    return constants


def compile_graph(
    graph: torch.fx.GraphModule, _examples: Sequence[object], *, is_backward: bool = False
) -> Callable[..., Any]:
    """The graph as a function that holds commands back until it has made all of them."""
    index = device_index(graph)
    if index is None:
        return make_boxed_func(graph.forward)  # type: ignore[no-any-return]
    constants = optimise(graph, visible_outputs(graph, is_backward=is_backward))
    run = make_boxed_func(graph.forward)

    def held(inputs: Inputs) -> Any:
        inputs += constants.get()
        stream = torch.ops.axl.hold(index)
        try:
            return run(inputs)
        finally:
            torch.ops.axl.release(index, stream)

    held._boxed_call = True  # type: ignore[attr-defined] # the inputs are the callee's to free
    return held


def partition(joint: torch.fx.GraphModule, *arguments: Any, **keywords: Any) -> Any:
    """Forward and backward, from one graph of both: what is not copied is not kept either."""
    (output,) = joint.graph.find_nodes(op="output")
    simplify(joint, len(pytree.tree_leaves(output.args)))
    return default_partition(joint, *arguments, **keywords)


def axl(graph: torch.fx.GraphModule, examples: Sequence[object]) -> Callable[..., Any]:
    """The backend: forward and backward graphs of AOTAutograd, each submitted together."""
    backend = aot_autograd(
        fw_compiler=compile_graph,
        bw_compiler=partial(compile_graph, is_backward=True),
        partition_fn=partition,
        decompositions=DECOMPOSITIONS,
    )
    compiled: Callable[..., Any] = backend(graph, examples)
    return compiled

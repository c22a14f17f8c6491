# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What calls cost on axl:0, and graphs as AOTAutograd makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx

from pyaccel.torch.compiler import optimise
from pyaccel.torch.compiler.decompositions import DECOMPOSITIONS


def _counted(run: Callable[[], object]) -> list[int]:
    torch.axl.synchronize()
    before = torch.ops.axl.counts(0)
    run()
    torch.axl.synchronize()
    return [after - first for after, first in zip(torch.ops.axl.counts(0), before, strict=True)]


def commands(run: Callable[[], object]) -> int:
    """Commands that a call takes, on all streams."""
    return _counted(run)[0]


def submits(run: Callable[[], object]) -> int:
    """Submissions likewise."""
    return _counted(run)[1]


def traced(function: Callable[..., Any], *inputs: torch.Tensor) -> GraphModule:
    """The graph of a function that returns a tuple and changes nothing, of ATen operators."""
    return make_fx(function, decomposition_table=DECOMPOSITIONS, tracing_mode="fake")(*inputs)


def optimised(function: Callable[..., Any], *inputs: torch.Tensor) -> Callable[[], Any]:
    """The function of its inputs, as the backend runs it."""
    graph = traced(function, *inputs)
    (output,) = graph.graph.find_nodes(op="output")
    constants = optimise(graph, len(output.args[0]))
    return lambda: graph.forward(*inputs, *constants.get())

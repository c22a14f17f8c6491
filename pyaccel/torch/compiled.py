# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.compile(backend="axl"): the commands of a graph reach the device in few submissions.

Eager mode submits whenever the device has nothing to do, which costs a doorbell for nearly
every operator. Of a graph it is known that more will follow. PyTorch finds this backend by
the entry point `torch_dynamo_backends`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from functorch.compile import make_boxed_func  # type: ignore[import-untyped]
from torch._dynamo.backends.common import aot_autograd

Inputs = list[Any]


def device_index(inputs: Sequence[object]) -> int | None:
    """The device of the first tensor on axl; None if there is none."""
    for given in inputs:
        if isinstance(given, torch.Tensor) and given.device.type == "axl":
            return given.device.index
    return None


def submit_together(graph: torch.fx.GraphModule, _examples: Sequence[object]) -> Callable[..., Any]:
    """The graph as a function that holds commands back until it has made all of them."""
    run = make_boxed_func(graph.forward)

    def held(inputs: Inputs) -> Any:
        index = device_index(inputs)
        if index is None:
            return run(inputs)
        stream = torch.ops.axl.hold(index)
        try:
            return run(inputs)
        finally:
            torch.ops.axl.release(index, stream)

    held._boxed_call = True  # type: ignore[attr-defined] # the inputs are the callee's to free
    return held


def axl(graph: torch.fx.GraphModule, examples: Sequence[object]) -> Callable[..., Any]:
    """The backend: forward and backward graphs of AOTAutograd, each submitted together."""
    backend = aot_autograd(fw_compiler=submit_together, bw_compiler=submit_together)
    compiled: Callable[..., Any] = backend(graph, examples)
    return compiled

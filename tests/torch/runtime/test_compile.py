# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.compile(backend="axl"): the numbers of eager mode in fewer submissions."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from pyaccel.torch import compiled

LAYERS = 20


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """No graph of another test."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()


def chain(tensor: torch.Tensor) -> torch.Tensor:
    """Many small commands."""
    for _ in range(LAYERS):
        tensor = tensor.t().contiguous()
    return tensor


def submits(run: Callable[[], object]) -> int:
    """Submissions that a call takes, on all streams of axl:0."""
    torch.axl.synchronize()
    before = torch.ops.axl.counts(0)[1]
    run()
    torch.axl.synchronize()
    return int(torch.ops.axl.counts(0)[1] - before)


@pytest.mark.slow
def test_a_graphs_commands_are_submitted_together() -> None:
    """A compiled graph of 20 commands takes one submission."""
    tensor = torch.randn(3, 5, device="axl")
    fast = torch.compile(chain, backend=compiled.axl)
    first = fast(tensor)

    assert first.cpu().equal(chain(tensor).cpu())
    assert submits(lambda: fast(tensor)) == 1


@pytest.mark.slow
def test_forward_and_backward_give_the_numbers_of_eager_mode() -> None:
    """Losses and gradients of a compiled layer equal those without; the name is known."""
    layer = torch.nn.Linear(6, 4).to("axl")
    batch = torch.randn(5, 6, device="axl")
    layer(batch).pow(2).sum().backward()
    expected = layer.weight.grad.cpu()
    layer.zero_grad()
    torch.compile(layer, backend="axl")(batch).pow(2).sum().backward()

    torch.testing.assert_close(layer.weight.grad.cpu(), expected)


def test_what_is_held_is_submitted_when_somebody_waits() -> None:
    """Holding commands back never makes a wait hang, nor does an error leave them held."""
    tensor = torch.zeros(4, device="axl")
    torch.axl.synchronize()
    stream = torch.ops.axl.hold(0)
    tensor.fill_(3)
    assert tensor.cpu().tolist() == [3.0] * 4
    torch.ops.axl.release(0, stream)
    torch.ops.axl.release(0, stream)

    assert submits(lambda: tensor.fill_(1)) == 1


def test_graphs_without_tensors_of_axl_run_as_they_are() -> None:
    """The device is that of the first tensor on axl, if there is one."""
    assert compiled.device_index([1, torch.ones(1), torch.ones(1, device="axl:1")]) == 1
    assert compiled.device_index([torch.ones(1)]) is None

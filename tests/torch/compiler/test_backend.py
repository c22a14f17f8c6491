# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.compile(backend="axl"): the numbers of eager mode, in fewer commands and submissions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from pyaccel import testing
from tests.torch.compiler.counting import commands, submits
from tests.torch.networks import Recurrent, Transformer

pytestmark = pytest.mark.usefixtures("fresh")

LAYERS = 20


def chain(tensor: torch.Tensor) -> torch.Tensor:
    """Many small commands."""
    for _ in range(LAYERS):
        tensor = tensor.t().contiguous()
    return tensor


@pytest.mark.slow
def test_a_graphs_commands_are_submitted_together() -> None:
    """Of 20 commands at least four go with each doorbell."""
    tensor = torch.randn(3, 5, device="axl")
    fast = torch.compile(chain, backend="axl")
    first = fast(tensor)

    assert first.cpu().equal(chain(tensor).cpu())
    assert submits(lambda: fast(tensor)) <= LAYERS // 4


def loss_of(network: nn.Module) -> Callable[[torch.Tensor, torch.Tensor], torch.Tensor]:
    """Cross entropy of a network that gives scores."""
    return lambda x, y: nn.functional.cross_entropy(network(x), y)


NETWORKS = {
    "transformer": lambda: Transformer(16, 12, 16),
    "lstm": lambda: Recurrent(16, 12),
    "mlp": lambda: nn.Sequential(
        nn.Embedding(16, 8), nn.Flatten(0, 1), nn.Linear(8, 12), nn.ReLU(), nn.Linear(12, 16)
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NETWORKS)
def test_networks_train_as_in_eager_mode(name: str) -> None:
    """Losses and gradients of steps; none of it falls back to the CPU."""
    network = NETWORKS[name]().to("axl")
    x, y = torch.randint(16, (4, 12)).to("axl"), torch.randint(16, (48,)).to("axl")
    y[::5] = -100  # ignored
    eager, compiled = loss_of(network), torch.compile(loss_of(network), backend="axl")
    expected = eager(x, y)
    gradients = torch.autograd.grad(expected, list(network.parameters()))
    for _ in range(3):
        got = compiled(x, y)
        torch.testing.assert_close(got, expected)
        for mine, theirs in zip(
            torch.autograd.grad(got, list(network.parameters())), gradients, strict=True
        ):
            torch.testing.assert_close(mine, theirs)
    assert torch.axl.fallbacks() == {}


@pytest.mark.slow
def test_a_transformer_takes_half_the_commands() -> None:
    """Forward and backward of one block with its loss."""
    network = Transformer(64, 24, 32).to("axl")
    x, y = torch.randint(64, (16, 24), device="axl"), torch.randint(64, (384,), device="axl")
    eager, compiled = loss_of(network), torch.compile(loss_of(network), backend="axl")
    compiled(x, y).backward()

    assert commands(lambda: compiled(x, y).backward()) * 2 <= commands(
        lambda: eager(x, y).backward()
    )


def images(x: torch.Tensor) -> torch.Tensor:
    """Pooled convolutions."""
    weight = torch.linspace(-1, 1, 27, device=x.device, dtype=x.dtype).view(3, 1, 3, 3)
    return nn.functional.max_pool2d(nn.functional.conv2d(x, weight, padding=1).relu(), 2)


def in_place(x: torch.Tensor) -> torch.Tensor:
    """Changes what it made."""
    y = x.clone()
    y.add_(1)
    y[0] = 3
    return y.transpose(0, 1).contiguous() * 2


FUNCTIONS: dict[str, Callable[[torch.Tensor], torch.Tensor]] = {
    "images": images,
    "in place": in_place,
    "random": lambda x: torch.nn.functional.dropout(x, 0.25) + torch.rand_like(x),
    "indices": lambda x: x[[0, 1]].cumsum(-1).argmax(-1) + torch.arange(8, device=x.device),
    "sorted": lambda x: torch.sort(x, -1)[0] + torch.topk(x, 2)[0].sum(),
    "a number": lambda x: x * x.sum().item(),
    "integers": lambda x: (x * 8).long() // 3 * 2 + (x > 0),
    "views": lambda x: torch.stack([x[..., ::2], x[..., 1::2]]).permute(1, 2, 0, 3, 4).flatten(2),
    "attention": lambda x: nn.functional.scaled_dot_product_attention(x, x, x, is_causal=True),
    "norms": lambda x: nn.functional.group_norm(x, 1) + nn.functional.layer_norm(x, x.shape[1:]),
    "both devices": lambda x: (x + 1).cpu() * torch.ones(8, device="cpu"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("dynamic", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_functions_give_what_they_give(name: str, dynamic: bool, dtype: torch.dtype) -> None:
    """Of one shape, then of another."""
    function = FUNCTIONS[name]
    compiled = torch.compile(function, backend="axl", dynamic=dynamic)
    for batch in (2, 3):
        x = torch.randn(batch, 1, 8, 8, dtype=dtype).to("axl")
        torch.manual_seed(batch)
        expected = function(x)
        torch.manual_seed(batch)
        torch.testing.assert_close(compiled(x), expected)


@pytest.mark.slow
def test_a_mask_is_made_again_after_a_reset(rack: testing.Rack) -> None:
    """What was computed once is lost with the endpoint, and the function goes on."""

    def masked(x: torch.Tensor) -> torch.Tensor:
        return x + torch.ones(4, 4, device=x.device).tril()

    compiled = torch.compile(masked, backend="axl")
    device = "axl:3"
    expected = masked(torch.zeros(4, 4))
    assert compiled(torch.zeros(4, 4, device=device)).cpu().equal(expected)
    lost = torch.zeros(1, device=device)
    rack.call("endpoint.reset", endpoint=3)
    with pytest.raises(RuntimeError, match="reset"):
        lost.cpu()
    assert compiled(torch.zeros(4, 4, device=device)).cpu().equal(expected)


@pytest.mark.slow
def test_an_input_may_change_between_forward_and_backward() -> None:
    """What backward needs of it was copied by the program, and still is."""
    compiled = torch.compile(lambda x, w: (x.clone() * w).sum(), backend="axl")
    x, w = torch.ones(4, device="axl"), torch.ones(4, device="axl", requires_grad=True)
    loss = compiled(x, w)
    x.zero_()
    loss.backward()
    assert w.grad is not None
    assert w.grad.tolist() == [1.0] * 4


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


@pytest.mark.slow
def test_graphs_without_tensors_of_axl_run_as_they_are() -> None:
    """Of the CPU alone."""
    compiled: Any = torch.compile(lambda x: x * 2 + 1, backend="axl")
    assert compiled(torch.ones(2)).tolist() == [3.0, 3.0]

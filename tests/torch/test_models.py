# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Models in training: no operator falls back after the first step, and the losses are the CPU's.

The tolerance is relative and covers float32 sums in another order, carried through the steps.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import repeat
from typing import Any

import pytest
import torch
from torch import nn

from tests.torch.networks import Recurrent, Transformer
from tests.torch.training import losses

STEPS = 12
TOLERANCE = 2e-3

OPTIMISERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.05, foreach=False),
    "sgd-momentum-foreach": lambda p: torch.optim.SGD(p, lr=0.05, momentum=0.9, foreach=True),
    "adam": lambda p: torch.optim.Adam(p, lr=0.01, foreach=False),
    "adam-foreach": lambda p: torch.optim.Adam(p, lr=0.01, foreach=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=False),
    "adamw-foreach": lambda p: torch.optim.AdamW(p, lr=0.01, foreach=True),
}


def mlp() -> nn.Module:
    """Two layers."""
    return nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))


def cnn() -> nn.Module:
    """Two convolutions with batch norm and pooling."""
    return nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=1), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10),
    )  # fmt: skip


def characters() -> tuple[torch.Tensor, torch.Tensor]:
    """A sequence and itself one place on."""
    text = torch.randint(11, (4, 7))
    return text[:, :-1].contiguous(), text[:, 1:].flatten()


def labelled(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Noise and classes."""
    return torch.randn(*shape), torch.randint(10, (shape[0],))


def train(
    model: nn.Module,
    data: tuple[torch.Tensor, torch.Tensor],
    optimiser: Callable[[Any], torch.optim.Optimizer],
    device: str,
) -> list[float]:
    """Losses of every step with the same batch."""
    model = copy.deepcopy(model).to(device)
    source, target = (each.to(device) for each in data)
    return losses(model, optimiser(model.parameters()), repeat((source, target), STEPS))


def check_training(
    model: nn.Module, data: tuple[torch.Tensor, torch.Tensor], optimiser: str
) -> None:
    """No fallback, the CPU's losses, and a loss that falls."""
    expected = train(model, data, OPTIMISERS[optimiser], "cpu")
    actual = train(model, data, OPTIMISERS[optimiser], "axl")

    assert torch.axl.fallbacks() == {}
    assert actual == pytest.approx(expected, rel=TOLERANCE)
    assert actual[-1] < actual[0]


@pytest.mark.parametrize("optimiser", OPTIMISERS)
def test_mlp(optimiser: str) -> None:
    """Every optimiser, plain and foreach."""
    check_training(mlp(), labelled(16, 20), optimiser)


@pytest.mark.parametrize("optimiser", ["sgd-momentum-foreach", "adam-foreach"])
def test_cnn(optimiser: str) -> None:
    """Convolution, batch norm, both poolings."""
    check_training(cnn(), labelled(6, 1, 8, 8), optimiser)


def test_lstm() -> None:
    """Embedding, LSTM, cross entropy."""
    check_training(Recurrent(11, 12), characters(), "adam-foreach")


def test_transformer() -> None:
    """Layer norm, attention, GELU, embeddings."""
    check_training(Transformer(11, 6, 16), characters(), "adamw-foreach")


def test_transformer_with_dropout() -> None:
    """Its random numbers are the device's own, so only the counter and the trend are checked."""
    model = Transformer(11, 6, 16, dropout=0.1)
    found = train(model, characters(), OPTIMISERS["adamw-foreach"], "axl")

    assert torch.axl.fallbacks() == {}
    assert min(found[-3:]) < found[0]


def test_parameters_of_a_module_that_moves() -> None:
    """They are new ones unless PyTorch is asked to swap; lazy modules are made on the device."""
    model = nn.Linear(3, 2)
    before = model.weight
    try:
        torch.__future__.set_swap_module_params_on_conversion(True)
        model.to("axl")
    finally:
        torch.__future__.set_swap_module_params_on_conversion(False)
    lazy = nn.LazyConv2d(4, 3, device="axl")

    assert model.weight is before
    assert before.device.type == "axl"
    assert lazy(torch.ones(1, 2, 5, 5, device="axl")).shape == (1, 4, 3, 3)


def test_gradient_clipping_and_evaluation() -> None:
    """Norm clipping and eval mode fall back on nothing either."""
    model = cnn().to("axl")
    source, target = (each.to("axl") for each in labelled(6, 1, 8, 8))
    nn.functional.cross_entropy(model(source), target).backward()
    norm = nn.utils.clip_grad_norm_(model.parameters(), 0.1)
    after = torch.stack([p.grad.norm() for p in model.parameters() if p.grad is not None]).norm()
    model.eval()
    with torch.no_grad():
        scores = model(source)

    assert torch.axl.fallbacks() == {}
    assert norm.item() > 0.1
    assert after.item() == pytest.approx(0.1, rel=1e-3)
    assert scores.argmax(1).shape == (6,)

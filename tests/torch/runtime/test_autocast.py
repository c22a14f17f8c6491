# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.autocast("axl") and torch.amp.GradScaler("axl")."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional


@pytest.fixture
def layer() -> torch.nn.Linear:
    """A small layer on the device."""
    return torch.nn.Linear(8, 4).to("axl")


@pytest.fixture
def batch() -> torch.Tensor:
    """Its input."""
    return torch.randn(5, 8, device="axl")


def test_bfloat16_is_what_autocast_means_here(layer, batch) -> None:
    """Matrix products run in bfloat16 near the float32 result; parameters stay float32."""
    full = layer(batch)
    with torch.autocast("axl"):
        half = layer(batch)

    assert half.dtype is torch.bfloat16
    assert layer.weight.dtype is torch.float32
    torch.testing.assert_close(half.float().cpu(), full.cpu(), rtol=2e-2, atol=2e-2)


def test_each_list_of_pytorch_applies(layer, batch) -> None:
    """Products are lower, softmax and losses float32, mixed sums the wider; nested off is off."""
    with torch.autocast("axl", dtype=torch.bfloat16):
        half = layer(batch)
        assert (batch @ batch.t()).dtype is torch.bfloat16
        assert functional.softmax(half, -1).dtype is torch.float32
        assert functional.mse_loss(half, half).dtype is torch.float32
        assert half.norm().dtype is torch.float32
        assert torch.addcmul(batch[:, :4], half, half).dtype is torch.float32
        with torch.autocast("axl", enabled=False):
            assert (batch @ batch.t()).dtype is torch.float32
    assert layer(batch).dtype is torch.float32


def test_gradients_arrive_in_the_parameters_type(layer, batch) -> None:
    """backward() after autocast gives float32 gradients near those without."""
    layer(batch).pow(2).mean().backward()
    expected = layer.weight.grad.clone()
    layer.zero_grad()
    with torch.autocast("axl"):
        loss = layer(batch).float().pow(2).mean()
    loss.backward()

    assert layer.weight.grad.dtype is torch.float32
    torch.testing.assert_close(layer.weight.grad.cpu(), expected.cpu(), rtol=5e-2, atol=2e-2)


def test_other_types_are_refused_with_those_that_work(batch) -> None:
    """float64 is no type for autocast: it is off, and a warning lists the right ones."""
    with (
        pytest.warns(UserWarning, match=r"only supports dtypes of torch.bfloat16, torch.float16"),
        torch.autocast("axl", dtype=torch.float64),
    ):
        assert (batch @ batch.t()).dtype is torch.float32


def test_the_scaler_steps_and_skips(layer, batch) -> None:
    """GradScaler("axl") steps on finite gradients, and on others skips and halves its scale."""
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1)
    scaler = torch.amp.GradScaler("axl", init_scale=8.0)

    def step(factor: float) -> torch.Tensor:
        optimiser.zero_grad()
        with torch.autocast("axl", dtype=torch.float16):
            loss = layer(batch).float().pow(2).mean() * factor
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
        return layer.weight.detach().cpu()

    start = layer.weight.detach().cpu()
    stepped = step(1.0)
    assert not stepped.equal(start)
    assert scaler.get_scale() == 8.0
    assert step(float("inf")).equal(stepped)
    assert scaler.get_scale() == 4.0

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.compile without a backend: PyTorch's own, whose operators are calls on axl."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.torch.compiler.test_backend import FUNCTIONS, loss_of
from tests.torch.networks import Transformer

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("fresh")]

OWN_NUMBERS = ("random",)
"""Inductor draws other random numbers than eager mode, on every device."""


@pytest.mark.parametrize("name", [name for name in FUNCTIONS if name not in OWN_NUMBERS])
def test_functions_give_what_they_give(name: str) -> None:
    """On axl, and beside tensors of the CPU."""
    function = FUNCTIONS[name]
    compiled = torch.compile(function)
    for batch in (2, 3):
        x = torch.randn(batch, 1, 8, 8).to("axl")
        torch.testing.assert_close(compiled(x), function(x))


def test_random_numbers_are_drawn() -> None:
    """Half of them are left out."""
    share = torch.compile(lambda x: nn.functional.dropout(x, 0.5).ne(0).float().mean())
    assert share(torch.ones(4096, device="axl")).item() == pytest.approx(0.5, abs=0.1)


def test_a_transformer_trains() -> None:
    """Loss and gradients of eager mode."""
    network = Transformer(16, 12, 16).to("axl")
    x, y = torch.randint(16, (4, 12)).to("axl"), torch.randint(16, (48,)).to("axl")
    expected = loss_of(network)(x, y)
    gradients = torch.autograd.grad(expected, list(network.parameters()))
    got = torch.compile(loss_of(network))(x, y)
    torch.testing.assert_close(got, expected)
    for mine, theirs in zip(
        torch.autograd.grad(got, list(network.parameters())), gradients, strict=True
    ):
        torch.testing.assert_close(mine, theirs)


def test_a_constant_that_is_written_to_is_whole_the_next_time() -> None:
    """Numbers in the program are copied before they change."""

    def changed(x: torch.Tensor) -> torch.Tensor:
        numbers = torch.tensor([1.0, 2.0], device=x.device)
        numbers[0] = 5
        return x[:2] + numbers

    compiled = torch.compile(changed)
    for _ in range(2):
        assert compiled(torch.zeros(3, device="axl")).tolist() == [5.0, 2.0]

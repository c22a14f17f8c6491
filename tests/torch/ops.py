# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the tests of operators share: one call on axl and on the CPU, compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

TOLERANCE = {
    torch.float64: (1e-10, 1e-10),
    torch.float32: (2e-5, 1e-5),
    torch.float16: (5e-3, 5e-3),
    torch.bfloat16: (4e-2, 4e-2),
}
"""Relative and absolute difference, by element type. The half types are computed in float32
and rounded once by the device, where the CPU may round in between."""


def on_axl(value: Any) -> Any:
    """The same arguments with every tensor on axl, strides kept."""
    if isinstance(value, torch.Tensor):
        return value.to("axl")
    if isinstance(value, (list, tuple)):
        return type(value)(on_axl(each) for each in value)
    return value


def assert_same(actual: Any, expected: Any) -> None:
    """Equal type, shape and values within the type's tolerance."""
    if isinstance(expected, (list, tuple)):
        assert len(actual) == len(expected)
        for one, other in zip(actual, expected, strict=True):
            assert_same(one, other)
        return
    if not isinstance(expected, torch.Tensor):
        assert actual == expected
        return
    assert actual.device.type == "axl"
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    relative, absolute = TOLERANCE.get(expected.dtype, (0.0, 0.0))
    torch.testing.assert_close(actual.cpu(), expected, rtol=relative, atol=absolute, equal_nan=True)


def check(function: Callable[..., Any], *arguments: Any, native: bool = True, **named: Any) -> None:
    """`function` gives the same on axl as on the CPU; without a fallback if `native`."""
    expected = function(*arguments, **named)
    torch.axl.reset_fallbacks()
    actual = function(*on_axl(arguments), **{name: on_axl(each) for name, each in named.items()})
    fallbacks = torch.axl.fallbacks()
    assert_same(actual, expected)
    if native:
        assert fallbacks == {}


def check_gradients(function: Callable[..., Any], *arguments: Any, **named: Any) -> None:
    """Result and gradients of every floating argument are the CPU's, without a fallback."""

    def leaves(values: tuple[Any, ...]) -> list[Any]:
        return [
            each.detach().clone().requires_grad_()
            if isinstance(each, torch.Tensor) and each.is_floating_point()
            else each
            for each in values
        ]

    host, device = leaves(arguments), leaves(tuple(on_axl(arguments)))
    expected = function(*host, **named)
    weights = torch.randn_like(expected)
    expected.backward(weights)
    torch.axl.reset_fallbacks()
    actual = function(*device, **{name: on_axl(each) for name, each in named.items()})
    actual.backward(weights.to("axl"))
    fallbacks = torch.axl.fallbacks()
    assert_same(actual.detach(), expected.detach())
    for ours, theirs in zip(device, host, strict=True):
        if isinstance(theirs, torch.Tensor) and theirs.requires_grad:
            assert_same(ours.grad, theirs.grad)
    assert fallbacks == {}

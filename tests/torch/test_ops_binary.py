# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Functions of two and three tensors against the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.torch.ops import assert_same, check, check_gradients

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
ARITHMETIC = [
    "add", "sub", "mul", "div", "remainder", "fmod", "floor_divide", "maximum", "minimum", "fmax",
    "fmin", "atan2", "hypot", "copysign",
]  # fmt: skip
COMPARISONS = ["eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or", "logical_xor"]


# The CPU has no hypot of half types to compare with.
VALUES = [
    (name, dtype)
    for name in ARITHMETIC + COMPARISONS
    for dtype in FLOATS
    if name != "hypot" or dtype not in {torch.float16, torch.bfloat16}
]


@pytest.mark.parametrize(("name", "dtype"), VALUES, ids=str)
def test_values(name: str, dtype: torch.dtype) -> None:
    """Same shapes, broadcasting in both operands, views."""
    function = getattr(torch, name)
    a = (torch.randn(4, 6) * 3).round().mul(0.5).to(dtype)
    b = (torch.randn(4, 6) * 3).round().mul(0.5).add(0.25).to(dtype)

    check(function, a, b)
    check(function, a[:, :1], b[0])
    check(lambda x, y: function(x.t()[::2], y.t()[1::2]), a, b)
    check(function, a, torch.tensor(1.5, dtype=dtype))
    check(function, torch.empty(0, 6, dtype=dtype), b[0])


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.int8, torch.uint8], ids=str)
@pytest.mark.parametrize(
    "name",
    ["add", "sub", "mul", "div", "floor_divide", "remainder", "maximum", "lt", "bitwise_and",
     "bitwise_or", "bitwise_xor", "bitwise_left_shift", "bitwise_right_shift", "pow"],
)  # fmt: skip
def test_integers(name: str, dtype: torch.dtype) -> None:
    """Integers wrap and round as on the CPU."""
    a = torch.tensor([7, 100, 3, 0, 90]).to(dtype)
    b = torch.tensor([2, 3, 1, 5, 2]).to(dtype)

    check(getattr(torch, name), a, b)


@pytest.mark.parametrize("name", ["add", "mul", "logical_and", "bitwise_xor", "eq", "maximum"])
def test_truth_values(name: str) -> None:
    """Arithmetic of bool is logic."""
    a, b = torch.tensor([True, True, False, False]), torch.tensor([True, False, True, False])

    check(getattr(torch, name), a, b)


def test_types_are_promoted() -> None:
    """The result has PyTorch's type whatever is combined with what."""
    integers, floats = torch.arange(6), torch.rand(6)
    for other in (floats, floats.double(), floats.bfloat16(), torch.ones(6, dtype=torch.bool)):
        check(torch.add, integers, other)
        check(torch.mul, other, integers)
    for number in (2, 2.5, True):
        check(lambda t, n=number: t + n, integers)
        check(lambda t, n=number: 3 - n * t, floats)
        check(lambda t, n=number: t / n, integers)
        check(lambda t, n=number: t < n, integers)


def test_scale_of_add_and_sub() -> None:
    """alpha, as number of the result's type."""
    a, b = torch.randn(5), torch.randn(5)

    check(torch.add, a, b, alpha=2.5)
    check(torch.sub, a, b, alpha=-3)
    check(torch.add, torch.arange(4), torch.arange(4), alpha=3)


@pytest.mark.parametrize("exponent", [0, 0.5, 1, 2, 3, -1, -2.5])
def test_powers(exponent: float) -> None:
    """Of a number, to a number, of tensors."""
    base = torch.rand(7) + 0.5

    check(torch.pow, base, exponent)
    check(torch.pow, base, torch.full((7,), float(exponent)))
    check(lambda t: torch.pow(2.0, t), base)
    check_gradients(lambda t: t**exponent, base)


@pytest.mark.parametrize("rounding", [None, "floor", "trunc"])
def test_divisions(rounding: str | None) -> None:
    """All roundings, integers and floats, zero included for floats."""
    check(torch.div, torch.tensor([7.0, -7.0, 1.0, 0.0]), torch.tensor([2.0, 2.0, 0.0, 3.0]),
          rounding_mode=rounding)  # fmt: skip
    check(torch.div, torch.tensor([7, -7, 9]), torch.tensor([2, 2, -4]), rounding_mode=rounding)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int8, torch.uint8], ids=str)
def test_integers_divided_by_zero_are_zero(dtype: torch.dtype) -> None:
    """Where the CPU raises; the other elements are right, and the device goes on."""
    a = torch.tensor([7, 0, 9], dtype=dtype, device="axl")
    b = torch.tensor([0, 0, 4], dtype=dtype, device="axl")
    found = {
        name: function(a, b).cpu().tolist()
        for name, function in {
            "floor": torch.floor_divide,
            "trunc": lambda x, y: torch.div(x, y, rounding_mode="trunc"),
            "remainder": torch.remainder,
            "fmod": torch.fmod,
        }.items()
    }
    torch.axl.synchronize()

    quotient, rest = [0, 0, 2], [0, 0, 1]
    assert found == {"floor": quotient, "trunc": quotient, "remainder": rest, "fmod": rest}
    assert (a // 0).cpu().tolist() == [0, 0, 0]


def test_out_and_in_place() -> None:
    """In place keeps type and shape, and refuses what does not fit."""
    a, b = torch.randn(3, 4), torch.randn(4)
    device = a.to("axl")
    out = torch.empty(0, device="axl")

    assert device.add_(b.to("axl")) is device
    assert_same(device, a + b)
    torch.mul(device, 2, out=out)
    assert_same(out, (a + b) * 2)
    with pytest.raises(RuntimeError, match="broadcast shape"):
        b.to("axl").add_(device)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.arange(4, device="axl").add_(0.5)


def test_overlapping_views_are_refused() -> None:
    """An output whose elements meet is an error as on the CPU."""
    with pytest.raises(RuntimeError, match="single memory location"):
        torch.zeros(1, device="axl").expand(3).add_(1)


@pytest.mark.parametrize(
    "function",
    [torch.add, torch.mul, torch.sub, torch.div, torch.maximum, torch.atan2],
    ids=lambda f: str(f.__name__),
)
def test_gradients(function: Callable[..., Any]) -> None:
    """Also where an operand was broadcast."""
    check_gradients(function, torch.rand(4, 5) + 0.5, torch.rand(5) + 0.7)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_ternary(dtype: torch.dtype) -> None:
    """where, clamp, lerp, addcmul, addcdiv."""
    a, b, c = (torch.randn(4, 6).to(dtype) for _ in range(3))
    positive = c.abs() + 1

    check(torch.where, a > 0, b, c)
    check(torch.where, (a > 0)[:1], b, c[:, :1])
    check(lambda x: torch.where(x > 0, x, 0.5), a)
    check(torch.addcmul, a, b, c, value=0.5)
    check(torch.addcdiv, a, b, positive, value=-2)
    check(torch.lerp, a, b, 0.3)
    check(torch.lerp, a, b, positive / 4)
    check(torch.clamp, a, -0.5, 0.5)
    check(torch.clamp, a, min=0.1)
    check(torch.clamp, a, max=0.1)
    check(torch.clamp, a, b, b + 1)
    check(torch.clamp, a, b)
    check(torch.clamp_min, a, 0)
    check(torch.clamp, torch.empty(0, dtype=dtype), 0, 1)


def test_ternary_in_place() -> None:
    """As optimisers use them."""
    a, b, c = torch.randn(5), torch.randn(5), torch.rand(5) + 1
    device, other, third = a.to("axl"), b.to("axl"), c.to("axl")

    device.addcmul_(other, third, value=0.1)
    a.addcmul_(b, c, value=0.1)
    device.addcdiv_(other, third, value=-0.1)
    a.addcdiv_(b, c, value=-0.1)
    device.lerp_(other, 0.25)
    a.lerp_(b, 0.25)
    device.clamp_(-1, 1)
    a.clamp_(-1, 1)
    assert_same(device, a)
    assert torch.axl.fallbacks() == {}


def test_where_promotes() -> None:
    """The result's type is that of both values."""
    condition = torch.tensor([True, False, True])

    check(torch.where, condition, torch.arange(3), torch.rand(3))
    check(torch.where, condition, torch.tensor(1), torch.arange(3, dtype=torch.int32))

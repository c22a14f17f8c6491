# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Functions of one tensor against the CPU."""

from __future__ import annotations

import pytest
import torch

from tests.torch.ops import assert_same, check, check_gradients

FLOATS = [torch.float32, torch.float64, torch.float16, torch.bfloat16]
ANYWHERE = [
    "abs", "atan", "asinh", "ceil", "cos", "erf", "erfc", "exp", "exp2", "expm1", "floor", "frac",
    "isnan", "logical_not", "neg", "relu", "round", "sgn", "sigmoid", "sign", "sin", "sinh", "cosh",
    "tan", "tanh", "trunc", "square",
]  # fmt: skip
POSITIVE = ["log", "log2", "log10", "log1p", "sqrt", "rsqrt", "reciprocal", "lgamma", "digamma"]
INSIDE = ["acos", "asin", "atanh", "erfinv"]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ANYWHERE + POSITIVE + INSIDE)
def test_values(name: str, dtype: torch.dtype) -> None:
    """Every function gives the CPU's values where it is defined."""
    source = torch.randn(3, 17)
    if name in POSITIVE:
        source = source.abs() + 0.5
    if name in INSIDE:
        source = source.tanh() * 0.9

    check(getattr(torch, name), source.to(dtype))


@pytest.mark.parametrize("name", ["abs", "exp", "floor", "neg", "relu", "sigmoid"])
def test_layouts(name: str) -> None:
    """Transposed, sliced, expanded, empty and 0-d inputs."""
    function = getattr(torch, name)
    base = torch.randn(6, 8)

    check(lambda t: function(t.t()[1::2]), base)
    check(lambda t: function(t[:, :1].expand(6, 4)), base)
    check(function, torch.empty(0, 3))
    check(function, torch.tensor(0.5))


@pytest.mark.parametrize("name", ["abs", "exp", "neg", "relu", "logical_not"])
def test_channels_last_stays_so(name: str) -> None:
    """Values and order of dimensions, also where the result is made first and resized then."""
    source = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    function = getattr(torch, name)

    check(function, source)
    assert function(source.to("axl")).stride() == function(source).stride()


def test_out_of_channels_last() -> None:
    """out= that is resized takes the order of the input."""
    source = torch.randn(2, 3, 4, 5).contiguous(memory_format=torch.channels_last)
    out = torch.exp(source.to("axl"), out=torch.empty(0, device="axl"))

    assert_same(out, source.exp())
    assert out.stride() == source.stride()


def test_more_dimensions_than_a_command_has() -> None:
    """Nine dimensions that cannot be merged become several commands."""
    base = torch.randn(*[3] * 9)[(slice(None, None, 2),) * 9]

    check(torch.exp, base)


def test_out_and_in_place() -> None:
    """out= is resized or keeps its strides; in place writes the tensor itself."""
    source = torch.randn(4, 5).to("axl")
    out = torch.empty(0, device="axl")
    strided = torch.empty(5, 4, device="axl").t()

    assert torch.exp(source, out=out) is out
    assert_same(out, source.cpu().exp())
    torch.exp(source, out=strided)
    assert_same(strided, source.cpu().exp())
    assert strided.stride() == (1, 4)
    expected = source.cpu().sqrt_()
    assert source.sqrt_() is source
    assert_same(source, expected)


@pytest.mark.parametrize("dtype", [torch.int64, torch.int32, torch.uint8, torch.bool], ids=str)
@pytest.mark.parametrize("name", ["exp", "sqrt", "logical_not", "bitwise_not", "sign"])
def test_integers(name: str, dtype: torch.dtype) -> None:
    """Functions of integers give floats where PyTorch says so."""
    check(getattr(torch, name), torch.tensor([0, 1, 2, 3]).to(dtype))


def test_special_values() -> None:
    """Infinities and NaN are treated as the CPU does."""
    source = torch.tensor([float("nan"), float("inf"), -float("inf"), -0.0, 0.0])
    for name in ("exp", "relu", "sign", "abs", "isnan", "round", "tanh", "sqrt"):
        check(getattr(torch, name), source)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    """Both forms, with gradients."""
    check_gradients(torch.nn.functional.gelu, torch.randn(4, 9), approximate=approximate)


@pytest.mark.parametrize("name", ["relu", "sigmoid", "tanh", "exp", "sqrt", "log", "abs", "sin"])
def test_gradients(name: str) -> None:
    """Gradients are the CPU's, computed on the device."""
    check_gradients(getattr(torch, name), torch.rand(4, 9) + 0.1)


def test_silu_gradients() -> None:
    """SiLU is x * sigmoid(x)."""
    check_gradients(torch.nn.functional.silu, torch.randn(4, 9))


def test_complex_numbers_fall_back() -> None:
    """The device has no complex numbers: the CPU computes them, and the counter shows it."""
    check(torch.exp, torch.randn(3, dtype=torch.complex64), native=False)
    assert "aten::exp" in torch.axl.fallbacks()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Reductions, products of matrices, softmax and random numbers against the CPU."""

from __future__ import annotations

import pytest
import torch

from tests.torch.ops import assert_same, check, check_gradients

FLOATS = [torch.float32, torch.float64, torch.bfloat16]


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
@pytest.mark.parametrize("name", ["sum", "mean", "amax", "amin", "var", "std"])
def test_values(name: str, dtype: torch.dtype) -> None:
    """Over one dimension, several and all; kept or not; of views."""
    function = getattr(torch, name)
    source = torch.randn(3, 4, 5).to(dtype)

    check(function, source)
    check(function, source, dim=1)
    check(function, source, dim=(0, -1), keepdim=True)
    check(lambda t: function(t.transpose(0, 2)[::2], dim=0), source)
    check(lambda t: function(t[:, :1].expand(3, 6, 5), dim=1), source)


@pytest.mark.parametrize("name", ["prod", "any", "all", "argmax", "argmin", "max", "min"])
def test_one_dimension(name: str) -> None:
    """Those that take a dimension, with indices where they give some."""
    function = getattr(torch, name)
    source = torch.randn(3, 4, 5)

    check(function, source)
    check(function, source, dim=1)
    check(function, source, dim=-1, keepdim=True)
    check(function, torch.tensor(3.0))


def test_integers_and_truth_values() -> None:
    """Sums of integers are int64; any and all take every type."""
    numbers = torch.tensor([[1, 0, 3], [4, 5, 0]], dtype=torch.int32)

    check(torch.sum, numbers)
    check(torch.sum, numbers > 1, dim=0)
    check(torch.prod, numbers, 1)
    check(torch.any, numbers, dim=1)
    check(torch.all, numbers)
    check(torch.max, numbers, 1)
    check(torch.sum, numbers, dtype=torch.float32)


def test_nothing_to_reduce() -> None:
    """The neutral element, or the CPU's error."""
    check(torch.sum, torch.empty(0, 3), dim=0)
    check(torch.prod, torch.empty(0))
    check(torch.all, torch.empty(0, 3), dim=0)
    check(torch.mean, torch.empty(0))
    check(torch.sum, torch.empty(0, 3), dim=1)
    with pytest.raises(RuntimeError, match="reduction dim"):
        torch.max(torch.empty(0, device="axl"))
    with pytest.raises(IndexError, match="non-zero size"):
        torch.argmax(torch.empty(0, 3, device="axl"), dim=0)


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int32, torch.bool], ids=str)
def test_cumulative_sums(dtype: torch.dtype) -> None:
    """Along every dimension, of views, of one element and of none; integers become int64."""
    source = (torch.randn(3, 9, 5) * 4).to(dtype)

    check(torch.cumsum, source, 1)
    check(torch.cumsum, source, -1)
    check(lambda t: t.transpose(0, 1)[::2].cumsum(0), source)
    check(torch.cumsum, source[0, 0, 0], 0)
    check(torch.cumsum, source[:0], 0)
    check(torch.cumsum, source, 0, dtype=torch.float64)


def test_cumulative_sums_in_place_and_backward() -> None:
    """The gradient is a cumulative sum from the other end."""
    check_gradients(lambda t: torch.cumsum(t, 1), torch.randn(3, 33))
    check(lambda t: t.clone().cumsum_(0), torch.randn(7, 2))


@pytest.mark.parametrize("dtype", [*FLOATS, torch.int32, torch.bool], ids=str)
def test_cumulative_products(dtype: torch.dtype) -> None:
    """Along every dimension, of views and of one element; integers become int64."""
    source = torch.tensor([[1, -1, 2, 3, 1, 0, 2], [2, 1, 1, -2, 1, 1, 3]]).to(dtype)

    check(torch.cumprod, source, 0)
    check(torch.cumprod, source, -1)
    check(lambda t: t.t()[1:].cumprod(0), source)
    check(torch.cumprod, source[0, 0], 0)
    check(lambda t: t.clone().cumprod_(1), source.double())


@pytest.mark.parametrize("order", [0, 1, 2, 3, float("inf"), -float("inf")])
def test_norms(order: float) -> None:
    """Vector norms of every order that has a name."""
    check(torch.linalg.vector_norm, torch.randn(4, 5), order)
    check(torch.linalg.vector_norm, torch.randn(4, 5), order, dim=1, keepdim=True)


def test_nan_wins() -> None:
    """A NaN is the maximum, the minimum, and where they are."""
    source = torch.tensor([[1.0, float("nan"), 3.0]])
    for name in ("max", "min", "argmax", "amin"):
        check(getattr(torch, name), source, 1)


def test_out() -> None:
    """out= is written, of the type that is asked for."""
    source = torch.randn(3, 4)
    out = torch.empty(0, device="axl")

    torch.sum(source.to("axl"), dim=1, out=out)
    assert_same(out, source.sum(1))
    for function in (torch.var, torch.std):
        out = torch.empty(0, device="axl")
        function(source.to("axl"), dim=0, out=out)
        assert_same(out, function(source, dim=0))
        function(source.to("axl"), dim=1, keepdim=True, correction=0, out=out.resize_(0))
        assert_same(out, function(source, dim=1, keepdim=True, correction=0))
    assert torch.axl.fallbacks() == {}


def test_more_dimensions_than_a_command_has() -> None:
    """Some reduced, all, kept or not; indices count as if nothing had been merged."""
    source = torch.randn([2, 1, 2, 3, 1, 2, 2, 1, 2, 2]).transpose(0, 3)

    check(torch.sum, source, dim=(0, 3, 9))
    check(torch.amax, source, dim=(-1, 2), keepdim=True)
    check(torch.all, source > -3)
    check(torch.argmax, source)
    check(torch.max, source, 3, native=False)
    check(torch.softmax, source, 3)
    check(torch.cumsum, source, 2)


@pytest.mark.parametrize("dtype", FLOATS, ids=str)
def test_products(dtype: torch.dtype) -> None:
    """mm, bmm, addmm, baddbmm, mv, dot, and matmul that broadcasts; of views."""
    a, b = torch.randn(3, 4).to(dtype), torch.randn(4, 5).to(dtype)
    batch, other = torch.randn(2, 3, 4).to(dtype), torch.randn(2, 4, 5).to(dtype)
    bias = torch.randn(5).to(dtype)

    check(torch.mm, a, b)
    check(lambda x, y: x.t() @ y.t()[:, :3].t(), a, torch.randn(6, 3).to(dtype).t())
    check(torch.addmm, bias, a, b)
    check(torch.addmm, bias, a, b, alpha=0.5, beta=2)
    check(torch.bmm, batch, other)
    check(torch.baddbmm, bias, batch, other, beta=0)
    check(torch.matmul, batch, b)
    check(torch.matmul, a, other)
    check(torch.mv, a, b[:, 0])
    check(torch.dot, a[0], b[:, 0])
    check(torch.nn.functional.linear, batch, torch.randn(6, 4).to(dtype))


def test_products_of_nothing() -> None:
    """An inner dimension of 0 gives zeros, or the addend alone."""
    check(torch.mm, torch.empty(3, 0), torch.empty(0, 2))
    check(torch.addmm, torch.randn(3, 2), torch.empty(3, 0), torch.empty(0, 2), beta=2)
    check(torch.mm, torch.empty(0, 4), torch.empty(4, 2))
    check(torch.mm, torch.arange(6).view(2, 3), torch.arange(6).view(3, 2))


def test_shapes_that_do_not_fit_are_refused() -> None:
    """With PyTorch's own message."""
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        torch.mm(torch.ones(2, 3, device="axl"), torch.ones(2, 3, device="axl"))


def test_gradients_of_products() -> None:
    """Of both factors and of the bias."""
    check_gradients(
        torch.nn.functional.linear, torch.randn(3, 4), torch.randn(5, 4), torch.randn(5)
    )
    check_gradients(torch.matmul, torch.randn(2, 3, 4), torch.randn(4, 5))


@pytest.mark.parametrize("name", ["softmax", "log_softmax"])
@pytest.mark.parametrize("dim", [0, 1, -1])
def test_softmax(name: str, dim: int) -> None:
    """Along any dimension, with gradients, of half types and of huge values."""
    function = getattr(torch, name)

    check_gradients(function, torch.randn(3, 4, 5), dim=dim)
    check(function, torch.randn(3, 4, 5).bfloat16(), dim=dim)
    check(function, torch.randn(3, 4, 5) * 1000, dim=dim)
    check(function, torch.empty(0, 4), dim=1)
    check(function, torch.tensor(2.0), dim=0)


@pytest.mark.parametrize("name", ["sum", "mean", "amax", "var", "std"])
def test_gradients(name: str) -> None:
    """Of reductions over one dimension."""
    check_gradients(getattr(torch, name), torch.randn(4, 5), dim=1)


def test_random_numbers_have_their_distribution() -> None:
    """Mean and spread of 40000 numbers; the tolerance is five standard errors."""
    count = 40000
    uniform = torch.empty(count, device="axl").uniform_(-1, 3).cpu()
    normal = torch.empty(count, device="axl").normal_(2, 0.5).cpu()
    ones = torch.empty(count, device="axl").bernoulli_(0.3).cpu()
    each = torch.bernoulli(torch.full((count,), 0.3, device="axl")).cpu()

    assert torch.axl.fallbacks() == {}
    assert uniform.min() >= -1
    assert uniform.max() < 3
    assert abs(uniform.mean() - 1) < 5 * (4 / 12**0.5) / count**0.5
    assert abs(normal.mean() - 2) < 5 * 0.5 / count**0.5
    assert abs(normal.std() - 0.5) < 5 * 0.5 / (2 * count) ** 0.5
    for sample in (ones, each):
        assert set(sample.unique().tolist()) == {0.0, 1.0}
        assert abs(sample.mean() - 0.3) < 5 * (0.3 * 0.7 / count) ** 0.5


@pytest.mark.parametrize(
    ("bounds", "said"),
    [((2, 1), "found from=2 > to=1"), ((0, 1e39), "out of bounds"), ((-3e38, 3e38), "to-from")],
    ids=str,
)
def test_ranges_that_the_type_does_not_hold(bounds: tuple[float, float], said: str) -> None:
    """They are refused at once."""
    with pytest.raises(RuntimeError, match=said):
        torch.empty(3, device="axl").uniform_(*bounds)


def test_random_numbers_repeat_with_the_seed() -> None:
    """And differ without it, from one call to the next."""
    torch.manual_seed(5)
    first = torch.rand(100, device="axl")
    second = torch.rand(100, device="axl")
    torch.manual_seed(5)

    assert torch.rand(100, device="axl").equal(first)
    assert not first.equal(second)


def test_dropout_drops_and_scales() -> None:
    """What is kept is divided by the share that is kept, in the gradient as well."""
    source = torch.ones(10000, device="axl", requires_grad=True)
    result = torch.nn.functional.dropout(source, 0.25)
    result.sum().backward()
    values = result.detach().cpu()

    assert torch.axl.fallbacks() == {}
    torch.testing.assert_close(values[values != 0].unique(), torch.tensor([4 / 3]))
    assert abs((values == 0).float().mean() - 0.25) < 5 * (0.25 * 0.75 / 10000) ** 0.5
    assert source.grad is not None
    assert_same(source.grad, values)

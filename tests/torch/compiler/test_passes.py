# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the passes make of graphs: the same numbers, in as many commands as there must be."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from pyaccel.torch.compiler.instructions import CONDITIONS, is_known
from tests.torch.compiler.counting import commands, optimised

aten = torch.ops.aten
Made = tuple[Tensor, ...]


def check(function: Callable[..., Made], count: int, *inputs: Tensor, exact: bool = True) -> None:
    """The numbers of eager mode, bit for bit unless a sum may be in another order."""
    on_axl = [given.to("axl") for given in inputs]
    run = optimised(function, *on_axl)
    run()  # constants are made
    expected, got = function(*on_axl), run()
    for mine, theirs in zip(got, expected, strict=True):
        assert (mine.dtype, mine.shape) == (theirs.dtype, theirs.shape)
        if exact:
            assert mine.stride() == theirs.stride()
            assert mine.cpu().nan_to_num(7).equal(theirs.cpu().nan_to_num(7))
        else:
            torch.testing.assert_close(mine, theirs)
    assert commands(run) == count


def spread(*shape: int) -> Tensor:
    """Numbers of both signs, none of them special."""
    return torch.randn(*shape, generator=torch.Generator().manual_seed(len(shape)))


UNARY = """
    abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc erfinv exp exp2 expm1
    floor frac lgamma log log10 log1p log2 neg reciprocal relu round rsqrt sigmoid sign sin
    sinh sqrt square tan tanh trunc
"""


@pytest.mark.parametrize("name", UNARY.split())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_a_function_and_a_sum_are_one_command(name: str, dtype: torch.dtype) -> None:
    """Each function of one operand, with a number added."""
    function = getattr(torch, name)
    x = spread(3, 5).to(dtype)
    check(lambda x: (function(x) + 1.25,), 1 if is_known(getattr(aten, name).default) else 2, x)


SEVERAL: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "arithmetic": lambda x, y: 2 * (x - y) / (x * y + 3) - (5 - x),
    "alpha": lambda x, y: torch.add(torch.sub(x, y, alpha=3), y, alpha=-0.5),
    "powers": lambda x, y: x**2 + x**3 + x.abs() ** 0.5 + x**-1 + 2**y + x.abs() ** y,
    "extremes": lambda x, y: torch.maximum(x, y) + torch.minimum(x, y).clamp_min(-0.5),
    "two signs": lambda x, y: torch.copysign(torch.atan2(x, y), x) + torch.hypot(x, y),
    "products": lambda x, y: torch.addcmul(x, x, y, value=2) + torch.addcdiv(x, y, x, value=3),
    "between": lambda x, y: torch.lerp(x, y, 0.25) + torch.lerp(x, y, y),
    "conditions": lambda x, y: torch.where(x > y, x, y) + torch.where(x <= 0, 2.0, y),
    "filled": lambda x, y: x.masked_fill(y == x, 3) + y.masked_fill(x != 0, -1),
    "gelu": lambda x, y: aten.gelu(x) + aten.gelu(y, approximate="tanh"),
    "gradients": lambda x, y: (
        aten.gelu_backward(y, x)
        + aten.gelu_backward(x, y, approximate="tanh")
        + aten.threshold_backward(y, x, 0)
        + aten.sigmoid_backward(y, x)
        + aten.tanh_backward(y, x)
        + aten.silu_backward(y, x)
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_operators_of_several_operands_are_one_command(name: str, dtype: torch.dtype) -> None:
    """As eager mode computes them."""
    x, y = spread(3, 5).to(dtype), spread(5, 3).t().contiguous().to(dtype)
    check(lambda x, y: (SEVERAL[name](x, y),), 1, x, y)


def test_every_comparison_is_computed_where_it_is_used() -> None:
    """Without a tensor of booleans; one that is wanted is made as well."""
    x, y = spread(4, 6), spread(6)

    def chosen(compare: Any) -> Callable[[Tensor, Tensor], Made]:
        if compare._overloadname == "Tensor":
            return lambda x, y: (torch.where(compare(x, y), x, y) + 1,)
        return lambda x, y: (torch.where(compare(x, 0.25), x, y) + 1,)

    for compare in CONDITIONS:
        check(chosen(compare), 1, x, y)
    check(lambda x, y: (torch.where(x > y, x, y) + 1, x > y), 2, x, y)


def test_sums_are_taken_with_what_they_are_of() -> None:
    """What is summed is not stored, unless it is wanted; what follows a sum waits for it."""
    x, y = spread(6, 7, 8), spread(7, 1)
    check(lambda x, y: ((x * y + 1).sum(1),), 1, x, y)
    check(lambda x, y: ((x * y).sum((0, 2)), (x * y).mean(-1, keepdim=True), x * y), 1, x, y)
    check(lambda x, y: ((x - y).amax((0, 1)), x.amin(2), x - y), 1, x, y)
    check(lambda x, y: ((x - (x * y).sum(0)) * 2,), 2, x, y)


def test_shapes_and_types_that_differ_stay_apart() -> None:
    """One command computes one shape in one type; what it reads it converts."""
    x, y, n = spread(4, 5), spread(5).double(), torch.arange(5)
    check(lambda x, y: (x * 2 + 1, y * 2 + 1), 2, x, y)
    check(lambda x, n: (x * n.float() + n.bool().float(),), 2, x, n)
    check(lambda n: (n * 2 + 1,), 2, n)


def test_an_operation_between_two_of_a_group_keeps_them_apart() -> None:
    """What adds a product's operand to the product cannot be in the command that makes it."""

    def around(x: Tensor) -> Made:
        a = x * 2
        return (a + a @ a * a,)

    check(around, 3, spread(4, 4))


def test_outputs_keep_their_strides() -> None:
    """Of transposed operands."""
    x = spread(4, 5, 6).permute(2, 0, 1)
    check(lambda x: (torch.exp(x) + x, x * 2 + 1), 1, x)


def test_what_does_not_fit_goes_into_further_commands() -> None:
    """More instructions, operands, numbers and outputs than a command has."""
    x = spread(3, 4)

    def long(x: Tensor) -> Made:
        for _ in range(10):
            x = (x + 1).sin() * 2
        return (x,)

    def numbers(x: Tensor) -> Made:
        for n in range(12):
            x = x + n / 7
        return (x,)

    def many(x: Tensor) -> Made:
        return tuple(x * n + n for n in range(2, 9))

    check(long, 2, x)
    check(numbers, 2, x)
    check(many, 2, x)
    inputs = [spread(3, 4) for _ in range(20)]
    check(lambda *given: (sum(given),), 2, *inputs)


def test_a_copy_is_made_where_the_user_gets_it() -> None:
    """A clone that is returned is no alias; one inside is left out."""
    x = torch.ones(3, device="axl")
    (got,) = optimised(lambda x: (x.clone(),), x)()
    got += 1
    assert x.cpu().tolist() == [1.0] * 3
    check(lambda x: ((x @ x).clone() @ x,), 2, spread(4, 4))


def test_constants_are_made_once_and_given_away_as_copies() -> None:
    """A user who writes to a result does not change the next one."""

    def ramp(x: Tensor) -> Made:
        r = torch.arange(4, device=x.device) * 2
        return x + r.float(), r.view(2, 2)

    run = optimised(ramp, torch.zeros(4, device="axl"))
    expected = [[0.0, 2.0, 4.0, 6.0], [[0, 2], [4, 6]]]
    for _ in range(2):
        got = run()
        assert [each.cpu().tolist() for each in got] == expected
        got[1].zero_()


def test_attention_is_two_products_and_a_softmax() -> None:
    """Scale and mask go into the first product; nothing is copied but what comes out."""

    def attend(x: Tensor) -> Made:
        q, k, v = (each.view(2, 6, 2, 4).transpose(1, 2) for each in x.chunk(3, -1))
        return (torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=True),)

    check(attend, 5, spread(2, 6, 24), exact=False)


@pytest.mark.parametrize("ignored", [-100, 0, 3])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_losses_ignore_what_they_are_told_to(ignored: int, reduction: str) -> None:
    """A class of the network may be the one that is ignored."""
    y = torch.randint(5, (12,), generator=torch.Generator().manual_seed(2))
    y[::4] = ignored

    def loss(x: Tensor, y: Tensor) -> Made:
        x = x.detach().requires_grad_()
        made = torch.nn.functional.cross_entropy(x, y, ignore_index=ignored, reduction=reduction)
        return (made, *torch.autograd.grad(made, x))

    on_axl = spread(12, 5).to("axl"), y.to("axl")
    for mine, theirs in zip(optimised(loss, *on_axl)(), loss(*on_axl), strict=True):
        torch.testing.assert_close(mine, theirs)


def random_function(seed: int) -> Callable[..., Made]:
    """Elementwise operations, sums and barriers, each of operands that were made before."""

    def function(*inputs: Tensor) -> Made:
        draw = random.Random(seed)
        made = list(inputs)
        for _ in range(draw.randrange(8, 40)):
            a, b = draw.choice(made), draw.choice(made)
            kind = draw.randrange(8)
            if kind < 3:
                made.append(draw.choice([torch.add, torch.sub, torch.mul])(a, b))
            elif kind < 5:
                made.append(draw.choice([torch.tanh, torch.neg, torch.sigmoid])(a))
            elif kind == 5:
                made.append(torch.where(a > b, a * 0.5, b))
            elif kind == 6:
                made.append(a.mean(draw.randrange(2), keepdim=True))
            else:
                made.append(torch.cumsum(a, 0) * 0.25)
        return tuple(draw.sample(made[len(inputs) :], 3))

    return function


@pytest.mark.parametrize("seed", range(25))
def test_any_graph_gives_its_numbers(seed: int) -> None:
    """Whatever depends on what: no group needs what comes after it."""
    inputs = [spread(4, 6).to("axl"), spread(4, 1).to("axl"), spread(6).to("axl")]
    inputs[2] = inputs[2].view(1, 6)
    function = random_function(seed)
    run = optimised(function, *inputs)
    for mine, theirs in zip(run(), function(*inputs), strict=True):
        assert mine.shape == theirs.shape
        torch.testing.assert_close(mine, theirs, equal_nan=True)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What networks are made of: norms, losses, indexing, cells, convolutions, pooling."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from tests.torch.ops import assert_same, check, check_gradients, on_axl

F = torch.nn.functional


def test_layer_norm() -> None:
    """With and without weight and bias, over several dimensions, in bfloat16."""
    source = torch.randn(3, 4, 5)

    check_gradients(F.layer_norm, source, (5,), torch.randn(5), torch.randn(5))
    check_gradients(F.layer_norm, source, (4, 5), torch.randn(4, 5))
    check_gradients(F.layer_norm, source, (5,))
    check(F.layer_norm, source.bfloat16(), (5,))
    check_gradients(lambda t, w: F.layer_norm(t.transpose(0, 1), (5,), w), source, torch.randn(5))


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("shape", [(4, 3), (4, 3, 6), (4, 3, 5, 6)])
def test_batch_norm(training: bool, shape: tuple[int, ...]) -> None:
    """Results, gradients and running statistics."""
    source, weight, bias = torch.randn(shape), torch.randn(3), torch.randn(3)
    mean, var = torch.randn(3), torch.rand(3) + 0.5
    device = (mean.to("axl"), var.to("axl"))

    check_gradients(
        lambda t, w, b: F.batch_norm(
            t, *(device if t.device.type == "axl" else (mean, var)), w, b, training, 0.1
        ),
        source,
        weight,
        bias,
    )
    assert_same(device[0], mean)
    assert_same(device[1], var)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_cross_entropy(reduction: str) -> None:
    """Weights, ignored rows, gradients."""
    logits = torch.randn(6, 5)
    target = torch.tensor([0, 4, 2, -100, 1, 1])
    weight = torch.rand(5) + 0.5

    check_gradients(lambda t, c: F.cross_entropy(t, c, reduction=reduction), logits, target)
    check(lambda t, c, w: F.cross_entropy(t, c, w, reduction=reduction), logits, target, weight)
    check(lambda t, c: F.nll_loss(t, c, ignore_index=2, reduction=reduction), logits.log_softmax(1),
          torch.tensor([0, 4, 2, 3, 1, 1]))  # fmt: skip
    check(F.nll_loss, logits[0], torch.tensor(3))
    with pytest.raises(RuntimeError, match="expected scalar type"):
        F.nll_loss(logits.to("axl"), target.to("axl"), weight.double().to("axl"))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("shape", [(2, 5, 3, 4), (2, 5, 7), (0, 5, 3, 4)], ids=str)
def test_cross_entropy_of_places(shape: tuple[int, ...], reduction: str) -> None:
    """Of every pixel, or of every token with the classes second."""
    logits, weight = torch.randn(shape), torch.rand(5) + 0.5
    target = torch.randint(5, (shape[0], *shape[2:]))
    target[:, 1] = -100

    check_gradients(lambda t, c: F.cross_entropy(t, c, reduction=reduction), logits, target)
    check(lambda t, c, w: F.cross_entropy(t, c, w, reduction=reduction), logits, target, weight)


def test_cross_entropy_of_other_places_is_refused() -> None:
    """As many places in another order of dimensions are not the same places."""
    with pytest.raises(RuntimeError, match="size mismatch"):
        F.nll_loss(torch.randn(2, 5, 3, 4, device="axl"),
                   torch.zeros(2, 4, 3, dtype=torch.long, device="axl"))  # fmt: skip


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_mse(reduction: str) -> None:
    """Both sides get gradients."""
    check_gradients(F.mse_loss, torch.randn(4, 5), torch.randn(4, 5), reduction=reduction)


def test_embedding() -> None:
    """Rows looked up twice get both gradients; the padding row none."""
    indices = torch.tensor([[1, 2, 1], [0, 3, 1]])

    check_gradients(lambda w, i: F.embedding(i, w), torch.randn(4, 6), indices)
    check_gradients(lambda w, i: F.embedding(i, w, padding_idx=1), torch.randn(4, 6), indices)


def test_gather_and_scatter() -> None:
    """Along every dimension, repeated places included; indices smaller than the source."""
    source = torch.randn(4, 5)
    index = torch.tensor([[0, 3, 1], [2, 0, 0]])

    check_gradients(lambda t, i: torch.gather(t, 0, i), source, index)
    check_gradients(lambda t, i: torch.gather(t, -1, i), source, index)
    check(lambda t, i, s: t.scatter(0, i, s), source, index, torch.randn(2, 3))
    check(lambda t, i: t.scatter(1, i, 7.0), source, index)
    check(lambda t, i, s: t.scatter_add(0, i, s), source, index, torch.randn(2, 4))
    check(lambda t, i: torch.index_select(t.t(), 1, i), source, index[0])
    check(torch.gather, torch.tensor(3.0), 0, torch.tensor(0))


def test_an_empty_index_of_any_shape_moves_nothing() -> None:
    """Also where it has fewer dimensions than what it would index."""
    index, ones = torch.empty(0, dtype=torch.long, device="axl"), torch.ones(2, 3, device="axl")

    assert torch.equal(ones.scatter(1, index, 2 * ones).cpu(), torch.ones(2, 3))
    assert torch.equal(ones.scatter(1, index, 2.0).cpu(), torch.ones(2, 3))
    assert torch.equal(ones.scatter_add(1, index, ones).cpu(), torch.ones(2, 3))
    assert ones.gather(1, index).shape == (0,)


def test_an_index_of_the_cpu_fills() -> None:
    """index_fill() takes one, as indexing does: PyTorch's own tests of devices give it one."""
    filled = torch.zeros(3, device="axl").index_fill(0, torch.tensor([0, 2]), 1.0)

    assert torch.equal(filled.cpu(), torch.tensor([1.0, 0.0, 1.0]))


def test_an_index_outside_is_an_error() -> None:
    """It surfaces at the next synchronisation, with the operator's name and the index."""
    with pytest.raises(RuntimeError, match="index"):
        torch.gather(torch.ones(3, device="axl"), 0, torch.tensor([5], device="axl")).cpu()


def test_moving_elements() -> None:
    """cat, stack, flip, tril, triu, masked_fill, arange, pad, repeat, roll by copies."""
    a, b = torch.randn(3, 4), torch.randn(2, 4)
    mask = torch.rand(3, 4) > 0.5

    check(lambda x, y: torch.cat([x, y]), a, b)
    check(lambda x: torch.cat([x, x.t().reshape(3, 4), torch.empty(0, device=x.device)], 1), a)
    check(lambda x, y: torch.cat([x.int(), y]), a, b)
    check(lambda x: torch.stack([x, x + 1], 1), a)
    check(torch.flip, a, (0, 1))
    check(torch.tril, torch.randn(2, 4, 5), 1)
    check(torch.triu, torch.randn(4, 5), -1)
    check(torch.masked_fill, a, mask, 2.5)
    check(lambda x, m: x.masked_fill(m[:1], -float("inf")), a, mask)
    check(lambda x, m: x.masked_fill(m, torch.tensor(0.5, device=x.device)), a, mask)
    check(F.pad, a, (1, 2, 0, 3), value=1.5)
    check(lambda x: x.repeat(2, 3), a)
    check_gradients(lambda x: torch.cat([x, x * 2]), a)


@pytest.mark.parametrize(
    "arguments", [(7,), (2, 9, 3), (5, -5, -2), (0, 1, 0.1), (3.5,), (0,)], ids=str
)
def test_arange(arguments: tuple[float, ...]) -> None:
    """Integers and floats, upwards and downwards, made on the device."""
    expected = torch.arange(*arguments)

    assert_same(torch.arange(*arguments, device="axl"), expected)
    assert torch.axl.fallbacks() == {}


def test_arange_refuses_what_has_no_length() -> None:
    """A length that is no int64 is an error, as on the CPU; an output of another length warns."""
    for bounds in ((0, 2**63 - 1, 1e-3), (-(2**63), 2**63 - 1, 1)):
        with pytest.raises(RuntimeError, match="overflow"):
            torch.arange(*bounds, device="axl")
    out = torch.empty(1, 49, device="axl")
    with pytest.warns(UserWarning, match="The out tensor will be resized"):
        torch.arange(1, -1, -1, out=out)
    assert out.cpu().tolist() == [1.0, 0.0]


@pytest.mark.parametrize("bias", [True, False])
@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_recurrent_cells(kind: str, bias: bool) -> None:
    """Two layers over five steps: output, state and gradients."""
    host = getattr(torch.nn, kind)(4, 6, num_layers=2, bias=bias)
    device = getattr(torch.nn, kind)(4, 6, num_layers=2, bias=bias).to("axl")
    device.load_state_dict(host.state_dict())
    source = torch.randn(5, 3, 4)
    inputs = [source.clone().requires_grad_(), source.to("axl").requires_grad_()]
    torch.axl.reset_fallbacks()

    results = [module(each)[0] for module, each in zip((host, device), inputs, strict=True)]
    for result in results:
        (result * result).sum().backward()
    assert torch.axl.fallbacks() == {}
    assert_same(results[1].detach(), results[0].detach())
    assert_same(inputs[1].grad, inputs[0].grad)
    for ours, theirs in zip(device.parameters(), host.parameters(), strict=True):
        assert_same(ours.grad, theirs.grad)


@pytest.mark.parametrize(
    ("shape", "weight", "named"),
    [
        ((2, 3, 9), (4, 3, 3), {}),
        ((2, 3, 7, 8), (4, 3, 3, 3), {"padding": 1}),
        ((2, 3, 7, 8), (4, 3, 3, 2), {"stride": 2, "padding": (1, 0)}),
        ((2, 4, 7, 8), (6, 2, 3, 3), {"groups": 2, "dilation": 2, "padding": 2}),
        ((2, 4, 7, 8), (4, 1, 3, 3), {"groups": 4}),
        ((1, 2, 4, 5, 6), (3, 2, 2, 3, 2), {"padding": 1}),
    ],
    ids=str,
)
def test_convolution(
    shape: tuple[int, ...], weight: tuple[int, ...], named: dict[str, int]
) -> None:
    """One to three dimensions, strides, padding, dilation, groups: result and gradients."""
    function = (F.conv1d, F.conv2d, F.conv3d)[len(shape) - 3]

    check_gradients(
        function, torch.randn(shape), torch.randn(weight) / 3, torch.randn(weight[0]), **named
    )


def test_transposed_convolution() -> None:
    """Strided, with output padding and groups."""
    check_gradients(
        F.conv_transpose2d, torch.randn(2, 4, 5, 6), torch.randn(4, 3, 3, 3) / 3, torch.randn(6),
        stride=2, padding=1, output_padding=1, groups=2,
    )  # fmt: skip


def test_transposed_convolution_whose_padding_makes_room_for_one_more() -> None:
    """The gradient has the input's size although a longer one would fit."""
    check_gradients(
        F.conv_transpose2d,
        torch.randn(2, 2, 4, 4),
        torch.randn(2, 2, 3, 3),
        stride=3,
        output_padding=(2, 1),
        dilation=2,
    )
    check_gradients(
        F.conv_transpose2d, torch.randn(2, 2, 4, 4), torch.randn(2, 2, 1, 1), stride=1,
        output_padding=1, dilation=2,
    )  # fmt: skip


@pytest.mark.parametrize(
    "named",
    [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1},
     {"kernel_size": 2, "ceil_mode": True}, {"kernel_size": 2, "dilation": 2, "stride": 1}],
    ids=str,
)  # fmt: skip
def test_max_pooling(named: dict[str, int]) -> None:
    """Values, indices and gradients; windows that overlap and that stick out."""
    source = torch.randn(2, 3, 7, 9)

    check(F.max_pool2d, source, return_indices=True, **named)
    check_gradients(F.max_pool2d, source, **named)
    check(F.max_pool2d, source[0], **named)


@pytest.mark.parametrize(
    "named",
    [{"kernel_size": 2}, {"kernel_size": 3, "stride": 2, "padding": 1},
     {"kernel_size": 3, "padding": 1, "count_include_pad": False},
     {"kernel_size": (2, 3), "stride": (3, 2), "padding": (1, 1), "ceil_mode": True},
     {"kernel_size": 4, "stride": 3, "ceil_mode": True, "count_include_pad": False},
     {"kernel_size": 3, "stride": 1, "divisor_override": 5}],
    ids=str,
)  # fmt: skip
def test_average_pooling(named: dict[str, Any]) -> None:
    """Windows that overlap, leave gaps, stick out; the padding counted or not."""
    source = torch.randn(2, 3, 7, 9)

    check_gradients(F.avg_pool2d, source, **named)
    check(F.avg_pool2d, source[0], **named)
    check(F.avg_pool2d, source.bfloat16(), **named)
    check(F.avg_pool2d, source.to(memory_format=torch.channels_last), **named)


@pytest.mark.parametrize(
    "named",
    [{"kernel_size": 2}, {"kernel_size": (2, 3, 1), "stride": (1, 2, 3), "padding": (1, 1, 0)},
     {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True, "count_include_pad": False},
     {"kernel_size": 2, "divisor_override": 3}],
    ids=str,
)  # fmt: skip
def test_average_pooling_in_three_dimensions(named: dict[str, Any]) -> None:
    """The same over volumes."""
    source = torch.randn(2, 3, 4, 5, 7)

    check_gradients(F.avg_pool3d, source, **named)
    check(F.avg_pool3d, source[0], **named)
    check(F.avg_pool3d, source.double(), **named)


def test_average_pooling_in_one_dimension() -> None:
    """It is pooling over a plane that is one high."""
    check_gradients(F.avg_pool1d, torch.randn(2, 3, 9), 3, 2, 1)


@pytest.mark.parametrize("size", [1, (2, 3)], ids=str)
def test_adaptive_average(size: int | tuple[int, int]) -> None:
    """Where the output divides the input."""
    check_gradients(F.adaptive_avg_pool2d, torch.randn(2, 3, 6, 9), size)


@pytest.mark.parametrize("causal", [True, False])
def test_attention(causal: bool) -> None:
    """Scaled dot-product attention, with and without a causal mask."""
    q, k, v = (torch.randn(2, 3, 5, 4) for _ in range(3))

    check_gradients(
        lambda a, b, c: F.scaled_dot_product_attention(a, b, c, is_causal=causal), q, k, v
    )


@pytest.mark.parametrize("masked", [True, False])
def test_multi_head_attention(masked: bool) -> None:
    """Projections, heads, mask and weights: values, and gradients of every argument."""
    q, k, v = torch.randn(5, 2, 6), torch.randn(4, 2, 6), torch.randn(4, 2, 6)
    projections = torch.randn(18, 6) / 3, torch.randn(18), torch.randn(6, 6) / 3, torch.randn(6)
    masks = {"attn_mask": torch.triu(torch.ones(5, 4), 2) > 0} if masked else {}

    def attend(*given: torch.Tensor, which: int = 0, **named: Any) -> torch.Tensor:
        q, k, v, weights, bias, out_weights, out_bias = given
        return F.multi_head_attention_forward(
            q, k, v, 6, 2, weights, bias, None, None, False, 0.0, out_weights, out_bias, **named
        )[which]

    check_gradients(attend, q, k, v, *projections, **masks)
    check(attend, q, k, v, *projections, which=1, **masks)


def test_multi_head_attention_without_training() -> None:
    """PyTorch has one operator for a whole layer then."""
    layer = torch.nn.TransformerEncoderLayer(8, 2, 16, batch_first=True).eval()
    source = torch.randn(2, 5, 8)
    with torch.no_grad():
        expected = layer(source)
        assert_same(layer.to("axl")(source.to("axl")), expected)


@pytest.mark.parametrize("order", [torch.contiguous_format, torch.channels_last], ids=str)
def test_group_norm(order: torch.memory_format) -> None:
    """Whatever the order of dimensions; the gradient is made on the CPU."""
    source = torch.randn(2, 6, 3, 4).to(memory_format=order)

    check(F.group_norm, source, 3, torch.randn(6), torch.randn(6))
    source = source.to("axl").requires_grad_()
    host = source.detach().cpu().requires_grad_()
    for each in (source, host):
        F.group_norm(each, 2).square().sum().backward()
    assert_same(source.grad, host.grad)


def test_arguments_stay_on_their_device() -> None:
    """The helper itself: strides survive the way to the device."""
    view = torch.randn(4, 5).t()

    assert on_axl(view).stride() == view.stride()

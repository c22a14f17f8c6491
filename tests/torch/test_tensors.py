# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tensors on axl: made, copied, viewed, computed with."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

DTYPES = [
    torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16,
    torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.complex64, torch.complex128,
]  # fmt: skip


def test_the_first_tensor_adds_a_number() -> None:
    """torch.ones(3, device="axl") + 1 is 2, 2, 2 on the same device."""
    result = torch.ones(3, device="axl") + 1

    assert result.device == torch.device("axl:0")
    assert result.cpu().tolist() == [2.0, 2.0, 2.0]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_tensor_returns_as_it_was_sent(dtype: torch.dtype) -> None:
    """Every element type survives the way to the endpoint and back."""
    sent = torch.randn(5, 7).mul(50).to(dtype)

    assert sent.to("axl").cpu().equal(sent)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_a_strided_view_moves_as_its_elements(dtype: torch.dtype) -> None:
    """Transposed and sliced views are copied element by element, in both directions."""
    base = torch.randn(6, 8).mul(50).to(dtype)
    device = base.to("axl")

    assert device.t()[1::2].cpu().equal(base.t()[1::2])
    device[::2, 3:5] = base[1::2, 3:5].to("axl")
    base[::2, 3:5] = base[1::2, 3:5].clone()
    assert device.cpu().equal(base)


@pytest.mark.parametrize(
    "dtype", [torch.uint16, torch.uint32, torch.uint64, torch.float8_e5m2], ids=str
)
def test_elements_that_the_device_cannot_add_move_as_bits(dtype: torch.dtype) -> None:
    """What has no arithmetic there becomes contiguous there."""
    numbers = torch.arange(12).to(dtype).reshape(3, 4)
    moved = numbers.to("axl").t().contiguous()

    assert torch.equal(moved.cpu().float(), numbers.t().float())


def test_conversion_on_the_way_gives_the_cpus_values() -> None:
    """A copy that changes the type rounds as the CPU does."""
    source = torch.randn(100) * 1000
    for dtype in (torch.bfloat16, torch.int32, torch.float64, torch.bool):
        assert source.to("axl").to(dtype).cpu().equal(source.to(dtype))
        assert source.to("axl", dtype).cpu().equal(source.to(dtype))


def test_large_copies_arrive_whole() -> None:
    """More than the staging ring holds, in pieces that do not divide it."""
    source = torch.arange(3_000_001, dtype=torch.int64)

    assert source.to("axl").cpu().equal(source)


def test_lazy_conjugates_and_negatives_are_resolved() -> None:
    """A conjugate view copies its values, not its memory."""
    source = torch.randn(4, dtype=torch.complex64)
    device = source.to("axl")

    assert device.conj().cpu().resolve_conj().equal(source.conj().resolve_conj())
    target = torch.zeros(4, dtype=torch.complex64, device="axl")
    target.copy_(source.conj())
    assert target.cpu().equal(source.conj().resolve_conj())
    target.conj().copy_(source)
    assert target.cpu().equal(source.conj().resolve_conj())


def test_empty_tensors_are_tensors() -> None:
    """A tensor without elements can be made, copied, viewed and computed with."""
    empty = torch.empty(0, 3, device="axl")

    assert (empty + 1).shape == (0, 3)
    assert empty.t().cpu().shape == (3, 0)
    assert empty.sum().item() == 0.0


def test_resize_keeps_what_fits() -> None:
    """A storage that grows keeps its elements."""
    tensor = torch.arange(4.0, device="axl")
    tensor.resize_(6)

    assert tensor[:4].cpu().tolist() == [0.0, 1.0, 2.0, 3.0]


def test_overlapping_memory_is_refused_where_results_would_depend_on_an_order() -> None:
    """At once, also by operators of the CPU, which see copies that do not overlap."""
    numbers = torch.rand(6, device="axl")
    expanded = numbers[:1].expand(6)
    places = torch.tensor([2, 1, 0], device="axl")
    for write in (
        expanded.bernoulli_,
        expanded.uniform_,
        lambda: expanded.bernoulli_(numbers),
        lambda: expanded.masked_fill_(numbers > 0.5, 0.0),
        lambda: expanded.put_(places, numbers[:3]),
        lambda: numbers.put_(places, numbers[:3]),
        lambda: numbers.put_(places[0], numbers[0]),
    ):
        with pytest.raises(RuntimeError, match="unsupported operation"):
            write()
    torch.axl.synchronize()


def test_expanded_memory_may_be_filled() -> None:
    """Every element gets the same value."""
    tensor = torch.zeros(1, 3, device="axl").expand(4, 3).fill_(7)

    assert tensor.cpu().tolist() == [[7.0] * 3] * 4
    assert torch.empty_strided((2, 3), (0, 0), device="axl").zero_().cpu().sum() == 0


def test_a_tensor_set_to_another_is_it() -> None:
    """is_set_to() compares places in memory."""
    tensor = torch.ones(3, device="axl")

    assert tensor.is_set_to(torch.empty(0, device="axl").set_(tensor))
    assert not tensor.is_set_to(tensor.clone())


def test_mixed_devices_are_refused() -> None:
    """A tensor of the CPU beside one of axl is an error; a number that is only read is not."""
    device = torch.ones(2, device="axl")

    with pytest.raises(RuntimeError, match="same device"):
        device + torch.ones(2)
    with pytest.raises(RuntimeError, match="same device"):
        torch.special.zeta(device, torch.ones(2))
    with pytest.raises(RuntimeError, match="same device"):
        torch.nonzero(device, out=torch.empty([], dtype=torch.long))
    assert (device + torch.tensor(1.0)).cpu().tolist() == [2.0, 2.0]


F = torch.nn.functional
SQUARE, PLACES = torch.ones(2, 2), torch.tensor([0, 1])
MIXED: dict[str, Callable[[torch.Tensor], object]] = {
    "product": lambda t: F.linear(t, SQUARE),
    "batches": lambda t: torch.bmm(t[None], SQUARE[None]),
    "convolution": lambda t: F.conv1d(t[None], torch.ones(1, 2, 1)),
    "norm": lambda t: F.layer_norm(t, (2,), SQUARE[0]),
    "loss": lambda t: F.cross_entropy(t, PLACES),
    "embedding": lambda t: F.embedding(PLACES, t),
    "gather": lambda t: t.gather(0, PLACES[None]),
    "scatter": lambda t: t.scatter(0, PLACES[None], SQUARE),
    "cat": lambda t: torch.cat([t, SQUARE]),
    "where": lambda t: torch.where(SQUARE > 0, t, t),
    "out": lambda t: torch.mm(t, t, out=torch.empty(2, 2)),
    "another endpoint": lambda t: torch.mm(t, SQUARE.to("axl:1")),
}


@pytest.mark.parametrize("use", MIXED.values(), ids=MIXED.keys())
def test_what_was_left_on_another_device_is_found_at_once(use: Callable[..., object]) -> None:
    """By every kind of operator, in PyTorch's words; the device is not asked first."""
    device = torch.ones(2, 2, device="axl")

    with pytest.raises(RuntimeError, match=r"two devices, axl:0 and (cpu|axl:1)|but got cpu"):
        use(device)
    torch.axl.synchronize()


@pytest.mark.parametrize(
    "use",
    [
        lambda: torch.ones(2, device="axl:9"),
        lambda: torch.ones(2).to("axl:9"),
        lambda: torch.axl.set_device(9),
        lambda: torch.axl.synchronize(9),
        lambda: torch.axl.Stream(9),
        lambda: torch.axl.endpoint(9),
    ],
    ids=["make", "move", "set_device", "synchronize", "stream", "endpoint"],
)
def test_a_device_that_is_not_there_is_refused(use: Callable[[], object]) -> None:
    """The error says how many there are and how to list them."""
    with pytest.raises(RuntimeError, match=r"axl:9 does not exist: there are 4.*accel-info"):
        use()


@pytest.mark.filterwarnings("ignore:.*quantize_per_tensor")
@pytest.mark.parametrize(
    "use",
    [
        lambda t: torch.empty_like(t, layout=torch.sparse_csr),
        lambda t: torch.zeros(2, 2, layout=torch.sparse_coo, device=t.device),
        lambda t: t.to_sparse(),
        lambda t: t.cpu().to_sparse().to("axl"),
        lambda t: torch.quantize_per_tensor(t, 0.1, 0, torch.quint8),
        lambda t: torch.empty(2, dtype=torch.quint8, device=t.device),
    ],
    ids=["csr", "coo", "to_sparse", "moved", "quantize", "quint8"],
)
def test_layouts_that_the_device_lacks_are_refused(use: Callable[..., object]) -> None:
    """The error says what to do instead."""
    with pytest.raises(NotImplementedError, match=r"no sparse and no quantized.*to_dense\(\)"):
        use(torch.ones(2, 2, device="axl"))


def test_fallbacks_come_back_and_are_counted() -> None:
    """An operator that the device lacks runs on the CPU; its result is on the device."""
    source = torch.rand(5)
    result = torch.special.bessel_j0(source.to("axl"))

    assert result.device.type == "axl"
    assert result.cpu().equal(torch.special.bessel_j0(source))
    assert sum(torch.axl.fallbacks().values()) == 1


def test_out_arguments_of_fallbacks_are_written_and_resized() -> None:
    """`out` is filled in place, and gets the result's shape."""
    values = torch.tensor([3.0, 1.0, 2.0], device="axl")
    out = (torch.empty(0, device="axl"), torch.empty(0, dtype=torch.int64, device="axl"))
    torch.sort(values, out=out)

    assert out[0].cpu().tolist() == [1.0, 2.0, 3.0]
    assert out[1].cpu().tolist() == [1, 2, 0]


def test_autograd_runs_on_the_device() -> None:
    """Gradients are on the device and equal the CPU's."""
    source = torch.randn(4, 4)
    device = source.to("axl").requires_grad_()
    host = source.clone().requires_grad_()
    (device * device).sum().backward()
    (host * host).sum().backward()

    assert device.grad is not None
    assert host.grad is not None
    assert device.grad.device.type == "axl"
    torch.testing.assert_close(device.grad.cpu(), host.grad)

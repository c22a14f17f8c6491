# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Indexing by tensors and assignment to what they select, against the CPU."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from tests.torch.ops import assert_same, check, check_gradients, on_axl

Select = Callable[..., Any]
ROWS = torch.tensor([2, 0, -1, 2])
COLUMNS = torch.tensor([[1], [-4]])

SELECTIONS: dict[str, Select] = {
    "one": lambda i, _: (i,),
    "one behind": lambda i, _: (slice(None), i),
    "two beside each other": lambda i, j: (slice(None), i, j),
    "two apart": lambda i, j: (i, slice(None), j),
    "a number": lambda i, _: (i[0], slice(1, 3)),
    "none of them": lambda i, _: (slice(None), i[:0]),
    "a new dimension": lambda i, j: (i, None, j),
    "32 bits": lambda i, _: (i.int(),),
}


@pytest.mark.parametrize("selection", SELECTIONS.values(), ids=SELECTIONS.keys())
def test_indices(selection: Select) -> None:
    """Negative, repeated, broadcast: values and gradients, which add up where places repeat."""
    source = torch.randn(4, 4, 5)

    check_gradients(lambda t, i, j: t[selection(i, j)], source, ROWS, COLUMNS)
    check(lambda t, i, j: t.transpose(0, 2)[1:][selection(i[1:2], j)], source, ROWS, COLUMNS)


@pytest.mark.parametrize("dtype", [torch.bool, torch.uint8, torch.int64, torch.bfloat16], ids=str)
def test_every_type_moves(dtype: torch.dtype) -> None:
    """Elements are moved unchanged, whatever they are."""
    source = (torch.randn(3, 4) * 3).to(dtype)

    check(lambda t, i: t[i], source, ROWS)
    check(lambda t, i: t.index_put((i,), t[:1]), source, ROWS)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize(
    "places",
    [lambda i, _: [i], lambda i, _: [None, i], lambda i, j: [None, i, j],
     lambda i, j: [i, None, j], lambda i, _: [i[0], i[1]], lambda i, _: [i[:0]]],
    ids=["one", "one behind", "two beside each other", "two apart", "numbers", "none of them"],
)  # fmt: skip
def test_assignment(places: Select, accumulate: bool) -> None:
    """Of values that meet at one place the last stays, or all are added."""

    def put(target: torch.Tensor, i: torch.Tensor, j: torch.Tensor) -> torch.Tensor:
        indices = places(i, j)
        values = target[tuple(indices)].square() + 1 if None not in indices else target[0, 0, 0]
        return torch.ops.aten.index_put(target, indices, values, accumulate)

    check(put, torch.randn(3, 4, 5), ROWS, COLUMNS)
    check(put, torch.arange(60).reshape(3, 4, 5), ROWS, COLUMNS)


def test_assigned_values_broadcast() -> None:
    """To the shape of what is selected, of a view that is not contiguous."""

    def assign(target: torch.Tensor, i: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
        target = target.clone()
        target.t()[i, 1:] = values
        return target

    check(assign, torch.randn(3, 4), ROWS, torch.randn(4, 1))
    check(assign, torch.randn(3, 4), ROWS, torch.randn(2))
    with pytest.raises(RuntimeError, match="cannot be broadcast"):
        assign(*on_axl((torch.randn(3, 4), ROWS, torch.randn(3))))


def test_a_mask_and_one_value_fill() -> None:
    """No list of places is made; a mask of the first dimensions covers the rest."""

    def fill(target: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        target = target.clone()
        target[mask] = -1.5
        target[mask[0]] = 2
        return target

    check(fill, torch.randn(3, 3, 2), torch.eye(3) > 0)


def test_masks_select() -> None:
    """The CPU lists the places; the elements stay on the device."""
    source, mask = torch.randn(3, 4), torch.rand(3, 4) > 0.5

    check(lambda t, m: t[m], source, mask, native=False)
    check(lambda t, m: t[:, m[0]], source, mask, native=False)
    assert set(torch.axl.fallbacks()) == {"aten::nonzero"}


def test_indices_of_the_cpu_are_taken() -> None:
    """As PyTorch takes them on every device."""
    source = torch.randn(3, 4)

    assert_same(source.to("axl")[ROWS], source[ROWS])
    assert_same(source.to("axl")[[0, -1]], source[[0, -1]])


@pytest.mark.parametrize(
    "index",
    [(torch.tensor([0, 3]),), (torch.tensor([-4]),), (torch.tensor([0, 0]), torch.tensor([1, 4])),
     (torch.tensor([1]), torch.tensor([-5]))],
    ids=str,
)  # fmt: skip
def test_an_index_outside_is_an_error(index: tuple[torch.Tensor, ...]) -> None:
    """Also where, added up, two of them point to an element that exists; nothing is written."""
    target = torch.zeros(3, 4, device="axl")

    with pytest.raises(RuntimeError, match="index"):
        target[on_axl(index)].cpu()
    with pytest.raises(RuntimeError, match="index"):
        target.index_put_(on_axl(index), torch.tensor(1.0, device="axl")).cpu()


def test_what_is_refused_at_once() -> None:
    """Errors of shape and type are those of the CPU."""
    target = torch.zeros(3, 4, device="axl")
    rows = ROWS.to("axl")

    with pytest.raises(IndexError, match="too many indices"):
        torch.ops.aten.index(target, [rows, rows, rows])
    with pytest.raises(IndexError, match="broadcast together"):
        target[rows, rows[:3]]
    with pytest.raises(IndexError, match="long, int, byte or bool"):
        target[rows.float()]
    with pytest.raises(IndexError, match="dimension with size 0"):
        target[:0][rows]
    with pytest.raises(RuntimeError, match="dtypes match"):
        target.index_put_((rows,), rows)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        target.index_put_((rows,), rows[:3])
    with pytest.raises(RuntimeError, match="same device as the indexed tensor"):
        torch.zeros(3, 4)[rows]
    with pytest.raises(RuntimeError, match="same device as the indexed tensor"):
        torch.zeros(3, 4)[rows] = 1.0
    with pytest.raises(RuntimeError, match="same device as the indexed tensor"):
        target[ROWS.to("axl:1")]
    with pytest.raises(RuntimeError, match="share a place"):
        target[:1].expand(3, 4).index_put_((rows,), target[0, 0])

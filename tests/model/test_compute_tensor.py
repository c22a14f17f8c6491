# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Shapes, strides, reductions, products, indexing: whole commands against plain loops."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from diag.model.compute import reduction
from diag.model.compute.dtypes import STORAGE
from pyaccel.spec import regs
from pyaccel.spec.formats import Binary, Dtype, Opcode, Reduce, Scatter, Status
from tests.build.commands import At, Immediate, contiguous, f64, tensor
from tests.build.host import DEVICE_VA, HOST_VA, SCATTERED_VA, Bench

RNG = np.random.default_rng(11)
BAD_INDEX = Status.INDEX_OUT_OF_RANGE


@st.composite
def views(draw: st.DrawFn) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
    """(shape, input strides, output strides): any input strides, outputs without overlap."""
    shape = tuple(draw(st.lists(st.integers(1, 4), min_size=1, max_size=4)))
    source = tuple(draw(st.lists(st.integers(-40, 40), min_size=len(shape), max_size=len(shape))))
    order = draw(st.permutations(range(len(shape))))
    strides, step = [0] * len(shape), draw(st.integers(1, 2))
    for dim in order:
        strides[dim] = step * draw(st.sampled_from((1, -1)))
        step *= shape[dim] + draw(st.integers(0, 1))
    return shape, source, tuple(strides)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(views(), st.sampled_from([Dtype.U8, Dtype.F32, Dtype.I64]), st.booleans())
def test_strided_copy_moves_exactly_the_elements(
    bench: Bench, view: tuple[Any, ...], dtype: Dtype, scattered: bool
) -> None:
    """COPY_STRIDED equals a loop over elements, on contiguous and on scattered pages."""
    shape, source, target = view
    size = STORAGE[dtype].itemsize
    area = 4 * 4096
    base_in = HOST_VA + area // 2
    # Near a page's end; the widest view reaches 936 elements (7488 bytes) to either side.
    base_out = (SCATTERED_VA if scattered else DEVICE_VA) + area // 2 - 8
    bench.bytes(HOST_VA, area)[:] = RNG.bytes(area)
    read = (
        (lambda: bench.pages(SCATTERED_VA, area))
        if scattered
        else (lambda: bytes(bench.bytes(DEVICE_VA, area)))
    )
    expected = bytearray(read())
    for index in itertools.product(*map(range, shape)):
        start = area // 2 + size * sum(i * s for i, s in zip(index, source, strict=True))
        at = base_out % (1 << 28) + size * sum(i * s for i, s in zip(index, target, strict=True))
        element = bytes(bench.bytes(HOST_VA + start, size))
        expected[at : at + size] = element
    command = tensor(
        Opcode.COPY_STRIDED, shape, [At(base_in, dtype, source), At(base_out, dtype, target)]
    )
    assert bench.run(command).status == Status.OK
    assert read() == bytes(expected)


def test_broadcast_operands_have_stride_zero(bench: Bench) -> None:
    """A row plus a column plus nothing else."""
    row, column = bench.put(np.arange(4), Dtype.F32), bench.put(np.arange(3) * 10, Dtype.F32)
    out = bench.out((3, 4), Dtype.F32)
    operands = [At(row.va, Dtype.F32, (0, 1)), At(column.va, Dtype.F32, (1, 0)), out]
    command = tensor(
        Opcode.BINARY, (3, 4), operands, params=[f64(1)], op=Binary.ADD, dtype=Dtype.F32
    )
    assert bench.run(command).status == Status.OK
    expected = np.arange(4)[None, :] + 10 * np.arange(3)[:, None]
    np.testing.assert_array_equal(bench.get(out, (3, 4)), expected)


def test_output_over_its_own_input_is_as_if_buffered(bench: Bench) -> None:
    """Reading behind the write position still sees the old values."""
    a = bench.put(np.arange(9), Dtype.F32)
    shifted = At(a.va + 4, Dtype.F32)
    operands = [a, Immediate(100, Dtype.F32), shifted]
    command = tensor(Opcode.BINARY, (8,), operands, params=[f64(1)], op=Binary.ADD, dtype=Dtype.F32)
    assert bench.run(command).status == Status.OK
    assert bench.get(a, (9,)).tolist() == [0, *range(100, 108)]


def test_arithmetic_works_on_scattered_pages(bench: Bench) -> None:
    """Operands that cross page borders with no two pages adjacent."""
    count = 5000
    values = RNG.standard_normal(count).astype(np.float32)
    a = bench.put(values, Dtype.F32)
    out = At(SCATTERED_VA + 4, Dtype.F32)
    command = tensor(
        Opcode.BINARY, (count,), [a, a, out], params=[f64(1)], op=Binary.ADD, dtype=Dtype.F32
    )
    assert bench.run(command).status == Status.OK
    assert bench.pages(SCATTERED_VA + 4, 4 * count) == (values + values).tobytes()
    back = bench.out((count,), Dtype.F32)
    assert bench.run(tensor(Opcode.CAST, (count,), [out, back])).status == Status.OK
    np.testing.assert_array_equal(bench.get(back, (count,)), values + values)


def test_empty_shape_is_a_nop(bench: Bench) -> None:
    """A dimension of 0 completes without looking at the operands."""
    command = tensor(Opcode.FILL, (3, 0), [At(0xDEAD0000, Dtype.F32)])
    assert bench.run(command).status == Status.OK


@pytest.mark.parametrize("dtype", sorted(Dtype))
def test_fill_writes_raw_bits(bench: Bench, dtype: Dtype) -> None:
    """params[0] holds the element's bits in every type."""
    out = bench.out((5,), dtype)
    size = STORAGE[dtype].itemsize
    bits = 0x4142434445464748
    command = tensor(Opcode.FILL, (5,), [out], params=[bits])
    assert bench.run(command).status == Status.OK
    assert bytes(bench.bytes(out.va, 5 * size)) == bits.to_bytes(8, "little")[:size] * 5


@pytest.mark.parametrize("axes", [(0,), (1,), (2,), (0, 2), (1, 2), (0, 1, 2)])
@pytest.mark.parametrize("op", sorted(Reduce))
def test_reductions_match_a_loop(bench: Bench, op: Reduce, axes: tuple[int, ...]) -> None:
    """Every REDUCE op over every kind of dimension."""
    shape = (3, 4, 5)
    values = RNG.integers(-4, 5, shape).astype(np.float64)
    a = bench.put(values, Dtype.F32)
    kept = tuple(0 if dim in axes else length for dim, length in enumerate(shape))
    small = tuple(length for length in kept if length)
    rest = iter(contiguous(small))
    strides = [next(rest) if length else 0 for length in kept]
    dtype = Dtype.I64 if op in (Reduce.ARGMAX, Reduce.ARGMIN) else Dtype.F32
    out = bench.out(small or (1,), dtype)
    mask = sum(1 << (5 + axis) for axis in axes)
    command = tensor(
        Opcode.REDUCE,
        shape,
        [a, At(out.va, dtype, tuple(strides))],
        params=[mask],
        op=op,
        dtype=Dtype.F32,
    )
    assert bench.run(command).status == Status.OK
    order = [dim for dim in range(3) if dim not in axes] + list(axes)
    flat = values.transpose(order).reshape(*small, -1)
    expected = np.apply_along_axis(REDUCTIONS[op], -1, flat)
    np.testing.assert_allclose(bench.get(out, small), expected, rtol=1e-6)


REDUCTIONS: dict[Reduce, Any] = {
    Reduce.SUM: lambda row: sum(row.tolist()),
    Reduce.MEAN: lambda row: sum(row.tolist()) / len(row),
    Reduce.PROD: lambda row: np.exp(np.log(row + 0j).sum()).real if row.all() else 0.0,
    Reduce.MAX: lambda row: row[np.argsort(row)[-1]],
    Reduce.MIN: lambda row: row[np.argsort(row)[0]],
    Reduce.ANY: lambda row: float(any(row)),
    Reduce.ALL: lambda row: float(all(row)),
    Reduce.ARGMAX: lambda row: row.tolist().index(max(row)),
    Reduce.ARGMIN: lambda row: row.tolist().index(min(row)),
    Reduce.SUM_SQUARES: lambda row: float(row @ row),
}


@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("dtype", [Dtype.F16, Dtype.BF16, Dtype.F32])
def test_sums_are_pairwise_in_float32(bench: Bench, dtype: Dtype, axis: int) -> None:
    """10 000 times 0.1: the error stays at a few units in the last place along any axis."""
    shape = (10_000, 3) if axis == 0 else (3, 10_000)
    a, out = bench.put(np.full(shape, 0.1), dtype), bench.out((3,), Dtype.F32)
    strides = (0, 1) if axis == 0 else (1, 0)
    command = tensor(
        Opcode.REDUCE,
        shape,
        [a, At(out.va, Dtype.F32, strides)],
        params=[1 << (6 + axis)],
        op=Reduce.SUM,
        dtype=Dtype.F32,
    )
    assert bench.run(command).status == Status.OK
    exact = 10_000 * float(np.array(0.1).astype(STORAGE[dtype]))
    np.testing.assert_allclose(bench.get(out, (3,)), exact, rtol=3e-7)


@given(st.integers(1, 1000))
def test_pairwise_sum_adds_every_row_once(count: int) -> None:
    """No row is lost or counted twice, whatever the number of rows."""
    rows = np.arange(count, dtype=np.float64)[:, None] + np.zeros((1, 2))
    assert reduction.pairwise_sum(rows).tolist() == [count * (count - 1) / 2] * 2


def test_max_and_argmax_let_nan_win(bench: Bench) -> None:
    """NaN is the maximum and the minimum, and the first of them is the index."""
    a = bench.put(np.array([1, np.nan, 5, np.nan]), Dtype.F32)
    for op, dtype in ((Reduce.MAX, Dtype.F32), (Reduce.MIN, Dtype.F32), (Reduce.ARGMIN, Dtype.I64)):
        out = bench.out((1,), dtype)
        command = tensor(
            Opcode.REDUCE, (4,), [a, At(out.va, dtype, (0,))], params=[128], op=op, dtype=Dtype.F32
        )
        assert bench.run(command).status == Status.OK
        got = bench.get(out, (1,))[0]
        assert got == 1 if dtype is Dtype.I64 else np.isnan(got)


@pytest.mark.parametrize("dtype", [Dtype.F32, Dtype.F64, Dtype.BF16, Dtype.F16, Dtype.I32])
@pytest.mark.parametrize("with_c", [False, True])
def test_matmul_is_alpha_ab_plus_beta_c(bench: Bench, dtype: Dtype, with_c: bool) -> None:
    """Batched product with a broadcast batch, a transposed b and, if given, c."""
    m, n, k, batch = 5, 7, 9, 3
    a, b = RNG.integers(-3, 4, (batch, m, k)), RNG.integers(-3, 4, (n, k))
    c = RNG.integers(-3, 4, (batch, m, n))
    at_a, at_b, at_c = bench.put(a, dtype), bench.put(b, dtype), bench.put(c, dtype)
    out = bench.out((batch, m, n), dtype)
    operands = [
        At(at_a.va, dtype, (m * k, k, 0, 1)),
        At(at_b.va, dtype, (0, 0, k, 1)),
        At(out.va, dtype, (m * n, n, 1, 0)),
    ]
    if with_c:
        operands.append(At(at_c.va, dtype, (m * n, n, 1, 0)))
    command = tensor(
        Opcode.MATMUL, (batch, m, n, k), operands, params=[f64(2), f64(3)], dtype=dtype
    )
    assert bench.run(command).status == Status.OK
    expected = 2 * np.einsum("bmk,nk->bmn", a, b) + (3 * c if with_c else 0)
    got = bench.get(out, (batch, m, n)).astype(np.float64)
    tolerance = 1e-2 if dtype in (Dtype.BF16, Dtype.F16) else 0
    np.testing.assert_allclose(got, expected, rtol=tolerance)


def test_matmul_of_bf16_accumulates_in_float32(bench: Bench) -> None:
    """512 products of 1 sum to 512, which a bf16 accumulator could not reach beyond 256."""
    k = 512
    ones, out = bench.put(np.ones(k), Dtype.BF16), bench.out((1,), Dtype.BF16)
    operands = [At(ones.va, Dtype.BF16, (0, 0, 1)), At(ones.va, Dtype.BF16, (0, 0, 1))]
    command = tensor(
        Opcode.MATMUL,
        (1, 1, k),
        [*operands, At(out.va, Dtype.BF16, (0, 0, 0))],
        params=[f64(1)],
        dtype=Dtype.BF16,
    )
    assert bench.run(command).status == Status.OK
    assert float(bench.get(out, (1,))[0]) == k


@pytest.mark.parametrize("dim", [0, 1, 2])
@pytest.mark.parametrize("full", [False, True])
def test_gather_matches_take_along_axis(bench: Bench, dim: int, full: bool) -> None:
    """Indices that vary everywhere, and indices along one dimension only."""
    extent, shape = 6, (2, 3, 4)
    wide = tuple(extent if axis == dim else n for axis, n in enumerate(shape))
    values = RNG.standard_normal(wide).astype(np.float32)
    indices = RNG.integers(0, extent, shape if full else (shape[dim],))
    strides = contiguous(shape) if full else tuple(int(axis == dim) for axis in range(3))
    source, index = bench.put(values, Dtype.F32), bench.put(indices, Dtype.I32)
    out = bench.out(shape, Dtype.F32)
    operands = [At(source.va, Dtype.F32, contiguous(wide)), At(index.va, Dtype.I32, strides), out]
    command = tensor(Opcode.GATHER, shape, operands, params=[5 + dim, extent])
    assert bench.run(command).status == Status.OK
    if not full:
        indices = np.broadcast_to(
            indices[(None,) * dim + (slice(None),) + (None,) * (2 - dim)], shape
        )
    expected = np.empty(shape, np.float32)
    for place in itertools.product(*map(range, shape)):
        at = list(place)
        at[dim] = indices[place]
        expected[place] = values[tuple(at)]
    np.testing.assert_array_equal(bench.get(out, shape), expected)


COMBINE: dict[Scatter, Any] = {
    Scatter.SET: lambda old, new: new,
    Scatter.ADD: lambda old, new: old + new,
    Scatter.MULTIPLY: lambda old, new: old * new,
    Scatter.MAXIMUM: max,
    Scatter.MINIMUM: min,
}


@pytest.mark.parametrize("dtype", [Dtype.F32, Dtype.BF16, Dtype.I32])
@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("op", sorted(Scatter))
def test_scatter_matches_a_loop(bench: Bench, op: Scatter, full: bool, dtype: Dtype) -> None:
    """Values that meet combine in row-major order; other places stay."""
    extent, shape = 5, (8, 3)
    start = RNG.integers(1, 4, (extent, 3))
    values = RNG.integers(-2, 3, shape)
    indices = RNG.integers(0, extent - 1, shape if full else (8,))
    out, source = bench.put(start, dtype), bench.put(values, dtype)
    index = bench.put(indices, Dtype.I64)
    strides = contiguous(shape) if full else (1, 0)
    operands = [source, At(index.va, Dtype.I64, strides), At(out.va, dtype, (3, 1))]
    command = tensor(Opcode.SCATTER, shape, operands, params=[6, extent], op=op)
    assert bench.run(command).status == Status.OK
    expected = start.astype(np.float64)
    for row, column in itertools.product(range(8), range(3)):
        at = indices[row, column] if full else indices[row]
        expected[at, column] = COMBINE[op](expected[at, column], values[row, column])
    got = bench.get(out, (extent, 3)).astype(np.float64)
    np.testing.assert_allclose(got, expected, rtol=8e-3 if dtype is Dtype.BF16 else 1e-6)


def test_one_index_reaches_any_place(bench: Bench) -> None:
    """A single index (dimension of length 1) into a longer extent, both ways."""
    values, index = bench.put(np.arange(5) * 10, Dtype.F32), bench.put(np.array([3]), Dtype.I64)
    out = bench.out((1,), Dtype.F32)
    at = At(values.va, Dtype.F32, (1,))
    assert bench.run(tensor(Opcode.GATHER, (1,), [at, index, out], params=[7, 5])).status == 0
    assert bench.get(out, (1,)).tolist() == [30]
    seven = Immediate(7, Dtype.F32)
    command = tensor(Opcode.SCATTER, (1,), [seven, index, at], params=[7, 5], op=Scatter.ADD)
    assert bench.run(command).status == Status.OK
    assert bench.get(values, (5,)).tolist() == [0, 10, 20, 37, 40]
    single = At(values.va, Dtype.F32, (0,))
    zero = bench.put(np.array([0]), Dtype.I64)
    command = tensor(Opcode.SCATTER, (1,), [seven, zero, single], params=[7, 1])
    assert bench.run(command).status == Status.OK


@pytest.mark.parametrize("opcode", [Opcode.GATHER, Opcode.SCATTER])
@pytest.mark.parametrize("bad", [-1, 4, 2**40])
def test_index_outside_the_extent_is_reported(bench: Bench, opcode: Opcode, bad: int) -> None:
    """INDEX_OUT_OF_RANGE with the first bad index; nothing is written."""
    source = bench.put(np.arange(4), Dtype.F32)
    index = bench.put(np.array([0, bad, 99, 1]), Dtype.I64)
    out = bench.put(np.full(4, 7), Dtype.F32)
    completion = bench.run(tensor(opcode, (4,), [source, index, out], params=[7, 4]))
    assert (completion.status, completion.result) == (BAD_INDEX, bad & 0xFFFFFFFF)
    assert bench.get(out, (4,)).tolist() == [7] * 4


def refused(bench: Bench, command: bytes) -> None:
    """The command completes with INVALID_FIELD."""
    assert bench.run(command).status == Status.INVALID_FIELD


def test_malformed_tensor_commands_are_refused(bench: Bench) -> None:
    """Slots, types, strides and reserved bits that cannot be right: INVALID_FIELD."""
    a = bench.put(np.arange(4), Dtype.F32)
    add = {"op": Binary.ADD, "dtype": Dtype.F32}
    good = tensor(Opcode.BINARY, (4,), [a, a, a], params=[f64(1)], **add)
    assert bench.run(good).status == Status.OK
    refused(bench, tensor(Opcode.BINARY, (4,), [a, a], **add))
    refused(bench, tensor(Opcode.BINARY, (4,), [a, a, a, a], **add))
    refused(bench, tensor(Opcode.BINARY, (4,), [a, a, Immediate(1, Dtype.F32)], **add))
    refused(bench, tensor(Opcode.BINARY, (4,), [a, a, At(a.va, Dtype.F32, (0,))], **add))
    refused(bench, tensor(Opcode.BINARY, (4,), [a, a, a], op=Binary.ADD, dtype=77))
    bad_operand = bytearray(good)
    for offset, value in ((64 + 40, 99), (64 + 41, 2), (64 + 42, 1), (64 + 63, 1)):
        bad_operand[:] = good
        bad_operand[offset] = value
        refused(bench, bytes(bad_operand))
    refused(bench, tensor(Opcode.FILL, (4,), [a], op=1))
    refused(bench, tensor(Opcode.COPY_STRIDED, (4,), [a, At(a.va, Dtype.F64)]))
    refused(bench, tensor(Opcode.REDUCE, (4,), [a, a], params=[128], dtype=Dtype.F32))
    refused(bench, tensor(Opcode.GATHER, (4,), [a, a, a], params=[8, 4]))


def test_huge_broadcast_is_refused_before_memory_is_taken(bench: Bench) -> None:
    """A few bytes cannot be made to cost the process all of its memory."""
    a = bench.put(np.arange(1), Dtype.F32)
    wide = At(a.va, Dtype.F32, (0, 0, 0))
    shape = (1 << 20, 1 << 20, 1 << 20)
    narrow = At(a.va, Dtype.F32, (0, 0, 0))
    refused(
        bench,
        tensor(Opcode.REDUCE, shape, [wide, narrow], params=[7 << 5], dtype=Dtype.F32),
    )
    refused(bench, tensor(Opcode.FILL, shape, [At(a.va, Dtype.F32, (1, 1, 1))]))


def test_operand_reaching_below_zero_or_above_48_bits_faults(bench: Bench) -> None:
    """Strides that lead out of the address space are page faults, not wrapped addresses."""
    for page in (0, (1 << 48) - 4096):
        bench.table.map(page, bench.area, 4096)
    for va, stride in ((8, -1), (4, -1000), ((1 << 48) - 64, 1000), ((1 << 64) - 4, 1)):
        operand = At(va, Dtype.F32, (stride,))
        completion = bench.run(tensor(Opcode.FILL, (4,), [operand]))
        assert completion.status == Status.PAGE_FAULT
        bench.driver.write(regs.CONTEXT_STATUS, 1, 0)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Commands on random shapes, executed by the reference device and compared with NumPy."""

from __future__ import annotations

import warnings
import zlib

import ml_dtypes
import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pyaccel.spec.formats import CMD_HEADER_BYTES, CmdCopy
from tests.build.model_machine import ModelMachine

QUICK = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
SHAPES = hnp.mutually_broadcastable_shapes(num_shapes=2, max_dims=4, min_side=0, max_side=4)
MACHINE: list[ModelMachine] = []


@pytest.fixture
def machine() -> ModelMachine:
    """One machine for all examples; its memory is handed out again."""
    if not MACHINE:
        MACHINE.append(ModelMachine())
    MACHINE[0].reset()
    return MACHINE[0]


def values(shape: tuple[int, ...], seed: int, dtype: str = "float32") -> np.ndarray:
    """Numbers from -8 to 8, exact in every type."""
    return np.random.default_rng(seed).integers(-8, 9, shape).astype(dtype)


@QUICK
@given(SHAPES, st.sampled_from(["add", "sub", "mul", "maximum"]), st.integers(0, 99))
def test_binary_broadcasts_as_numpy(machine, shapes, op: str, seed: int) -> None:
    """Any two shapes that NumPy broadcasts give NumPy's result."""
    machine.reset()
    a, b = (values(shape, seed + i) for i, shape in enumerate(shapes.input_shapes))
    ufunc = {"add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum}[op]
    out = machine.empty(shapes.result_shape)
    machine.run.binary(op, machine.tensor(a), machine.tensor(b), out)

    assert np.array_equal(out.read(), ufunc(a, b))


@QUICK
@given(
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4), st.data(),
    st.sampled_from(["sum", "prod", "max", "min", "any", "all", "mean"]), st.booleans(),
)  # fmt: skip
def test_reduce_agrees_with_numpy(machine, shape, data, op: str, keep: bool) -> None:
    """Any axes, kept or left out; reducing nothing gives NumPy's value or ValueError."""
    machine.reset()
    axes = tuple(data.draw(st.sets(st.sampled_from(range(len(shape))))) if shape else ())
    a = values(shape, 1)
    assume(all(shape[axis] for axis in axes) or op not in ("max", "min"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the mean of nothing
        expected = np.asarray(getattr(np, op)(a, axis=axes, keepdims=keep))
    out = machine.empty(expected.shape, expected.dtype if op in ("any", "all") else "float32")
    machine.run.reduce(op, machine.tensor(a), out, axes)

    assert np.allclose(out.read().astype(float), expected.astype(float), equal_nan=True)


@QUICK
@given(
    hnp.mutually_broadcastable_shapes(signature="(m,k),(k,n)->(m,n)", max_dims=3, max_side=4),
    st.integers(0, 2), st.booleans(),
)  # fmt: skip
def test_matmul_agrees_with_numpy(machine, shapes, beta: int, swapped: bool) -> None:
    """Batched and broadcast products, with an addend, also of transposed operands."""
    machine.reset()
    a, b = (values(shape, i) for i, shape in enumerate(shapes.input_shapes))
    out = machine.tensor(values(shapes.result_shape, 3))
    expected = 2 * (a @ b) + beta * out.read()
    left = machine.tensor(a)
    if swapped:
        axes = (*range(a.ndim - 2), a.ndim - 1, a.ndim - 2)
        left = machine.tensor(np.ascontiguousarray(a.transpose(axes))).permute(*axes)
    machine.run.matmul(left, machine.tensor(b), out, alpha=2, beta=beta)

    assert np.array_equal(out.read(), expected)


def test_matmul_over_nothing_leaves_the_addend(machine) -> None:
    """With k = 0 the product is zero: out becomes beta * c, or zeros."""
    a, b = machine.empty((2, 0)), machine.empty((0, 3))
    out = machine.tensor(values((2, 3), 1))
    expected = 3 * out.read()
    machine.run.matmul(a, b, out, beta=3)

    assert np.array_equal(out.read(), expected)
    machine.run.matmul(a, b, out)
    assert not out.read().any()


@QUICK
@given(
    hnp.array_shapes(min_dims=1, max_dims=4, max_side=4), st.data(), st.integers(1, 5),
    st.sampled_from(["uint8", "int32", "int64"]),
)  # fmt: skip
def test_gather_agrees_with_take_along_axis(machine, shape, data, extent: int, kind: str) -> None:
    """Any dimension and any integer type of index."""
    machine.reset()
    dim = data.draw(st.integers(0, len(shape) - 1))
    src = values((*shape[:dim], extent, *shape[dim + 1 :]), 1)
    index = np.random.default_rng(extent).integers(0, extent, shape).astype(kind)
    out = machine.empty(shape)
    machine.run.gather(machine.tensor(src), machine.tensor(index), out, dim - len(shape))

    assert np.array_equal(out.read(), np.take_along_axis(src, index.astype(int), dim))


@QUICK
@given(hnp.array_shapes(min_dims=1, max_dims=3, max_side=4), st.data(), st.integers(1, 5))
def test_scatter_adds_as_numpy_does(machine, shape, data, extent: int) -> None:
    """Values that meet at one place are summed."""
    machine.reset()
    dim = data.draw(st.integers(0, len(shape) - 1))
    src = values(shape, 2)
    index = np.random.default_rng(extent).integers(0, extent, shape)
    start = values((*shape[:dim], extent, *shape[dim + 1 :]), 3)
    expected = start.copy()
    places = list(np.indices(shape))
    places[dim] = index
    np.add.at(expected, tuple(places), src)
    out = machine.tensor(start)
    machine.run.scatter(machine.tensor(src), machine.tensor(index), out, dim, op="add")

    assert np.array_equal(out.read(), expected)


@pytest.mark.parametrize("kind", ["uint8", "int8", "int16", "int32", "int64", "float16", "float64"])
def test_fill_and_cast_work_in_every_type(machine, kind: str) -> None:
    """Fill stores the value, cast converts it to float32."""
    x, y = machine.empty((3, 2), kind), machine.empty((3, 2))
    machine.run.fill(x, 5)
    machine.run.cast(y, x)

    assert (x.read() == 5).all()
    assert (y.read() == 5.0).all()


def test_bfloat16_is_stored_rounded(machine) -> None:
    """A bfloat16 element is the value, rounded to nearest even."""
    x, y = machine.empty((3,), ml_dtypes.bfloat16), machine.empty((3,))
    machine.run.fill(x, 1.0 + 3 * 2**-8)
    machine.run.cast(y, x)

    assert (y.read() == 1.0 + 2**-6).all()


def test_copies_agree_with_numpy(machine) -> None:
    """Linear, transposed, broadcast and reversed copies."""
    a = values((3, 4), 1)
    src = machine.tensor(a)
    for view, expected in [
        (src, a),
        (src.T, a.T),
        (src[::-1, ::2], a[::-1, ::2]),
        (src[1].broadcast_to(5, 4), np.broadcast_to(a[1], (5, 4))),
    ]:
        out = machine.empty(expected.shape)
        machine.run.copy(out, view)
        assert np.array_equal(out.read(), expected)


def test_a_linear_copy_can_give_a_checksum(machine) -> None:
    """The result of a copy with checksum is the CRC-32 of the bytes."""
    src, out = machine.tensor(values((8,), 1)), machine.empty((8,))
    machine.run.copy(out, src, checksum=True)

    assert machine.run.completion.result == zlib.crc32(src.read().tobytes())
    assert CmdCopy.unpack_from(machine.run.last, CMD_HEADER_BYTES).length_bytes == 32


def test_ternary_and_unary_take_numbers_and_tensors(machine) -> None:
    """where() selects, relu() cuts; a number stands for a tensor."""
    a = values((4, 4), 5)
    x, out = machine.tensor(a), machine.empty((4, 4))
    machine.run.unary("relu", x, out)
    assert np.array_equal(out.read(), np.maximum(a, 0))

    mask = machine.tensor(a > 2)
    machine.run.ternary("where", mask, x, -1.0, out)
    assert np.array_equal(out.read(), np.where(a > 2, a, -1))


def test_relu_backward_cuts_at_zero_by_default(machine) -> None:
    """The threshold is 0 unless `scale` says otherwise."""
    gradient, a = values((16,), 1), values((16,), 2)
    out = machine.empty((16,))
    machine.run.binary("relu_backward", machine.tensor(gradient), machine.tensor(a), out)

    assert np.array_equal(out.read(), np.where(a > 0, gradient, 0))


def test_random_numbers_repeat_with_their_seed(machine) -> None:
    """One seed gives one sequence; uniform numbers lie in their interval."""
    first, second, other = (machine.empty((1000,)) for _ in range(3))
    machine.run.random("uniform", first, seed=7, first=2.0, second=3.0)
    machine.run.random("uniform", second, seed=7, first=2.0, second=3.0)
    machine.run.random("uniform", other, seed=8, first=2.0, second=3.0)

    assert np.array_equal(first.read(), second.read())
    assert not np.array_equal(first.read(), other.read())
    assert 2.0 <= first.read().min() < first.read().max() < 3.0


def test_timestamp_writes_the_device_clock(machine) -> None:
    """TIMESTAMP puts a rising number into a 64-bit word."""
    words = machine.tensor(np.zeros(2, np.int64))
    machine.run.timestamp(words[0])
    machine.run.timestamp(words[1])

    assert 0 < words.read()[0] <= words.read()[1]

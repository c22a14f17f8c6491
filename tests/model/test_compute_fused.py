# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""FUSED: the same bits as its instructions one command after the other."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from diag.model.compute.dtypes import STORAGE
from pyaccel.spec import regs
from pyaccel.spec.formats import (
    FUSED_BINARY,
    FUSED_TERNARY,
    Binary,
    Dtype,
    Opcode,
    Reduce,
    Space,
    Status,
    Ternary,
    Unary,
)
from tests.build.commands import At, Immediate, f64, fused, fused_slots, tensor
from tests.build.host import AREA, DEVICE_VA, SCATTERED_VA, Bench

RNG = np.random.default_rng(5)
SHAPE = (3, 4, 5)
ADD, MUL, LT = (FUSED_BINARY | op for op in (Binary.ADD, Binary.MUL, Binary.LT))
WHERE = FUSED_TERNARY | Ternary.WHERE


def run(bench: Bench, operands: list[At | Immediate], tail: bytes, dtype: Dtype = Dtype.F32) -> Any:
    """The status of a FUSED command over SHAPE."""
    return bench.run(fused(SHAPE, operands, tail, dtype=dtype)).status


@pytest.mark.parametrize("dtype", [Dtype.F16, Dtype.BF16, Dtype.F32, Dtype.F64, Dtype.I32])
@pytest.mark.parametrize("kind", [Unary, Binary, Ternary])
def test_each_instruction_is_its_command(bench: Bench, dtype: Dtype, kind: Any) -> None:
    """All ops; those that the type does not have are refused likewise."""
    opcode = {Unary: Opcode.UNARY, Binary: Opcode.BINARY, Ternary: Opcode.TERNARY}[kind]
    takes = int(opcode) - int(Opcode.UNARY) + 1
    inputs = [bench.put(RNG.uniform(0.1, 3, SHAPE), dtype) for _ in range(takes)]
    alone, together = bench.out(SHAPE, dtype), bench.out(SHAPE, dtype)
    for op in kind:
        scale = 0 if op is Binary.RELU_BACKWARD else 1
        bits = scale if dtype is Dtype.I32 and kind is Binary else f64(scale)
        params = [0 if kind is Unary else bits]
        command = tensor(opcode, SHAPE, [*inputs, alone], params=params, op=op, dtype=dtype)
        code = (0, FUSED_BINARY, FUSED_TERNARY)[takes - 1] | op
        tail = fused_slots([(code, *range(takes))], [takes])
        wanted = bench.run(command).status
        assert run(bench, [*inputs, together], tail, dtype) == wanted, op
        if wanted == Status.OK:
            got, expected = bench.get(together, SHAPE), bench.get(alone, SHAPE)
            assert got.tobytes() == expected.tobytes(), op


@pytest.mark.parametrize("dtype", [Dtype.BF16, Dtype.F32])
def test_results_are_rounded_after_each_instruction(bench: Bench, dtype: Dtype) -> None:
    """A chain gives the bits of separate commands; constants and immediates are operands."""
    a, b = (bench.put(RNG.normal(size=SHAPE), dtype) for _ in range(2))
    between, alone, together = (bench.out(SHAPE, dtype) for _ in range(3))
    third = Immediate(1 / 3, dtype)
    one = [f64(1)]
    bench.run(tensor(Opcode.BINARY, SHAPE, [a, b, between], params=one, op=Binary.MUL, dtype=dtype))
    bench.run(
        tensor(
            Opcode.BINARY, SHAPE, [between, third, alone], params=one, op=Binary.ADD, dtype=dtype
        )
    )
    for operands, code in (
        ([a, b, together], [(MUL, 0, 1), (ADD, 3, 2)]),
        ([a, b, third, together], [(MUL, 0, 1), (ADD, 3, 2)]),
    ):
        constants = [f64(1 / 3)] if len(operands) == 3 else []
        tail = fused_slots(code, [4], constants=constants)
        assert run(bench, operands, tail, dtype) == Status.OK
        assert bench.get(together, SHAPE).tobytes() == bench.get(alone, SHAPE).tobytes()


def test_several_outputs_some_of_them_reduced(bench: Bench) -> None:
    """Inputs of other types are converted; an input may be reduced too."""
    x = RNG.normal(size=SHAPE).astype(np.float32)
    n = RNG.integers(0, 5, SHAPE)
    a, b = bench.put(x, Dtype.F32), bench.put(n, Dtype.I64)
    product, total = bench.out(SHAPE, Dtype.F32), bench.out((3, 5), Dtype.F32)
    most = bench.out((1,), Dtype.F64)
    tail = fused_slots(
        [(MUL, 0, 1)], [2, 2, 1], reduce=[0, 1 + Reduce.SUM, 1 + Reduce.MAX], dims=[0, 0x40, 0xE0]
    )
    outs = [product, At(total.va, Dtype.F32, (5, 0, 1)), At(most.va, Dtype.F64, (0, 0, 0))]
    assert run(bench, [a, b, *outs], tail) == Status.OK
    assert np.array_equal(bench.get(product, SHAPE), x * n.astype(np.float32))
    assert np.allclose(bench.get(total, (3, 5)), (x * n).sum(1), rtol=1e-6)
    assert bench.get(most, (1,))[0] == n.max()


def test_a_condition_is_computed_and_used(bench: Bench) -> None:
    """A comparison is 1 or 0, and WHERE takes what is not 0."""
    x = RNG.normal(size=SHAPE).astype(np.float32)
    a, out = bench.put(x, Dtype.F32), bench.out(SHAPE, Dtype.F32)
    tail = fused_slots([(LT, 0, 1), (WHERE, 3, 1, 0), (ADD, 4, 3)], [5], constants=[0, f64(9)])
    assert run(bench, [a, out], tail) == Status.OK
    assert np.array_equal(bench.get(out, SHAPE), np.where(x < 0, 0, x) + (x < 0))


@pytest.mark.parametrize("over", [0, 1])
def test_an_output_may_lie_over_an_input(bench: Bench, over: int) -> None:
    """Everything is read, and reduced, before anything is stored."""
    x, y = (RNG.normal(size=SHAPE).astype(np.float32) for _ in range(2))
    operands = [bench.put(x, Dtype.F32), bench.put(y, Dtype.F32)]
    total = bench.out((1,), Dtype.F32)
    tail = fused_slots([(ADD, 0, 1)], [2, over], reduce=[0, 1 + Reduce.MAX], dims=[0, 0xE0])
    outs = [operands[over], At(total.va, Dtype.F32, (0, 0, 0))]
    assert run(bench, [*operands, *outs], tail) == Status.OK
    assert np.array_equal(bench.get(operands[over], SHAPE), x + y)
    assert bench.get(total, (1,))[0] == (x, y)[over].max()


def test_pages_that_are_scattered(bench: Bench) -> None:
    """Operands across pages that lie apart."""
    x = RNG.normal(size=SHAPE).astype(np.float32)
    size = STORAGE[Dtype.F32].itemsize * x.size
    a, out = bench.put(x, Dtype.F32), At(SCATTERED_VA + 4096 - 64, Dtype.F32)
    assert run(bench, [a, out], fused_slots([(ADD, 0, 0)], [1])) == Status.OK
    stored = np.frombuffer(bench.pages(out.va, size), np.float32).reshape(SHAPE)
    assert np.array_equal(stored, x + x)


@pytest.mark.parametrize(
    ("tail", "status"),
    [
        (fused_slots([(ADD, 0, 1)], []), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [2] * 4), Status.INVALID_FIELD),
        (fused_slots([], [2]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [1]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [3]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 2)], [2]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1, 1)], [2]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [2], dims=[1]), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [2], constants=[0] * 7), Status.INVALID_FIELD),
        (fused_slots([(ADD, 0, 1)], [2], reduce=[1 + Reduce.ARGMIN]), Status.INVALID_OPCODE),
        (fused_slots([(ADD, 0, 1)], [2], reduce=[200]), Status.INVALID_OPCODE),
        (fused_slots([(len(Unary), 0)], [2]), Status.INVALID_OPCODE),
        (fused_slots([(0xC0, 0)], [2]), Status.INVALID_OPCODE),
        (fused_slots([(ADD, 0, 1)], [2])[:-1] + b"\1", Status.INVALID_FIELD),
        (b"\1\1\0\1" + fused_slots([(ADD, 0, 1)], [2])[4:], Status.INVALID_FIELD),
    ],
)
def test_what_is_wrong_is_refused(bench: Bench, tail: bytes, status: Status) -> None:
    """And nothing is written."""
    a, b = (bench.put(np.ones(SHAPE), Dtype.F32) for _ in range(2))
    out = bench.put(np.full(SHAPE, 7), Dtype.F32)
    assert run(bench, [a, b, out], tail) == status
    assert (bench.get(out, SHAPE) == 7).all()


def test_a_reduced_output_has_no_stride_there(bench: Bench) -> None:
    """As in REDUCE."""
    a = bench.put(np.ones(SHAPE), Dtype.F32)
    tail = fused_slots([(ADD, 0, 0)], [1], reduce=[1 + Reduce.SUM], dims=[0x80])
    assert run(bench, [a, bench.out(SHAPE, Dtype.F32)], tail) == Status.INVALID_FIELD


def test_memory_that_is_mapped_anew_is_looked_up_anew(bench: Bench) -> None:
    """A context remembers where operands are; an invalidation makes it forget."""
    x, y = (RNG.normal(size=SHAPE).astype(np.float32) for _ in range(2))
    a = bench.put(x, Dtype.F32)
    # Outputs on a page of their own: the one of the input changes.
    out, other = (At(DEVICE_VA + AREA - 4096 * page, Dtype.F32) for page in (1, 2))
    tail = fused_slots([(ADD, 0, 0)], [1])
    assert run(bench, [a, out], tail) == Status.OK

    bench.bytes(other.va + a.va % 4096, y.nbytes)[:] = y.tobytes()
    bench.table.map(a.va & ~0xFFF, other.va - DEVICE_VA, 4096, space=Space.DEVICE)
    bench.driver.write(regs.CONTEXT_CONTROL, 3, 0)  # ENABLE and INVALIDATE
    assert run(bench, [a, out], tail) == Status.OK
    assert np.array_equal(bench.get(out, SHAPE), y + y)

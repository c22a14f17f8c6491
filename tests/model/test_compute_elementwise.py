# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""UNARY, BINARY and TERNARY against expressions in float64 and Python integers."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.special as sp
from scipy.stats import norm

from diag.model.compute import binary, ternary, unary
from diag.model.compute.dtypes import FLOATS, INTEGERS, STORAGE
from pyaccel.spec.formats import Binary, Dtype, Opcode, Status, Ternary, Unary
from tests.build.commands import Immediate, f64, i64, tensor
from tests.build.host import Bench

RTOL = {Dtype.F16: 1.1e-3, Dtype.BF16: 8e-3, Dtype.F32: 4e-6, Dtype.F64: 1e-12}
DIFFERENCE = 1e-8
"""Accuracy of a numeric derivative."""
OPEN_UNIT = (-0.95, 0.95)
ABOVE_ONE = (1.05, 6.0)
POSITIVE = (0.05, 6.0)
SIGNED = (-3.0, 3.0)

Reference = Callable[..., Any]


def sigmoid(x: Any) -> Any:
    """Logistic function."""
    return sp.expit(x)


def gelu_tanh(x: Any) -> Any:
    """Tanh approximation of GELU."""
    return 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def slope(function: Reference, x: Any, step: float = 1e-6) -> Any:
    """Central difference."""
    return (function(x + step) - function(x - step)) / (2 * step)


UNARY: dict[Unary, tuple[tuple[float, float], Reference]] = {
    Unary.NEG: (SIGNED, lambda x: 0 - x),
    Unary.ABS: (SIGNED, lambda x: np.where(x < 0, -x, x)),
    Unary.SIGN: (SIGNED, lambda x: np.where(x > 0, 1.0, np.where(x < 0, -1.0, 0.0))),
    Unary.SQUARE: (SIGNED, lambda x: x**2),
    Unary.SQRT: (POSITIVE, lambda x: x**0.5),
    Unary.RSQRT: (POSITIVE, lambda x: x**-0.5),
    Unary.RECIPROCAL: (POSITIVE, lambda x: x**-1),
    Unary.EXP: (SIGNED, lambda x: math.e**x),
    Unary.EXP2: (SIGNED, lambda x: 2**x),
    Unary.EXPM1: (SIGNED, lambda x: np.exp(x) - 1),
    Unary.LOG: (ABOVE_ONE, np.log),
    Unary.LOG2: (ABOVE_ONE, lambda x: np.log(x) / np.log(2)),
    Unary.LOG10: (ABOVE_ONE, lambda x: np.log(x) / np.log(10)),
    Unary.LOG1P: (POSITIVE, lambda x: np.log(1 + x)),
    Unary.SIN: ((0.1, 3.0), lambda x: np.exp(1j * x).imag),
    Unary.COS: ((-1.4, 1.4), lambda x: np.exp(1j * x).real),
    Unary.TAN: ((-1.2, 1.2), lambda x: np.sin(x) / np.cos(x)),
    Unary.ASIN: (OPEN_UNIT, lambda x: np.arctan2(x, np.sqrt(1 - x * x))),
    Unary.ACOS: (OPEN_UNIT, lambda x: np.arctan2(np.sqrt(1 - x * x), x)),
    Unary.ATAN: (SIGNED, lambda x: np.arctan2(x, 1.0)),
    Unary.SINH: (SIGNED, lambda x: (np.exp(x) - np.exp(-x)) / 2),
    Unary.COSH: (SIGNED, lambda x: (np.exp(x) + np.exp(-x)) / 2),
    Unary.TANH: (SIGNED, lambda x: 1 - 2 / (np.exp(2 * x) + 1)),
    Unary.ASINH: (SIGNED, lambda x: np.log(x + np.sqrt(x * x + 1))),
    Unary.ACOSH: (ABOVE_ONE, lambda x: np.log(x + np.sqrt(x * x - 1))),
    Unary.ATANH: (OPEN_UNIT, lambda x: 0.5 * np.log((1 + x) / (1 - x))),
    Unary.ERF: (SIGNED, lambda x: 2 * norm.cdf(x * math.sqrt(2)) - 1),
    Unary.ERFC: (SIGNED, lambda x: 2 * norm.sf(x * math.sqrt(2))),
    Unary.ERFINV: (OPEN_UNIT, lambda x: norm.ppf((x + 1) / 2) / math.sqrt(2)),
    Unary.LGAMMA: ((2.5, 6.0), lambda x: np.log(sp.gamma(x))),
    Unary.DIGAMMA: ((2.0, 6.0), lambda x: slope(sp.gammaln, x, 1e-5)),
    Unary.SIGMOID: (SIGNED, sigmoid),
    Unary.RELU: (SIGNED, lambda x: np.where(x > 0, x, 0)),
    Unary.GELU: (SIGNED, lambda x: x * norm.cdf(x)),
    Unary.GELU_TANH: (SIGNED, gelu_tanh),
    Unary.SILU: (SIGNED, lambda x: x * sigmoid(x)),
    Unary.FLOOR: (SIGNED, lambda x: x - x % 1),
    Unary.CEIL: (SIGNED, lambda x: x + (-x) % 1),
    Unary.ROUND: (SIGNED, lambda x: np.array([round(float(v)) for v in x])),
    Unary.TRUNC: (SIGNED, lambda x: np.array([int(v) for v in x])),
    Unary.FRAC: (SIGNED, lambda x: np.array([math.fmod(v, 1) for v in x])),
    Unary.LOGICAL_NOT: (SIGNED, lambda x: np.array([float(v == 0) for v in x])),
    Unary.ISNAN: (SIGNED, lambda x: x * 0),
    Unary.ISINF: (SIGNED, lambda x: x * 0),
    Unary.ISFINITE: (SIGNED, lambda x: x * 0 + 1),
}

BINARY: dict[Binary, Reference] = {
    Binary.ADD: lambda a, b, s: a + s * b,
    Binary.SUB: lambda a, b, s: a - s * b,
    Binary.MUL: lambda a, b, s: a * b,
    Binary.DIV: lambda a, b, s: a * b**-1.0,
    Binary.FLOOR_DIV: lambda a, b, s: np.array([x // y for x, y in zip(a, b, strict=True)]),
    Binary.TRUNC_DIV: lambda a, b, s: np.array(
        [math.trunc(x / y) for x, y in zip(a, b, strict=True)]
    ),
    Binary.REMAINDER: lambda a, b, s: np.array([x % y for x, y in zip(a, b, strict=True)]),
    Binary.FMOD: lambda a, b, s: np.array([math.fmod(x, y) for x, y in zip(a, b, strict=True)]),
    Binary.POW: lambda a, b, s: np.exp(b * np.log(a)),
    Binary.MAXIMUM: lambda a, b, s: np.where(a > b, a, b),
    Binary.MINIMUM: lambda a, b, s: np.where(a < b, a, b),
    Binary.FMAX: lambda a, b, s: np.where(a > b, a, b),
    Binary.FMIN: lambda a, b, s: np.where(a < b, a, b),
    Binary.ATAN2: lambda a, b, s: np.angle(b + 1j * a),
    Binary.HYPOT: lambda a, b, s: np.abs(a + 1j * b),
    Binary.COPYSIGN: lambda a, b, s: np.abs(a) * np.where(b < 0, -1, 1),
    Binary.EQ: lambda a, b, s: a - b == 0,
    Binary.NE: lambda a, b, s: a - b != 0,
    Binary.LT: lambda a, b, s: a - b < 0,
    Binary.LE: lambda a, b, s: a - b <= 0,
    Binary.GT: lambda a, b, s: a - b > 0,
    Binary.GE: lambda a, b, s: a - b >= 0,
    Binary.LOGICAL_AND: lambda a, b, s: a * b != 0,
    Binary.LOGICAL_OR: lambda a, b, s: np.abs(a) + np.abs(b) != 0,
    Binary.LOGICAL_XOR: lambda a, b, s: (a != 0) != (b != 0),
    Binary.RELU_BACKWARD: lambda a, b, s: a * (b > s),
    Binary.SIGMOID_BACKWARD: lambda a, b, s: a * (b - b * b),
    Binary.TANH_BACKWARD: lambda a, b, s: a - a * b * b,
    Binary.GELU_BACKWARD: lambda a, b, s: a * slope(lambda x: x * norm.cdf(x), b),
    Binary.GELU_TANH_BACKWARD: lambda a, b, s: a * slope(gelu_tanh, b),
    Binary.SILU_BACKWARD: lambda a, b, s: a * slope(lambda x: x * sigmoid(x), b),
}
POSITIVE_A = {Binary.POW}

TERNARY: dict[Ternary, Reference] = {
    Ternary.WHERE: lambda a, b, c, s: np.where(np.abs(a) > 0, b, c),
    Ternary.FMA: lambda a, b, c, s: c + b * a,
    Ternary.ADDCMUL: lambda a, b, c, s: a + b * c * s,
    Ternary.ADDCDIV: lambda a, b, c, s: a + b * s * c**-1.0,
    Ternary.LERP: lambda a, b, c, s: (1 - c) * a + c * b,
    Ternary.CLAMP: lambda a, b, c, s: np.where(a < b, np.minimum(b, c), np.where(a > c, c, a)),
}


def stored(values: Any, dtype: Dtype) -> Any:
    """The values that a type can hold, as float64."""
    return np.asarray(values).astype(STORAGE[dtype]).astype(np.float64)


def close(got: Any, expected: Any, dtype: Dtype, least: float = 0.0) -> None:
    """Equal within the rounding of the type; `least` is the accuracy of the reference."""
    tolerance = max(RTOL[dtype], least)
    scale = float(np.abs(expected).max()) or 1.0
    np.testing.assert_allclose(
        got.astype(np.float64),
        expected.astype(np.float64),
        rtol=tolerance,
        atol=tolerance * scale / 8,
    )


def numbers(dtype: Dtype, seed: int, low: float, high: float, count: int = 37) -> Any:
    """Repeatable values of a type."""
    return stored(np.random.default_rng(seed).uniform(low, high, count), dtype)


@pytest.mark.parametrize("dtype", sorted(FLOATS))
@pytest.mark.parametrize("op", sorted(UNARY))
def test_unary_float_ops_match_their_definition(bench: Bench, op: Unary, dtype: Dtype) -> None:
    """Every UNARY op on every float type gives its definition, rounded to the type."""
    (low, high), reference = UNARY[op]
    values = numbers(dtype, 1, low, high)
    a, out = bench.put(values, dtype), bench.out(values.shape, dtype)
    completion = bench.run(tensor(Opcode.UNARY, values.shape, [a, out], op=op, dtype=dtype))
    assert completion.status == Status.OK
    least = DIFFERENCE if op is Unary.DIGAMMA else 0
    close(bench.get(out, values.shape), reference(values), dtype, least)


def test_every_unary_op_has_a_reference() -> None:
    """No UNARY op is left out of these tests."""
    assert set(UNARY) | {Unary.BITWISE_NOT} == set(Unary) == set(unary.KERNELS)


def test_every_binary_and_ternary_op_has_a_reference() -> None:
    """No BINARY or TERNARY op is left out of these tests."""
    assert set(BINARY) | set(INTEGER_ONLY) == set(Binary) == set(binary.KERNELS)
    assert set(TERNARY) == set(Ternary) == set(ternary.KERNELS)


@pytest.mark.parametrize("dtype", sorted(FLOATS))
@pytest.mark.parametrize("op", sorted(BINARY))
def test_binary_float_ops_match_their_definition(bench: Bench, op: Binary, dtype: Dtype) -> None:
    """Every BINARY op on every float type gives its definition, rounded to the type."""
    a = numbers(dtype, 2, 0.2 if op in POSITIVE_A else -3, 3)
    b = numbers(dtype, 3, 0.3, 3) * np.where(np.arange(37) % 3 == 0, -1, 1)
    b[5] = a[5]
    operands = [bench.put(a, dtype), bench.put(b, dtype), bench.out(a.shape, dtype)]
    command = tensor(Opcode.BINARY, a.shape, operands, params=[f64(0.5)], op=op, dtype=dtype)
    assert bench.run(command).status == Status.OK
    least = DIFFERENCE if op >= Binary.GELU_BACKWARD else 0
    close(bench.get(operands[2], a.shape), BINARY[op](a, b, 0.5), dtype, least)


@pytest.mark.parametrize("dtype", sorted(FLOATS))
@pytest.mark.parametrize("op", sorted(TERNARY))
def test_ternary_float_ops_match_their_definition(bench: Bench, op: Ternary, dtype: Dtype) -> None:
    """Every TERNARY op on every float type gives its definition, rounded to the type."""
    a, b, c = numbers(dtype, 4, -3, 3), numbers(dtype, 5, -3, 0.5), numbers(dtype, 6, 0.5, 3)
    a[3] = 0
    operands = [bench.put(v, dtype) for v in (a, b, c)] + [bench.out(a.shape, dtype)]
    command = tensor(Opcode.TERNARY, a.shape, operands, params=[f64(0.25)], op=op, dtype=dtype)
    assert bench.run(command).status == Status.OK
    close(bench.get(operands[3], a.shape), TERNARY[op](a, b, c, 0.25), dtype)


def shift(value: int, by: int, dtype: Dtype, *, left: bool) -> int:
    """Shift with the documented results outside the width."""
    bits = STORAGE[dtype].itemsize * 8
    if not 0 <= by < bits:
        return 0 if left or value >= 0 else -1
    return value << by if left else value >> by


def toward_zero(x: int, y: int) -> int:
    """Quotient without rounding errors."""
    return 0 if y == 0 else abs(x) // abs(y) * (1 if (x < 0) == (y < 0) else -1)


def power(x: int, y: int) -> int:
    """Integer power; a negative exponent rounds toward zero."""
    if y >= 0:
        return x**y
    return {1: 1, -1: -1 if y % 2 else 1}.get(x, 0)


INTEGER_ONLY: dict[Binary, Reference] = {
    Binary.BITWISE_AND: lambda x, y, t: x & y,
    Binary.BITWISE_OR: lambda x, y, t: x | y,
    Binary.BITWISE_XOR: lambda x, y, t: x ^ y,
    Binary.SHIFT_LEFT: lambda x, y, t: shift(x, y, t, left=True),
    Binary.SHIFT_RIGHT: lambda x, y, t: shift(x, y, t, left=False),
}
INTEGER: dict[Binary, Reference] = INTEGER_ONLY | {
    Binary.ADD: lambda x, y, t: x + 3 * y,
    Binary.SUB: lambda x, y, t: x - 3 * y,
    Binary.MUL: lambda x, y, t: x * y,
    Binary.FLOOR_DIV: lambda x, y, t: x // y if y else 0,
    Binary.TRUNC_DIV: lambda x, y, t: toward_zero(x, y),
    Binary.REMAINDER: lambda x, y, t: x % y if y else 0,
    Binary.FMOD: lambda x, y, t: x - toward_zero(x, y) * y if y else 0,
    Binary.POW: lambda x, y, t: power(x, y),
    Binary.MAXIMUM: lambda x, y, t: max(x, y),
    Binary.MINIMUM: lambda x, y, t: min(x, y),
    Binary.EQ: lambda x, y, t: x == y,
    Binary.LT: lambda x, y, t: x < y,
    Binary.LOGICAL_XOR: lambda x, y, t: bool(x) != bool(y),
    Binary.RELU_BACKWARD: lambda x, y, t: x if y > 3 else 0,
}


def wrapped(value: int, dtype: Dtype) -> int:
    """Modulo 2**bits, as the type reads it."""
    kind = np.iinfo(STORAGE[dtype])
    return (int(value) - int(kind.min)) % (1 << kind.bits) + int(kind.min)


@pytest.mark.parametrize("dtype", sorted(INTEGERS))
@pytest.mark.parametrize("op", sorted(INTEGER))
def test_binary_integer_ops_match_python_integers(bench: Bench, op: Binary, dtype: Dtype) -> None:
    """Integer ops wrap modulo 2**bits and follow the rules for zero and for wide shifts."""
    generator = np.random.default_rng(7)
    low = 0 if dtype is Dtype.U8 else -100
    a = generator.integers(low, 120, 60)
    b = generator.integers(max(low, -9), 12, 60)
    a[:3], b[:3] = (5, 0, 7), (0, 0, 0)
    operands = [bench.put(a, dtype), bench.put(b, dtype), bench.out(a.shape, dtype)]
    command = tensor(Opcode.BINARY, a.shape, operands, params=[i64(3)], op=op, dtype=dtype)
    assert bench.run(command).status == Status.OK
    expected = [
        wrapped(INTEGER[op](int(x), int(y), dtype), dtype) for x, y in zip(a, b, strict=True)
    ]
    assert bench.get(operands[2], a.shape).tolist() == expected


def test_integer_division_gives_float32(bench: Bench) -> None:
    """DIV of integers is a float32 quotient."""
    a = bench.put(np.array([7, -7, 1, 0]), Dtype.I32)
    b = bench.put(np.array([2, 2, 0, 0]), Dtype.I32)
    out = bench.out((4,), Dtype.F32)
    command = tensor(Opcode.BINARY, (4,), [a, b, out], op=Binary.DIV, dtype=Dtype.I32)
    assert bench.run(command).status == Status.OK
    np.testing.assert_array_equal(bench.get(out, (4,)), np.float32([3.5, -3.5, np.inf, np.nan]))


def test_bitwise_not_works_on_integers_and_bool(bench: Bench) -> None:
    """BITWISE_NOT is the logical not of a bool and the complement of an integer."""
    number, flag = (
        bench.put(np.array([0, 5, -1]), Dtype.I16),
        bench.put(np.array([0, 1, 2]), Dtype.BOOL),
    )
    for operand, expected in ((number, [-1, -6, 0]), (flag, [1, 0, 0])):
        out = bench.out((3,), operand.dtype)
        command = tensor(
            Opcode.UNARY, (3,), [operand, out], op=Unary.BITWISE_NOT, dtype=operand.dtype
        )
        assert bench.run(command).status == Status.OK
        assert bench.get(out, (3,)).tolist() == expected


@pytest.mark.parametrize(
    ("op", "expected"),
    [
        (Binary.MAXIMUM, [np.nan, np.nan, 2]),
        (Binary.MINIMUM, [np.nan, np.nan, 1]),
        (Binary.FMAX, [1, 1, 2]),
        (Binary.FMIN, [1, 1, 1]),
    ],
)
def test_nan_wins_or_loses_as_the_op_says(bench: Bench, op: Binary, expected: list[float]) -> None:
    """NaN wins in MAXIMUM and MINIMUM and loses in FMAX and FMIN."""
    a = bench.put(np.array([np.nan, 1, 2]), Dtype.F32)
    b = bench.put(np.array([1, np.nan, 1]), Dtype.F32)
    out = bench.out((3,), Dtype.F32)
    bench.run(tensor(Opcode.BINARY, (3,), [a, b, out], op=op, dtype=Dtype.F32))
    np.testing.assert_array_equal(bench.get(out, (3,)), np.float32(expected))


@pytest.mark.parametrize("op", [Unary.SIGN, Unary.RELU])
def test_nan_stays_nan(bench: Bench, op: Unary) -> None:
    """SIGN and RELU of NaN are NaN."""
    a, out = bench.put(np.array([np.nan]), Dtype.F32), bench.out((1,), Dtype.F32)
    bench.run(tensor(Opcode.UNARY, (1,), [a, out], op=op, dtype=Dtype.F32))
    assert np.isnan(bench.get(out, (1,)))[0]


def test_bf16_is_computed_in_float32_and_rounded_once(bench: Bench) -> None:
    """1 + 2**-8 + 2**-16 in bf16: the exact sum is above the tie and rounds up, once."""
    one, small = bench.put(np.array([1.0]), Dtype.BF16), Immediate(2.0**-8 + 2.0**-15, Dtype.BF16)
    out = bench.out((1,), Dtype.BF16)
    bench.run(
        tensor(
            Opcode.BINARY, (1,), [one, small, out], params=[f64(1)], op=Binary.ADD, dtype=Dtype.BF16
        )
    )
    assert float(bench.get(out, (1,))[0]) == 1 + 2.0**-7


def test_result_has_the_precision_of_the_compute_type(bench: Bench) -> None:
    """A bf16 computation stored as float32 is rounded to bf16 first."""
    a, out = bench.put(np.array([3.0]), Dtype.BF16), bench.out((1,), Dtype.F32)
    bench.run(tensor(Opcode.UNARY, (1,), [a, out], op=Unary.RECIPROCAL, dtype=Dtype.BF16))
    assert bench.get(out, (1,)).view(np.uint32)[0] & 0xFFFF == 0
    assert abs(float(bench.get(out, (1,))[0]) - 1 / 3) < 2.0**-9


def test_where_looks_at_the_condition_as_it_is_stored(bench: Bench) -> None:
    """0.5 is true although the compute type is an integer."""
    condition = bench.put(np.array([0.5, 0.0, np.nan]), Dtype.F32)
    out = bench.out((3,), Dtype.I32)
    operands = [condition, Immediate(1, Dtype.I32), Immediate(2, Dtype.I32), out]
    bench.run(tensor(Opcode.TERNARY, (3,), operands, op=Ternary.WHERE, dtype=Dtype.I32))
    assert bench.get(out, (3,)).tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("opcode", "count", "op", "dtype"),
    [
        (Opcode.UNARY, 2, Unary.EXP, Dtype.I32),
        (Opcode.UNARY, 2, Unary.BITWISE_NOT, Dtype.F32),
        (Opcode.UNARY, 2, Unary.NEG, Dtype.BOOL),
        (Opcode.BINARY, 3, Binary.SHIFT_LEFT, Dtype.F64),
        (Opcode.BINARY, 3, Binary.ATAN2, Dtype.I64),
        (Opcode.TERNARY, 4, Ternary.LERP, Dtype.I32),
    ],
)
def test_op_refuses_types_it_does_not_take(
    bench: Bench, opcode: Opcode, count: int, op: int, dtype: Dtype
) -> None:
    """UNSUPPORTED_DTYPE, and nothing is written."""
    out = bench.put(np.array([9]), Dtype.I64)
    command = tensor(opcode, (1,), [out] * count, op=op, dtype=dtype)
    assert bench.run(command).status == Status.UNSUPPORTED_DTYPE
    assert bench.get(out, (1,))[0] == 9


@pytest.mark.parametrize("opcode", [Opcode.UNARY, Opcode.BINARY, Opcode.TERNARY, Opcode.REDUCE])
def test_unknown_op_is_an_invalid_opcode(bench: Bench, opcode: Opcode) -> None:
    """An op outside the enum completes with INVALID_OPCODE."""
    count = {Opcode.UNARY: 2, Opcode.BINARY: 3, Opcode.TERNARY: 4, Opcode.REDUCE: 2}[opcode]
    out = bench.out((1,), Dtype.F32)
    command = tensor(opcode, (1,), [out] * count, op=200, dtype=Dtype.F32)
    assert bench.run(command).status == Status.INVALID_OPCODE

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Conversions: rounding checked with integer arithmetic, saturation with Python integers."""

from __future__ import annotations

import math
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model.compute.convert import convert
from diag.model.compute.dtypes import FLOATS, INTEGERS, STORAGE
from pyaccel.spec.formats import Dtype, Opcode, Status
from tests.build.commands import At, tensor
from tests.build.host import Bench

FINITE = st.floats(allow_nan=False, allow_infinity=False)
BF16_MAX = float.fromhex("0x1.fep127")


def bf16_bits_of_f32(bits: int) -> int:
    """Round a float32's bits to bfloat16: nearest, ties to even, in integers only."""
    return (bits + 0x7FFF + (bits >> 16 & 1)) >> 16


def exact_bf16(value: float) -> float:
    """The bfloat16 nearest to a finite number, ties to even, in exact integer arithmetic."""
    if value == 0:
        return 0.0
    numerator, denominator = abs(value).as_integer_ratio()
    exponent = max(numerator.bit_length() - denominator.bit_length(), -126)
    # 8 bits of significand: the quotient in units of 2**(exponent - 7), then one step more
    # if the estimate of the exponent was one too small or too large.
    for shift in (exponent - 7, exponent - 8):
        scaled = numerator << max(-shift, 0)
        unit = denominator << max(shift, 0)
        quotient, rest = divmod(scaled, unit)
        if quotient >= 128 or shift <= -133:
            break
        if exponent == -126:
            break
    quotient += 2 * rest > unit or (2 * rest == unit and quotient % 2 == 1)
    result = math.ldexp(quotient, shift) if quotient.bit_length() + shift <= 128 else math.inf
    return math.copysign(math.inf if result > BF16_MAX else result, value)


@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=1, max_size=50))
def test_float32_to_bf16_rounds_to_nearest_even(bits: list[int]) -> None:
    """Every finite float32 bit pattern rounds as integer arithmetic says."""
    values = np.array(bits, dtype=np.uint32)
    values = values[(values & 0x7F800000) != 0x7F800000]
    got = convert(values.view(np.float32), Dtype.BF16).view(np.uint16)
    assert got.tolist() == [bf16_bits_of_f32(int(v)) for v in values]


@given(FINITE)
def test_float64_to_bf16_rounds_once(value: float) -> None:
    """No double rounding through float32."""
    with np.errstate(over="ignore"):
        assert float(convert(np.array([value]), Dtype.BF16)[0]) == exact_bf16(value)


@given(st.integers(-(2**63), 2**63 - 1))
def test_int64_to_bf16_rounds_once(value: int) -> None:
    """No double rounding through float64 or float32."""
    assert float(convert(np.array([value], dtype=np.int64), Dtype.BF16)[0]) == exact_bf16(value)


def test_double_rounding_cases_are_right() -> None:
    """Values just above a bf16 tie that float32 would round onto the tie."""
    above = 1 + 2.0**-8 + 2.0**-40
    assert float(convert(np.array([above]), Dtype.BF16)[0]) == 1 + 2.0**-7
    huge = (1 << 62) + (1 << 54) + 1
    assert float(convert(np.array([huge]), Dtype.BF16)[0]) == (1 << 62) + (1 << 55)
    wide = (1 << 40) + (1 << 32) + 1
    assert float(convert(np.array([wide]), Dtype.BF16)[0]) == (1 << 40) + (1 << 33)


@given(st.sampled_from(sorted(INTEGERS)), FINITE)
def test_float_to_integer_truncates_and_saturates(target: Dtype, value: float) -> None:
    """Toward zero, then to the nearest value of the type."""
    info = np.iinfo(STORAGE[target])
    expected = min(max(math.trunc(value), int(info.min)), int(info.max))
    assert int(convert(np.array([value]), target)[0]) == expected


@pytest.mark.parametrize("source", sorted(FLOATS))
@pytest.mark.parametrize("target", sorted(INTEGERS))
def test_infinities_saturate_and_nan_is_zero(source: Dtype, target: Dtype) -> None:
    """Infinity gives the end of the range, NaN 0, from every float type."""
    info = np.iinfo(STORAGE[target])
    values = np.array([np.inf, -np.inf, np.nan]).astype(STORAGE[source])
    assert convert(values, target).tolist() == [info.max, info.min, 0]


@given(
    st.sampled_from(sorted(INTEGERS)),
    st.sampled_from(sorted(INTEGERS)),
    st.integers(0, 2**64 - 1),
)
def test_integer_to_integer_keeps_the_low_bits(source: Dtype, target: Dtype, raw: int) -> None:
    """Modulo 2**bits of the target, sign extended from the source."""
    size = STORAGE[source].itemsize
    value = np.frombuffer(raw.to_bytes(8, "little")[:size], dtype=STORAGE[source])
    bits = STORAGE[target].itemsize * 8
    assert int(convert(value, target)[0]) % (1 << bits) == int(value[0]) % (1 << bits)


@given(FINITE)
def test_float64_to_float16_and_float32_match_struct(value: float) -> None:
    """Rounding of the narrower IEEE types agrees with the C library."""
    try:
        half = struct.unpack("<e", struct.pack("<e", value))[0]
    except OverflowError:
        half = math.copysign(math.inf, value)
    with np.errstate(over="ignore"):
        assert float(convert(np.array([value]), Dtype.F16)[0]) == half


@given(st.sampled_from(sorted(FLOATS | INTEGERS)))
def test_to_bool_is_not_zero(source: Dtype) -> None:
    """Zero is false, everything else true, NaN included."""
    values = np.array([0, 1, 2]).astype(STORAGE[source])
    assert convert(values, Dtype.BOOL).tolist() == [False, True, True]
    if source in FLOATS:
        assert convert(np.array([np.nan]).astype(STORAGE[source]), Dtype.BOOL).tolist() == [True]


@pytest.mark.parametrize("target", sorted(Dtype))
@pytest.mark.parametrize("source", sorted(Dtype))
def test_cast_command_reaches_every_pair_of_types(
    bench: Bench, source: Dtype, target: Dtype
) -> None:
    """CAST between any two types keeps small whole numbers; to BOOL it gives 0 and 1."""
    values = np.array([0, 1, 3, 100])
    a, out = bench.put(values, source), bench.out((4,), target)
    assert bench.run(tensor(Opcode.CAST, (4,), [a, out])).status == Status.OK
    narrow = Dtype.BOOL in (source, target)
    expected = [0, 1, 1, 1] if narrow else [0, 1, 3, 100]
    assert bench.get(out, (4,)).astype(np.float64).tolist() == expected


def test_cast_reads_any_non_zero_byte_as_true(bench: Bench) -> None:
    """A BOOL byte of 2 written by the host is true, and is stored as 1."""
    a, out = bench.put(np.array([0, 2, 255]), Dtype.U8), bench.out((3,), Dtype.BOOL)
    command = tensor(Opcode.CAST, (3,), [At(a.va, Dtype.BOOL), out])
    assert bench.run(command).status == Status.OK
    assert bench.get(out, (3,)).tolist() == [0, 1, 1]

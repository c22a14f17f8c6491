# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Conversion of values between element types.

    to BOOL          not zero (NaN is not zero)
    float to integer truncated toward zero, saturated; NaN gives 0
    integer to integer   modulo 2**bits
    to a float       rounded to nearest even, once

"Once" needs care where NumPy goes through float32: a float64 or a wide integer on its way
to bfloat16 would be rounded twice. Those go through *round to odd*, which keeps the second
rounding exact (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
"""

from __future__ import annotations

from typing import Any, Final

import numpy as np

from diag.model.compute.dtypes import FLOATS, STORAGE, WORK, Array
from pyaccel.spec.formats import Dtype

_BF16: Final = STORAGE[Dtype.BF16]
_EXACT_IN_F64: Final = 53


def convert(values: Array, target: Dtype) -> Array:
    """`values` as `target` is stored; BOOL comes as np.bool_. May return `values` itself."""
    if target is Dtype.BOOL:
        return values if values.dtype == np.bool_ else values != 0
    wanted = STORAGE[target]
    if values.dtype == wanted:
        return values
    if values.dtype == _BF16 and target is not Dtype.BF16:
        values = values.astype(np.float32)
    if target is Dtype.BF16:
        return _to_bf16(values)
    if target not in FLOATS and values.dtype.kind == "f":
        return _saturate(values, wanted)
    return values.astype(wanted)


def load(values: Array, stored: Dtype, compute: Dtype) -> Array:
    """Memory's values in the type that `compute` is computed in."""
    work = WORK[compute]
    if stored is compute and values.dtype == work:
        return values
    if stored is Dtype.BOOL:
        values = values != 0
    if stored is compute:
        return values if values.dtype == work else values.astype(work)
    # Through the compute type first: a float32 operand of a bf16 command has bf16's precision.
    converted = convert(values, compute)
    return converted if converted.dtype == work else converted.astype(work)


def finish(result: Array, compute: Dtype, stored: Dtype) -> Array:
    """A result rounded once to the compute type, then converted to how it is stored."""
    if result.dtype == WORK[compute] and compute is not stored:
        result = convert(result, compute)
    return convert(result, stored)


def _to_bf16(values: Array) -> Array:
    if values.dtype.kind in "iub" and values.dtype.itemsize > 2:
        values = _odd_f64(values.astype(np.int64))
    if values.dtype == np.float64:
        values = _odd_f32(values)
    return values.astype(np.float32).astype(_BF16)


def _odd_f64(values: Array) -> Array:
    """int64 as float64, rounded to odd."""
    drop = 64 - _EXACT_IN_F64
    wide = np.abs(values.astype(np.float64)) >= 2.0**_EXACT_IN_F64
    sticky = (values & ((1 << drop) - 1)) != 0
    odd = (values >> drop | sticky).astype(np.float64) * 2.0**drop
    return np.where(wide, odd, values.astype(np.float64))


def _odd_f32(values: Array) -> Array:
    """float64 as float32, rounded to odd: where inexact, the neighbour with the last bit set."""
    nearest = values.astype(np.float32)
    bits = nearest.view(np.uint32)
    inexact = (nearest.astype(np.float64) != values) & np.isfinite(values)
    even = (bits & 1) == 0
    # The other neighbour lies on the other side of the value; stepping the bits steps the
    # magnitude, which also leads from infinity back to the largest finite number.
    too_small = np.abs(nearest.astype(np.float64)) < np.abs(values)
    step = np.where(too_small, 1, -1).astype(np.int64)
    stepped = (bits.astype(np.int64) + step).astype(np.uint32)
    result: Array = np.where(inexact & even, stepped, bits).astype(np.uint32).view(np.float32)
    return result


def _saturate(values: Array, wanted: np.dtype[Any]) -> Array:
    info = np.iinfo(wanted)
    wide = values.astype(np.float64)
    # float64 cannot hold int64's maximum: compare with the power of two above it instead.
    high = wide >= float(info.max) + (0 if wanted.itemsize == 8 else 1)
    low = wide <= float(info.min)
    inside = np.where(high | low | np.isnan(wide), 0.0, wide)
    result = inside.astype(np.int64).astype(wanted)
    result = np.where(high, wanted.type(info.max), result)
    return np.where(low, wanted.type(info.min), result)

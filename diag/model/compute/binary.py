# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""BINARY: one row per op with the compute types that it takes.

A kernel gets both operands in the compute type and the scale as a scalar of that type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from diag.model.compute import special
from diag.model.compute.dtypes import ANY, BITS, FLOATS, INTEGERS, NUMBERS, Array, require
from pyaccel.spec.formats import Binary, Dtype

Kernel = Callable[[Array, Array, Any], Array]


def _plain(function: Callable[[Array, Array], Array]) -> Kernel:
    return lambda a, b, _scale: function(a, b)


def _add(a: Array, b: Array, scale: Any) -> Array:
    return np.add(a, b if scale == 1 else scale * b)


def _sub(a: Array, b: Array, scale: Any) -> Array:
    return np.subtract(a, b if scale == 1 else scale * b)


def _div(a: Array, b: Array) -> Array:
    if a.dtype.kind != "f":
        a, b = a.astype(np.float32), b.astype(np.float32)
    return np.true_divide(a, b)


def _trunc_div(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.trunc(a / b)
    quotient = np.floor_divide(a, b)
    inexact = (a - quotient * b != 0) & (b != 0)
    result: Array = quotient + (inexact & ((a < 0) != (b < 0))).astype(a.dtype)
    return result


def _pow(a: Array, b: Array) -> Array:
    if a.dtype.kind in "fu":
        return np.power(a, b)
    negative = b < 0
    positive = np.power(a, np.where(negative, a.dtype.type(0), b))
    # 1/a**n rounds toward zero: only 1 and -1 leave something.
    inverse = np.where(a == 1, 1, np.where(a == -1, 1 - 2 * (b & 1), 0)).astype(a.dtype)
    return np.where(negative, inverse, positive)


def _shift_left(a: Array, b: Array) -> Array:
    inside = (b >= 0) & (b < a.dtype.itemsize * 8)
    zero = a.dtype.type(0)
    return np.where(inside, np.left_shift(a, np.where(inside, b, zero)), zero)


def _shift_right(a: Array, b: Array) -> Array:
    inside = (b >= 0) & (b < a.dtype.itemsize * 8)
    zero = a.dtype.type(0)
    rest = zero if a.dtype.kind == "u" else np.where(a < 0, a.dtype.type(-1), zero)
    return np.where(inside, np.right_shift(a, np.where(inside, b, zero)), rest)


def _relu_backward(a: Array, b: Array, scale: Any) -> Array:
    return np.where(b > scale, a, a.dtype.type(0))


KERNELS: Final[dict[Binary, tuple[frozenset[Dtype], Kernel]]] = {
    Binary.ADD: (ANY, _add),
    Binary.SUB: (NUMBERS, _sub),
    Binary.MUL: (ANY, _plain(np.multiply)),
    Binary.DIV: (NUMBERS, _plain(_div)),
    Binary.FLOOR_DIV: (NUMBERS, _plain(np.floor_divide)),
    Binary.TRUNC_DIV: (NUMBERS, _plain(_trunc_div)),
    Binary.REMAINDER: (NUMBERS, _plain(np.remainder)),
    Binary.FMOD: (NUMBERS, _plain(np.fmod)),
    Binary.POW: (NUMBERS, _plain(_pow)),
    Binary.MAXIMUM: (ANY, _plain(np.maximum)),
    Binary.MINIMUM: (ANY, _plain(np.minimum)),
    Binary.FMAX: (ANY, _plain(np.fmax)),
    Binary.FMIN: (ANY, _plain(np.fmin)),
    Binary.ATAN2: (FLOATS, _plain(np.arctan2)),
    Binary.HYPOT: (FLOATS, _plain(np.hypot)),
    Binary.COPYSIGN: (FLOATS, _plain(np.copysign)),
    Binary.EQ: (ANY, _plain(np.equal)),
    Binary.NE: (ANY, _plain(np.not_equal)),
    Binary.LT: (ANY, _plain(np.less)),
    Binary.LE: (ANY, _plain(np.less_equal)),
    Binary.GT: (ANY, _plain(np.greater)),
    Binary.GE: (ANY, _plain(np.greater_equal)),
    Binary.LOGICAL_AND: (ANY, _plain(np.logical_and)),
    Binary.LOGICAL_OR: (ANY, _plain(np.logical_or)),
    Binary.LOGICAL_XOR: (ANY, _plain(np.logical_xor)),
    Binary.BITWISE_AND: (BITS, _plain(np.bitwise_and)),
    Binary.BITWISE_OR: (BITS, _plain(np.bitwise_or)),
    Binary.BITWISE_XOR: (BITS, _plain(np.bitwise_xor)),
    Binary.SHIFT_LEFT: (INTEGERS, _plain(_shift_left)),
    Binary.SHIFT_RIGHT: (INTEGERS, _plain(_shift_right)),
    Binary.RELU_BACKWARD: (NUMBERS, _relu_backward),
    Binary.SIGMOID_BACKWARD: (FLOATS, _plain(lambda a, b: a * (1 - b) * b)),
    Binary.TANH_BACKWARD: (FLOATS, _plain(lambda a, b: a * (1 - b * b))),
    Binary.GELU_BACKWARD: (FLOATS, _plain(special.gelu_backward)),
    Binary.GELU_TANH_BACKWARD: (FLOATS, _plain(special.gelu_tanh_backward)),
    Binary.SILU_BACKWARD: (FLOATS, _plain(special.silu_backward)),
}

DIRECT: Final[dict[Binary, np.ufunc]] = {
    Binary.ADD: np.add,
    Binary.SUB: np.subtract,
    Binary.MUL: np.multiply,
    Binary.MAXIMUM: np.maximum,
    Binary.MINIMUM: np.minimum,
}
"""Ops that are one ufunc when the scale is 1: they can write into memory without a copy."""


def kernel(op: Binary, compute: Dtype) -> Kernel:
    """The function of an op; CommandError if it does not take the type."""
    allowed, function = KERNELS[op]
    require(compute, allowed, op.name)
    return function

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""UNARY: one row per op with the compute types that it takes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import numpy as np

from diag.model.compute import special
from diag.model.compute.dtypes import ANY, BITS, FLOATS, NUMBERS, Array, require
from pyaccel.spec.formats import Dtype, Unary

Kernel = Callable[[Array], Array]


def _whole(function: Kernel) -> Kernel:
    """Rounding leaves integers as they are."""
    return lambda a: function(a) if a.dtype.kind == "f" else a


def _frac(a: Array) -> Array:
    result: Array = a - np.trunc(a)
    return result


def _only_floats(function: Kernel, otherwise: bool) -> Kernel:
    """A predicate whose answer for integers is known."""
    return lambda a: function(a) if a.dtype.kind == "f" else np.full(a.shape, otherwise)


KERNELS: Final[dict[Unary, tuple[frozenset[Dtype], Kernel]]] = {
    Unary.NEG: (NUMBERS, np.negative),
    Unary.ABS: (NUMBERS, np.abs),
    Unary.SIGN: (NUMBERS, np.sign),
    Unary.SQUARE: (NUMBERS, np.square),
    Unary.SQRT: (FLOATS, np.sqrt),
    Unary.RSQRT: (FLOATS, lambda a: 1 / np.sqrt(a)),
    Unary.RECIPROCAL: (FLOATS, lambda a: 1 / a),
    Unary.EXP: (FLOATS, np.exp),
    Unary.EXP2: (FLOATS, np.exp2),
    Unary.EXPM1: (FLOATS, np.expm1),
    Unary.LOG: (FLOATS, np.log),
    Unary.LOG2: (FLOATS, np.log2),
    Unary.LOG10: (FLOATS, np.log10),
    Unary.LOG1P: (FLOATS, np.log1p),
    Unary.SIN: (FLOATS, np.sin),
    Unary.COS: (FLOATS, np.cos),
    Unary.TAN: (FLOATS, np.tan),
    Unary.ASIN: (FLOATS, np.arcsin),
    Unary.ACOS: (FLOATS, np.arccos),
    Unary.ATAN: (FLOATS, np.arctan),
    Unary.SINH: (FLOATS, np.sinh),
    Unary.COSH: (FLOATS, np.cosh),
    Unary.TANH: (FLOATS, np.tanh),
    Unary.ASINH: (FLOATS, np.arcsinh),
    Unary.ACOSH: (FLOATS, np.arccosh),
    Unary.ATANH: (FLOATS, np.arctanh),
    Unary.ERF: (FLOATS, special.erf),
    Unary.ERFC: (FLOATS, special.erfc),
    Unary.ERFINV: (FLOATS, special.erfinv),
    Unary.LGAMMA: (FLOATS, special.lgamma),
    Unary.DIGAMMA: (FLOATS, special.digamma),
    Unary.SIGMOID: (FLOATS, special.sigmoid),
    Unary.RELU: (NUMBERS, lambda a: np.maximum(a, a.dtype.type(0))),
    Unary.GELU: (FLOATS, special.gelu),
    Unary.GELU_TANH: (FLOATS, special.gelu_tanh),
    Unary.SILU: (FLOATS, lambda a: a * special.sigmoid(a)),
    Unary.FLOOR: (NUMBERS, _whole(np.floor)),
    Unary.CEIL: (NUMBERS, _whole(np.ceil)),
    Unary.ROUND: (NUMBERS, _whole(np.rint)),
    Unary.TRUNC: (NUMBERS, _whole(np.trunc)),
    Unary.FRAC: (FLOATS, _frac),
    Unary.BITWISE_NOT: (BITS, np.invert),
    Unary.LOGICAL_NOT: (ANY, lambda a: a == 0),
    Unary.ISNAN: (ANY, _only_floats(np.isnan, otherwise=False)),
    Unary.ISINF: (ANY, _only_floats(np.isinf, otherwise=False)),
    Unary.ISFINITE: (ANY, _only_floats(np.isfinite, otherwise=True)),
}


def kernel(op: Unary, compute: Dtype) -> Kernel:
    """The function of an op; CommandError if it does not take the type."""
    allowed, function = KERNELS[op]
    require(compute, allowed, op.name)
    return function

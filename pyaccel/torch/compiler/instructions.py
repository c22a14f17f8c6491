# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""ATen operators as instructions of FUSED: one row for each operator.

An operator that is to be fused gets a row in `_UNARY` or `_BINARY`, or a function in `_OTHERS`
if it takes more than its operands. Each instruction computes what the operator does in eager
mode, bit for bit in float32 and float64.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import torch
from torch.fx import Node

from pyaccel.spec.formats import FUSED_BINARY, FUSED_TERNARY, Binary, Reduce, Ternary, Unary

aten = torch.ops.aten

Value = Node | float
"""An operand: a tensor, or a number."""

Emit = Callable[..., Any]
"""Appends an instruction: emit(op, *operands) gives the register of its result."""

_SAME_NAME: Final = """
    abs acos acosh asin asinh atan atanh ceil cos cosh digamma erf erfc erfinv exp exp2 expm1
    floor frac lgamma log log10 log1p log2 neg reciprocal relu round rsqrt sigmoid sign silu sin
    sinh sqrt square tan tanh trunc
"""
_UNARY: Final[dict[Any, Unary]] = {
    getattr(aten, name).default: Unary[name.upper()] for name in _SAME_NAME.split()
}

_BINARY: Final[dict[Any, Binary]] = {
    aten.mul.Tensor: Binary.MUL,
    aten.mul.Scalar: Binary.MUL,
    aten.div.Tensor: Binary.DIV,
    aten.div.Scalar: Binary.DIV,
    aten.pow.Tensor_Tensor: Binary.POW,
    aten.pow.Scalar: Binary.POW,
    aten.maximum.default: Binary.MAXIMUM,
    aten.minimum.default: Binary.MINIMUM,
    aten.clamp_min.default: Binary.MAXIMUM,
    aten.clamp_max.default: Binary.MINIMUM,
    aten.atan2.default: Binary.ATAN2,
    aten.copysign.Tensor: Binary.COPYSIGN,
    aten.hypot.default: Binary.HYPOT,
    aten.sigmoid_backward.default: Binary.SIGMOID_BACKWARD,
    aten.silu_backward.default: Binary.SILU_BACKWARD,
    aten.tanh_backward.default: Binary.TANH_BACKWARD,
}

CONDITIONS: Final[dict[Any, Binary]] = {
    getattr(getattr(aten, name), overload): Binary[name.upper()]
    for name in ("eq", "ne", "lt", "le", "gt", "ge")
    for overload in ("Tensor", "Scalar")
}
"""Comparisons of floating tensors: computed where their answer is used, if that is fused."""


def _add(emit: Emit, a: Value, b: Value, alpha: float = 1) -> Any:
    return emit(FUSED_BINARY | Binary.ADD, a, _scaled(emit, b, alpha))


def _sub(emit: Emit, a: Value, b: Value, alpha: float = 1) -> Any:
    return emit(FUSED_BINARY | Binary.SUB, a, _scaled(emit, b, alpha))


def _rsub(emit: Emit, a: Value, b: Value, alpha: float = 1) -> Any:
    return _sub(emit, b, a, alpha)


def _scaled(emit: Emit, value: Value, factor: float) -> Any:
    return value if factor == 1 else emit(FUSED_BINARY | Binary.MUL, value, factor)


def _pow(emit: Emit, a: Value, exponent: float) -> Any:
    simple = {2: Unary.SQUARE, 0.5: Unary.SQRT}
    if exponent in simple:
        return emit(simple[exponent], a)
    return emit(FUSED_BINARY | Binary.POW, a, exponent)


def _gelu(emit: Emit, a: Value, approximate: str = "none") -> Any:
    return emit(Unary.GELU_TANH if approximate == "tanh" else Unary.GELU, a)


def _gelu_backward(emit: Emit, grad: Value, a: Value, approximate: str = "none") -> Any:
    op = Binary.GELU_TANH_BACKWARD if approximate == "tanh" else Binary.GELU_BACKWARD
    return emit(FUSED_BINARY | op, grad, a)


def _threshold_backward(emit: Emit, grad: Value, a: Value, threshold: float) -> Any:
    if threshold != 0:
        return NotImplemented
    return emit(FUSED_BINARY | Binary.RELU_BACKWARD, grad, a)


def _where(emit: Emit, condition: Value, a: Value, b: Value) -> Any:
    return emit(FUSED_TERNARY | Ternary.WHERE, condition, a, b)


def _masked_fill(emit: Emit, a: Value, mask: Value, value: Value) -> Any:
    return _where(emit, mask, value, a)


def _addcmul(emit: Emit, a: Value, b: Value, c: Value, value: float = 1) -> Any:
    product = emit(FUSED_BINARY | Binary.MUL, _scaled(emit, b, value), c)
    return emit(FUSED_BINARY | Binary.ADD, a, product)


def _addcdiv(emit: Emit, a: Value, b: Value, c: Value, value: float = 1) -> Any:
    quotient = emit(FUSED_BINARY | Binary.DIV, _scaled(emit, b, value), c)
    return emit(FUSED_BINARY | Binary.ADD, a, quotient)


def _lerp(emit: Emit, a: Value, b: Value, weight: Value) -> Any:
    return emit(FUSED_TERNARY | Ternary.LERP, a, b, weight)


_OTHERS: Final[dict[Any, Emit]] = {
    aten.add.Tensor: _add,
    aten.add.Scalar: _add,
    aten.sub.Tensor: _sub,
    aten.sub.Scalar: _sub,
    aten.rsub.Scalar: _rsub,
    aten.rsub.Tensor: _rsub,
    aten.pow.Tensor_Scalar: _pow,
    aten.gelu.default: _gelu,
    aten.gelu_backward.default: _gelu_backward,
    aten.threshold_backward.default: _threshold_backward,
    aten.where.self: _where,
    aten.where.ScalarOther: _where,
    aten.where.ScalarSelf: _where,
    aten.masked_fill.Scalar: _masked_fill,
    aten.masked_fill.Tensor: _masked_fill,
    aten.addcmul.default: _addcmul,
    aten.addcdiv.default: _addcdiv,
    aten.lerp.Scalar: _lerp,
    aten.lerp.Tensor: _lerp,
}

CONDITION_OF: Final[dict[Any, int]] = {
    aten.where.self: 0,
    aten.where.ScalarOther: 0,
    aten.where.ScalarSelf: 0,
    aten.masked_fill.Scalar: 1,
    aten.masked_fill.Tensor: 1,
}
"""Which argument of an operator is a condition, of type bool."""


REDUCTIONS: Final[dict[Any, Reduce]] = {
    aten.sum.dim_IntList: Reduce.SUM,
    aten.mean.dim: Reduce.MEAN,
    aten.amax.default: Reduce.MAX,
    aten.amin.default: Reduce.MIN,
}
"""Of (tensor, dimensions, whether they are kept): what is reduced need not be stored."""


def is_known(target: object) -> bool:
    """Whether there is a row for the operator."""
    return target in _UNARY or target in _BINARY or target in _OTHERS


def emit_node(emit: Emit, node: Node) -> Any:
    """Append the instructions of a node; the last one's register, or NotImplemented."""
    if node.target in _UNARY:
        return emit(_UNARY[node.target], *node.args)
    if node.target in _BINARY:
        return emit(FUSED_BINARY | _BINARY[node.target], *node.args)
    return _OTHERS[node.target](emit, *node.args, **node.kwargs)

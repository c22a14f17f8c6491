# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Norms, softmax and losses as reductions and elementwise operations, which `fusion` can join.

Of float32 and float64: the half types are computed in float32 by the operators themselves.
Each returns NotImplemented where the operator is to stay as it is.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, Final

import torch
from torch import Tensor

aten = torch.ops.aten
_MEAN, _SUM = 1, 2
"""at::Reduction."""
_EXACT: Final = 1 << 24
"""float32 holds integers up to here: numbers of classes are compared in it."""
_DTYPES: Final = (torch.float32, torch.float64)


def _stays(tensor: Tensor) -> bool:
    return tensor.dtype not in _DTYPES or tensor.numel() == 0 or tensor.dim() == 0


def layer_norm(
    x: Tensor, shape: Sequence[int], weight: Tensor | None, bias: Tensor | None, eps: float
) -> Any:
    """(y, mean, 1 / standard deviation)."""
    if _stays(x):
        return NotImplemented
    dims = list(range(x.dim() - len(shape), x.dim()))
    mean = aten.mean.dim(x, dims, True)
    centred = x - mean
    rstd = aten.rsqrt(aten.mean.dim(centred * centred, dims, True) + eps)
    y = centred * rstd
    if weight is not None:
        y = y * weight
    if bias is not None:
        y = y + bias
    return y, mean, rstd


def layer_norm_backward(  # noqa: PLR0913, PLR0917 - the operator's
    grad: Tensor,
    x: Tensor,
    shape: Sequence[int],
    mean: Tensor,
    rstd: Tensor,
    weight: Tensor | None,
    bias: Tensor | None,
    wanted: Sequence[bool],
) -> Any:
    """Gradients of x, weight and bias, None where it is not wanted."""
    if _stays(x):
        return NotImplemented
    outer = x.dim() - len(shape)
    leading, dims = list(range(outer)), list(range(outer, x.dim()))
    x_hat = (x - mean) * rstd
    scaled = grad if weight is None else grad * weight
    x_grad = weight_grad = bias_grad = None
    if wanted[0]:
        correlation = aten.mean.dim(scaled * x_hat, dims, True)
        x_grad = (scaled - aten.mean.dim(scaled, dims, True) - x_hat * correlation) * rstd
    if wanted[1] and weight is not None:
        product = grad * x_hat
        weight_grad = aten.sum.dim_IntList(product, leading) if leading else product
    if wanted[2] and bias is not None:
        bias_grad = aten.sum.dim_IntList(grad, leading) if leading else grad.clone()
    return x_grad, weight_grad, bias_grad


def softmax(x: Tensor, dim: int, half_to_float: bool) -> Any:
    """Of one dimension."""
    if _stays(x) or half_to_float:
        return NotImplemented
    powers = aten.exp(x - aten.amax(x, [dim], True))
    return powers / aten.sum.dim_IntList(powers, [dim], True)


def safe_softmax(x: Tensor, dim: int, dtype: torch.dtype | None = None) -> Any:
    """Likewise, 0 where a whole row is minus infinity."""
    if _stays(x) or dtype not in (None, x.dtype):
        return NotImplemented
    top = aten.amax(x, [dim], True)
    powers = aten.exp(x - top)
    quotient = powers / aten.sum.dim_IntList(powers, [dim], True)
    return aten.masked_fill(quotient, aten.eq.Scalar(top, -math.inf), 0.0)


def softmax_backward(grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Any:
    """Gradient of softmax's input."""
    if _stays(grad) or dtype != grad.dtype:
        return NotImplemented
    product = grad * y
    return product - y * aten.sum.dim_IntList(product, [dim], True)


def log_softmax(x: Tensor, dim: int, half_to_float: bool) -> Any:
    """Of one dimension."""
    if _stays(x) or half_to_float:
        return NotImplemented
    shifted = x - aten.amax(x, [dim], True)
    return shifted - aten.log(aten.sum.dim_IntList(aten.exp(shifted), [dim], True))


def log_softmax_backward(grad: Tensor, y: Tensor, dim: int, dtype: torch.dtype) -> Any:
    """Gradient of log_softmax's input."""
    if _stays(grad) or dtype != grad.dtype:
        return NotImplemented
    return grad - aten.exp(y) * aten.sum.dim_IntList(grad, [dim], True)


def nll_loss(
    x: Tensor, target: Tensor, weight: Tensor | None, reduction: int, ignore_index: int
) -> Any:
    """(loss, how many targets are not ignored). The device refuses targets out of range."""
    if _loss_stays(x, weight, reduction):
        return NotImplemented
    valid = aten.ne.Scalar(target, ignore_index)
    index = aten.unsqueeze(aten.where.ScalarOther(valid, target, 0), 1)
    picked = aten.squeeze.dim(aten.gather(x, 1, index), 1)
    total = aten.sum.dim_IntList(aten.where.ScalarOther(valid, -picked, 0.0), [0])
    count = aten.sum.dim_IntList(aten._to_copy(valid, dtype=x.dtype), [0])
    return total / count if reduction == _MEAN else total, count


def nll_loss_backward(  # noqa: PLR0913, PLR0917 - the operator's
    grad: Tensor,
    x: Tensor,
    target: Tensor,
    weight: Tensor | None,
    reduction: int,
    ignore_index: int,
    count: Tensor,
) -> Any:
    """Gradient of nll_loss's input: not 0 at the target of each row."""
    if _loss_stays(x, weight, reduction) or grad.dtype != x.dtype:
        return NotImplemented
    slope = -(grad / count if reduction == _MEAN else grad)
    classes = aten.arange(x.shape[1], dtype=x.dtype, device=x.device)
    targets = aten._to_copy(aten.unsqueeze(target, 1), dtype=x.dtype)
    x_grad = aten.where.ScalarOther(aten.eq.Tensor(classes, targets), slope, 0.0)
    if 0 <= ignore_index < x.shape[1]:
        x_grad = aten.masked_fill(x_grad, aten.eq.Scalar(targets, float(ignore_index)), 0.0)
    return x_grad


def _loss_stays(x: Tensor, weight: Tensor | None, reduction: int) -> bool:
    return (
        _stays(x)
        or weight is not None
        or reduction not in (_MEAN, _SUM)
        or x.dim() != 2
        or x.shape[1] > _EXACT
    )


DECOMPOSITIONS: Final[dict[Any, Callable[..., Any]]] = {
    aten.native_layer_norm.default: layer_norm,
    aten.native_layer_norm_backward.default: layer_norm_backward,
    aten._softmax.default: softmax,
    aten._safe_softmax.default: safe_softmax,
    aten._softmax_backward_data.default: softmax_backward,
    aten._log_softmax.default: log_softmax,
    aten._log_softmax_backward_data.default: log_softmax_backward,
    aten.nll_loss_forward.default: nll_loss,
    aten.nll_loss_backward.default: nll_loss_backward,
}
"""Operators and what they become."""

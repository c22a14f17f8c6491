# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""REDUCE: sums are pairwise, so that the error grows with log n and not with n."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numpy as np

from diag.model.compute.dtypes import ANY, FLOATS, NUMBERS, Array, require
from pyaccel.spec.formats import Dtype, Reduce

_FEW_ROWS: Final = 8
"""Rows added one after the other at the root of the pairwise tree."""


def pairwise_sum(rows: Array) -> Array:
    """Sum over the first axis: halves are folded onto each other until few rows are left."""
    while len(rows) > _FEW_ROWS:
        half = len(rows) // 2
        folded = rows[:half] + rows[half : 2 * half]
        if len(rows) % 2:
            folded[0] += rows[-1]
        rows = folded
    result: Array = np.add.reduce(rows, axis=0, dtype=rows.dtype)
    return result


def _sum(a: Array, axes: tuple[int, ...]) -> Array:
    if a.dtype.kind != "f":
        result: Array = np.add.reduce(a, axis=axes, dtype=a.dtype)
        return result
    kept = tuple(axis for axis in range(a.ndim) if axis not in axes)
    if a.strides and axes[-1] == a.ndim - 1 and a.strides[-1] == a.itemsize:
        # NumPy adds pairwise along a contiguous last axis; merged, all axes are that one.
        shape = tuple(a.shape[axis] for axis in kept)
        merged = a.transpose(kept + axes).reshape(*shape, -1)
        along: Array = np.add.reduce(merged, axis=-1)
        return along
    rows = a.transpose(axes + kept)
    for _ in axes:
        rows = pairwise_sum(rows)
    return rows


def _mean(a: Array, axes: tuple[int, ...]) -> Array:
    result: Array = _sum(a, axes) / a.dtype.type(math.prod(a.shape[axis] for axis in axes))
    return result


def _ufunc(ufunc: np.ufunc) -> Callable[[Array, tuple[int, ...]], Array]:
    def reduce(a: Array, axes: tuple[int, ...]) -> Array:
        result: Array = ufunc.reduce(a, axis=axes, dtype=a.dtype)
        return result

    return reduce


def _logical(ufunc: np.ufunc) -> Callable[[Array, tuple[int, ...]], Array]:
    def reduce(a: Array, axes: tuple[int, ...]) -> Array:
        result: Array = ufunc.reduce(a != 0, axis=axes)
        return result

    return reduce


def _arg(function: Any) -> Callable[[Array, tuple[int, ...]], Array]:
    def reduce(a: Array, axes: tuple[int, ...]) -> Array:
        kept = tuple(axis for axis in range(a.ndim) if axis not in axes)
        shape = tuple(a.shape[axis] for axis in kept)
        merged = a.transpose(kept + axes).reshape(*shape, -1)
        result: Array = function(merged, axis=-1).astype(np.int64)
        return result

    return reduce


KERNELS: Final[dict[Reduce, tuple[frozenset[Dtype], Callable[[Array, tuple[int, ...]], Array]]]] = {
    Reduce.SUM: (NUMBERS, _sum),
    Reduce.MEAN: (FLOATS, _mean),
    Reduce.PROD: (NUMBERS, _ufunc(np.multiply)),
    Reduce.MAX: (ANY, _ufunc(np.maximum)),
    Reduce.MIN: (ANY, _ufunc(np.minimum)),
    Reduce.ANY: (ANY, _logical(np.logical_or)),
    Reduce.ALL: (ANY, _logical(np.logical_and)),
    Reduce.ARGMAX: (ANY, _arg(np.argmax)),
    Reduce.ARGMIN: (ANY, _arg(np.argmin)),
    Reduce.SUM_SQUARES: (NUMBERS, lambda a, axes: _sum(np.square(a), axes)),
}


def reduce(op: Reduce, compute: Dtype, a: Array, axes: tuple[int, ...]) -> Array:
    """`a` (in the compute type) reduced over `axes`, which are gone from the result."""
    allowed, function = KERNELS[op]
    require(compute, allowed, op.name)
    if not axes:  # one element per result; the axis that is reduced has length 1
        a, axes = a[..., np.newaxis], (a.ndim,)
    return function(a, axes)

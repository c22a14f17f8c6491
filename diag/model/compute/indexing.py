# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""GATHER and SCATTER: index arithmetic on arrays whose bounds are checked first."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from diag.model.compute.dtypes import Array
from diag.model.status import CommandError
from pyaccel.spec.formats import Scatter, Status

Indices = npt.NDArray[np.int64]

COMBINE: Final[dict[Scatter, np.ufunc]] = {
    Scatter.ADD: np.add,
    Scatter.MULTIPLY: np.multiply,
    Scatter.MAXIMUM: np.maximum,
    Scatter.MINIMUM: np.minimum,
}


def check_bounds(indices: Indices, extent: int) -> None:
    """CommandError naming the first index, in row-major order, outside 0..extent-1."""
    if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= extent):
        bad = (indices < 0) | (indices >= extent)
        first = int(indices[np.unravel_index(int(bad.argmax()), indices.shape)])
        reason = f"index {first} is outside 0..{extent - 1}"
        raise CommandError(Status.INDEX_OUT_OF_RANGE, reason, result=first & 0xFFFFFFFF)


def _line(indices: Indices, axis: int) -> Indices | None:
    """The indices as a vector if they depend on `axis` alone (an embedding, an index_select)."""
    others = all(
        stride == 0 or length == 1
        for dim, (stride, length) in enumerate(zip(indices.strides, indices.shape, strict=True))
        if dim != axis
    )
    if not others:
        return None
    return indices[tuple(slice(None) if dim == axis else 0 for dim in range(indices.ndim))]


def _places(indices: Indices, axis: int) -> tuple[Any, ...]:
    """An index expression with `axis` replaced by the indices."""
    grid: list[Any] = list(np.ogrid[tuple(slice(0, length) for length in indices.shape)])
    grid[axis] = indices
    return tuple(grid)


def gather(source: Array, indices: Indices, axis: int) -> Array:
    """out[i..] = source[i.. with `axis` replaced by indices[i..]]."""
    line = _line(indices, axis)
    if line is not None:
        return np.take(source, line, axis=axis)
    result: Array = source[_places(indices, axis)]
    return result


def scatter(
    op: Scatter, work: Array, indices: Indices, axis: int, values: Array
) -> tuple[Any, ...]:
    """Combine `values` into `work` in row-major order; gives the places that were touched."""
    line = _line(indices, axis)
    places: tuple[Any, ...] = (
        _places(indices, axis) if line is None else (*(slice(None),) * axis, line)
    )
    if op is Scatter.SET:
        work[places] = values
    else:
        COMBINE[op].at(work, places, values)
    return places

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""TERNARY: one row per op with the compute types that it takes.

WHERE gets its condition as np.bool_; everything else comes in the compute type.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from diag.model.compute.dtypes import ANY, FLOATS, NUMBERS, Array, require
from pyaccel.spec.formats import Dtype, Ternary

Kernel = Callable[[Array, Array, Array, Any], Array]

KERNELS: Final[dict[Ternary, tuple[frozenset[Dtype], Kernel]]] = {
    Ternary.WHERE: (ANY, lambda a, b, c, _s: np.where(a, b, c)),
    Ternary.FMA: (NUMBERS, lambda a, b, c, _s: a * b + c),
    Ternary.ADDCMUL: (NUMBERS, lambda a, b, c, s: a + s * b * c),
    Ternary.ADDCDIV: (FLOATS, lambda a, b, c, s: a + s * b / c),
    Ternary.LERP: (FLOATS, lambda a, b, c, _s: a + c * (b - a)),
    Ternary.CLAMP: (NUMBERS, lambda a, b, c, _s: np.minimum(np.maximum(a, b), c)),
}


def kernel(op: Ternary, compute: Dtype) -> Kernel:
    """The function of an op; CommandError if it does not take the type."""
    allowed, function = KERNELS[op]
    require(compute, allowed, op.name)
    return function

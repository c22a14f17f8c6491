# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Element types: how each is stored and in which type it is computed."""

from __future__ import annotations

from typing import Any, Final

import ml_dtypes
import numpy as np
import numpy.typing as npt

from diag.model.status import CommandError
from pyaccel.spec.formats import Dtype, Status

Array = npt.NDArray[Any]

STORAGE: Final[dict[Dtype, np.dtype[Any]]] = {
    Dtype.U8: np.dtype(np.uint8),
    Dtype.I8: np.dtype(np.int8),
    Dtype.I16: np.dtype("<i2"),
    Dtype.I32: np.dtype("<i4"),
    Dtype.I64: np.dtype("<i8"),
    Dtype.F16: np.dtype("<f2"),
    Dtype.BF16: np.dtype(ml_dtypes.bfloat16),
    Dtype.F32: np.dtype("<f4"),
    Dtype.F64: np.dtype("<f8"),
    # Not np.bool_: a byte of 2 in memory would make NumPy's logic undefined.
    Dtype.BOOL: np.dtype(np.uint8),
}
"""Type of an array that lies over memory."""

WORK: Final[dict[Dtype, np.dtype[Any]]] = {
    **STORAGE,
    Dtype.F16: np.dtype(np.float32),
    Dtype.BF16: np.dtype(np.float32),
    Dtype.BOOL: np.dtype(np.bool_),
}
"""Type that arithmetic happens in when the compute type is the key."""

FLOATS: Final = frozenset({Dtype.F16, Dtype.BF16, Dtype.F32, Dtype.F64})
INTEGERS: Final = frozenset({Dtype.U8, Dtype.I8, Dtype.I16, Dtype.I32, Dtype.I64})
NUMBERS: Final = FLOATS | INTEGERS
BITS: Final = INTEGERS | {Dtype.BOOL}
ANY: Final = NUMBERS | {Dtype.BOOL}


def require(compute: Dtype, allowed: frozenset[Dtype], what: str) -> None:
    """CommandError unless the op takes this compute type."""
    if compute not in allowed:
        reason = f"{what} does not take {compute.name}"
        raise CommandError(Status.UNSUPPORTED_DTYPE, reason)

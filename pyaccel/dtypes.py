# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Element types: names that users write, promotion, raw bits of a value."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any, Final

from pyaccel.spec.formats import DTYPE_BYTES, Dtype

if TYPE_CHECKING:
    import numpy as np

NAMES: Final[dict[Dtype, str]] = {
    Dtype.U8: "uint8",
    Dtype.I8: "int8",
    Dtype.I16: "int16",
    Dtype.I32: "int32",
    Dtype.I64: "int64",
    Dtype.F16: "float16",
    Dtype.BF16: "bfloat16",
    Dtype.F32: "float32",
    Dtype.F64: "float64",
    Dtype.BOOL: "bool",
}
"""Element type to the name that NumPy and PyTorch use."""

FLOATS: Final = frozenset({Dtype.F16, Dtype.BF16, Dtype.F32, Dtype.F64})
_ALIASES: Final[dict[str, Dtype]] = (
    {name: dtype for dtype, name in NAMES.items()}
    | {dtype.name.lower(): dtype for dtype in Dtype}
    | {"float": Dtype.F64, "int": Dtype.I64, "half": Dtype.F16, "bool_": Dtype.BOOL}
)
_STRUCT_CODES: Final[dict[Dtype, str]] = {
    Dtype.U8: "B",
    Dtype.I8: "b",
    Dtype.I16: "h",
    Dtype.I32: "i",
    Dtype.I64: "q",
    Dtype.F16: "e",
    Dtype.F32: "f",
    Dtype.F64: "d",
    Dtype.BOOL: "?",
}
_FLOAT_ORDER: Final = (Dtype.F16, Dtype.F32, Dtype.F64)
_SIGNED: Final = (Dtype.I8, Dtype.I16, Dtype.I32, Dtype.I64)


def as_dtype(value: object) -> Dtype:
    """The Dtype meant by a Dtype, a name ("float32", "bf16"), or a NumPy or PyTorch type.

    TypeError if the hardware has no such type.
    """
    if isinstance(value, Dtype):
        return value
    name = value if isinstance(value, str) else getattr(value, "name", None)
    if not isinstance(name, str):
        name = getattr(value, "__name__", None) or str(value)
    found = _ALIASES.get(name.rpartition(".")[2])
    if found is None:
        raise TypeError(f"{value!r} is no element type of the device; use {', '.join(_ALIASES)}")
    return found


def itemsize(dtype: Dtype) -> int:
    """Bytes of one element."""
    return DTYPE_BYTES[dtype]


def numpy_dtype(dtype: Dtype) -> np.dtype[Any]:
    """The NumPy type; bfloat16 comes from ml_dtypes."""
    import ml_dtypes
    import numpy as np

    return np.dtype(ml_dtypes.bfloat16 if dtype is Dtype.BF16 else NAMES[dtype])


def promote(first: Dtype, second: Dtype) -> Dtype:
    """Type in which an operation on both computes: a float wins with its own width.

    As in PyTorch: int64 with float32 gives float32 (NumPy would take float64).
    """
    if first is second:
        return first
    if first in FLOATS or second in FLOATS:
        return _promote_floats(first, second)
    if Dtype.BOOL in (first, second):
        return second if first is Dtype.BOOL else first
    if Dtype.U8 in (first, second):
        signed = second if first is Dtype.U8 else first
        return Dtype.I16 if signed is Dtype.I8 else signed
    return max(first, second, key=_SIGNED.index)


def _promote_floats(first: Dtype, second: Dtype) -> Dtype:
    """`promote` where at least one type is a float."""
    if second not in FLOATS:
        return first
    if first not in FLOATS:
        return second
    if Dtype.BF16 in (first, second):
        other = second if first is Dtype.BF16 else first
        return Dtype.F32 if other is Dtype.F16 else other
    return max(first, second, key=_FLOAT_ORDER.index)


def raw_bits(value: float, dtype: Dtype) -> int:
    """The bits of one element that holds `value`; ValueError if it does not fit."""
    if dtype is Dtype.BF16:
        return _bfloat16_bits(value)
    try:
        packed = struct.pack("<" + _STRUCT_CODES[dtype], value)
    except (struct.error, OverflowError) as error:
        raise ValueError(f"{value!r} does not fit {NAMES[dtype]}: {error}") from None
    return int.from_bytes(packed, "little")


def _bfloat16_bits(value: float) -> int:
    """Upper half of the float32, rounded to nearest even; NaN stays a quiet NaN."""
    if value != value:  # noqa: PLR0124 - the NaN test that needs no import
        return 0x7FC0
    try:
        packed = struct.pack("<f", value)
    except OverflowError:
        packed = struct.pack("<f", float("inf") if value > 0 else float("-inf"))
    bits = int.from_bytes(packed, "little")
    return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16

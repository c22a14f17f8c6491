# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Bytes of commands, laid out by the generated structs. Pure functions.

One `Struct.pack` per command header: the two generated structs that share slot 0 are
joined once, here, because a call costs more than the bytes.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import Final

from pyaccel.dtypes import FLOATS
from pyaccel.spec.formats import (
    CMD_COPY_STRUCT,
    CMD_FENCE_STRUCT,
    CMD_HEADER_STRUCT,
    CMD_TENSOR_STRUCT,
    MAX_COMMAND_SLOTS,
    MAX_DIMS,
    CmdRandom,
    Dtype,
    Opcode,
    OperandFlag,
)
from pyaccel.tensor import Shape, pack_operand


def _joined(payload: struct.Struct) -> struct.Struct:
    """cmd_header and a payload as one struct."""
    return struct.Struct(CMD_HEADER_STRUCT.format + payload.format[1:])


_pack_tensor = _joined(CMD_TENSOR_STRUCT).pack
_pack_copy = _joined(CMD_COPY_STRUCT).pack
_pack_fence = _joined(CMD_FENCE_STRUCT).pack
_ONES: Final = (1,) * MAX_DIMS
_LEADING_ONES: Final = tuple(_ONES[: MAX_DIMS - ndim] for ndim in range(MAX_DIMS + 1))
_UINT64: Final = 2**64
_pack_float = struct.Struct("<d").pack

NOP: Final = CMD_HEADER_STRUCT.pack(Opcode.NOP, 0, 1, 0, 0, 0, 0, 0).ljust(64, b"\0")
"""The whole NOP command."""


def float_bits(value: float) -> int:
    """A float64 as raw bits."""
    return int.from_bytes(_pack_float(value), "little")


def scalar_bits(value: float, dtype: Dtype) -> int:
    """A number as the contract wants it beside `dtype`: float64 bits or int64.

    ValueError if it does not fit.
    """
    if dtype in FLOATS:
        return int.from_bytes(_pack_float(value), "little")
    number = int(value)
    if number != value or not -(2**63) <= number < 2**63:
        raise ValueError(f"{value!r} is no int64, and the operation computes in integers")
    return number % _UINT64


def tensor_header(
    opcode: Opcode,
    op: int,
    dtype: Dtype,
    shape: Shape,
    further_slots: int,
    params: tuple[float, float],
) -> bytes:
    """Slot 0 of a tensor command; BINARY's scale is converted, other params are raw bits."""
    assert further_slots < MAX_COMMAND_SLOTS
    first, second = params
    if opcode is Opcode.BINARY:
        first = scalar_bits(first, dtype)
    return _pack_tensor(
        opcode, 0, 1 + further_slots, op, 0, dtype, 0, 0,
        *_LEADING_ONES[len(shape)], *shape, first, second,
    )  # fmt: skip


def immediate(value: float, dtype: Dtype) -> bytes:
    """An operand that holds its element itself."""
    return _immediate_slot(scalar_bits(value, dtype), dtype)


@lru_cache(maxsize=1024)
def _immediate_slot(bits: int, dtype: Dtype) -> bytes:
    """Programs use few numbers; bits, not values, are the key: 0.0 and -0.0 are equal."""
    return pack_operand(bits, (), dtype, OperandFlag.IMMEDIATE)


def copy(src_va: int, dst_va: int, nbytes: int, flags: int) -> bytes:
    """A linear copy."""
    return _pack_copy(Opcode.COPY, flags, 1, 0, 0, 0, 0, 0, src_va, dst_va, nbytes, 0, 0, 0)


def fence(opcode: Opcode, va: int, value: int, timeout_us: int = 0) -> bytes:
    """FENCE_WAIT, FENCE_SIGNAL or TIMESTAMP; ValueError if a number does not fit."""
    if not 0 <= value < _UINT64 or not 0 <= timeout_us < 2**32:
        raise ValueError(f"value {value} or timeout_us {timeout_us} does not fit")
    return _pack_fence(opcode, 0, 1, 0, 0, 0, 0, 0, va, value, timeout_us, 0, 0, 0, 0)


def random_slot(seed: int, offset: int, subsequence: int) -> bytes:
    """Last slot of RANDOM; ValueError if a number is no uint64."""
    for name, value in (("seed", seed), ("offset", offset), ("subsequence", subsequence)):
        if not 0 <= value < _UINT64:
            raise ValueError(f"{name} {value} does not fit 64 bits")
    return CmdRandom(seed=seed, offset=offset, subsequence=subsequence).pack()

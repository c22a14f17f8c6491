# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Operands of tensor commands: from cmd_operand to an array that lies over memory.

The byte range that an operand can touch follows from its shape and strides; it is
translated as a whole before anything is read. Where the range is one segment, the array
lies over the memory itself. Where pages are scattered, it is collected into a buffer, and
after a write exactly the bytes of the elements go back.
"""

from __future__ import annotations

import math
import struct
from functools import lru_cache
from typing import Any, Final, NamedTuple

import numpy as np

from diag.model.commands import invalid
from diag.model.compute.convert import convert
from diag.model.compute.dtypes import FLOATS, STORAGE, Array
from diag.model.dma import Segment
from diag.model.page_table import Context
from diag.model.status import CommandError
from pyaccel.spec.formats import CMD_OPERAND_STRUCT, Dtype, OperandFlag, Status

_FLOAT64: Final = struct.Struct("<d")
_FLAGS: Final = int(OperandFlag.IMMEDIATE)
"""An int, because ~ of an IntFlag keeps known bits only."""
_REMEMBERED: Final = 4096
_RESERVED: Final = (0, 0, 0, 0)
_SIZES: Final = {dtype: storage.itemsize for dtype, storage in STORAGE.items()}
_DTYPES: Final = tuple(Dtype)


class Operand(NamedTuple):
    """A decoded cmd_operand."""

    raw: bytes
    """The slot that it was decoded from."""
    va: int
    strides: tuple[int, ...]
    dtype: Dtype
    immediate: bool


def dtype_of(code: int) -> Dtype:
    """The element type of a code; CommandError if there is none."""
    if code >= len(_DTYPES):
        raise invalid(f"dtype {code}")
    return _DTYPES[code]


@lru_cache(maxsize=_REMEMBERED)
def decode_operand(slot: bytes) -> Operand:
    """One operand slot; CommandError if reserved bits are set. Programs repeat themselves."""
    fields = CMD_OPERAND_STRUCT.unpack(slot)
    flags = fields[10]
    if flags & ~_FLAGS or fields[11:] != _RESERVED:
        raise invalid("reserved bits of an operand")
    return Operand(slot, fields[0], fields[1:9], dtype_of(fields[9]), flags == _FLAGS)


def float_bits(raw: int) -> float:
    """A parameter that is a float64."""
    value: float = _FLOAT64.unpack(raw.to_bytes(8, "little"))[0]
    return value


def int_bits(raw: int) -> int:
    """A parameter that is an int64."""
    return raw - (raw >> 63 << 64)


@lru_cache(maxsize=_REMEMBERED)
def _element(slot: bytes) -> Array:
    operand = decode_operand(slot)
    if operand.dtype in FLOATS:
        exact = np.array(float_bits(operand.va), dtype=np.float64)
    else:
        exact = np.array(int_bits(operand.va), dtype=np.int64)
    value = convert(exact, operand.dtype)
    return value.astype(STORAGE[operand.dtype])


def immediate(operand: Operand) -> Array:
    """The element that an immediate operand holds, as it would be stored."""
    return _element(operand.raw)


class Placed(NamedTuple):
    """An operand in memory: `array` over it (or over `buffer` if it is scattered)."""

    array: Array
    segments: list[Segment]
    buffer: Array | None
    low: int
    strides: tuple[int, ...]

    def commit(self) -> None:
        """Write a scattered operand back: the bytes of its elements and no others."""
        if self.buffer is None:
            return
        written: Array | None = None
        if not self.array.flags.c_contiguous:
            written = np.zeros(len(self.buffer), dtype=np.bool_)
            shape = (*self.array.shape, self.array.itemsize)
            mask = np.ndarray(
                shape, np.bool_, buffer=written.data, offset=-self.low, strides=(*self.strides, 1)
            )
            mask[...] = True
        offset = 0
        for segment in self.segments:
            target = np.frombuffer(segment.view, dtype=np.uint8)
            piece = slice(offset, offset + len(target))
            where: Any = True if written is None else written[piece]
            np.copyto(target, self.buffer[piece], where=where)
            offset += len(target)


def place(
    context: Context,
    operand: Operand,
    shape: tuple[int, ...],
    dims: tuple[int, ...],
    *,
    write: bool,
) -> Placed:
    """Bind an operand to memory, as the context remembers it if it was there before.

    Args:
        context: translates.
        operand: not an immediate.
        shape: iteration space without its dimensions of length 1; no length is 0.
        dims: which of the eight dimensions those are.
        write: whether the command writes it.
    """
    key = (operand.raw, shape, dims, write)
    found: Placed | None = context.placed.get(key)
    if found is None:
        found = _place(context, operand, shape, dims, write=write)
        if found.buffer is None:
            context.remember(key, found)
    return found


def _place(
    context: Context,
    operand: Operand,
    shape: tuple[int, ...],
    dims: tuple[int, ...],
    *,
    write: bool,
) -> Placed:
    if operand.immediate:
        raise invalid("an immediate where an address is needed")
    size = _SIZES[operand.dtype]
    strides = tuple([operand.strides[dim] * size for dim in dims])
    low, length = 0, size
    for extent, stride in zip(shape, strides, strict=True):
        reach = (extent - 1) * stride
        length += abs(reach)
        low += min(reach, 0)
    if operand.va + low < 0:
        raise CommandError(Status.PAGE_FAULT, "operand reaches below address 0", address=0)
    segments = context.segments(operand.va + low, length, write)
    if len(segments) == 1:
        view, buffer = segments[0].view, None
    else:
        buffer = np.frombuffer(b"".join(s.view for s in segments), dtype=np.uint8).copy()
        view = buffer.data
    array: Array = np.ndarray(
        shape, STORAGE[operand.dtype], buffer=view, offset=-low, strides=strides
    )
    return Placed(array, segments, buffer, low, strides)


def elements(shape: tuple[int, ...]) -> int:
    """Elements of a shape; 1 for no dimensions."""
    return math.prod(shape)

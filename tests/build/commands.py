# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Builders of commands: whole slots, ready for a submission ring."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

from pyaccel.spec.formats import (
    MAX_DIMS,
    SLOT_BYTES,
    CmdCopy,
    CmdFence,
    CmdHeader,
    CmdOperand,
    CmdRandom,
    CmdTensor,
    Dtype,
    Opcode,
    OperandFlag,
)


def f64(value: float) -> int:
    """The bits of a float64 parameter."""
    return int.from_bytes(struct.pack("<d", value), "little")


def i64(value: int) -> int:
    """The bits of an int64 parameter."""
    return value & 0xFFFFFFFFFFFFFFFF


def dims(values: Sequence[int], fill: int) -> tuple[int, ...]:
    """`values` as the last of the eight dimensions."""
    return (fill,) * (MAX_DIMS - len(values)) + tuple(values)


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """Row-major strides in elements."""
    strides, step = [], 1
    for length in reversed(shape):
        strides.append(step)
        step *= length
    return tuple(reversed(strides))


def one_slot(opcode: int, body: bytes = b"", **header: int) -> bytes:
    """A command of one slot."""
    packed = CmdHeader(opcode=opcode, **({"slots": 1} | header)).pack()
    return (packed + body).ljust(SLOT_BYTES, b"\0")


def nop(sequence: int = 0, **header: int) -> bytes:
    """NOP."""
    return one_slot(Opcode.NOP, sequence=sequence, **header)


def copy(src_va: int, dst_va: int, length: int, **header: int) -> bytes:
    """COPY."""
    return one_slot(Opcode.COPY, CmdCopy(src_va, dst_va, length).pack(), **header)


def fence(opcode: Opcode, va: int, value: int = 0, timeout_us: int = 0, **header: int) -> bytes:
    """FENCE_WAIT, FENCE_SIGNAL or TIMESTAMP."""
    return one_slot(opcode, CmdFence(va, value, timeout_us).pack(), **header)


@dataclass(frozen=True)
class At:
    """An operand in memory; strides in elements, None for row-major over the shape."""

    va: int
    dtype: Dtype
    strides: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Immediate:
    """An operand that is a number."""

    value: float
    dtype: Dtype


def operand(what: At | Immediate, shape: Sequence[int]) -> bytes:
    """One operand slot."""
    if isinstance(what, Immediate):
        is_float = Dtype.F16 <= what.dtype <= Dtype.F64
        bits = f64(what.value) if is_float else i64(int(what.value))
        return CmdOperand(va=bits, dtype=what.dtype, flags=OperandFlag.IMMEDIATE).pack()
    strides = contiguous(shape) if what.strides is None else what.strides
    return CmdOperand(va=what.va, strides=dims(strides, 0), dtype=what.dtype).pack()


def tensor(
    opcode: int,
    shape: Sequence[int],
    operands: Sequence[At | Immediate],
    *,
    params: Sequence[int] = (),
    **header: int,
) -> bytes:
    """A tensor command; `header` may override slots."""
    values = (*params, 0, 0)[:2]
    slots = [operand(what, shape) for what in operands]
    head = CmdHeader(opcode=opcode, **({"slots": 1 + len(slots)} | header))
    return b"".join([head.pack(), CmdTensor(dims(shape, 1), values).pack(), *slots])


def random(
    op: int,
    shape: Sequence[int],
    out: At,
    params: tuple[float, float],
    counter: tuple[int, int, int],
    **header: int,
) -> bytes:
    """RANDOM; counter is (seed, offset, subsequence)."""
    bits = (f64(params[0]), f64(params[1]))
    command = tensor(Opcode.RANDOM, shape, [out], params=bits, op=op, slots=3, **header)
    return command + CmdRandom(*counter).pack()


def fused_slots(
    code: Sequence[Sequence[int]],
    stored: Sequence[int],
    *,
    reduce: Sequence[int] = (),
    dims: Sequence[int] = (),
    constants: Sequence[int] = (),
) -> bytes:
    """The two last slots of FUSED; code has (op, registers..), constants are bits."""
    instructions = b"".join(bytes(step).ljust(4, b"\0") for step in code)
    counts = bytes([len(stored), len(code), len(constants), 0])
    outputs = b"".join(bytes(each).ljust(4, b"\0") for each in (stored, reduce, dims))
    values = b"".join(value.to_bytes(8, "little") for value in constants)
    return (counts + outputs + values).ljust(64, b"\0")[:64] + instructions.ljust(64, b"\0")


def fused(
    shape: Sequence[int], operands: Sequence[At | Immediate], tail: bytes, **header: int
) -> bytes:
    """FUSED: inputs, then outputs; tail from fused_slots()."""
    slots = 1 + len(operands) + len(tail) // SLOT_BYTES
    return tensor(Opcode.FUSED, shape, operands, **({"slots": slots} | header)) + tail

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What FUSED computes: decoded and checked once, run on arrays of the compute type."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import IntEnum
from functools import lru_cache, partial
from typing import Any, Final, NamedTuple

import numpy as np

from diag.model.commands import invalid
from diag.model.compute import binary, ternary, unary
from diag.model.compute.convert import finish, load
from diag.model.compute.dtypes import FLOATS, STORAGE, WORK, Array
from diag.model.operand import float_bits, int_bits
from diag.model.status import CommandError
from pyaccel.spec.formats import (
    CMD_FUSED_CODE_STRUCT,
    FUSED_BINARY,
    FUSED_CONSTANTS,
    FUSED_INSTRUCTIONS,
    FUSED_OUTPUTS,
    FUSED_TERNARY,
    Binary,
    CmdFused,
    Dtype,
    Reduce,
    Status,
    Ternary,
    Unary,
)

_INSTRUCTION_BYTES: Final = 4
_KIND: Final = FUSED_BINARY | FUSED_TERNARY
_KINDS: Final[dict[int, tuple[type[IntEnum], int]]] = {
    0: (Unary, 1),
    FUSED_BINARY: (Binary, 2),
    FUSED_TERNARY: (Ternary, 3),
}
"""Of an instruction's op: its enum, and the registers that it takes."""

Step = tuple[Callable[..., Array], tuple[int, ...]]
_ARGS: Final = (Reduce.ARGMAX, Reduce.ARGMIN)


class Stored(NamedTuple):
    """An output."""

    register: int
    reduction: Reduce | None
    dims: int
    """Mask of the dimensions that are reduced."""


class Program(NamedTuple):
    """What a FUSED command computes; registers are numbered as in the contract."""

    compute: Dtype
    constants: tuple[Any, ...]
    steps: tuple[Step, ...]
    stored: tuple[Stored, ...]

    def run(self, inputs: Sequence[Array]) -> list[Array]:
        """What the outputs get, not yet reduced, in the type that is computed in."""
        work, compute = WORK[self.compute], self.compute
        rounds = STORAGE[compute] != work
        registers: list[Array] = [*inputs, *self.constants]
        for function, places in self.steps:
            result = function(*[registers[place] for place in places])
            # Rounded as if it had been in memory: the same as separate commands.
            if rounds or result.dtype != work:
                result = load(finish(result, compute, compute), compute, compute)
            registers.append(result)
        return [registers[stored.register] for stored in self.stored]


@lru_cache(maxsize=256)
def decode(fused: bytes, code: bytes, operands: int, compute: Dtype) -> Program:
    """The program in the two last slots of a command; CommandError if they are not right.

    Args:
        fused: the cmd_fused slot.
        code: the cmd_fused_code slot.
        operands: that the command has.
        compute: its compute type.
    """
    fields = CmdFused.unpack_from(fused)
    outputs, count = fields.outputs, fields.constants
    if not 0 < outputs <= min(FUSED_OUTPUTS, operands):
        raise invalid(f"{outputs} outputs of {operands} operands")
    if not 0 < fields.instructions <= FUSED_INSTRUCTIONS or count > FUSED_CONSTANTS:
        raise invalid(f"{fields.instructions} instructions, {count} constants")
    rest = (fields.stored[outputs:], fields.reduce[outputs:], fields.dims[outputs:])
    if fields.reserved or any(map(any, rest)) or any(fields.values[count:]):
        raise invalid("unused bytes of the fused slot are not zero")
    first = operands - outputs + count
    return Program(
        compute,
        tuple(_constant(value, compute) for value in fields.values[:count]),
        tuple(_steps(CMD_FUSED_CODE_STRUCT.unpack(code), fields.instructions, first, compute)),
        tuple(_stored(fields, first, output) for output in range(outputs)),
    )


def _stored(fields: CmdFused, first: int, output: int) -> Stored:
    register, reduce = fields.stored[output], fields.reduce[output]
    if not (0 if reduce else first) <= register < first + fields.instructions:
        raise invalid(f"register {register} is stored, results are {first} and following")
    if reduce > len(Reduce) or (reduce and Reduce(reduce - 1) in _ARGS):
        raise CommandError(Status.INVALID_OPCODE, f"reduction {reduce} of an output")
    if fields.dims[output] and not reduce:
        raise invalid("dimensions of an output that is not reduced")
    return Stored(register, Reduce(reduce - 1) if reduce else None, fields.dims[output])


def _constant(raw: int, compute: Dtype) -> Array:
    """A number as an operand would be: stored in the compute type, loaded from there."""
    if compute in FLOATS:
        exact = np.array(float_bits(raw), dtype=np.float64)
    else:
        exact = np.array(int_bits(raw), dtype=np.int64)
    value = load(finish(exact, compute, compute), compute, compute)
    return np.asarray(value)[()]


def _steps(code: Sequence[int], instructions: int, first: int, compute: Dtype) -> list[Step]:
    steps = []
    for number in range(instructions):
        at = _INSTRUCTION_BYTES * number
        op, *registers = code[at : at + _INSTRUCTION_BYTES]
        steps.append(_step(op, registers, first + number, compute))
    if any(code[_INSTRUCTION_BYTES * instructions :]):
        raise invalid("bytes after the last instruction are not zero")
    return steps


def _step(op: int, registers: list[int], written: int, compute: Dtype) -> Step:
    kind, takes = _KINDS.get(op & _KIND, (Unary, 0))
    number = op & ~_KIND
    if not takes or number >= len(kind):
        raise CommandError(Status.INVALID_OPCODE, f"op {op:#x} of an instruction")
    if any(registers[takes:]) or max(registers[:takes]) >= written:
        raise invalid(f"registers {registers} of an instruction that may read {written}")
    return _function(kind, number, compute), tuple(registers[:takes])


def _function(kind: type[IntEnum], number: int, compute: Dtype) -> Callable[..., Array]:
    """The kernel of an op with its scale."""
    if kind is Unary:
        return unary.kernel(Unary(number), compute)
    if kind is Ternary:
        if number == Ternary.WHERE:
            return _where
        return _scaled(ternary.kernel(Ternary(number), compute), 1)
    op = Binary(number)
    if op is Binary.POW:
        return partial(_power, binary.kernel(op, compute))
    if op in binary.DIRECT and compute is not Dtype.BOOL:
        binary.kernel(op, compute)
        return binary.DIRECT[op]
    return _scaled(binary.kernel(op, compute), 0 if op is Binary.RELU_BACKWARD else 1)


def _where(condition: Array, a: Array, b: Array) -> Array:
    result: Array = np.where(condition != 0, a, b)
    return result


def _power(function: Callable[..., Array], a: Array, b: Array) -> Array:
    """POW of whole arrays: NumPy's loops for one number round differently."""
    whole = [np.ascontiguousarray(each) for each in np.broadcast_arrays(a, b)]
    return function(*whole, 1)


def _scaled(function: Callable[..., Array], scale: int) -> Callable[..., Array]:
    return lambda *operands: function(*operands, scale)

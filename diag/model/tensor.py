# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Tensor commands: decode, bind operands, compute, store.

Every handler follows the same lines: the call is decoded and checked, operands are bound
for reading and writing (which faults before anything is written), a function of
`diag.model.compute` makes the result, and the result is stored.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import numpy as np

from diag.model import fused
from diag.model.commands import BODY, invalid, ring_of
from diag.model.compute import binary, indexing, philox, reduction, ternary, unary
from diag.model.compute.convert import convert, finish, load
from diag.model.compute.dtypes import FLOATS, INTEGERS, NUMBERS, STORAGE, WORK, Array, require
from diag.model.errors import Header
from diag.model.operand import (
    Operand,
    Placed,
    decode_operand,
    dtype_of,
    elements,
    float_bits,
    immediate,
    int_bits,
    place,
)
from diag.model.queue import Queue
from diag.model.status import CommandError
from diag.model.traffic import account_copy, account_read, account_write
from pyaccel.spec.formats import (
    CMD_RANDOM_STRUCT,
    CMD_TENSOR_STRUCT,
    MAX_COMMAND_SLOTS,
    MAX_DIMS,
    SLOT_BYTES,
    Binary,
    Dtype,
    Opcode,
    Random,
    Reduce,
    Scatter,
    Status,
    Ternary,
    Unary,
)

if TYPE_CHECKING:
    from diag.model.engine import Engine
    from diag.model.page_table import Context

_MATMUL_M: Final = 5
_MATMUL_N: Final = 6
_MATMUL_K: Final = 7

_FUSED_TAIL: Final = 2
"""Slots of FUSED after its operands."""

_ONE: Final = 0x3FF0000000000000
"""1.0 as float64 bits, the usual scale."""
_OPS: Final[dict[type[IntEnum], tuple[IntEnum, ...]]] = {
    kind: tuple(kind) for kind in (Unary, Binary, Ternary, Reduce, Scatter, Random)
}
"""Ops by code: the enums count from 0 without gaps."""

Op = TypeVar("Op", bound=IntEnum)


@lru_cache(maxsize=4096)
def _used_dims(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple([dim for dim, length in enumerate(shape) if length != 1])


def op_of(kind: type[Op], code: int) -> Op:
    """The op of a code; CommandError if there is none."""
    known = _OPS[kind]
    if code >= len(known):
        raise CommandError(Status.INVALID_OPCODE, f"{kind.__name__} op {code}")
    return cast("Op", known[code])


class Call:
    """A decoded tensor command."""

    __slots__ = (
        "_lengths", "compute", "context", "dims", "engine", "op", "operands", "params", "shape",
    )  # fmt: skip

    def __init__(
        self, engine: Engine, queue: Queue, at: int, header: Header, counts: tuple[int, ...]
    ) -> None:
        _, _, slots, self.op, number, code, _, _ = header
        if slots not in counts:
            raise invalid(f"{slots} slots instead of {' or '.join(map(str, counts))}")
        ring, mask = ring_of(queue), queue.sq_mask
        fields = CMD_TENSOR_STRUCT.unpack_from(ring, at + BODY)
        self.engine = engine
        self.shape: tuple[int, ...] = fields[:MAX_DIMS]
        self.params: tuple[int, int] = fields[MAX_DIMS:]
        self.compute = dtype_of(code)
        self.context: Context = engine.commands.context(number)
        self.dims = _used_dims(self.shape)
        self._lengths: tuple[tuple[int, ...], tuple[int, ...]] | None = None
        first = at // SLOT_BYTES
        self.operands = [
            decode_operand(bytes(ring[at : at + SLOT_BYTES]))
            for at in [(first + slot & mask) * SLOT_BYTES for slot in range(1, counts[0])]
        ]

    @property
    def empty(self) -> bool:
        """Whether a dimension is 0, which makes the command a nop."""
        return 0 in self.shape

    def lengths(self, dims: tuple[int, ...] | None = None) -> tuple[int, ...]:
        """Lengths of the dimensions that matter; CommandError if they ask for too much."""
        if dims is None:
            dims = self.dims
        if self._lengths is not None and self._lengths[0] == dims:
            return self._lengths[1]
        lengths = tuple([self.shape[dim] for dim in dims])
        # Broadcasts make small operands huge; without a bound one command could take all
        # memory of the process that other endpoints share.
        if elements(lengths) > self.engine.most_elements:
            raise invalid(f"{elements(lengths)} elements, most is {self.engine.most_elements}")
        self._lengths = dims, lengths
        return lengths

    def read(self, operand: Operand, dims: tuple[int, ...] | None = None) -> Array:
        """The operand's elements as they are stored."""
        lengths = self.lengths(dims)
        if operand.immediate:
            return np.broadcast_to(immediate(operand), lengths)
        used = self.dims if dims is None else dims
        placed = place(self.context, operand, lengths, used, write=False)
        self.watch_read(placed)
        return placed.array

    def load(self, operand: Operand, dims: tuple[int, ...] | None = None) -> Array:
        """The operand's elements in the compute type."""
        return load(self.read(operand, dims), operand.dtype, self.compute)

    def target(self, operand: Operand, dims: tuple[int, ...] | None = None) -> Placed:
        """The output; CommandError if two elements of it would be the same place."""
        used = self.dims if dims is None else dims
        lengths = self.lengths(used)
        if not operand.immediate and 0 in [operand.strides[dim] for dim in used]:
            raise invalid("an output has stride 0 in a dimension longer than 1")
        placed = place(self.context, operand, lengths, used, write=True)
        if self.engine.dma.watch is not None:
            self.engine.dma.watch.writing(placed.segments)
        return placed

    def watch_read(self, placed: Placed) -> None:
        """Count what is read, and let faults and the tap see it."""
        if self.engine.dma.watch is not None:
            self.engine.dma.watch.reading(placed.segments)
        account_read(self.engine.traffic, placed.segments)

    def store(self, placed: Placed, values: Array) -> None:
        """Write values that are in the output's type already."""
        np.copyto(placed.array, values, casting="unsafe")
        self.stored(placed)

    def stored(self, placed: Placed) -> None:
        """The output's array was written: bring it to memory."""
        placed.commit()
        account_write(self.engine.traffic, placed.segments)


def _quiet(handler: Callable[[Queue, int, Header], int]) -> Callable[[Queue, int, Header], int]:
    """Overflow and invalid operations are results here, not warnings."""

    def run(queue: Queue, at: int, header: Header) -> int:
        with np.errstate(all="ignore"):
            return handler(queue, at, header)

    return run


class TensorCommands:
    """Handlers of the tensor commands, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def handlers(self) -> dict[Opcode, Callable[[Queue, int, Header], int]]:
        """What runs each opcode."""
        table = {
            Opcode.COPY_STRIDED: self.copy_strided,
            Opcode.FILL: self.fill,
            Opcode.CAST: self.cast,
            Opcode.UNARY: self.unary,
            Opcode.BINARY: self.binary,
            Opcode.TERNARY: self.ternary,
            Opcode.REDUCE: self.reduce,
            Opcode.MATMUL: self.matmul,
            Opcode.GATHER: self.gather,
            Opcode.SCATTER: self.scatter,
            Opcode.RANDOM: self.random,
            Opcode.FUSED: self.fused,
        }
        return {opcode: _quiet(handler) for opcode, handler in table.items()}

    def _call(self, queue: Queue, at: int, header: Header, *counts: int) -> Call:
        return Call(self._engine, queue, at, header, counts)

    def _plain(self, queue: Queue, at: int, header: Header, slots: int) -> Call:
        """A call whose op field must be 0."""
        if header[3]:
            raise invalid(f"op {header[3]} where there are no ops")
        return self._call(queue, at, header, slots)

    def copy_strided(self, queue: Queue, at: int, header: Header) -> int:
        """COPY_STRIDED: bytes move unchanged."""
        call = self._plain(queue, at, header, 3)
        source, out = call.operands
        size = STORAGE[out.dtype].itemsize
        if STORAGE[source.dtype].itemsize != size:
            raise invalid("operands differ in element size")
        if call.empty:
            return 0
        target = call.target(out)
        if source.immediate:
            call.store(target, call.read(source).view(target.array.dtype))
            return 0
        origin = place(call.context, source, call.lengths(), call.dims, write=False)
        if self._engine.dma.watch is not None:
            self._engine.dma.watch.reading(origin.segments)
        raw = f"u{size}"
        np.copyto(target.array.view(raw), origin.array.view(raw))
        target.commit()
        account_copy(self._engine.traffic, origin.segments, target.segments)
        return 0

    def fill(self, queue: Queue, at: int, header: Header) -> int:
        """FILL: params[0] is the element's bits."""
        call = self._plain(queue, at, header, 2)
        (out,) = call.operands
        if call.params[1]:
            raise invalid("FILL has one parameter")
        if call.empty:
            return 0
        target = call.target(out)
        size = STORAGE[out.dtype].itemsize
        raw = call.params[0].to_bytes(8, "little")[:size]
        call.store(target, np.frombuffer(raw, dtype=target.array.dtype)[0])
        return 0

    def cast(self, queue: Queue, at: int, header: Header) -> int:
        """CAST: operands' types alone count."""
        call = self._plain(queue, at, header, 3)
        source, out = call.operands
        if call.empty:
            return 0
        target = call.target(out)
        values = call.read(source)
        if source.dtype is Dtype.BOOL:
            values = values != 0
        call.store(target, convert(values, out.dtype))
        return 0

    def unary(self, queue: Queue, at: int, header: Header) -> int:
        """UNARY."""
        call = self._call(queue, at, header, 3)
        kernel = unary.kernel(op_of(Unary, call.op), call.compute)
        source, out = call.operands
        if call.empty:
            return 0
        target = call.target(out)
        call.store(target, finish(kernel(call.load(source)), call.compute, out.dtype))
        return 0

    def binary(self, queue: Queue, at: int, header: Header) -> int:
        """BINARY."""
        call = self._call(queue, at, header, 4)
        op = op_of(Binary, call.op)
        kernel = binary.kernel(op, call.compute)
        first, second, out = call.operands
        if call.empty:
            return 0
        target = call.target(out)
        a, b = call.load(first), call.load(second)
        scale = _scale(call, float_only=False)
        direct = binary.DIRECT.get(op)
        if direct is not None and scale == 1 and _is_work(call.compute, out):
            direct(a, b, out=target.array)
            call.stored(target)
        else:
            call.store(target, finish(kernel(a, b, scale), call.compute, out.dtype))
        return 0

    def ternary(self, queue: Queue, at: int, header: Header) -> int:
        """TERNARY."""
        call = self._call(queue, at, header, 5)
        op = op_of(Ternary, call.op)
        kernel = ternary.kernel(op, call.compute)
        first, second, third, out = call.operands
        if call.empty:
            return 0
        target = call.target(out)
        # A condition is looked at as it is stored: 0.5 is true whatever the compute type.
        a = call.read(first) != 0 if op is Ternary.WHERE else call.load(first)
        result = kernel(a, call.load(second), call.load(third), _scale(call, float_only=True))
        call.store(target, finish(result, call.compute, out.dtype))
        return 0

    def reduce(self, queue: Queue, at: int, header: Header) -> int:
        """REDUCE: shape is the input's; the output has stride 0 where it is reduced."""
        call = self._call(queue, at, header, 3)
        op = op_of(Reduce, call.op)
        source, out = call.operands
        reduced = call.params[0]
        if reduced >> MAX_DIMS or call.params[1]:
            raise invalid(f"reduced dimensions {reduced:#x}")
        if op in (Reduce.ARGMAX, Reduce.ARGMIN) and out.dtype is not Dtype.I64:
            raise CommandError(Status.UNSUPPORTED_DTYPE, f"{op.name} gives I64")
        if call.empty:
            return 0
        target = _reduced_target(call, out, reduced)
        result = reduction.reduce(op, call.compute, call.load(source), _axes(call, reduced))
        call.store(target, finish(result, call.compute, out.dtype))
        return 0

    def matmul(self, queue: Queue, at: int, header: Header) -> int:
        """MATMUL: batch dimensions 0 to 4, then m, n, k."""
        if header[3]:
            raise invalid(f"op {header[3]} where there are no ops")
        call = self._call(queue, at, header, min(max(header[2], 4), 5))
        require(call.compute, NUMBERS, "MATMUL")
        first, second, out, *rest = call.operands
        for operand, absent in zip(call.operands, (_MATMUL_N, _MATMUL_M, 7, 7), strict=False):
            if not operand.immediate and operand.strides[absent] and call.shape[absent] > 1:
                raise invalid(f"an operand has a stride in dimension {absent} of MATMUL")
        if call.empty:
            return 0
        batch = tuple(range(_MATMUL_M))
        wide = tuple([dim for dim in (*batch, _MATMUL_M, _MATMUL_N) if call.shape[dim] != 1])
        target = call.target(out, wide)
        a = call.load(first, (*batch, _MATMUL_M, _MATMUL_K))
        b = call.load(second, (*batch, _MATMUL_K, _MATMUL_N))
        alpha, beta = (_as_work(call.compute, raw) for raw in call.params)
        result = np.matmul(a, b).reshape(target.array.shape)
        if alpha != 1:
            result *= alpha
        if rest and beta != 0:
            c = call.load(rest[0], wide)
            result += c if beta == 1 else beta * c
        call.store(target, finish(result, call.compute, out.dtype))
        return 0

    def fused(self, queue: Queue, at: int, header: Header) -> int:
        """FUSED: inputs are read before anything is stored."""
        slots = header[2]
        if header[3] or not _FUSED_TAIL + 3 <= slots <= MAX_COMMAND_SLOTS:
            raise invalid(f"op {header[3]} or {slots} slots of FUSED")
        operands = slots - _FUSED_TAIL - 1
        counted = (*header[:2], operands + 1, *header[3:])
        call = Call(self._engine, queue, at, counted, (operands + 1,))
        tail = [_slot(queue, at, number) for number in range(operands + 1, slots)]
        program = fused.decode(*tail, operands, call.compute)
        if call.empty:
            return 0
        first_out = operands - len(program.stored)
        inputs, outs = call.operands[:first_out], call.operands[first_out:]
        targets = [
            _reduced_target(call, out, to.dims)
            for out, to in zip(outs, program.stored, strict=True)
        ]
        registers = program.run([call.load(source) for source in inputs])
        # All of them first: an output may lie over an input that another one reduces.
        values = [
            value
            if to.reduction is None
            else reduction.reduce(to.reduction, call.compute, value, _axes(call, to.dims))
            for value, to in zip(registers, program.stored, strict=True)
        ]
        for target, out, value in zip(targets, outs, values, strict=True):
            call.store(target, finish(value, call.compute, out.dtype))
        return 0

    def _indices(self, call: Call, operand: Operand) -> tuple[int, int, Array]:
        """(dimension, extent, indices over the full iteration space), bounds checked."""
        dim, extent = call.params
        if dim >= MAX_DIMS or not 0 < extent < 1 << 32:
            raise invalid(f"dimension {dim} of extent {extent}")
        require(operand.dtype, INTEGERS, "an index")
        if dim not in call.dims:
            call.dims = tuple(sorted([*call.dims, dim]))
        indices = call.read(operand).astype(np.int64, copy=False)
        indexing.check_bounds(indices, extent)
        return dim, extent, indices

    def _indexed(self, call: Call, dim: int, extent: int) -> tuple[int, tuple[int, ...]]:
        """(axis of `dim`, lengths with the extent there)."""
        axis = call.dims.index(dim)
        lengths = call.lengths()
        return axis, (*lengths[:axis], extent, *lengths[axis + 1 :])

    def gather(self, queue: Queue, at: int, header: Header) -> int:
        """GATHER."""
        call = self._plain(queue, at, header, 4)
        source, index, out = call.operands
        if call.empty:
            return 0
        dim, extent, indices = self._indices(call, index)
        target = call.target(out, tuple([used for used in call.dims if call.shape[used] != 1]))
        axis, lengths = self._indexed(call, dim, extent)
        if source.immediate:
            raise invalid("GATHER from an immediate")
        origin = place(call.context, source, lengths, call.dims, write=False)
        call.watch_read(origin)
        values = indexing.gather(origin.array, indices, axis)
        if source.dtype is Dtype.BOOL:
            values = values != 0
        call.store(target, convert(values, out.dtype).reshape(target.array.shape))
        return 0

    def scatter(self, queue: Queue, at: int, header: Header) -> int:
        """SCATTER: values that meet combine in the type that the output is computed in."""
        call = self._call(queue, at, header, 4)
        op = op_of(Scatter, call.op)
        source, index, out = call.operands
        if call.empty:
            return 0
        dim, extent, indices = self._indices(call, index)
        axis, lengths = self._indexed(call, dim, extent)
        if any(
            out.strides[used] == 0 and length > 1
            for used, length in zip(call.dims, lengths, strict=True)
        ):
            raise invalid("an output has stride 0 in a dimension longer than 1")
        target = place(call.context, out, lengths, call.dims, write=True)
        if self._engine.dma.watch is not None:
            self._engine.dma.watch.writing(target.segments)
        values = load(call.read(source), source.dtype, out.dtype)
        self._combine(call, op, target, out.dtype, (indices, axis, values))
        return 0

    def _combine(
        self, call: Call, op: Scatter, target: Placed, dtype: Dtype, what: tuple[Any, int, Array]
    ) -> None:
        indices, axis, values = what
        scattered = target.buffer is not None
        if scattered or target.array.dtype != values.dtype or dtype is Dtype.BOOL:
            # In a copy; then only the places that were touched are written.
            work = load(target.array, dtype, dtype).copy()
            places = indexing.scatter(op, work, indices, axis, values)
            target.array[places] = convert(work[places], dtype)
        else:
            indexing.scatter(op, target.array, indices, axis, values)
        call.stored(target)

    def random(self, queue: Queue, at: int, header: Header) -> int:
        """RANDOM: the last slot holds key and counter."""
        if header[2] != 3:
            raise invalid(f"{header[2]} slots instead of 3")
        call = Call(self._engine, queue, at, (*header[:2], 2, *header[3:]), (2,))
        op = op_of(Random, call.op)
        seed, offset, subsequence, *reserved = CMD_RANDOM_STRUCT.unpack(_slot(queue, at, 2))
        if any(reserved):
            raise invalid("reserved fields of cmd_random")
        (out,) = call.operands
        if call.empty:
            return 0
        target = call.target(out)
        params = (float_bits(call.params[0]), float_bits(call.params[1]))
        count = elements(call.lengths())
        values = philox.generate(op, out.dtype, count, params, (seed, offset, subsequence))
        call.store(target, values.reshape(target.array.shape))
        return 0


def _slot(queue: Queue, at: int, number: int) -> bytes:
    """A further slot of the command at byte `at` of the ring, copied."""
    start = (at // SLOT_BYTES + number & queue.sq_mask) * SLOT_BYTES
    return bytes(ring_of(queue)[start : start + SLOT_BYTES])


def _reduced_target(call: Call, out: Operand, reduced: int) -> Placed:
    """An output without the dimensions of a mask."""
    if any(out.strides[dim] for dim in call.dims if reduced >> dim & 1):
        raise invalid("the output has a stride in a reduced dimension")
    return call.target(out, tuple([dim for dim in call.dims if not reduced >> dim & 1]))


def _axes(call: Call, reduced: int) -> tuple[int, ...]:
    """Axes of the arrays of a call that a mask reduces."""
    return tuple(axis for axis, dim in enumerate(call.dims) if reduced >> dim & 1)


def _is_work(compute: Dtype, out: Operand) -> bool:
    """Whether a result of the compute type is stored as it is."""
    return out.dtype is compute and WORK[compute] == STORAGE[compute]


def _scale(call: Call, *, float_only: bool) -> Any:
    """params[0] as a scalar of the compute type."""
    if call.compute in FLOATS and call.params[0] == _ONE:
        return 1
    if call.compute in FLOATS or float_only:
        return _as_work(call.compute, call.params[0])
    return np.array(int_bits(call.params[0])).astype(WORK[call.compute])[()]


@lru_cache(maxsize=1024)
def _as_work(compute: Dtype, raw: int) -> Any:
    """A float64 parameter in the type to compute in. Bits are the key: 0.0 and -0.0 are equal."""
    exact = np.array(float_bits(raw), dtype=np.float64)
    if compute in FLOATS:
        return exact.astype(WORK[compute])[()]
    return convert(exact, compute)[()]

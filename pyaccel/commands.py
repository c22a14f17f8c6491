# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Commands of the device, one method each: checked and packed in Python, no I/O.

Every method appends one command (or, where the hardware has no single command for an
edge case, the one that does the same) and returns its position in the batch. Shapes
broadcast as NumPy's; the output's shape decides. Wrong shapes raise ValueError before
anything reaches the device. Scalars stand for tensors where a method says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import IntEnum
from typing import TypeVar

from pyaccel import packing
from pyaccel.dtypes import FLOATS, NAMES, as_dtype, itemsize, promote, raw_bits
from pyaccel.spec.formats import (
    MAX_DIMS,
    Binary,
    CommandFlag,
    Dtype,
    Opcode,
    Random,
    Reduce,
    Scatter,
    Ternary,
    Unary,
)
from pyaccel.tensor import Memory, Shape, Tensor, broadcast_strides, pack_operand

Scalar = int | float | bool
Op = TypeVar("Op", bound=IntEnum)
_OPS: dict[tuple[type[IntEnum], str], IntEnum] = {
    (kind, op.name.lower()): op
    for kind in (Unary, Binary, Ternary, Reduce, Scatter, Random)
    for op in kind
}
_EMPTY_RESULT = {
    Reduce.SUM: 0,
    Reduce.SUM_SQUARES: 0,
    Reduce.ANY: 0,
    Reduce.PROD: 1,
    Reduce.ALL: 1,
    Reduce.MEAN: float("nan"),
}
_MATMUL_BATCH_DIMS = MAX_DIMS - 3


class Commands:
    """The command methods; a subclass says where commands go (`append`)."""

    def append(self, command: bytes, *buffers: Memory) -> int:
        """Append whole packed commands that use `buffers`; the last one's position."""
        raise NotImplementedError

    def nop(self) -> int:
        """Do nothing and complete."""
        return self.append(packing.NOP)

    def copy(self, dst: Tensor | Memory, src: Tensor | Memory, *, checksum: bool = False) -> int:
        """Copy `src` to `dst`: host, device or a peer's memory on either side.

        Buffers are copied as bytes and must have the same size. Tensors must have element
        types of the same size; `src` broadcasts to `dst`. Contiguous tensors of one shape
        go as one linear copy; only that can give a `checksum` (CRC-32 of the bytes read, in
        the command's result).
        """
        out, source = as_tensor(dst), as_tensor(src)
        if itemsize(out.dtype) != itemsize(source.dtype):
            raise ValueError(
                f"copy moves bytes: {NAMES[source.dtype]} to {NAMES[out.dtype]} needs cast()"
            )
        if out.shape == source.shape and out.is_contiguous and source.is_contiguous:
            flags = CommandFlag.CHECKSUM if checksum else 0
            command = packing.copy(source.va, out.va, out.nbytes, flags)
            return self.append(command, out.buffer, source.buffer)
        if checksum:
            raise ValueError("checksum needs contiguous operands of the same shape")
        return self._tensor(Opcode.COPY_STRIDED, 0, out.dtype, out, (source,), ("src",))

    def fill(self, out: Tensor, value: Scalar) -> int:
        """Set every element; ValueError if the type cannot hold `value`."""
        bits = (raw_bits(value, out.dtype), 0)
        return self._tensor(Opcode.FILL, 0, out.dtype, out, (), (), bits)

    def cast(self, out: Tensor, a: Tensor) -> int:
        """Convert values to `out`'s type; float to integer truncates and saturates."""
        return self._tensor(Opcode.CAST, 0, a.dtype, out, (a,), ("a",))

    def unary(self, op: Unary | str, a: Tensor, out: Tensor, *, compute: object = None) -> int:
        """Elementwise function of one operand, for example `unary("relu", x, y)`."""
        code = _op(Unary, op)
        return self._tensor(Opcode.UNARY, code, _compute(compute, a), out, (a,), ("a",))

    def binary(
        self,
        op: Binary | str,
        a: Tensor | Scalar,
        b: Tensor | Scalar,
        out: Tensor,
        *,
        scale: Scalar | None = None,
        compute: object = None,
    ) -> int:
        """Elementwise function of two operands, either may be a number.

        `scale` is the factor of `b` in "add" and "sub" (default 1) and the threshold in
        "relu_backward" (default 0).
        """
        code = _op(Binary, op)
        kind = _compute(compute, a, b)
        if scale is None:
            scale = 0 if code is Binary.RELU_BACKWARD else 1
        return self._tensor(Opcode.BINARY, code, kind, out, (a, b), ("a", "b"), (scale, 0))

    def ternary(
        self,
        op: Ternary | str,
        a: Tensor | Scalar,
        b: Tensor | Scalar,
        c: Tensor | Scalar,
        out: Tensor,
        *,
        scale: float = 1.0,
        compute: object = None,
    ) -> int:
        """Elementwise function of three operands, for example `ternary("where", mask, x, y, out)`.

        `scale` is the factor in "addcmul" and "addcdiv".
        """
        code = _op(Ternary, op)
        values = (b, c) if code is Ternary.WHERE and isinstance(a, Tensor) else (a, b, c)
        kind = _compute(compute, *values)
        params = (packing.float_bits(scale), 0)
        return self._tensor(Opcode.TERNARY, code, kind, out, (a, b, c), ("a", "b", "c"), params)

    def reduce(
        self,
        op: Reduce | str,
        a: Tensor,
        out: Tensor,
        axis: int | Sequence[int] | None = None,
        *,
        compute: object = None,
    ) -> int:
        """Reduce dimensions (all if `axis` is None); `out` leaves them out or keeps them as 1.

        Reducing nothing gives what NumPy gives (0, 1 or NaN); ValueError where NumPy has no
        answer ("max" of nothing).
        """
        code = _op(Reduce, op)
        axes = _axes(axis, a.ndim)
        target = out.cached((a.shape, axes), lambda: _reduced_operand(a.shape, axes, out))
        if 0 in a.shape and out.size:
            if code not in _EMPTY_RESULT:
                raise ValueError(f"{code.name.lower()} of {a.shape} over {axes} has no elements")
            return self.fill(out, _EMPTY_RESULT[code])
        if code in (Reduce.ARGMAX, Reduce.ARGMIN) and out.dtype is not Dtype.I64:
            raise ValueError(f"{code.name.lower()} writes int64, out is {NAMES[out.dtype]}")
        mask = sum(1 << (MAX_DIMS - a.ndim + axis) for axis in axes)
        kind = _compute(compute, a)
        header = packing.tensor_header(Opcode.REDUCE, code, kind, a.shape, 2, (mask, 0))
        return self.append(header + a.operand(a.shape, "a") + target, a.buffer, out.buffer)

    def matmul(
        self,
        a: Tensor,
        b: Tensor,
        out: Tensor,
        *,
        alpha: float = 1.0,
        beta: float = 0.0,
        c: Tensor | None = None,
        compute: object = None,
    ) -> int:
        """Set out = alpha * a @ b + beta * c, batched over leading dimensions.

        Operands have two dimensions or more (`reshape` a vector); `c` broadcasts to `out` and
        is `out` itself if `beta` is given without it.
        """
        batch, extents = _matmul_shapes(a, b, out)
        if beta and c is None:
            c = out
        if not extents[2] and out.size:
            return self._scaled(out, beta, c)
        shape = batch + extents
        out.target()  # refuses one whose elements meet
        operands = [
            _matmul_operand(a, batch, "a", (0, 2)),
            _matmul_operand(b, batch, "b", (2, 1)),
            _matmul_operand(out, batch, "out", (0, 1)),
        ]
        buffers = [a.buffer, b.buffer, out.buffer]
        if c is not None:
            operands.append(_matmul_addend(c, batch, extents))
            buffers.append(c.buffer)
        params = (packing.float_bits(alpha), packing.float_bits(beta))
        kind = _compute(compute, a, b)
        header = packing.tensor_header(Opcode.MATMUL, 0, kind, shape, len(operands), params)
        return self.append(header + b"".join(operands), *buffers)

    def _scaled(self, out: Tensor, beta: float, c: Tensor | None) -> int:
        """A product of nothing: beta * c, or zeros."""
        if c is None or not beta:
            return self.fill(out, 0)
        return self.binary("mul", c, beta, out)

    def gather(self, src: Tensor, index: Tensor, out: Tensor, dim: int) -> int:
        """Set out[.., i, ..] = src[.., index[.., i, ..], ..] along `dim` (numpy.take_along_axis).

        `index` broadcasts to `out`; `src` does so in every dimension but `dim`.
        """
        dim = _dimension(dim, out.ndim)
        operands = [
            _indexed_operand(src, out.shape, dim, "src"),
            _index_operand(index, out.shape),
            out.target(),
        ]
        params = (MAX_DIMS - out.ndim + dim, src.shape[dim])
        header = packing.tensor_header(Opcode.GATHER, 0, out.dtype, out.shape, 3, params)
        return self.append(header + b"".join(operands), src.buffer, index.buffer, out.buffer)

    def scatter(
        self, src: Tensor, index: Tensor, out: Tensor, dim: int, *, op: Scatter | str = "set"
    ) -> int:
        """Set out[.., index[.., i, ..], ..] (op)= src[.., i, ..] along `dim` (put_along_axis).

        Values that meet at one place combine in row-major order of `src`; "set": the last
        one stays.
        """
        dim = _dimension(dim, src.ndim)
        out.check_writable()
        if _without(out.shape, dim) != _without(src.shape, dim):
            raise ValueError(f"out of {out.shape} and src of {src.shape} differ beside {dim}")
        operands = [
            src.operand(src.shape, "src"),
            _index_operand(index, src.shape),
            _indexed_operand(out, src.shape, dim, "out"),
        ]
        params = (MAX_DIMS - src.ndim + dim, out.shape[dim])
        code = _op(Scatter, op)
        header = packing.tensor_header(Opcode.SCATTER, code, out.dtype, src.shape, 3, params)
        return self.append(header + b"".join(operands), src.buffer, index.buffer, out.buffer)

    def random(
        self,
        op: Random | str,
        out: Tensor,
        *,
        seed: int,
        first: float = 0.0,
        second: float = 1.0,
        offset: int = 0,
        subsequence: int = 0,
    ) -> int:
        """Philox4x32-10 numbers; the same seed, offset and subsequence give the same numbers.

        "uniform": in [first, second); "normal": mean `first`, standard deviation `second`;
        "bernoulli": 1 with probability `first`; "bits": both unused. One block of the counter
        (`offset`) makes four elements.
        """
        code = _op(Random, op)
        used = (0, 0)
        if code is not Random.BITS:
            used = (packing.float_bits(first), packing.float_bits(second))
        header = packing.tensor_header(Opcode.RANDOM, code, out.dtype, out.shape, 2, used)
        tail = packing.random_slot(seed, offset, subsequence)
        return self.append(header + out.target() + tail, out.buffer)

    def fence_wait(self, word: Tensor, value: int, *, timeout_us: int = 0) -> int:
        """Hold the queue until the 64-bit word is >= `value`; 0: wait for ever."""
        command = packing.fence(Opcode.FENCE_WAIT, _word(word), value, timeout_us)
        return self.append(command, word.buffer)

    def fence_signal(self, word: Tensor, value: int) -> int:
        """After all earlier commands of the queue, raise the 64-bit word to `value`."""
        return self.append(packing.fence(Opcode.FENCE_SIGNAL, _word(word), value), word.buffer)

    def timestamp(self, word: Tensor) -> int:
        """Write the device clock (ticks) to the 64-bit word."""
        return self.append(packing.fence(Opcode.TIMESTAMP, _word(word), 0), word.buffer)

    def _tensor(
        self,
        opcode: Opcode,
        op: int,
        compute: Dtype,
        out: Tensor,
        inputs: tuple[Tensor | Scalar, ...],
        names: tuple[str, ...],
        params: tuple[Scalar, Scalar] = (0, 0),
    ) -> int:
        """An elementwise command: inputs broadcast to `out`, `out` last."""
        shape = out.shape
        buffers = [out.buffer]
        command = packing.tensor_header(opcode, op, compute, shape, len(inputs) + 1, params)
        for tensor, name in zip(inputs, names, strict=True):
            if isinstance(tensor, Tensor):
                command += tensor.operand(shape, name)
                buffers.append(tensor.buffer)
            else:
                command += packing.immediate(tensor, compute)
        return self.append(command + out.target(), *buffers)


def as_tensor(memory: Tensor | Memory) -> Tensor:
    """A tensor as it is; a buffer as its bytes."""
    if isinstance(memory, Tensor):
        return memory
    return Tensor(memory, (memory.nbytes,), Dtype.U8)


def _op(kind: type[Op], op: IntEnum | str) -> Op:
    """The operation meant by an enum member or its name; ValueError lists the names."""
    if isinstance(op, kind):
        return op
    found = _OPS.get((kind, str(op)))
    if found is None or not isinstance(found, kind):
        names = ", ".join(member.name.lower() for member in kind)
        raise ValueError(f"no {kind.__name__.lower()} operation {op!r}; there are: {names}")
    return found


def _compute(wanted: object, *operands: Tensor | Scalar) -> Dtype:
    """Type to compute in: as asked, else promoted from the tensors; numbers follow them."""
    if wanted is not None:
        return as_dtype(wanted)
    found: Dtype | None = None
    has_float = False
    for operand in operands:
        if isinstance(operand, Tensor):
            dtype = operand.dtype
            found = dtype if found is None or found is dtype else promote(found, dtype)
        else:
            has_float = has_float or isinstance(operand, float)
    if found is None:
        return Dtype.F32
    return Dtype.F32 if has_float and found not in FLOATS else found


def _dimension(dim: int, ndim: int) -> int:
    """A dimension counted from the front; ValueError outside."""
    if not -ndim <= dim < ndim:
        raise ValueError(f"dimension {dim} is outside a tensor of {ndim}")
    return dim % ndim


def _axes(axis: int | Sequence[int] | None, ndim: int) -> tuple[int, ...]:
    """Reduced dimensions, sorted; ValueError for one named twice."""
    if axis is None:
        return tuple(range(ndim))
    given = [axis] if isinstance(axis, int) else list(axis)
    axes = sorted(_dimension(each, ndim) for each in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"axis {axis} names a dimension twice")
    return tuple(axes)


def _reduced_operand(shape: Shape, axes: tuple[int, ...], out: Tensor) -> bytes:
    """`out` over the input's dimensions; ValueError if its shape is not what is left."""
    out.check_writable()
    return pack_operand(out.va, _reduced_strides(shape, axes, out), out.dtype)


def _reduced_strides(shape: Shape, axes: tuple[int, ...], out: Tensor) -> Shape:
    """`out`'s strides over the input's dimensions: 0 where reduced."""
    kept = tuple(extent for axis, extent in enumerate(shape) if axis not in axes)
    ones = tuple(1 if axis in axes else extent for axis, extent in enumerate(shape))
    if out.shape == ones:
        return tuple(0 if a in axes else s for a, s in enumerate(out.strides))
    if out.shape != kept:
        raise ValueError(f"reducing {axes} of {shape} gives {kept} or {ones}, out is {out.shape}")
    strides = iter(out.strides)
    return tuple(0 if axis in axes else next(strides) for axis in range(len(shape)))


def _matmul_shapes(a: Tensor, b: Tensor, out: Tensor) -> tuple[Shape, Shape]:
    """Batch extents and (m, n, k); ValueError if the operands do not fit."""
    if min(a.ndim, b.ndim, out.ndim) < 2:
        raise ValueError(
            "matmul takes two dimensions or more; reshape a vector to (1, n) or (n, 1)"
        )
    (m, k), (inner, n) = a.shape[-2:], b.shape[-2:]
    if k != inner or out.shape[-2:] != (m, n):
        raise ValueError(f"{a.shape} @ {b.shape} does not give {out.shape}")
    batch = out.shape[:-2]
    if len(batch) > _MATMUL_BATCH_DIMS:
        raise ValueError(f"matmul takes {_MATMUL_BATCH_DIMS} batch dimensions, not {len(batch)}")
    return batch, (m, n, k)


def _matmul_operand(tensor: Tensor, batch: Shape, name: str, places: tuple[int, int]) -> bytes:
    """One operand; `places`: which of (m, n, k) its last two dimensions are."""

    def make() -> bytes:
        shape, strides = tensor.shape[:-2], tensor.strides[:-2]
        outer = broadcast_strides(shape, strides, batch, f"batch of {name}")
        inner = [0, 0, 0]
        inner[places[0]], inner[places[1]] = tensor.strides[-2:]
        return pack_operand(tensor.va, outer + tuple(inner), tensor.dtype)

    return tensor.cached((batch, places), make)


def _matmul_addend(c: Tensor, batch: Shape, extents: Shape) -> bytes:
    """The operand `c`, broadcast to the output."""
    target = batch + extents[:2]

    def make() -> bytes:
        strides = broadcast_strides(c.shape, c.strides, target, "c")
        return pack_operand(c.va, (*strides, 0), c.dtype)

    return c.cached(("addend", target), make)


def _without(shape: Shape, dim: int) -> Shape:
    """A shape without one dimension."""
    return shape[:dim] + shape[dim + 1 :]


def _index_operand(index: Tensor, shape: Shape) -> bytes:
    """The index of gather or scatter."""
    if index.dtype in FLOATS or index.dtype is Dtype.BOOL:
        raise ValueError(f"index is {NAMES[index.dtype]}; it must be an integer type")
    return index.operand(shape, "index")


def _indexed_operand(tensor: Tensor, shape: Shape, dim: int, name: str) -> bytes:
    """The operand that is indexed in `dim`: any extent there, broadcast elsewhere."""
    if tensor.ndim != len(shape):
        raise ValueError(f"{name} has {tensor.ndim} dimensions, the others {len(shape)}")
    if not tensor.shape[dim] and 0 not in shape:
        raise ValueError(f"{name} of {tensor.shape} has nothing to index in dimension {dim}")
    extents = list(tensor.shape)
    strides = list(tensor.strides)
    extents[dim], along = shape[dim], strides[dim]
    spread = list(broadcast_strides(tuple(extents), tuple(strides), shape, name))
    spread[dim] = along
    return pack_operand(tensor.va, tuple(spread), tensor.dtype)


def _word(word: Tensor) -> int:
    """Address of a 64-bit word; ValueError if it is none."""
    if itemsize(word.dtype) != 8 or word.size < 1 or word.va % 8:
        raise ValueError(
            "a fence word is an aligned int64 element, for example empty((1,), 'int64')"
        )
    return word.va

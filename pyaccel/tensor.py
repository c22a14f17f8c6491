# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A light view of a buffer: shape, strides and element type, as commands need them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Hashable, Sequence
from typing import TYPE_CHECKING, Any, Final, Protocol, SupportsIndex

from pyaccel.dtypes import NAMES, as_dtype, itemsize, numpy_dtype
from pyaccel.spec.formats import CMD_OPERAND_STRUCT, MAX_DIMS, Dtype

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

Shape = tuple[int, ...]
_ZEROS: Final = (0,) * MAX_DIMS
_MAX_EXTENT: Final = 2**32 - 1
_STRIDE_LIMIT: Final = 2**31
_pack_operand = CMD_OPERAND_STRUCT.pack


class Memory(Protocol):
    """What a tensor needs of the memory below it; pyaccel.Buffer is one."""

    @property
    def va(self) -> int:
        """Device virtual address."""

    @property
    def nbytes(self) -> int:
        """Size."""


def contiguous_strides(shape: Shape) -> Shape:
    """Row-major strides of a shape, in elements."""
    strides = []
    step = 1
    for extent in reversed(shape):
        strides.append(step)
        step *= max(extent, 1)
    return tuple(reversed(strides))


def broadcast_strides(shape: Shape, strides: Shape, target: Shape, name: str) -> Shape:
    """Strides that make `shape` look like `target` (NumPy's rules); ValueError if it cannot."""
    missing = len(target) - len(shape)
    fits = missing >= 0
    result = [0] * max(missing, 0)
    for extent, stride, wanted in zip(shape, strides, target[max(missing, 0) :], strict=False):
        fits = fits and extent in (wanted, 1)
        result.append(0 if extent == 1 else stride)
    if not fits:
        raise ValueError(f"{name} of shape {shape} does not broadcast to {target}")
    return tuple(result)


def pack_operand(va: int, strides: Shape, dtype: int, flags: int = 0) -> bytes:
    """One cmd_operand slot; strides of the last dimensions, the leading ones are 0."""
    padded = _ZEROS[: MAX_DIMS - len(strides)] + strides
    return _pack_operand(va, *padded, dtype, flags, 0, 0, 0, 0)


class Tensor:
    """Elements of a buffer, arranged. Immutable and cheap; it keeps its buffer alive.

    Args:
        buffer: the memory.
        shape: extents, at most 8.
        dtype: element type; anything that `as_dtype` takes.
        strides: in elements, may be 0 or negative; row-major if None.
        offset: of element 0 from the start of the buffer, in bytes.

    Raises:
        ValueError: an element would lie outside the buffer, or would not be aligned.
    """

    __slots__ = ("_operands", "buffer", "dtype", "offset", "shape", "strides")

    def __init__(
        self,
        buffer: Memory,
        shape: Sequence[int],
        dtype: object = Dtype.F32,
        *,
        strides: Sequence[int] | None = None,
        offset: int = 0,
    ) -> None:
        self.buffer = buffer
        self.shape: Shape = tuple(map(operator.index, shape))
        self.dtype = as_dtype(dtype)
        self.strides: Shape = contiguous_strides(self.shape) if strides is None else tuple(strides)
        self.offset = offset
        self._operands: dict[Hashable, bytes] = {}
        self._check()

    def _check(self) -> None:
        """Hold shape and strides against the format's limits and the buffer's size."""
        if len(self.shape) > MAX_DIMS:
            raise ValueError(f"{len(self.shape)} dimensions; the device takes {MAX_DIMS}")
        if len(self.strides) != len(self.shape):
            raise ValueError(f"{len(self.strides)} strides for {len(self.shape)} dimensions")
        if any(not 0 <= extent <= _MAX_EXTENT for extent in self.shape):
            raise ValueError(f"shape {self.shape}: an extent is outside 0..{_MAX_EXTENT}")
        if any(not -_STRIDE_LIMIT <= stride < _STRIDE_LIMIT for stride in self.strides):
            raise ValueError(f"strides {self.strides}: one does not fit 32 bits")
        size = itemsize(self.dtype)
        if self.offset % size:
            raise ValueError(f"offset {self.offset} is no multiple of {size} ({self.dtype.name})")
        first, last = self._extent()
        low, high = self.offset + first * size, self.offset + last * size
        if low < 0 or high > self.buffer.nbytes:
            raise ValueError(
                f"shape {self.shape} of {NAMES[self.dtype]} with strides {self.strides} at byte"
                f" {self.offset} covers bytes {low}..{high} of a buffer of {self.buffer.nbytes}"
            )

    def _extent(self) -> tuple[int, int]:
        """First element and one past the last, relative to element 0; equal if empty."""
        if 0 in self.shape:
            return (0, 0)
        first = last = 0
        for extent, stride in zip(self.shape, self.strides, strict=True):
            reach = (extent - 1) * stride
            first, last = first + min(reach, 0), last + max(reach, 0)
        return first, last + 1

    @property
    def ndim(self) -> int:
        """Dimensions."""
        return len(self.shape)

    @property
    def size(self) -> int:
        """Elements."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of all elements, as if packed."""
        return self.size * itemsize(self.dtype)

    @property
    def va(self) -> int:
        """Device virtual address of element 0."""
        return self.buffer.va + self.offset

    @property
    def is_contiguous(self) -> bool:
        """Whether the elements lie row-major without gaps."""
        step = 1
        for extent, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if extent != 1 and stride != step:
                return 0 in self.shape
            step *= extent
        return True

    def operand(self, target: Shape, name: str = "operand") -> bytes:
        """The cmd_operand slot that reads this tensor broadcast to `target`.

        Kept for the next time: training loops use the same tensors again and again.
        """
        packed = self._operands.get(target)
        if packed is None:
            strides = self.strides
            if self.shape != target:
                strides = broadcast_strides(self.shape, strides, target, name)
            packed = self._operands[target] = pack_operand(self.va, strides, self.dtype)
        return packed

    def target(self, name: str = "out") -> bytes:
        """The cmd_operand slot that writes this tensor; ValueError if elements overlap."""
        packed = self._operands.get(self.shape)
        if packed is None:
            self.check_writable(name)
            packed = self.operand(self.shape, name)
        return packed

    def cached(self, key: Hashable, make: Callable[[], bytes]) -> bytes:
        """The operand slot kept under `key`, made by `make` the first time."""
        packed = self._operands.get(key)
        if packed is None:
            packed = self._operands[key] = make()
        return packed

    def check_writable(self, name: str = "out") -> None:
        """ValueError if two elements share their place through a stride of 0."""
        for extent, stride in zip(self.shape, self.strides, strict=True):
            if extent > 1 and stride == 0:
                raise ValueError(f"{name} of shape {self.shape} is a broadcast view: elements meet")

    def _like(self, shape: Sequence[int], strides: Sequence[int], offset: int) -> Tensor:
        return Tensor(self.buffer, shape, self.dtype, strides=strides, offset=offset)

    def reshape(self, *shape: int) -> Tensor:
        """The same elements in another shape; one extent may be -1.

        ValueError if the tensor is not contiguous: copy it first.
        """
        if not self.is_contiguous:
            raise ValueError(f"strides {self.strides} of {self.shape} are not row-major: copy it")
        known = math.prod(extent for extent in shape if extent != -1)
        guess = self.size // known if known else 0
        wanted = tuple(guess if extent == -1 else extent for extent in shape)
        if math.prod(wanted) != self.size or shape.count(-1) > 1:
            raise ValueError(f"{self.size} elements of {self.shape} do not fill {shape}")
        return self._like(wanted, contiguous_strides(wanted), self.offset)

    def permute(self, *axes: int) -> Tensor:
        """Dimensions in another order, without moving anything."""
        order = [axis % self.ndim for axis in axes] if self.ndim else []
        if sorted(order) != list(range(self.ndim)):
            raise ValueError(f"{axes} is no permutation of {self.ndim} dimensions")
        return self._like(
            [self.shape[axis] for axis in order], [self.strides[axis] for axis in order],
            self.offset,
        )  # fmt: skip

    @property
    def T(self) -> Tensor:  # noqa: N802 - as in NumPy
        """Dimensions in reverse order."""
        return self.permute(*reversed(range(self.ndim)))

    def broadcast_to(self, *shape: int) -> Tensor:
        """A read-only view with extents of 1 repeated."""
        strides = broadcast_strides(self.shape, self.strides, shape, "tensor")
        return self._like(shape, strides, self.offset)

    def __getitem__(self, key: SupportsIndex | slice | tuple[Any, ...]) -> Tensor:
        """A view: integers and slices, as in NumPy; IndexError outside."""
        keys = key if isinstance(key, tuple) else (key,)
        if len(keys) > self.ndim:
            raise IndexError(f"{len(keys)} indices for {self.ndim} dimensions")
        shape: list[int] = []
        strides: list[int] = []
        offset = 0
        for axis, item in enumerate(keys + (slice(None),) * (self.ndim - len(keys))):
            extent, stride = self.shape[axis], self.strides[axis]
            if isinstance(item, slice):
                chosen = range(extent)[item]
                shape.append(len(chosen))
                strides.append(stride * chosen.step)
                offset += chosen.start * stride if chosen else 0
            else:
                offset += range(extent)[item] * stride
        return self._like(shape, strides, self.offset + offset * itemsize(self.dtype))

    def numpy(self) -> NDArray[Any]:
        """A NumPy array of the same memory, zero copy. BufferError for a peer's buffer."""
        import numpy as np

        size = itemsize(self.dtype)
        return np.ndarray(
            self.shape,
            numpy_dtype(self.dtype),
            buffer=_exported(self.buffer),
            offset=self.offset,
            strides=[stride * size for stride in self.strides],
        )

    def write(self, values: ArrayLike) -> None:
        """Store values from the CPU; they are converted and broadcast. Not ordered with queues."""
        self.check_writable("tensor")
        self.numpy()[...] = values

    def read(self) -> NDArray[Any]:
        """A copy of the values. Wait for the fence of what writes them first."""
        return self.numpy().copy()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        """Let NumPy functions take a tensor."""
        import numpy as np

        return np.array(self.numpy(), dtype=dtype, copy=copy)

    def __dlpack__(self, **options: Any) -> Any:
        """A DLPack capsule of the same memory (CPU-accessible), which keeps it alive.

        BufferError for bfloat16: NumPy, which makes the capsule, does not know it.
        """
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """kDLCPU: device memory is reached by the CPU through BAR2."""
        return (1, 0)

    def __len__(self) -> int:
        """Extent of the first dimension."""
        if not self.shape:
            raise TypeError("a tensor without dimensions has no length")
        return self.shape[0]

    def __repr__(self) -> str:
        """For people."""
        return f"Tensor(shape={self.shape}, dtype={NAMES[self.dtype]}, va={self.va:#x})"


def _exported(buffer: Memory) -> np.typing.NDArray[np.uint8]:
    """The buffer's bytes through the buffer protocol."""
    import numpy as np

    return np.frombuffer(buffer, np.uint8)  # type: ignore[call-overload, no-any-return]

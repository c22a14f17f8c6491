# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory that commands can name and the CPU can reach."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pyaccel import errors
from pyaccel._closing import Closing
from pyaccel._native import Exporter, Handle, ffi, lib
from pyaccel.spec.formats import Dtype
from pyaccel.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray

MEMORY_KINDS = {"device": lib.AXL_MEMORY_DEVICE, "host": lib.AXL_MEMORY_HOST}


class Buffer(Closing, Exporter):
    """Memory of a context: in the device, in the host, or a peer's.

    Speaks the buffer protocol (`memoryview(buffer)`, `numpy.frombuffer(buffer)`), NumPy and
    DLPack without copying. While such views are alive `close()` refuses; closing the device
    keeps the memory until the last view is gone. Made by Context.buffer() and its siblings.
    """

    def __init__(self, handle: Handle, memory: str, nbytes: int) -> None:
        self._handle = handle
        self._memory = memory
        self._nbytes = nbytes
        with handle as pointer:
            self._va = int(lib.axl_buffer_va(pointer))
            address = int(ffi.cast("uintptr_t", lib.axl_buffer_map(pointer)))
        if address:
            self._attach(address, nbytes)

    @property
    def nbytes(self) -> int:
        """Size, as asked for (the mapping is rounded up to 4 KiB)."""
        return self._nbytes

    @property
    def va(self) -> int:
        """Device virtual address in its context."""
        return self._va

    @property
    def memory(self) -> str:
        """Where it is: "device", "host" or "peer"."""
        return self._memory

    @property
    def closed(self) -> bool:
        """Whether it was closed; its memory may live on for views and work in flight."""
        return self._handle.closed

    @property
    def handle(self) -> Handle:
        """For queues: what to pin while commands use the memory."""
        return self._handle

    def tensor(
        self,
        shape: Sequence[int],
        dtype: object = Dtype.F32,
        *,
        strides: Sequence[int] | None = None,
        offset: int = 0,
    ) -> Tensor:
        """A tensor in this buffer; see Tensor."""
        return Tensor(self, shape, dtype, strides=strides, offset=offset)

    def numpy(self) -> NDArray[Any]:
        """The bytes as a NumPy array, zero copy."""
        return self.tensor((self._nbytes,), Dtype.U8).numpy()

    def read(self, nbytes: int | None = None, offset: int = 0) -> bytes:
        """A copy of bytes. ValueError outside the buffer."""
        count = self._nbytes - offset if nbytes is None else nbytes
        self._check_range(offset, count)
        with memoryview(self) as view:
            return bytes(view[offset : offset + count])

    def write(self, data: bytes | bytearray | memoryview, offset: int = 0) -> None:
        """Store bytes from the CPU. ValueError outside the buffer."""
        with memoryview(data).cast("B") as source, memoryview(self) as view:
            self._check_range(offset, source.nbytes)
            view[offset : offset + source.nbytes] = source

    def _check_range(self, offset: int, count: int) -> None:
        if offset < 0 or count < 0 or offset + count > self._nbytes:
            raise ValueError(f"bytes {offset}..{offset + count} of a buffer of {self._nbytes}")

    def __dlpack__(self, **options: Any) -> Any:
        """A DLPack capsule of the bytes."""
        return self.numpy().__dlpack__(**options)

    def __dlpack_device__(self) -> tuple[int, int]:
        """kDLCPU: the CPU reaches this memory."""
        return (1, 0)

    def close(self) -> None:
        """Unmap and free, after the work that uses it. BufferError while views are alive."""
        self._detach()
        self._handle.close()

    def abandon(self) -> None:
        """Close, or leave it to the last view: for a device that is being closed."""
        try:
            self.close()
        except BufferError:
            self._notify()

    def _unviewed(self) -> None:
        """The last view of an abandoned buffer is gone."""
        self.close()

    def __del__(self) -> None:
        """Nobody can look at the memory any more."""
        handle = getattr(self, "_handle", None)
        if handle is not None:
            handle.close()

    def __repr__(self) -> str:
        """For people."""
        state = ", closed" if self.closed else ""
        return f"Buffer({self._nbytes} bytes, memory={self._memory!r}, va={self._va:#x}{state})"


def memory_code(memory: str) -> int:
    """Number that libaxl gives a kind of memory."""
    code = MEMORY_KINDS.get(memory)
    if code is None:
        raise errors.InvalidArgumentError(f"memory is {memory!r}; it is one of 'device', 'host'")
    return int(code)

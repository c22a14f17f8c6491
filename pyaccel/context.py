# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A device page table and what is mapped in it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from pyaccel import errors
from pyaccel._closing import Closing
from pyaccel._native import Handle, check, ffi, lib
from pyaccel.buffer import Buffer, memory_code
from pyaccel.dtypes import as_dtype, itemsize
from pyaccel.queue import Queue
from pyaccel.spec.formats import Dtype
from pyaccel.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from pyaccel.device import Device

_MAX_UINT64 = 2**64 - 1


class Context(Closing):
    """Isolation: commands of one context cannot touch another's memory.

    Made by Device.create_context(); most programs use Device.context.
    """

    def __init__(self, device: Device, handle: Handle, generation: int) -> None:
        self.device = device
        self.generation = generation
        self._handle = handle
        self._buffers: weakref.WeakSet[Buffer] = weakref.WeakSet()
        self._queues: weakref.WeakSet[Queue] = weakref.WeakSet()

    @property
    def is_faulted(self) -> bool:
        """Whether a command faulted; later ones fail until recover()."""
        with self._handle as context:
            code = lib.axl_context_is_faulted(context)
        return bool(self._check("axl_context_is_faulted", code))

    def recover(self) -> None:
        """Allow commands again after a fault."""
        with self._handle as context:
            self._check("axl_context_recover", lib.axl_context_recover(context))

    def buffer(self, nbytes: int, *, memory: str = "device") -> Buffer:
        """Zero-filled memory, "device" or "host". OutOfMemoryError says how much is free."""
        if not 0 < nbytes <= _MAX_UINT64:
            raise errors.InvalidArgumentError(f"a buffer of {nbytes} bytes cannot be")
        kind = memory_code(memory)
        out = ffi.new("struct axl_buffer **")
        with self._handle as context:
            code = lib.axl_buffer_create(context, nbytes, kind, 0, out)
            self._check("axl_buffer_create", code)
            return self._adopt(out[0], memory, nbytes)

    def empty(
        self, shape: Sequence[int], dtype: object = Dtype.F32, *, memory: str = "device"
    ) -> Tensor:
        """A tensor in a buffer of its own; zero-filled, as all new memory is."""
        kind = as_dtype(dtype)
        size = itemsize(kind)
        for extent in shape:
            size *= extent
        return self.buffer(max(size, 1), memory=memory).tensor(shape, kind)

    def from_numpy(self, array: ArrayLike, *, memory: str = "device") -> Tensor:
        """A tensor with a copy of the values. TypeError for an element type without equal."""
        import numpy as np

        values = np.asarray(array)
        tensor = self.empty(values.shape, values.dtype, memory=memory)
        if values.size:
            tensor.numpy()[...] = values
        return tensor

    def import_fd(self, fd: int, nbytes: int, *, offset: int = 0) -> Buffer:
        """Map memory that somebody else owns; offset and nbytes are multiples of 4 KiB.

        `fd` is a memfd that cannot shrink (F_SEAL_SHRINK); it is duplicated.
        """
        if not 0 < nbytes <= _MAX_UINT64 or not 0 <= offset <= _MAX_UINT64:
            raise errors.InvalidArgumentError(f"bytes {offset}..{offset + nbytes} cannot be")
        out = ffi.new("struct axl_buffer **")
        with self._handle as context:
            code = lib.axl_buffer_import(context, fd, offset, nbytes, out)
            self._check("axl_buffer_import", code)
            return self._adopt(out[0], "host", nbytes)

    def import_peer(self, peer: Buffer) -> Buffer:
        """Make device memory of another endpoint reachable for commands of this context.

        PeerUnreachableError: no path between the two; go through host memory. The result
        keeps `peer` alive and has no memory for the CPU.
        """
        out = ffi.new("struct axl_buffer **")
        with self._handle as context, peer.handle as original:
            code = lib.axl_buffer_import_peer(context, original, out)
            self._check("axl_buffer_import_peer", code)
            peer.handle.adopt()  # the original outlives the import, whatever is closed first
            return self._adopt(out[0], "peer", peer.nbytes, peer.handle.unpin)

    def _adopt(
        self, pointer: Any, memory: str, nbytes: int, after: Callable[[], None] | None = None
    ) -> Buffer:
        """Own a buffer that libaxl just made; call `after` when it was destroyed."""

        def destroy(buffer: Any) -> None:
            lib.axl_buffer_destroy(buffer)
            if after is not None:
                after()

        buffer = Buffer(Handle(pointer, destroy, "the buffer", self._handle), memory, nbytes)
        self._buffers.add(buffer)
        return buffer

    def queue(
        self,
        index: int | None = None,
        *,
        slots_log2: int = 0,
        coalesce_count: int = 0,
        coalesce_us: int = 0,
        spin_us: int = 0,
    ) -> Queue:
        """A queue pair.

        Args:
            index: which, None for a free one.
            slots_log2: log2 of the ring's slots, 0 for the default (1024).
            coalesce_count: completions per interrupt, see QUEUE.COALESCE.
            coalesce_us: longest delay of an interrupt.
            spin_us: poll this long before sleeping in a wait.

        Raises:
            QueueUnavailableError: that one is taken, or none is free.
        """
        attr = ffi.new("struct axl_queue_attr *")
        attr.index = lib.AXL_QUEUE_ANY if index is None else index
        attr.slots_log2 = slots_log2
        attr.coalesce_count = coalesce_count
        attr.coalesce_us = coalesce_us
        attr.spin_us = spin_us
        out = ffi.new("struct axl_queue **")
        with self._handle as context:
            code = lib.axl_queue_create(context, attr, ffi.sizeof(attr[0]), out)
            check("axl_queue_create", code, endpoint=self.device.id, queue=index)
            handle = Handle(out[0], lib.axl_queue_destroy, "the queue", self._handle)
        queue = Queue(self.device, handle)
        self._queues.add(queue)
        return queue

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle.closed

    def close(self) -> None:
        """End its queues, free its buffers (those with views when the last view is gone)."""
        for queue in list(self._queues):
            queue.close()
        for buffer in list(self._buffers):
            buffer.abandon()
        self._handle.close()

    def _check(self, call: str, code: int) -> int:
        return check(call, code, endpoint=self.device.id)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""An open endpoint."""

from __future__ import annotations

import errno
import weakref
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

from pyaccel import errors
from pyaccel._closing import Closing
from pyaccel._native import Handle, check, decode, ffi, lib
from pyaccel.buffer import Buffer
from pyaccel.context import Context
from pyaccel.info import (
    DeviceInfo,
    ErrorRecord,
    Telemetry,
    c_text,
    make_device,
    make_error,
    make_telemetry,
)
from pyaccel.queue import Queue
from pyaccel.spec.formats import Dtype, ResetKind
from pyaccel.tensor import Tensor

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

_lingering: weakref.WeakSet[Handle] = weakref.WeakSet()
"""Closed devices that views of their memory may still hold."""
_RESET_KINDS: Final = {"function": ResetKind.FUNCTION, "bus": ResetKind.BUS}


class Device(Closing):
    """An endpoint that this process holds; made by `pyaccel.open()`.

    Close it, or use it in `with`. Closing ends its queues at once; memory that is still
    looked at (NumPy arrays, memoryviews) stays valid, and the endpoint stays held, until
    the last such view is gone.
    """

    def __init__(self, handle: Handle) -> None:
        self._handle = handle
        self._contexts: weakref.WeakSet[Context] = weakref.WeakSet()
        self._default: Context | None = None
        self._identity = self.info.endpoint

    @property
    def info(self) -> DeviceInfo:
        """Identity, versions, limits and state, read now."""
        raw = ffi.new("struct axl_device_info *")
        with self._handle as device:
            self._check("axl_device_info", lib.axl_device_info(device, raw, ffi.sizeof(raw[0])))
        return make_device(raw)

    @property
    def id(self) -> str:
        """Stable identity: "card:SERIAL/INDEX"."""
        return self._identity.id

    @property
    def bdf(self) -> str:
        """Place: segment:bus:device.function. Renumbering changes it."""
        return self._identity.bdf

    @property
    def generation(self) -> int:
        """Counts resets; handles made before a change are stale."""
        with self._handle as device:
            return int(lib.axl_device_generation(device))

    @property
    def memory_free(self) -> int:
        """Bytes of device memory that are free."""
        return self.info.memory_free_bytes

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle.closed

    def telemetry(self) -> Telemetry:
        """Sample the sensors and counters. DeviceGoneError if the endpoint is away."""
        raw = ffi.new("struct axl_telemetry *")
        with self._handle as device:
            code = lib.axl_device_telemetry(device, raw, ffi.sizeof(raw[0]))
            self._check("axl_device_telemetry", code)
        return make_telemetry(raw)

    def error(self, *, clear: bool = False) -> ErrorRecord | None:
        """The endpoint's first error since the last clear; None if there is none."""
        raw = ffi.new("struct axl_device_error *")
        with self._handle as device:
            code = lib.axl_device_error(device, clear, raw, ffi.sizeof(raw[0]))
            self._check("axl_device_error", code)
        return make_error(raw)

    def reset(self, kind: str = "function") -> None:
        """Reset ("function" or "bus") and set up again; device memory is lost.

        Work in flight ends with CommandAbortedError. Contexts, buffers and queues of before
        raise StaleHandleError from now on; `device.context` is a new one.
        """
        if kind not in _RESET_KINDS:
            raise errors.InvalidArgumentError(f"no reset kind {kind!r}: 'function' or 'bus'")
        with self._handle as device:
            self._check("axl_device_reset", lib.axl_device_reset(device, _RESET_KINDS[kind]))

    def check(self) -> None:
        """Look for trouble by progress; call it at intervals.

        Raises:
            QueueHungError: a queue has work and makes no progress.
            FirmwareStoppedError: the heartbeat stands still.
            DeviceWedgedError: no reset has helped.
            DeviceGoneError: the endpoint is away.
        """
        with self._handle as device:
            code = lib.axl_device_check(device)
            if code == -errno.EIO:
                self._raise_wedged()
            self._check("axl_device_check", code)

    def _raise_wedged(self) -> None:
        """DeviceWedgedError if it is that: libaxl has one code for it and for a hung queue."""
        detail = decode(lib.axl_last_error())
        if self.info.state == "wedged":
            raise errors.DeviceWedgedError(
                f"axl_device_check: {detail} (EIO)", errno=errno.EIO, endpoint=self.id
            )

    def event_fd(self) -> int:
        """Descriptor that becomes readable on events of the endpoint; owned by the device."""
        with self._handle as device:
            return self._check("axl_device_event_fd", lib.axl_device_event_fd(device))

    @property
    def context(self) -> Context:
        """The context that buffer(), empty() and queue() of the device use.

        Made on first use, and again after a reset.
        """
        if self._default is None or self._default.generation != self.generation:
            self._default = self.create_context()
        return self._default

    def create_context(self) -> Context:
        """Another context: its commands cannot touch this one's memory."""
        out = ffi.new("struct axl_context **")
        with self._handle as device:
            generation = int(lib.axl_device_generation(device))
            self._check("axl_context_create", lib.axl_context_create(device, out))
            handle = Handle(out[0], lib.axl_context_destroy, "the context", self._handle)
        context = Context(self, handle, generation)
        self._contexts.add(context)
        return context

    def buffer(self, nbytes: int, *, memory: str = "device") -> Buffer:
        """Zero-filled memory of the default context; see Context.buffer."""
        return self.context.buffer(nbytes, memory=memory)

    def empty(
        self, shape: Sequence[int], dtype: object = Dtype.F32, *, memory: str = "device"
    ) -> Tensor:
        """A tensor in a buffer of its own; zero-filled, as all new memory is."""
        return self.context.empty(shape, dtype, memory=memory)

    def from_numpy(self, array: ArrayLike, *, memory: str = "device") -> Tensor:
        """A tensor with a copy of an array's values; see Context.from_numpy."""
        return self.context.from_numpy(array, memory=memory)

    def import_fd(self, fd: int, nbytes: int, *, offset: int = 0) -> Buffer:
        """Map a memfd into the default context; see Context.import_fd."""
        return self.context.import_fd(fd, nbytes, offset=offset)

    def import_peer(self, peer: Buffer) -> Buffer:
        """Reach another endpoint's buffer from the default context; see Context.import_peer."""
        return self.context.import_peer(peer)

    def queue(self, index: int | None = None, **options: Any) -> Queue:
        """A queue of the default context; see Context.queue."""
        return self.context.queue(index, **options)

    def close(self) -> None:
        """End queues and contexts, free memory that nobody looks at, let go of the endpoint."""
        for context in list(self._contexts):
            context.close()
        self._default = None
        self._handle.close()
        if not self._handle.destroyed:
            _lingering.add(self._handle)

    def _check(self, call: str, code: int) -> int:
        identity = getattr(self, "_identity", None)
        return check(call, code, endpoint=identity.id if identity else None)

    def __repr__(self) -> str:
        """For people."""
        state = ", closed" if self.closed else ""
        return f"Device({self.id!r}, bdf={self.bdf!r}{state})"


def open(uri: str | None = None) -> Device:  # noqa: A001 - pyaccel.open() reads well
    """Open an endpoint, set up its device address and enable it.

    Args:
        uri: None for the first that is visible, an ordinal ("3"), a place ("0000:05:00.0"), a
            stable id ("card:0x00a0c00000000001/0"), or one of these of the kernel driver
            ("kernel#SELECTOR") or a given rack ("rack:NAME#SELECTOR"). EndpointInfo.uri fits.

    Raises:
        DeviceNotFoundError: no such endpoint.
        DeviceBusyError: somebody else holds it.
        PermissionDeniedError: its device file is not for this user.
        VersionMismatchError: it, or its driver, speaks another version.
        AddressRejectedError: it is not where it says it is.
    """
    out = ffi.new("struct axl_device **")
    text = ffi.NULL if uri is None else c_text(uri)
    code = lib.axl_device_open(text, 0, out)
    if code == -errno.EBUSY and any(not handle.destroyed for handle in _lingering):
        raise errors.DeviceBusyError(
            "a Device that this process closed is still held by views of its memory (NumPy"
            " arrays, memoryviews): copy them before closing, or delete them",
            errno=errno.EBUSY,
            endpoint=uri,
        )
    check("axl_device_open", code, endpoint=uri)
    return Device(Handle(out[0], lib.axl_device_close, f"the device {uri or ''}".strip()))

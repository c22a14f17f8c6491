# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The border to libaxl: loads it, turns its results into exceptions, owns its handles."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from typing import Any, Final, NoReturn

from pyaccel import errors

try:
    from pyaccel._axl import ffi, lib
    from pyaccel._export import Exporter
except ImportError as error:
    raise errors.NotBuiltError(f"pyaccel's compiled part does not load: {error}") from error

__all__ = ["Exporter", "Handle", "check", "decode", "fail", "ffi", "lib"]

_BUILT_FOR: Final = (lib.AXL_VERSION_MAJOR, lib.AXL_VERSION_MINOR)
_FOUND: Final = (lib.axl_version() >> 16, lib.axl_version() >> 8 & 0xFF)
if _FOUND[0] != _BUILT_FOR[0] or _FOUND < _BUILT_FOR:
    raise errors.NotBuiltError(
        f"pyaccel was built for libaxl {_BUILT_FOR[0]}.{_BUILT_FOR[1]},"
        f" the library found is {_FOUND[0]}.{_FOUND[1]}"
    )

_BY_ERRNO: Final[dict[int, type[errors.AxlError]]] = {
    errno.ENODEV: errors.DeviceGoneError,
    errno.ESTALE: errors.StaleHandleError,
    errno.ENOMEM: errors.OutOfMemoryError,
    errno.EINVAL: errors.InvalidArgumentError,
    errno.E2BIG: errors.BatchTooLargeError,
    errno.EAGAIN: errors.QueueFullError,
    errno.EXDEV: errors.PeerUnreachableError,
    errno.EPROTO: errors.VersionMismatchError,
    errno.ETIMEDOUT: errors.CommandTimeoutError,
    errno.ECANCELED: errors.CommandAbortedError,
    errno.EREMOTEIO: errors.FirmwareStoppedError,
    errno.EBUSY: errors.DeviceBusyError,
    errno.EIO: errors.DeviceWedgedError,
    errno.EACCES: errors.PermissionDeniedError,
    errno.EPERM: errors.PermissionDeniedError,
}
_BY_CALL: Final[dict[tuple[str, int], type[errors.AxlError]]] = {
    ("axl_enumerate", errno.ENODEV): errors.DeviceNotFoundError,
    ("axl_device_open", errno.ENODEV): errors.DeviceNotFoundError,
    ("axl_device_open", errno.ESTALE): errors.AddressRejectedError,
    ("axl_device_check", errno.EIO): errors.QueueHungError,
    ("axl_queue_create", errno.EBUSY): errors.QueueUnavailableError,
    ("axl_queue_create", errno.ENOSPC): errors.QueueUnavailableError,
}


def decode(text: Any) -> str:
    """A C string."""
    return str(ffi.string(text).decode(errors="replace"))


def fail(call: str, code: int, **where: Any) -> NoReturn:
    """Raise what a negative result of `call` means; `where`: attributes of the exception."""
    number = -code
    kind = _BY_CALL.get((call, number)) or _BY_ERRNO.get(number, errors.AxlError)
    detail = decode(lib.axl_last_error()) or os.strerror(number)
    name = errno.errorcode.get(number, str(number))
    raise kind(f"{call}: {detail} ({name})", errno=number, **where)


def check(call: str, code: int, **where: Any) -> int:
    """`code` if it is no error, else the exception for it."""
    if code < 0:
        fail(call, code, **where)
    return code


# Guards the counts of all handles. Reentrant: the garbage collector may run a handle's
# __del__ while the same thread holds it. Never held during a call into libaxl.
_lock = threading.RLock()
_epoch = 0


def _after_fork() -> None:
    """In a forked child: every handle belongs to the parent, and so may the lock."""
    global _lock, _epoch  # noqa: PLW0603 - one process, one epoch
    _lock = threading.RLock()
    _epoch += 1


os.register_at_fork(after_in_child=_after_fork)


class Handle:
    """An object of libaxl with the pins that keep it: children, running calls, work in flight.

    It is destroyed when it was closed and the last pin is gone, so neither the order of
    closing, nor that of the garbage collector, nor a call in another thread can make
    libaxl touch freed memory. A forked child never destroys: its parent's sockets are not
    its own.
    """

    __slots__ = ("__weakref__", "_closing", "_destroy", "_epoch", "_parent", "_pins", "_pointer",
                 "what")  # fmt: skip

    def __init__(
        self, pointer: Any, destroy: Callable[[Any], None], what: str, parent: Handle | None = None
    ) -> None:
        self._pointer = pointer
        self._destroy = destroy
        self._parent = parent
        self._pins = 0
        self._closing = False
        self._epoch = _epoch
        self.what = what
        if parent is not None:
            parent.adopt()

    def adopt(self) -> None:
        """Pin without asking whether it is open: a child was just made from it."""
        with _lock:
            self._pins += 1

    def pin(self) -> Any:
        """The C pointer, safe until `unpin`. ClosedError, or ForkedProcessError in a child."""
        if self._epoch != _epoch:
            raise errors.ForkedProcessError(f"{self.what} was opened before fork()")
        with _lock:
            if self._closing:
                raise errors.ClosedError(f"{self.what} is closed")
            self._pins += 1
        return self._pointer

    def unpin(self) -> None:
        """End of a use; destroys a closed handle that nothing else uses."""
        with _lock:
            self._pins -= 1
        self._destroy_if_unused()

    __enter__ = pin

    def __exit__(self, *_exception: object) -> None:
        """Unpin."""
        self.unpin()

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._closing

    @property
    def destroyed(self) -> bool:
        """Whether libaxl's object is gone."""
        return self._pointer is None

    def close(self) -> None:
        """Refuse new uses; destroy now, or after the last use. Closing again does nothing."""
        self._closing = True
        self._destroy_if_unused()

    def _destroy_if_unused(self) -> None:
        with _lock:
            if self._pins or not self._closing or self._pointer is None:
                return
            pointer, self._pointer = self._pointer, None
            parent, self._parent = self._parent, None
        if self._epoch == _epoch:
            self._destroy(pointer)
        if parent is not None:
            parent.unpin()

    def __del__(self) -> None:
        """Close what nobody closed."""
        self.close()

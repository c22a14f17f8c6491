# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory with a guard page behind it, and ioctls on an address in it."""

from __future__ import annotations

import ctypes
import mmap

from tests.linux.session import PAGE

_LIBC = ctypes.CDLL(None, use_errno=True)
_LIBC.ioctl.argtypes = (ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)
_LIBC.mprotect.argtypes = (ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int)


def raw(fd: int, request: int, address: int) -> int:
    """One ioctl with its structure at `address`; 0 or the errno."""
    return ctypes.get_errno() if _LIBC.ioctl(fd, request, address) else 0


class Arena:
    """Memory with a guard page behind it: who reads one byte too many gets EFAULT."""

    def __init__(self, pages: int) -> None:
        self.size = pages * PAGE
        self._map = mmap.mmap(-1, self.size + PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        if _LIBC.mprotect(self.address + self.size, PAGE, 0):
            raise OSError(ctypes.get_errno(), "mprotect")

    def put_last(self, data: bytes) -> int:
        """Leave the bytes right before the guard page; their address."""
        self._map[self.size - len(data) : self.size] = data
        return self.address + self.size - len(data)

    def last(self, size: int) -> bytes:
        """The bytes right before the guard page."""
        return self._map[self.size - size : self.size]

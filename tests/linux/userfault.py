# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A page of the caller's own that is not there until somebody supplies it: userfaultfd(2)."""

from __future__ import annotations

import ctypes
import fcntl
import mmap
import os
import select
import struct
import time

from tests.linux.session import PAGE

# <linux/userfaultfd.h>
_NEW = 0xAA00
_API, _REGISTER, _COPY = 0xC018AA3F, 0xC020AA00, 0xC028AA03
_API_VERSION = 0xAA
_MODE_MISSING = 1


class MissingPage:
    """Who reads the page at `address` sleeps until `supply()`."""

    def __init__(self) -> None:
        device = os.open("/dev/userfaultfd", os.O_RDWR | os.O_CLOEXEC)
        self._fd = fcntl.ioctl(device, _NEW, os.O_CLOEXEC | os.O_NONBLOCK)
        os.close(device)
        self._map = mmap.mmap(-1, PAGE)
        self.address = ctypes.addressof(ctypes.c_char.from_buffer(self._map))
        fcntl.ioctl(self._fd, _API, struct.pack("<QQQ", _API_VERSION, 0, 0))
        region = struct.pack("<QQQQ", self.address, PAGE, _MODE_MISSING, 0)
        fcntl.ioctl(self._fd, _REGISTER, region)

    def wait_for_reader(self, timeout_s: float) -> bool:
        """Whether somebody sleeps on the page before the time is over."""
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            if select.select([self._fd], [], [], left)[0]:
                return True
        return False

    def supply(self, data: bytes) -> None:
        """Let the page be there, with these bytes at its start."""
        page = ctypes.create_string_buffer(data, PAGE)
        copy = struct.pack("<QQQQq", self.address, ctypes.addressof(page), PAGE, 0, 0)
        fcntl.ioctl(self._fd, _COPY, copy)

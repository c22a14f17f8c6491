# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""DRM's own synchronisation objects, as far as the checks need them."""

from __future__ import annotations

import fcntl
import os
import struct
import time

from tests.linux.uapi import Accel

_CREATE = 0xC00864BF
_WAIT = 0xC02864C3
_HANDLE_TO_FD = 0xC01064C1
_SYNC_FILE_INFO = 0xC0383E04
_CREATE_LAYOUT = "<II"
_WAIT_LAYOUT = "<QqIIIIQ"
_HANDLE_TO_FD_LAYOUT = "<IIiI"
_SYNC_FILE_INFO_LAYOUT = "<32siIIIQ"
_WAIT_FOR_SUBMIT = 2
_AS_SYNC_FILE = 1


class Syncobj:
    """One object of an open file."""

    def __init__(self, accel: Accel) -> None:
        self._accel = accel
        data = bytearray(struct.pack(_CREATE_LAYOUT, 0, 0))
        status = accel.raw(_CREATE, data)
        if status:
            raise OSError(status, "syncobj create")
        self.handle = struct.unpack(_CREATE_LAYOUT, data)[0]

    def wait(self, timeout_s: float) -> int:
        """0 when its fence has signalled, else the errno."""
        handles = struct.pack("<I", self.handle)
        ffi = self._accel.interface.ffi
        address = int(ffi.cast("uintptr_t", ffi.from_buffer(handles)))
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        fields = (address, deadline, 1, _WAIT_FOR_SUBMIT, 0, 0, 0)
        return self._accel.raw(_WAIT, bytearray(struct.pack(_WAIT_LAYOUT, *fields)))

    def status(self) -> int:
        """Of its fence: 0 not yet signalled, 1 signalled, a negative errno where work was lost."""
        data = bytearray(struct.pack(_HANDLE_TO_FD_LAYOUT, self.handle, _AS_SYNC_FILE, -1, 0))
        error = self._accel.raw(_HANDLE_TO_FD, data)
        if error:
            raise OSError(error, "syncobj handle to fd")
        fd = struct.unpack(_HANDLE_TO_FD_LAYOUT, data)[2]
        try:
            info = bytearray(struct.calcsize(_SYNC_FILE_INFO_LAYOUT))
            fcntl.ioctl(fd, _SYNC_FILE_INFO, info)
        finally:
            os.close(fd)
        return int(struct.unpack(_SYNC_FILE_INFO_LAYOUT, info)[1])

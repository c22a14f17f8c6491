# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""DRM's own synchronisation objects, as far as the checks need them."""

from __future__ import annotations

import struct
import time

from tests.linux.uapi import Accel

_CREATE = 0xC00864BF
_WAIT = 0xC02864C3
_CREATE_LAYOUT = "<II"
_WAIT_LAYOUT = "<QqIIIIQ"
_WAIT_FOR_SUBMIT = 2


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

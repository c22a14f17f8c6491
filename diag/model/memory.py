# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Device memory: one memfd that the host and peers may map."""

from __future__ import annotations

import contextlib
import mmap


class DeviceMemory:
    """The bytes behind BAR2.

    Args:
        fd: memfd of at least `size` bytes; stays owned by the caller.
        size: bytes of device memory, a multiple of 4 KiB.
    """

    def __init__(self, fd: int, size: int) -> None:
        self.fd = fd
        self.size = size
        self._map = mmap.mmap(fd, size)
        with contextlib.suppress(OSError):
            # Where shared memory may have huge pages, large copies gain up to a third.
            self._map.madvise(mmap.MADV_HUGEPAGE)
        self.view = memoryview(self._map)
        """All of it, writable."""

    def scrub(self) -> None:
        """Make every byte zero by giving the pages back: costs no memory and little time."""
        self._map.madvise(mmap.MADV_REMOVE)

    def close(self) -> None:
        """Unmap; views that others still hold keep the mapping alive until they go."""
        self.view.release()
        try:
            self._map.close()
        except BufferError:
            # Somebody holds a view: the mapping goes with the last reference instead.
            return

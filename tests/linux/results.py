# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The results of a queue, read as the header says."""

from __future__ import annotations

import mmap
from typing import Any

from tests.linux.session import Work

_HEAD_BYTES = 64
_ENTRY_BYTES = 64


class Results:
    """A read-only mapping of a queue's results; it may outlive the queue."""

    def __init__(self, work: Work) -> None:
        offset, size = work.results_at
        self.memory = mmap.mmap(work.accel.fd, size, mmap.MAP_SHARED, mmap.PROT_READ, offset=offset)
        self._words = memoryview(self.memory).cast("Q")
        self._ffi = work.accel.interface.ffi

    def head(self) -> Any:
        """The counters in front."""
        made = self._ffi.new("struct drm_axl_results *")
        self._ffi.buffer(made)[:] = self.memory[:_HEAD_BYTES]
        return made

    def entry(self, index: int) -> Any | None:
        """The entry at an index if it is whole, None if it is empty or was being written."""
        at = _HEAD_BYTES + index * _ENTRY_BYTES
        before = self._words[at // 8]
        data = self.memory[at : at + _ENTRY_BYTES]
        if before == 0 or self._words[at // 8] != before:
            return None
        made = self._ffi.new("struct drm_axl_result *")
        self._ffi.buffer(made)[:] = data
        return made

    def of(self, sequence: int) -> Any | None:
        """How a command ended; None: not yet, or too long ago."""
        made = self.entry(sequence % self.head().entry_count)
        return made if made is not None and made.sequence == sequence else None

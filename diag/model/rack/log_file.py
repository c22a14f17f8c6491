# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The rack's log: written by several processes, and never larger than a limit."""

from __future__ import annotations

import io
import os
from typing import Final

MAX_LOG_BYTES: Final = 1 << 20
"""Then the older part is cut off."""
KEPT_BYTES: Final = MAX_LOG_BYTES // 4
_CUT: Final = b"(older lines were cut off)\n"


class BoundedLog(io.TextIOBase):
    """A text stream onto a file opened with O_RDWR | O_APPEND, for `sys.stderr`.

    Each write is one system call, so that lines of several processes do not mix. Two that cut
    at the same moment may lose or repeat lines; the limit holds.
    """

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def fileno(self) -> int:
        """The file, for those who write past this object."""
        return self._fd

    def writable(self) -> bool:
        """Always."""
        return True

    def write(self, text: str) -> int:
        """Append, after making room."""
        data = text.encode("utf-8", "backslashreplace")[-KEPT_BYTES:]
        if os.fstat(self._fd).st_size + len(data) > MAX_LOG_BYTES:
            self._cut()
        os.write(self._fd, data)
        return len(text)

    def _cut(self) -> None:
        size = os.fstat(self._fd).st_size
        tail = os.pread(self._fd, KEPT_BYTES, max(0, size - KEPT_BYTES))
        os.ftruncate(self._fd, 0)
        os.write(self._fd, _CUT + tail[tail.find(b"\n") + 1 :])

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What this process itself costs: processor, memory, and the time that a frame takes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

from diag.tui.header import Cost

_STATM: Final = Path("/proc/self/statm")


class CostMeter:
    """Looks at the process once a sample; all its threads count."""

    def __init__(self) -> None:
        self._cpu_s = time.process_time()
        self._wall_s = time.monotonic()
        self._frame_started_s: float | None = None
        self._frame_ms: float | None = None

    def frame_begins(self) -> None:
        """A new picture is about to be drawn."""
        self._frame_started_s = time.thread_time()

    def frame_ends(self) -> None:
        """It is on screen. Only time on the processor counts: others may use it meanwhile."""
        if self._frame_started_s is not None:
            self._frame_ms = (time.thread_time() - self._frame_started_s) * 1000
            self._frame_started_s = None

    def look(self) -> Cost:
        """The cost since the last look."""
        cpu_s, wall_s = time.process_time(), time.monotonic()
        passed_s = wall_s - self._wall_s
        percent = 100 * (cpu_s - self._cpu_s) / passed_s if passed_s > 0.05 else None
        self._cpu_s, self._wall_s = cpu_s, wall_s
        return Cost(percent, rss_bytes(), self._frame_ms)


def rss_bytes() -> int | None:
    """Resident memory of this process."""
    try:
        pages = int(_STATM.read_text("ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE")

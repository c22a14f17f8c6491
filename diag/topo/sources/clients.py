# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Who has endpoints open: fdinfo of every process that may be looked at."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

from diag.topo.driver_text import client, fdinfo
from diag.topo.sampling import Client
from diag.topo.sources.attributes import read_text

PROC: Final = Path("/proc")
SEARCH_EVERY_S: Final = 5.0
"""Looking through all open files of a machine costs more than all the rest of a sample."""
_NODES: Final = "/dev/accel/"


class Clients:
    """Open files of axl endpoints, by bus address.

    Those that are known are read each time, others are searched for every few seconds.

    Args:
        proc: where procfs is mounted.
        clock: seconds that never go back.
    """

    def __init__(self, proc: Path = PROC, clock: Callable[[], float] = time.monotonic) -> None:
        self._proc = proc
        self._clock = clock
        self._searched: float | None = None
        self._files: list[tuple[int, str]] = []
        self.hidden = 0
        """Processes of others, which only privilege may look at."""

    def read(self) -> dict[str, tuple[Client, ...]]:
        """The clients of each endpoint that has any, without this process itself."""
        now = self._clock()
        if self._searched is None or now - self._searched >= SEARCH_EVERY_S:
            self._searched, self._files = now, self._search()
        found: dict[str, dict[tuple[int, int | None], Client]] = {}
        for pid, fd in self._files:
            keys = fdinfo(read_text(f"{self._proc}/{pid}/fdinfo/{fd}") or "")
            if keys.get("drm-driver") != "axl" or "drm-pdev" not in keys:
                continue
            made = client(keys, pid, program_name(pid, self._proc))
            # A file that was duplicated or inherited is one client.
            found.setdefault(keys["drm-pdev"], {})[pid, made.id] = made
        return {bdf: tuple(rows.values()) for bdf, rows in found.items()}

    def _search(self) -> list[tuple[int, str]]:
        self.hidden = 0
        numbers = (int(name) for name in _names(str(self._proc)) if name.isdecimal())
        return [file for pid in numbers if pid != os.getpid() for file in self._files_of(pid)]

    def _files_of(self, pid: int) -> Iterator[tuple[int, str]]:
        folder = f"{self._proc}/{pid}/fd"
        try:
            for fd in _names(folder):
                # By strings: there are thousands, and each Path costs as much as the call.
                if os.readlink(f"{folder}/{fd}").startswith(_NODES):  # noqa: PTH115
                    yield pid, fd
        except PermissionError:
            self.hidden += 1
        except OSError:
            return  # it has ended meanwhile


def _names(folder: str) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries)


def program_name(pid: int, proc: Path = PROC) -> str | None:
    """What the process calls itself."""
    return read_text(f"{proc}/{pid}/comm") or None

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Attributes of sysfs, read with a deadline."""

from __future__ import annotations

import os
import queue
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

from diag.topo.sysfs import U64_MAX, number

MAX_BYTES: Final = 8192
PATIENCE_S: Final = 2.0
"""How long no attribute at all may answer."""
_THREADS: Final = 8


class Attributes:
    """Attributes of one folder. `None` is what could not be read; `why` then tells why.

    Args:
        folder: of sysfs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._seen: dict[str, str | OSError] = {}

    def fetch(self, names: Iterable[str]) -> None:
        """Read attributes, which may take as long as the driver behind them likes."""
        for name in names:
            try:
                self._seen[name] = _read(self.folder / name)
            except OSError as error:
                self._seen[name] = error

    def text(self, name: str) -> str | None:
        """The text of an attribute that was fetched."""
        seen = self._seen.get(name)
        return seen if isinstance(seen, str) else None

    def number(self, name: str, most: int = U64_MAX) -> int | None:
        """A whole number up to `most`, decimal or hexadecimal."""
        return number(self.text(name), most)

    def is_there(self, name: str) -> bool:
        """Whether there is such an attribute, readable or not."""
        return not isinstance(self._seen.get(name), FileNotFoundError)

    def why(self, name: str) -> str:
        """Why an attribute has no value."""
        seen = self._seen.get(name)
        if seen is None:
            return f"{name}: no answer within {PATIENCE_S:g} s"
        if isinstance(seen, str):
            return f"{name}: nothing usable in {seen!r:.60}"
        return f"{name}: {seen.strerror}"


def _read(path: Path) -> str:
    # A recorded tree may come from a stranger: a FIFO that nobody writes must not hold us up.
    fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(fd, MAX_BYTES).decode("utf-8", "replace").strip()
    finally:
        os.close(fd)


def fetch_all(wanted: Sequence[tuple[Attributes, Sequence[str]]]) -> None:
    """Fetch from many folders at once; give up when none has answered for PATIENCE_S.

    What is still on its way then is left behind: it cannot be interrupted.
    """
    waiting: queue.SimpleQueue[tuple[Attributes, Sequence[str]]] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    for item in wanted:
        waiting.put(item)

    def work() -> None:
        while True:
            try:
                attributes, names = waiting.get_nowait()
            except queue.Empty:
                return
            attributes.fetch(names)
            done.put(None)

    for _ in range(min(_THREADS, len(wanted))):
        threading.Thread(target=work, daemon=True).start()
    for _ in wanted:
        try:
            done.get(timeout=PATIENCE_S)
        except queue.Empty:
            return


def link_target(path: Path) -> str | None:
    """The last part of a symbolic link's target."""
    try:
        return path.readlink().name[:64] or None
    except OSError:
        return None

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Attributes of sysfs, read with a deadline."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from diag.topo.sources.deadline import run_all
from diag.topo.sysfs import U64_MAX, number

MAX_BYTES: Final = 65536
_PAGE_BYTES: Final = 4096
"""What an attribute of sysfs has at most; the driver's files in debugfs may have more."""


class Attributes:
    """Attributes of one folder. `None` is what could not be read; `why` then tells why.

    Args:
        folder: of sysfs.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.is_busy = False
        self._prefix = f"{folder}/"
        self._seen: dict[str, str | OSError] = {}

    def fetch(self, names: Iterable[str]) -> None:
        """Read attributes, which may take as long as the driver behind them likes."""
        self.is_busy = True
        for name in names:
            try:
                self._seen[name] = _read(self._prefix + name)
            except OSError as error:
                self._seen[name] = error
        self.is_busy = False

    def forget(self, names: Iterable[str]) -> None:
        """What was read before is no answer to the next question."""
        for name in names:
            self._seen.pop(name, None)

    def text(self, name: str) -> str | None:
        """The text of an attribute that was fetched."""
        seen = self._seen.get(name)
        return seen if isinstance(seen, str) else None

    def seen(self, names: Iterable[str]) -> tuple[str | int | None, ...]:
        """All that was seen, to compare: texts, errno where there is none, None without answer."""
        found = map(self._seen.get, names)
        return tuple(each.errno if isinstance(each, OSError) else each for each in found)

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
            return f"{name}: no answer in time"
        if isinstance(seen, str):
            return f"{name}: nothing usable in {seen!r:.60}"
        return f"{name}: {seen.strerror}"


def _read(path: str) -> str:
    fd = _open(path)
    try:
        data = os.read(fd, _PAGE_BYTES)
        while data and len(data) % _PAGE_BYTES == 0 and len(data) < MAX_BYTES:
            more = os.read(fd, _PAGE_BYTES)
            if not more:
                break
            data += more
        return data.decode("utf-8", "replace").strip()
    finally:
        os.close(fd)


def _open(path: str | Path) -> int:
    # A recorded tree may come from a stranger: a FIFO that nobody writes must not hold us up.
    return os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)


def fetch_all(wanted: Sequence[tuple[Attributes, Sequence[str]]], patience_s: float) -> None:
    """Fetch from many folders at once; give up when none has answered for that long.

    Folders that still owe an answer from last time are not asked again.
    """
    for attributes, names in wanted:
        attributes.forget(names)
    idle = [(attributes, names) for attributes, names in wanted if not attributes.is_busy]
    run_all([partial(attributes.fetch, names) for attributes, names in idle], patience_s)


def read_text(path: str) -> str | None:
    """The text of a file that answers at once; None if it cannot be read."""
    try:
        return _read(path)
    except OSError:
        return None


def read_bytes(path: Path, most: int) -> bytes:
    """The beginning of a file; empty if it cannot be read."""
    try:
        fd = _open(path)
    except OSError:
        return b""
    try:
        return os.read(fd, most)
    except OSError:
        return b""
    finally:
        os.close(fd)


# Both are asked of every function at every look, and a Path costs as much as the call.


def link_target(path: str) -> str | None:
    """The last part of a symbolic link's target."""
    try:
        return os.readlink(path).rpartition("/")[2][:64] or None  # noqa: PTH115
    except OSError:
        return None


def inode(path: str) -> int | None:
    """What tells a folder from another one that got its name later."""
    try:
        return os.stat(path).st_ino  # noqa: PTH116
    except OSError:
        return None

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Where the lab keeps what it downloads: built beside its place, published by rename.

A folder is either absent or whole, so an interrupted download is simply repeated,
and several processes may ask for the same folder at the same time.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


def cache_dir() -> Path:
    """The folder for downloads: $AXL_CACHE_DIR, else $XDG_CACHE_HOME or ~/.cache, /accelstack."""
    chosen = os.environ.get("AXL_CACHE_DIR")
    if chosen:
        return Path(chosen).absolute()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache").absolute() / "accelstack"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the exclusive lock file `path`; other processes wait."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def published(target: Path, build: Callable[[Path], None]) -> Path:
    """Return `target`, after `build(folder)` filled it when it is not there yet.

    `build` works in a sibling folder that is renamed when it returns; what it raises
    passes through and leaves no target.
    """
    if target.is_dir():
        return target
    with locked(target.parent / f".{target.name}.lock"):
        if target.is_dir():
            return target
        partial = target.parent / f".{target.name}.partial"
        shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir()
        build(partial)
        partial.rename(target)
    return target

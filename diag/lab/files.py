# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Copying files and folders between host and guest, by way of the shared folder."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from diag.lab.errors import LabError, LabUsageError
from diag.lab.guest import GUEST_SHARE
from diag.lab.session import Session

PREFIX = "guest:"
"""In front of a path of the guest."""

_TIMEOUT_S = 600.0


def copy(session: Session, source: str, target: str) -> None:
    """Copy a file or folder to the guest or from it, as `cp -r` does.

    Exactly one of both paths starts with `guest:`.
    """
    if source.startswith(PREFIX) == target.startswith(PREFIX):
        raise LabUsageError(f"one of both paths must be in the guest: {PREFIX}PATH")
    with tempfile.TemporaryDirectory(dir=session.files.share, prefix="copy-") as name:
        here, there = Path(name), f"{GUEST_SHARE}/{Path(name).name}"
        if target.startswith(PREFIX):
            copied = here / _last(source)
            _copy_here(Path(source), copied)
            _copy_there(session, f"{there}/{copied.name}", target.removeprefix(PREFIX))
        else:
            _copy_there(session, source.removeprefix(PREFIX), there)
            _copy_here(next(here.iterdir()), _final(source, Path(target)))


def _last(path: str) -> str:
    """The name of a file or folder; without one it cannot be copied into a folder."""
    name = Path(path).resolve().name
    if not name:
        raise LabUsageError(f"{path!r} has no name")
    return name


def _final(source: str, target: Path) -> Path:
    """Where a copy ends: inside a folder that exists, else in its place."""
    return target / Path(source).name if target.is_dir() else target


def _copy_here(source: Path, target: Path) -> None:
    try:
        if source.is_dir():
            shutil.copytree(source, target, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy(source, target)
    except (OSError, shutil.Error) as error:
        raise LabError(f"cannot copy {source} to {target}: {error}") from error


def _copy_there(session: Session, source: str, target: str) -> None:
    done = session.guest.run(["cp", "-r", "--", source, target], timeout_s=_TIMEOUT_S)
    if done.status:
        raise LabError(f"in the guest: {done.stderr.decode().strip()}")

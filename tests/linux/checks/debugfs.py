# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: the driver's files in debugfs."""

from __future__ import annotations

import errno
import os
import threading
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, attribute, held, unbound, until
from tests.linux.session import nop

NAMES = ("identity", "state", "queues", "in_flight", "registers", "recoveries")


def folder(bdf: str) -> Path:
    """The endpoint's files."""
    return Path("/sys/kernel/debug/accel", bdf)


def read(bdf: str, name: str) -> str | int:
    """A file's text, or the errno of reading it."""
    # Not Python's own file objects: they take EAGAIN for "nothing yet".
    fd = os.open(folder(bdf) / name, os.O_RDONLY)
    data = b""
    try:
        while part := os.read(fd, 1 << 16):
            data += part
    except OSError as error:
        return error.errno or errno.EIO
    finally:
        os.close(fd)
    return data.decode()


def looked_at(bdf: str) -> dict[str, Any]:
    """All files with a command in flight; while the function is reset; after a removal."""
    work, _ = held(bdf)
    work.submit(nop() * 20)
    busy = {name: read(bdf, name) for name in NAMES}
    done = threading.Event()
    answers: set[str] = set()

    def look() -> None:
        while not done.is_set():
            for name in NAMES:
                text = read(bdf, name)
                answers.add(f"{name}: {'text' if isinstance(text, str) else errno.errorcode[text]}")

    watcher = threading.Thread(target=look)
    watcher.start()
    work.accel.do("reset", kind=1)
    work.accel.do("reset", kind=2)
    done.set()
    watcher.join()
    after = {name: read(bdf, name) for name in ("queues", "in_flight", "recoveries")}
    left_open = os.open(folder(bdf) / "registers", os.O_RDONLY)
    with unbound(bdf):
        there = folder(bdf).exists()
        late = _errno_of_read(left_open)
    os.close(left_open)
    return {"busy": busy, "meanwhile": sorted(answers), "after": after, "late": [there, late]}


def _errno_of_read(fd: int) -> str:
    try:
        os.read(fd, 1)
    except OSError as error:
        return errno.errorcode[error.errno or errno.EIO]
    return "OK"


def looked_at_gone(bdf: str) -> dict[str, Any]:
    """All files of an endpoint that answers all-ones, once the driver has noticed."""
    held(bdf)
    (SHARE / "held").touch()
    until(lambda: attribute(bdf, "state") == "gone")
    return {name: read(bdf, name) for name in NAMES}


CHECKS = (looked_at, looked_at_gone)

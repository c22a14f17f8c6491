# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""File descriptors that came with messages."""

from __future__ import annotations

import os
import socket
from array import array
from collections.abc import Iterable

Ancillary = Iterable[tuple[int, int, bytes]]


def close_all(fds: Iterable[int]) -> None:
    """Close descriptors that nobody wants."""
    for fd in fds:
        os.close(fd)


def received(ancillary: Ancillary) -> list[int]:
    """Descriptors out of the ancillary data of a recvmsg; the caller owns them."""
    fds = array("i")
    for level, kind, data in ancillary:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            fds.frombytes(data[: len(data) - len(data) % fds.itemsize])
    return list(fds)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The interactive shell of a guest on the caller's terminal."""

from __future__ import annotations

import os
import select
import socket
import sys
import termios
import tty

from diag.lab.errors import LabError
from diag.lab.machine import SessionFiles

DETACH = b"\x1d"
"""Control-], as telnet has it."""


def attach(files: SessionFiles) -> None:
    """Connect the terminal with the guest's shell until Control-] or the guest's end."""
    if not sys.stdin.isatty():
        raise LabError("accel-lab shell needs a terminal; use accel-lab run -- COMMAND in scripts")
    size = os.get_terminal_size()
    with socket.socket(socket.AF_UNIX) as console:
        console.connect(str(files.console))
        saved = termios.tcgetattr(sys.stdin)
        try:
            tty.setraw(sys.stdin)
            # The empty line brings up a prompt: earlier output went nowhere.
            console.sendall(f"stty rows {size.lines} cols {size.columns}\n\n".encode())
            _copy(console)
        finally:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, saved)


def _copy(console: socket.socket) -> None:
    terminal = sys.stdin.fileno()
    while True:
        for ready in select.select([terminal, console], [], [])[0]:
            if ready is console:
                data = console.recv(65536)
                os.write(sys.stdout.fileno(), data)
            else:
                data = os.read(terminal, 4096)
                if DETACH in data:
                    return
                console.sendall(data)
            if not data:
                return

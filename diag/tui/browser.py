# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The same screen in a web browser, on the loopback interface and without actions."""

from __future__ import annotations

import shlex
import sys

from textual_serve.server import Server

from diag.topo.protocol import SourceUsageError


def serve(port: int, source: str, interval: float) -> None:
    """Serve until Ctrl-C; every browser that connects gets a process of its own.

    Whoever may use this machine may connect, so nothing that changes a device is offered.
    """
    if not 0 < port < 65536:
        raise SourceUsageError(f"--serve {port}: is no port")
    command = [sys.executable, "-m", "diag.tui.cli", "--readonly"]
    command += ["--source", source, "--interval", str(interval)]
    # textual-serve starts its program through a shell: every word is quoted.
    Server(shlex.join(command), host="127.0.0.1", port=port, title="accel-top").serve()

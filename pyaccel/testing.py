# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""An embedded rack for the time of a test.

    from pyaccel.testing import rack

    with rack("2x2") as running:
        device = pyaccel.open(running.uri(0))
        running.inject("lost_completion", endpoint=0, after=3)

The rack is another program (accel-rack); this module only starts it and talks to its
control socket.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

_REPLY_TIMEOUT_S: Final = 10.0
_REPLY_LIMIT: Final = 1 << 24
_RACK_COMMAND: Final = (sys.executable, "-m", "diag.model.cli")


class RackError(RuntimeError):
    """The rack did not start, or refused a request; the message is its own."""


class Rack:
    """A running rack.

    Args:
        name: of the rack, as given to accel-rack.
        runtime_dir: its $AXL_RUNTIME_DIR.
    """

    def __init__(self, name: str, runtime_dir: Path) -> None:
        self.name = name
        self.runtime_dir = runtime_dir
        self.directory = runtime_dir / name
        self.source = f"rack:{self.directory}"

    def uri(self, selector: int | str) -> str:
        """What pyaccel.open() takes for one endpoint: an ordinal, a BDF or a stable id."""
        return f"{self.source}#{selector}"

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask the rack's control socket (JSON-RPC 2.0). RackError if it refuses."""
        request = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(_REPLY_TIMEOUT_S)
            connection.connect(str(self.directory / "control.sock"))
            connection.sendall(json.dumps(request).encode() + b"\n")
            with connection.makefile("rb") as stream:
                reply = json.loads(stream.readline(_REPLY_LIMIT))
        if "error" in reply:
            raise RackError(f"{method}: {reply['error'].get('message', reply['error'])}")
        result: dict[str, Any] = reply["result"]
        return result

    def inject(
        self, fault: str, endpoint: int, *, queue: int | None = None, **settings: object
    ) -> dict[str, Any]:
        """Arm a fault of an endpoint; see: accel-rack fault list."""
        request = {"fault": fault, "endpoint": endpoint, "set": settings}
        if queue is not None:
            request["queue"] = queue
        return self.call("fault.inject", **request)

    def clear_faults(self) -> None:
        """Disarm every fault."""
        self.call("fault.clear")


@contextmanager
def rack(name: str = "2x2") -> Iterator[Rack]:
    """Start a rack of its own in a temporary folder, and stop it at the end.

    $AXL_RUNTIME_DIR names that folder meanwhile, so `pyaccel.open()` finds the rack too.
    """
    before = os.environ.get("AXL_RUNTIME_DIR")
    # Not below pytest's folder: the name of a socket has 107 bytes at most.
    with tempfile.TemporaryDirectory(prefix="axl-test-") as folder:
        os.environ["AXL_RUNTIME_DIR"] = folder
        try:
            _run_rack("up", "--rack", name)
            try:
                (directory,) = (path for path in Path(folder).iterdir() if path.is_dir())
                yield Rack(directory.name, Path(folder))
            finally:
                _run_rack("down", "--all")
        finally:
            _restore(before)


def _restore(before: str | None) -> None:
    if before is None:
        del os.environ["AXL_RUNTIME_DIR"]
    else:
        os.environ["AXL_RUNTIME_DIR"] = before


def _run_rack(*arguments: str) -> None:
    """Run accel-rack; RackError with what it said."""
    done = subprocess.run([*_RACK_COMMAND, *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RackError(f"accel-rack {' '.join(arguments)}: {(done.stderr or done.stdout).strip()}")

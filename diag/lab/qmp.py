# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""QEMU's control socket (QMP): one request, one answer, each with a deadline."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from diag.lab.errors import GuestDiedError, LabError

_MAX_REPLY_BYTES = 16 << 20


class QmpError(LabError):
    """QEMU refused a command."""


class Qmp:
    """One connection to QEMU's control socket. Use it as a context manager.

    QEMU serves one client at a time; another one waits, at most `timeout_s`.
    """

    def __init__(self, path: Path, timeout_s: float = 10.0) -> None:
        self._path = path
        self._pending = b""
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(timeout_s)
        try:
            self._sock.connect(str(path))
            self._read_message()
            self.execute("qmp_capabilities")
        except (OSError, LabError) as error:
            self._sock.close()
            raise GuestDiedError(f"{path}: QEMU does not answer ({error})") from error

    def __enter__(self) -> Self:
        """The connection itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connection."""
        self._sock.close()

    def execute(self, command: str, arguments: dict[str, Any] | None = None) -> Any:
        """Run one command and return its value; QmpError with QEMU's words when refused."""
        request = {"execute": command, "arguments": arguments or {}}
        self._sock.sendall(json.dumps(request).encode() + b"\n")
        while True:
            message = self._read_message()
            if "error" in message:
                raise QmpError(f"{command}: {message['error'].get('desc')}")
            if "return" in message:
                return message["return"]
            # Anything else is an event that nobody waits for.

    def _read_message(self) -> dict[str, Any]:
        while b"\n" not in self._pending:
            data = self._sock.recv(65536)
            if not data:
                raise GuestDiedError(f"{self._path}: QEMU closed the connection")
            self._pending += data
            if len(self._pending) > _MAX_REPLY_BYTES:
                raise LabError(f"{self._path}: answer of more than {_MAX_REPLY_BYTES} bytes")
        line, _, self._pending = self._pending.partition(b"\n")
        message = json.loads(line)
        if not isinstance(message, dict):
            raise LabError(f"{self._path}: not a QMP message: {line[:100]!r}")
        return message

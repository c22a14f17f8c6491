# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Client of a rack's control socket, with a deadline on every call."""

from __future__ import annotations

import itertools
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from diag.model.rack.control import (
    MAX_REPLY_BYTES,
    Json,
    LineBuffer,
    Request,
    RpcError,
    encode_request,
    parse_reply,
)
from diag.model.rack.runtime_dir import RackDir


class RackUnreachableError(Exception):
    """The control socket does not answer; the message says where and what to do."""


class RackClient:
    """One connection to a rack. Use it as a context manager.

    Args:
        where: the rack's folder or its control socket.
        timeout_s: how long one call may take.
    """

    def __init__(self, where: RackDir | Path | str, timeout_s: float = 10.0) -> None:
        path = where.control if isinstance(where, RackDir) else Path(where)
        self.path = path / "control.sock" if path.is_dir() else path
        self._timeout_s = timeout_s
        self._ids = itertools.count(1)
        self._lines = LineBuffer(MAX_REPLY_BYTES)
        self._ready: list[bytes] = []
        self._sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._sock.settimeout(timeout_s)
        try:
            self._sock.connect(str(self.path))
        except OSError as error:
            self._sock.close()
            raise self._unreachable(error.strerror or str(error)) from None

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Hang up."""
        self.close()

    def call(self, method: str, **params: Json) -> Json:
        """The result of a method; parameters that are None are left out.

        Raises:
            RpcError: the rack refused; code, message and data say why.
            RackUnreachableError: no answer in time, or the connection broke.
        """
        request_id = next(self._ids)
        given = {key: value for key, value in params.items() if value is not None}
        deadline = time.monotonic() + self._timeout_s
        try:
            self._sock.settimeout(self._timeout_s)
            self._sock.sendall(encode_request(Request(request_id, method, given)))
            while True:
                reply = parse_reply(self._next_line(deadline))
                if reply.id == request_id:
                    break
                if reply.id is None and reply.error is not None:
                    raise reply.error
        except OSError as error:
            raise self._unreachable(f"{method}: {error.strerror or error}") from None
        if reply.error is not None:
            raise reply.error
        return reply.result

    def close(self) -> None:
        """Hang up."""
        self._sock.close()

    def _next_line(self, deadline: float) -> bytes:
        while not self._ready:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise TimeoutError("no answer in time")
            self._sock.settimeout(left_s)
            data = self._sock.recv(65536)
            if not data:
                raise ConnectionResetError("the rack hung up")
            self._ready += self._lines.feed(data)
        return self._ready.pop(0)

    def _unreachable(self, reason: str) -> RackUnreachableError:
        return RackUnreachableError(f"{self.path}: {reason}; see: accel-rack status")


__all__ = ["RackClient", "RackUnreachableError", "RpcError"]

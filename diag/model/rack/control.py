# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""JSON-RPC 2.0, one object a line, without any I/O.

The same code speaks to clients of the control socket and between supervisor and workers.
Everything that a peer sends is checked: length, nesting, duplicate keys, types.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

MAX_REQUEST_BYTES: Final = 64 * 1024
MAX_REPLY_BYTES: Final = 16 * 1024 * 1024

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
UNAVAILABLE: Final = -32001
"""The worker that should answer is dead, stuck or restarting."""
REFUSED: Final = -32002
"""The request is well-formed, but the rack cannot do it now."""
BUSY: Final = -32003
"""Too many requests under way."""

Id = int | str | None
Json = Any
"""What json.loads returns."""

_REQUEST_KEYS: Final = frozenset({"jsonrpc", "id", "method", "params"})


class RpcError(Exception):
    """An error reply: code, message, and optionally which parameter or what to do."""

    def __init__(self, code: int, message: str, data: Json = None, request_id: Id = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.data = data
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Request:
    """A request; a notification when `wants_reply` is false."""

    id: Id
    method: str
    params: dict[str, Json]
    wants_reply: bool = True


@dataclass(frozen=True, slots=True)
class Reply:
    """A reply: a result, or an error."""

    id: Id
    result: Json = None
    error: RpcError | None = None


class LineBuffer:
    """Cuts a byte stream into lines no longer than `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pending = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are now complete.

        Raises:
            RpcError: a line exceeds the limit; the stream cannot be used any further.
        """
        self._pending += data
        # A long line arrives in many pieces: only the piece with its end is worth a split.
        lines: list[bytearray] = []
        rest = self._pending
        if b"\n" in data:
            *lines, rest = self._pending.split(b"\n")
            self._pending = rest
        if len(rest) > self._limit or any(len(line) > self._limit for line in lines):
            raise RpcError(PARSE_ERROR, f"a line is longer than {self._limit} bytes")
        return [bytes(line) for line in lines if line.strip()]


class Params:
    """Named parameters, taken one by one; `close()` refuses what nobody took."""

    def __init__(self, values: dict[str, Json], where: str = "params") -> None:
        self._values = values
        self._where = where
        self._seen: set[str] = set()

    def error(self, key: str, reason: str) -> RpcError:
        """The error to raise about one parameter."""
        where = f"{self._where}.{key[:40]}"
        return RpcError(INVALID_PARAMS, f"{where}: {reason}", {"where": where})

    def take(self, key: str) -> Json:
        """Any value; None when it is absent."""
        self._seen.add(key)
        return self._values.get(key)

    def integer(self, key: str, low: int, high: int) -> int:
        """A whole number within low..high."""
        value = self.optional_integer(key, low, high)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def optional_integer(self, key: str, low: int, high: int) -> int | None:
        """A whole number within low..high; None when it is absent or null."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.error(key, "must be a whole number")
        if not low <= value <= high:
            raise self.error(key, f"must lie within {low}..{high}")
        return value

    def text(self, key: str, most: int = 64) -> str:
        """A string of 1..most characters."""
        value = self.optional_text(key, most)
        if value is None:
            raise self.error(key, "is missing")
        return value

    def optional_text(self, key: str, most: int = 64) -> str | None:
        """A string of 1..most characters; None when it is absent or null."""
        value = self.take(key)
        if value is None:
            return None
        if not isinstance(value, str) or not 0 < len(value) <= most:
            raise self.error(key, f"must be a string of 1..{most} characters")
        return value

    def scalars(self, key: str, most: int = 32) -> dict[str, int | float | str | bool]:
        """An object of plain values; empty when it is absent or null."""
        value = self.take(key)
        if value is None:
            return {}
        if not isinstance(value, dict) or len(value) > most:
            raise self.error(key, f"must be an object of at most {most} values")
        for name, item in value.items():
            if not isinstance(item, int | float | str):
                raise self.error(f"{key}.{name}", "must be a number, a string or a boolean")
        return value

    def close(self) -> None:
        """Refuse parameters that the method does not have."""
        for key in self._values:
            if key not in self._seen:
                known = ", ".join(sorted(self._seen)) or "none"
                raise self.error(key, f"unknown parameter (known: {known})")


def parse_request(line: bytes) -> Request:
    """A line as a request.

    Raises:
        RpcError: with the code and, as far as it could be read, the id to reply with.
    """
    message = _parse_object(line)
    request_id = message.get("id")
    if not isinstance(request_id, int | str | None) or isinstance(request_id, bool):
        raise RpcError(INVALID_REQUEST, "id must be a number, a string or null")
    method = message.get("method")
    params = message.get("params", {})
    reason = ""
    if message.get("jsonrpc") != "2.0":
        reason = 'jsonrpc must be "2.0"'
    elif not isinstance(method, str) or not method or len(method) > 64:
        reason = "method must be a string of 1..64 characters"
    elif unknown := set(message) - _REQUEST_KEYS:
        reason = f"unknown member {min(unknown)[:40]!r}"
    if reason or not isinstance(method, str):
        raise RpcError(INVALID_REQUEST, reason, request_id=request_id)
    if not isinstance(params, dict):
        raise RpcError(INVALID_PARAMS, "params must be an object", {"where": "params"}, request_id)
    return Request(request_id, method, params, "id" in message)


def parse_reply(line: bytes) -> Reply:
    """A line as a reply; RpcError if it is none."""
    message = _parse_object(line)
    if "error" not in message:
        if "result" not in message:
            raise RpcError(INVALID_REQUEST, "neither result nor error")
        return Reply(message.get("id"), message["result"])
    error = message["error"]
    if not isinstance(error, dict) or not isinstance(error.get("code"), int):
        raise RpcError(INVALID_REQUEST, "malformed error")
    text = str(error.get("message", ""))
    return Reply(message.get("id"), error=RpcError(error["code"], text, error.get("data")))


def encode_request(request: Request) -> bytes:
    """A request as a line."""
    message: dict[str, Json] = {"jsonrpc": "2.0", "method": request.method}
    if request.wants_reply:
        message["id"] = request.id
    if request.params:
        message["params"] = request.params
    return _encode(message)


def encode_result(request_id: Id, result: Json) -> bytes:
    """A reply with a result as a line."""
    return _encode({"jsonrpc": "2.0", "id": request_id, "result": result})


def encode_error(request_id: Id, error: RpcError) -> bytes:
    """A reply with an error as a line."""
    body: dict[str, Json] = {"code": error.code, "message": error.message}
    if error.data is not None:
        body["data"] = error.data
    return _encode({"jsonrpc": "2.0", "id": request_id, "error": body})


Respond = Callable[[Json | RpcError], None]
"""Called once by a method with its result or error, now or later."""


def _parse_object(line: bytes) -> dict[str, Json]:
    try:
        message = json.loads(
            line.decode("utf-8"),
            object_pairs_hook=_unique_pairs,
            parse_constant=_refuse_constant,
        )
    except (ValueError, RecursionError) as error:
        raise RpcError(PARSE_ERROR, f"no valid JSON: {str(error)[:120]}") from None
    if isinstance(message, list):
        raise RpcError(INVALID_REQUEST, "batches are not supported; send one object a line")
    if not isinstance(message, dict):
        raise RpcError(INVALID_REQUEST, "a request is an object")
    return message


def _unique_pairs(pairs: list[tuple[str, Json]]) -> dict[str, Json]:
    unique = dict(pairs)
    if len(unique) != len(pairs):
        raise ValueError("a member is given twice")
    return unique


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


def _encode(message: dict[str, Json]) -> bytes:
    return json.dumps(message, separators=(",", ":"), allow_nan=False).encode() + b"\n"

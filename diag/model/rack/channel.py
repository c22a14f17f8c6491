# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Lines over a stream socket in the event loop: the I/O shell around control.py."""

from __future__ import annotations

import contextlib
import select
import socket
from collections import deque
from collections.abc import Callable
from typing import Final

from diag.model.loop import Loop, Timer
from diag.model.rack.control import (
    BUSY,
    INTERNAL_ERROR,
    MAX_REPLY_BYTES,
    UNAVAILABLE,
    Json,
    LineBuffer,
    Request,
    Respond,
    RpcError,
    encode_error,
    encode_request,
    encode_result,
    parse_reply,
    parse_request,
)

MAX_UNSENT_BYTES: Final = 32 * 1024 * 1024
"""A peer that asks but does not read is cut off here."""

MANY_UNSENT_BYTES: Final = 256 * 1024
"""With more than this nothing further is read from a client."""

MAX_UNDER_WAY: Final = 8
"""Requests of one client that are worked on at once; its others wait."""

MAX_PENDING: Final = 512
"""Requests to one worker that may be under way: those of 64 clients."""

LINES_PER_TURN: Final = 16
"""Then the other descriptors of the loop get their turn."""

_RECV_BYTES: Final = 64 * 1024

Dispatch = Callable[[Request, Respond], None]


class LineChannel:
    """A connected socket that carries lines. Never blocks; closes itself on any failure.

    A peer that has sent its last line still gets the answers that `is_busy` tells of. While
    `is_full` nothing is read from it: see `resume()`.
    """

    def __init__(  # noqa: PLR0913 - callbacks
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        limit: int,
        on_line: Callable[[bytes], None],
        on_close: Callable[[], None],
        is_busy: Callable[[], bool] = lambda: False,
        is_full: Callable[[], bool] = lambda: False,
    ) -> None:
        self._loop = loop
        self._sock: socket.socket | None = sock
        self._is_busy = is_busy
        self._is_full = is_full
        self._peer_is_done = False
        self._lines = LineBuffer(limit)
        self._waiting: deque[bytes] = deque()
        self._is_reading = True
        self._turn: Timer | None = None
        self._on_line = on_line
        self._on_close = on_close
        self._unsent = bytearray()
        # The loop watches for reading only; an epoll descriptor that watches the socket for
        # writing is itself readable when the socket takes more.
        self._writable: select.epoll | None = None
        sock.setblocking(False)
        loop.add_reader(sock.fileno(), self._receive)

    @property
    def closed(self) -> bool:
        """Whether the connection is gone."""
        return self._sock is None

    @property
    def unsent_bytes(self) -> int:
        """What the peer has not taken yet."""
        return len(self._unsent)

    def send(self, line: bytes) -> None:
        """Queue one line (with its newline); dropped when the connection is gone."""
        if self._sock is None:
            return
        self._unsent += line
        if len(self._unsent) > MAX_UNSENT_BYTES:
            self.close()
        elif self._writable is None:
            self._flush()

    def close(self) -> None:
        """Close the connection and report it, once."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        self._unwatch()
        self._loop.remove_reader(sock.fileno())
        if self._turn is not None:
            self._turn.cancel()
        sock.close()
        self._on_close()

    def close_if_done(self) -> None:
        """Close once the peer has nothing more to say and has got its last answer."""
        if self._peer_is_done and not (self._unsent or self._waiting or self._is_busy()):
            self.close()

    def resume(self) -> None:
        """Go on soon with lines that wait, and with reading."""
        if self._sock is not None and self._turn is None and not self._is_reading:
            self._turn = self._loop.call_later(0, self._take_turn)

    def _receive(self) -> None:
        if self._sock is None:
            return
        try:
            data = self._sock.recv(_RECV_BYTES)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self._peer_is_done = True
            self._loop.remove_reader(self._sock.fileno())
            self.close_if_done()
            return
        try:
            self._waiting += self._lines.feed(data)
        except RpcError as error:
            self.send(encode_error(None, error))
            self.close()
            return
        self._serve_waiting()

    def _take_turn(self) -> None:
        self._turn = None
        self._serve_waiting()

    def _serve_waiting(self) -> None:
        """Some of the lines that wait; the socket is read again when none is left."""
        for _ in range(LINES_PER_TURN):
            if self._sock is None or not self._waiting or self._is_full():
                break
            self._on_line(self._waiting.popleft())
        if self._sock is None:
            return
        may_read = not self._waiting and not self._is_full() and not self._peer_is_done
        if may_read is not self._is_reading:
            self._is_reading = may_read
            if may_read:
                self._loop.add_reader(self._sock.fileno(), self._receive)
            else:
                self._loop.remove_reader(self._sock.fileno())
        if self._waiting and not self._is_full():
            self.resume()
        self.close_if_done()

    def _flush(self) -> None:
        if self._sock is None:
            return
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            self._watch(self._sock)
            return
        except OSError:
            self.close()
            return
        self._unwatch()
        self.resume()
        self.close_if_done()

    def _watch(self, sock: socket.socket) -> None:
        if self._writable is None:
            self._writable = select.epoll()
            self._writable.register(sock.fileno(), select.EPOLLOUT)
            self._loop.add_reader(self._writable.fileno(), self._flush)

    def _unwatch(self) -> None:
        if self._writable is not None:
            self._loop.remove_reader(self._writable.fileno())
            self._writable.close()
            self._writable = None


class RpcServer:
    """Answers requests from one connection with a dispatch function."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        limit: int,
        dispatch: Dispatch,
        on_close: Callable[[], None],
    ) -> None:
        self._dispatch = dispatch
        self._under_way = 0
        self._channel = LineChannel(
            loop,
            sock,
            limit=limit,
            on_line=self._serve,
            on_close=on_close,
            is_busy=lambda: self._under_way > 0,
            is_full=self._is_full,
        )

    def notify(self, method: str, params: dict[str, Json]) -> None:
        """Tell the peer something that needs no answer."""
        self._channel.send(encode_request(Request(None, method, params, wants_reply=False)))

    def close(self) -> None:
        """Hang up."""
        self._channel.close()

    def _is_full(self) -> bool:
        """Whether this client must wait; only servers do, else both ends could wait."""
        many = self._channel.unsent_bytes > MANY_UNSENT_BYTES
        return many or self._under_way >= MAX_UNDER_WAY

    def _serve(self, line: bytes) -> None:
        try:
            request = parse_request(line)
        except RpcError as error:
            self._channel.send(encode_error(error.request_id, error))
            return
        respond = self._responder(request)
        try:
            self._dispatch(request, respond)
        except RpcError as error:
            respond(error)
        except Exception as error:  # noqa: BLE001 - one bad request must not end the server
            respond(RpcError(INTERNAL_ERROR, f"{type(error).__name__}: {error}"[:300]))

    def _responder(self, request: Request) -> Respond:
        self._under_way += 1

        def respond(outcome: Json | RpcError) -> None:
            self._under_way -= 1
            if request.wants_reply:
                is_error = isinstance(outcome, RpcError)
                encode = encode_error if is_error else encode_result
                self._channel.send(encode(request.id, outcome))
            self._channel.resume()
            self._channel.close_if_done()

        return respond


class RpcCaller:
    """Sends requests to one peer; each call ends with a result, an error, or at its deadline."""

    def __init__(
        self,
        loop: Loop,
        sock: socket.socket,
        *,
        on_notify: Callable[[Request], None],
        on_close: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._on_notify = on_notify
        self._on_close = on_close
        self._next_id = 1
        self._pending: dict[int, tuple[Respond, Timer]] = {}
        self._channel = LineChannel(
            loop, sock, limit=MAX_REPLY_BYTES, on_line=self._take, on_close=self._closed
        )

    def call(
        self, method: str, params: dict[str, Json], respond: Respond, deadline_ns: int
    ) -> None:
        """Ask; `respond` is called exactly once, at the latest after `deadline_ns`."""
        if self._channel.closed:
            respond(RpcError(UNAVAILABLE, "the worker is gone"))
            return
        if len(self._pending) >= MAX_PENDING:
            respond(RpcError(BUSY, f"{MAX_PENDING} requests to the worker are under way"))
            return
        request_id = self._next_id
        self._next_id += 1
        timer = self._loop.call_later(deadline_ns, lambda: self._expire(request_id, deadline_ns))
        self._pending[request_id] = (respond, timer)
        self._channel.send(encode_request(Request(request_id, method, params)))

    def close(self) -> None:
        """Hang up; calls under way end with an error."""
        self._channel.close()

    def _take(self, line: bytes) -> None:
        with contextlib.suppress(RpcError):
            notification = parse_request(line)
            self._on_notify(notification)
            return
        try:
            reply = parse_reply(line)
        except RpcError:
            self.close()
            return
        entry = self._pending.pop(reply.id, None) if isinstance(reply.id, int) else None
        if entry is not None:  # else its deadline has passed and it was answered already
            entry[1].cancel()
            entry[0](reply.error or reply.result)

    def _expire(self, request_id: int, deadline_ns: int) -> None:
        entry = self._pending.pop(request_id, None)
        if entry is not None:
            text = f"the worker gave no answer within {deadline_ns // 1_000_000} ms"
            entry[0](RpcError(UNAVAILABLE, text))

    def _closed(self) -> None:
        pending, self._pending = self._pending, {}
        for respond, timer in pending.values():
            timer.cancel()
            respond(RpcError(UNAVAILABLE, "the worker is gone"))
        self._on_close()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One group of endpoints served by one worker process, as the supervisor sees it."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Final, Literal

from diag.model.loop import Loop
from diag.model.rack.channel import RpcCaller
from diag.model.rack.control import UNAVAILABLE, Json, Request, Respond, RpcError
from diag.model.rack.placement import PlacedEndpoint
from diag.model.rack.process import ChildProcess

CALL_DEADLINE_NS: Final = 1_000_000_000
"""A worker that does not answer by then is reported as stuck."""

GroupState = Literal["starting", "running", "dead"]


class WorkerGroup:
    """Starts, watches and calls one worker.

    Args:
        loop: the supervisor's loop.
        endpoints: what the worker serves.
        main: runs in the worker process.
        keep_fds: descriptors that the worker inherits.
        on_change: called after every change of `state`.
        on_retrained: called when an endpoint's link came back.
    """

    def __init__(  # noqa: PLR0913 - callbacks
        self,
        loop: Loop,
        endpoints: tuple[PlacedEndpoint, ...],
        *,
        main: Callable[[tuple[PlacedEndpoint, ...], socket.socket], None],
        keep_fds: list[int],
        on_change: Callable[[WorkerGroup], None],
        on_retrained: Callable[[], None],
    ) -> None:
        self.endpoints = endpoints
        self.state: GroupState = "dead"
        self.reason = "not started"
        self.starts = 0
        self._loop = loop
        self._main = main
        self._keep_fds = keep_fds
        self._on_change = on_change
        self._on_retrained = on_retrained
        self._process: ChildProcess | None = None
        self._caller: RpcCaller | None = None
        self._on_ended: list[Callable[[], None]] = []

    @property
    def pid(self) -> int | None:
        """Process id of the worker; None when there is none."""
        return None if self._process is None else self._process.pid

    @property
    def cards(self) -> set[int]:
        """Numbers of the cards that the group's endpoints sit on."""
        return {endpoint.card for endpoint in self.endpoints}

    def start(self) -> None:
        """Fork the worker; `state` becomes running once its sockets accept."""
        assert self._process is None
        self.starts += 1
        self.state, self.reason = "starting", ""
        process = ChildProcess(lambda sock: self._main(self.endpoints, sock), self._keep_fds)
        self._process = process
        self._caller = RpcCaller(
            self._loop, process.sock, on_notify=self._notified, on_close=_ignore
        )
        self._loop.add_reader(process.pidfd, self._ended)

    def call(
        self,
        method: str,
        params: dict[str, Json],
        respond: Respond,
        deadline_ns: int = CALL_DEADLINE_NS,
    ) -> None:
        """Ask the worker; `respond` is called once, with an error when it is dead or stuck."""
        if self._caller is None or self.state == "dead":
            respond(RpcError(UNAVAILABLE, f"the worker is gone: {self.reason}"))
            return
        self._caller.call(method, params, respond, deadline_ns)

    def kill(self) -> None:
        """SIGKILL the worker, as a drill or because it is stuck."""
        if self._process is not None:
            self._process.kill()

    def restart(self, then: Callable[[], None]) -> None:
        """Kill the worker if it lives, and start a new one; `then` when it was forked."""

        def start_again() -> None:
            self.start()
            then()

        if self._process is None:
            start_again()
        else:
            self._on_ended.append(start_again)
            self.kill()

    def end(self) -> None:
        """Kill the worker and wait until it is gone; for the end of the rack."""
        self._on_ended.clear()
        if self._process is not None:
            self._process.kill()
            self._ended()

    def _notified(self, request: Request) -> None:
        if request.method == "ready" and self.state == "starting":
            self.state = "running"
            self._on_change(self)
        elif request.method == "retrained":
            self._on_retrained()

    def _ended(self) -> None:
        process, self._process = self._process, None
        assert process is not None
        self._loop.remove_reader(process.pidfd)
        self.state, self.reason = "dead", process.reap()
        caller, self._caller = self._caller, None
        if caller is not None:
            caller.close()
        self._on_change(self)
        waiting, self._on_ended = self._on_ended, []
        for callback in waiting:
            callback()

    def describe(self) -> dict[str, Json]:
        """For rack.info."""
        return {
            "pid": self.pid,
            "state": self.state,
            "reason": self.reason or None,
            "starts": self.starts,
            "cards": sorted(self.cards),
            "endpoints": [endpoint.n for endpoint in self.endpoints],
        }


def _ignore() -> None:
    """The pidfd reports the end of a worker; its socket may close a moment earlier."""

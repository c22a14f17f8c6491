# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The supervisor of a rack: owns the folder, the workers and the control socket."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Final

from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.memory import DeviceMemory
from diag.model.rack import fault_catalogue
from diag.model.rack.channel import RpcServer
from diag.model.rack.control import BUSY, MAX_REQUEST_BYTES, RpcError, encode_error
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.group import WorkerGroup
from diag.model.rack.methods import RackMethods
from diag.model.rack.placement import PlacedEndpoint, Placement
from diag.model.rack.process import freeze_heap
from diag.model.rack.runtime_dir import EVENTS_ENABLE_BYTES, RackDir
from diag.model.rack.spec import RackSpec
from diag.model.rack.topology_file import render_topology
from diag.model.rack.worker import WorkerContext, run_worker

MAX_CLIENTS: Final = 64
START_DEADLINE_NS: Final = 30_000_000_000
MAX_AUTO_RESTARTS: Final = 5
"""In a row; a worker that lived for a minute starts the count again."""

_STEADY_NS: Final = 60_000_000_000
_FIRST_DELAY_NS: Final = 100_000_000
_ACCEPT_PAUSE_NS: Final = 200_000_000
"""Until a descriptor may be free again."""


class RackStartError(Exception):
    """The rack did not come up; the message says which worker and why."""


class Supervisor:
    """Runs one rack until it is told to stop.

    Args:
        spec: what the rack consists of.
        directory: its folder, locked by this process and otherwise empty.
        auto_restart: start workers that die again by themselves.
        firmware: enumerate the endpoints; False where a guest does it.
    """

    def __init__(
        self,
        spec: RackSpec,
        directory: RackDir,
        *,
        auto_restart: bool = False,
        firmware: bool = True,
    ) -> None:
        fault_catalogue.check_presets(spec)
        self.spec = spec
        self.directory = directory
        self.loop = Loop()
        self.placement = enumerate_rack(spec, directory.name)
        self.started_ns = time.monotonic_ns()
        self.auto_restart = auto_restart
        _raise_fd_limit()
        sizes = [endpoint.bar2_bytes for endpoint in self.placement.endpoints]
        self.fabric = Fabric(sizes, name=f"axl-{directory.name}")
        context = WorkerContext(spec, directory, self.fabric, firmware)
        self.groups = [
            WorkerGroup(
                self.loop,
                members,
                main=lambda endpoints, sock: run_worker(context, endpoints, sock),
                keep_fds=self.fabric.memory_fds,
                on_change=self._group_changed,
                on_retrained=self.new_generation,
            )
            for members in _grouped(self.placement, spec)
        ]
        self._methods = RackMethods(self)
        self._listener: socket.socket | None = None
        self._clients: set[RpcServer] = set()
        self._waiting: list[tuple[list[WorkerGroup], Callable[[], None]]] = []
        self._ready = False
        self._error: str | None = None
        self._stopping = False
        self._restarts: dict[int, tuple[int, int]] = {}

    def run(self, announce: Callable[[], None]) -> None:
        """Serve; `announce` is called once every socket accepts.

        Raises:
            RackStartError: a worker did not come up.
        """
        self._make_files()
        freeze_heap()
        with _signals_stop(self.loop):
            for group in self.groups:
                group.start()
            timer = self.loop.call_later(START_DEADLINE_NS, self._start_timed_out)

            def up() -> None:
                timer.cancel()
                self._open(announce)

            self.when_settled(self.groups, up)
            try:
                self.loop.run()
            finally:
                self._stop()
        if self._error is not None:
            raise RackStartError(self._error)

    def shut_down(self) -> None:
        """Leave `run()` once the replies under way are sent."""
        self.loop.call_later(0, self.loop.stop)

    def new_generation(self) -> None:
        """Something sits elsewhere, or is new: say so in the topology file."""
        self.placement = replace(self.placement, generation=self.placement.generation + 1)
        self._write_topology()

    def when_settled(self, groups: list[WorkerGroup], then: Callable[[], None]) -> None:
        """Call `then` once none of the groups is starting any more."""
        self._waiting.append((groups, then))
        self._check_waiting()

    def set_events(self, *, enabled: bool) -> None:
        """Tell every client whether to record events."""
        fd = os.open(self.directory.events_enable, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            os.pwrite(fd, int(enabled).to_bytes(4, "little"), 0)
        finally:
            os.close(fd)

    def events_enabled(self) -> bool:
        """Whether clients are told to record events."""
        return self.directory.events_enable.read_bytes()[:4] != bytes(4)

    def _make_files(self) -> None:
        self.directory.events.mkdir(mode=0o700, exist_ok=True)
        fd = os.open(self.directory.events_enable, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        os.ftruncate(fd, EVENTS_ENABLE_BYTES)
        os.close(fd)

    def _write_topology(self) -> None:
        new = self.directory.topology.with_name("topology.new")
        fd = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(render_topology(self.placement))
        new.replace(self.directory.topology)

    def _open(self, announce: Callable[[], None]) -> None:
        dead = [group for group in self.groups if group.state == "dead"]
        if dead:
            first = dead[0].endpoints[0]
            self._error = f"the worker of card {first.card} did not start: {dead[0].reason}"
            self.loop.stop()
            return
        self._write_topology()
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        old_mask = os.umask(0o177)
        try:
            listener.bind(str(self.directory.control))
        finally:
            os.umask(old_mask)
        listener.listen(16)
        listener.setblocking(False)
        self._listener = listener
        self.loop.add_reader(listener.fileno(), self._accept)
        self._ready = True
        announce()

    def _start_timed_out(self) -> None:
        stuck = next((g for g in self.groups if g.state == "starting"), self.groups[0])
        numbers = ", ".join(str(endpoint.n) for endpoint in stuck.endpoints)
        self._error = f"the worker of endpoints {numbers} did not get ready in time"
        self.loop.stop()

    def _accept(self) -> None:
        if self._listener is None:
            return
        try:
            sock, _ = self._listener.accept()
        except BlockingIOError:
            return
        except OSError as error:
            _log(f"control socket: accept failed: {error}")
            self.loop.pause_reader(self._listener.fileno(), _ACCEPT_PAUSE_NS)
            return
        if len(self._clients) >= MAX_CLIENTS:
            with contextlib.suppress(OSError):
                sock.send(
                    encode_error(None, RpcError(BUSY, f"{MAX_CLIENTS} clients are connected"))
                )
            sock.close()
            return
        server = RpcServer(
            self.loop,
            sock,
            limit=MAX_REQUEST_BYTES,
            dispatch=self._methods.dispatch,
            on_close=lambda: self._clients.discard(server),
        )
        self._clients.add(server)

    def _group_changed(self, group: WorkerGroup) -> None:
        if self._stopping:
            return
        if group.state == "dead":
            self._cards_gone(group)
        elif group.starts > 1:
            self.new_generation()
        self._check_waiting()

    def _cards_gone(self, group: WorkerGroup) -> None:
        numbers = ",".join(str(endpoint.n) for endpoint in group.endpoints)
        _log(f"worker endpoints={numbers} reason={group.reason!r}")
        for endpoint in group.endpoints:
            self.fabric.publish(endpoint.n, None, endpoint.bar2_bytes, enabled=False)
            # Device memory does not survive a power cycle, and must not reach the next client.
            memory = DeviceMemory(self.fabric.memory_fds[endpoint.n], endpoint.bar2_bytes)
            memory.scrub()
            memory.close()
        if self.auto_restart and self._ready:
            self._plan_restart(group)

    def _plan_restart(self, group: WorkerGroup) -> None:
        key = group.endpoints[0].n
        last_ns, count = self._restarts.get(key, (0, 0))
        now = time.monotonic_ns()
        count = 0 if now - last_ns > _STEADY_NS else count
        if count >= MAX_AUTO_RESTARTS:
            _log(f"worker endpoints={key} died {count} times in a row: left alone")
            return
        self._restarts[key] = (now, count + 1)

        def again() -> None:
            # A card.restart may have been faster.
            if group.state == "dead" and group.pid is None:
                group.start()

        self.loop.call_later(_FIRST_DELAY_NS << count, again)

    def _check_waiting(self) -> None:
        settled = [entry for entry in self._waiting if _settled(entry[0])]
        self._waiting = [entry for entry in self._waiting if not _settled(entry[0])]
        for _, then in settled:
            then()

    def _stop(self) -> None:
        self._stopping = True
        if self._listener is not None:
            self.loop.remove_reader(self._listener.fileno())
            self._listener.close()
        for server in list(self._clients):
            server.close()
        for group in self.groups:
            group.kill()
        for group in self.groups:
            group.end()
        self.fabric.close()


def _settled(groups: list[WorkerGroup]) -> bool:
    return all(group.state != "starting" for group in groups)


def _grouped(placement: Placement, spec: RackSpec) -> list[tuple[PlacedEndpoint, ...]]:
    """Which endpoints share a process."""
    members: dict[int, list[PlacedEndpoint]] = {}
    for endpoint in placement.endpoints:
        key = {"card": endpoint.card, "endpoint": endpoint.n, "rack": 0}[spec.grouping]
        members.setdefault(key, []).append(endpoint)
    return [tuple(group) for group in members.values()]


def _raise_fd_limit() -> None:
    """Every endpoint costs a memfd here and more in its worker; 1024 may be too few."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 1 << 16), hard))


@contextlib.contextmanager
def _signals_stop(loop: Loop) -> Iterator[None]:
    """SIGTERM and SIGINT end the loop.

    The wait of the loop is restarted after a signal handler (PEP 475), so the handler alone
    would not be noticed; the wakeup descriptor makes the loop return.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    old_fd = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    old = {s: signal.signal(s, lambda *_: loop.stop()) for s in (signal.SIGTERM, signal.SIGINT)}
    loop.add_reader(reader.fileno(), lambda: _drain(reader))
    try:
        yield
    finally:
        loop.remove_reader(reader.fileno())
        for signum, handler in old.items():
            signal.signal(signum, handler)
        signal.set_wakeup_fd(old_fd)
        reader.close()
        writer.close()


def _drain(sock: socket.socket) -> None:
    with contextlib.suppress(BlockingIOError):
        sock.recv(64)


def _log(text: str) -> None:
    sys.stderr.write(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}\n")
    sys.stderr.flush()

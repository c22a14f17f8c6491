# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Programs in a running guest: started through the agent, followed through shared files."""

from __future__ import annotations

import fcntl
import secrets
import shlex
import shutil
import socket
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from diag.lab.errors import GuestDiedError, LabError
from diag.lab.machine import SessionFiles

GUEST_SHARE = "/run/axl-lab/share"
"""Where the guest sees `SessionFiles.share`."""

_POLL_S = 0.02
_START_TIMEOUT_S = 30.0
_CONNECT_TIMEOUT_S = 10.0

Sink = Callable[[bytes], object]


@dataclass(frozen=True, slots=True)
class Finished:
    """A job that ended: exit status (128 + signal where a signal ended it) and output."""

    status: int
    stdout: bytes
    stderr: bytes


class Guest:
    """The agent of one running guest.

    Args:
        files: the session's files.
        is_alive: whether QEMU still runs.
    """

    def __init__(self, files: SessionFiles, is_alive: Callable[[], bool]) -> None:
        self._files = files
        self._is_alive = is_alive

    def run(
        self, argv: Sequence[str], *, timeout_s: float | None = None, stdin: bytes = b""
    ) -> Finished:
        """Run a program and wait for it; LabError at the timeout, which ends the program."""
        out, err = bytearray(), bytearray()
        status = self.stream(argv, out.extend, err.extend, timeout_s=timeout_s, stdin=stdin)
        return Finished(status, bytes(out), bytes(err))

    def stream(
        self,
        argv: Sequence[str],
        out: Sink,
        err: Sink,
        *,
        timeout_s: float | None = None,
        stdin: bytes = b"",
    ) -> int:
        """Run a program, hand its output on as it comes, return its exit status.

        An interrupt (KeyboardInterrupt) is passed on to the program, and raised.
        """
        job = self._start(argv, stdin)
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        try:
            with (job / "stdout").open("rb") as stdout, (job / "stderr").open("rb") as stderr:
                while True:
                    status = _status(job)
                    out(stdout.read())
                    err(stderr.read())
                    if status is not None:
                        return status
                    self._check(argv, deadline)
                    time.sleep(_POLL_S)
        except BaseException:
            self._signal(job, "TERM")
            raise
        finally:
            shutil.rmtree(job, ignore_errors=True)

    def power_off(self) -> None:
        """Ask the guest to switch itself off; returns before it has."""
        self._send("poweroff", lambda: not self._is_alive())

    def _check(self, argv: Sequence[str], deadline: float | None) -> None:
        if not self._is_alive():
            raise GuestDiedError(
                f"the guest ended while it ran {argv[0]}; see {self._files.kernel_log}"
            )
        if deadline is not None and time.monotonic() > deadline:
            raise LabError(f"{shlex.join(argv)}: did not end in time in the guest")

    def _start(self, argv: Sequence[str], stdin: bytes) -> Path:
        job = self._files.share / "jobs" / secrets.token_hex(8)
        job.mkdir(parents=True)
        (job / "command").write_text(f"cd /root || cd /\nexec {shlex.join(argv)}\n")
        (job / "stdin").write_bytes(stdin)
        for name in ("stdout", "stderr"):
            (job / name).touch()
        try:
            self._send(f"run {job.name}", (job / "pid").exists)
        except LabError:
            shutil.rmtree(job, ignore_errors=True)
            raise
        return job

    def _signal(self, job: Path, signal: str) -> None:
        if self._is_alive() and _status(job) is None:
            self._send(f"signal {job.name} {signal}", lambda: _status(job) is not None)

    def _send(self, line: str, taken: Callable[[], bool]) -> None:
        """Send one request and stay connected until the agent has `taken` it.

        QEMU drops what it has not read when the connection ends, and serves one connection
        at a time: hence the wait, and the lock.
        """
        with (
            (self._files.folder / "agent.lock").open("a") as lock,
            socket.socket(socket.AF_UNIX) as connection,
        ):
            fcntl.flock(lock, fcntl.LOCK_EX)
            connection.settimeout(_CONNECT_TIMEOUT_S)
            try:
                connection.connect(str(self._files.agent))
                connection.sendall(line.encode() + b"\n")
            except OSError as error:
                raise GuestDiedError(f"{self._files.agent}: {error}") from error
            deadline = time.monotonic() + _START_TIMEOUT_S
            while not taken():
                if not self._is_alive():
                    raise GuestDiedError(f"the guest ended; see {self._files.kernel_log}")
                if time.monotonic() > deadline:
                    raise LabError(f"the guest's agent does not take '{line}'")
                time.sleep(_POLL_S / 4)


def _status(job: Path) -> int | None:
    try:
        return int((job / "status").read_text())
    except (OSError, ValueError):
        return None

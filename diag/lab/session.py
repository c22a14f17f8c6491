# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Sessions: a guest that stays up between commands, found again by its name.

A session's folder lies in `.lab/` of the runtime directory. Its supervisor holds the lock of
the `pid` file there, so a folder without a running supervisor is recognised and reused.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from diag.lab.config import LabConfig
from diag.lab.errors import LabError, LabUsageError
from diag.lab.guest import Guest
from diag.lab.kernel import find_kernel
from diag.lab.kernel_log import unexpected_lines
from diag.lab.machine import SessionFiles
from diag.lab.qemu import find_qemu
from diag.lab.qmp import Qmp
from diag.lab.rack import place_rack
from diag.lab.supervisor import CHECKOUT
from diag.lab.tools import tools_tree
from diag.model.rack.runtime_dir import RackDir, RuntimeDirError, base_dir, is_locked, running_pid
from diag.model.rack.words import NAME_PATTERN

BOOT_TIMEOUT_S = 180.0
_POWER_OFF_TIMEOUT_S = 15.0
_DOWN_TIMEOUT_S = 20.0
_POLL_S = 0.05
_TAIL_LINES = 12

Progress = Callable[[str], object]


def session_name(rack: str) -> str:
    """The name of a session when none is given: the rack's, from its name or file name."""
    stem = re.sub(r"[^A-Za-z0-9._-]", "-", Path(rack).stem).strip("-._")
    return stem[:48] or "lab"


def sessions_dir(*, create: bool = False) -> Path:
    """The folder of all sessions; LabError when the runtime directory cannot be used."""
    try:
        path = base_dir(create=create) / ".lab"
    except RuntimeDirError as error:
        raise LabError(str(error)) from error
    if create:
        path.mkdir(mode=0o700, exist_ok=True)
    return path


def running_sessions() -> list[Session]:
    """Every session whose supervisor runs, by name."""
    try:
        folder = sessions_dir()
    except LabError:
        return []
    if not folder.is_dir():
        return []
    found = [Session(path.name) for path in sorted(folder.iterdir()) if path.is_dir()]
    return [session for session in found if session.is_running]


class Session:
    """One guest, running or not."""

    def __init__(self, name: str) -> None:
        if not re.fullmatch(NAME_PATTERN, name):
            raise LabUsageError(
                f"{name[:60]!r} is no session name (letters, digits, . _ -, up to 48)"
            )
        self.name = name
        self.files = SessionFiles(sessions_dir(create=True) / name)
        self._lock = RackDir(self.files.folder)
        self.guest = Guest(self.files, lambda: self.is_running)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def is_running(self) -> bool:
        """Whether its supervisor runs."""
        return is_locked(self._lock)

    @property
    def is_ready(self) -> bool:
        """Whether the guest takes commands."""
        return self.is_running and (self.files.share / "ready").exists()

    @property
    def config(self) -> LabConfig:
        """What it was started with."""
        return LabConfig.load(self.files.state)

    def up(
        self, config: LabConfig, progress: Progress = lambda _: None, *, bound: bool = False
    ) -> bool:
        """Boot the guest and wait until it takes commands; False when it was up already.

        A `bound` guest ends with this process, however that ends.

        Raises:
            CannotInstallError: QEMU or the kernel cannot be had on this machine.
            LabError: it runs with another configuration, or does not boot.
        """
        if self.is_running:
            if self.config != config:
                raise LabError(
                    f"session {self.name} is up with {self.config}; run accel-lab down "
                    f"{self.name} first, or choose another --name"
                )
            self._wait_ready()
            return False
        _prepare(config, progress)
        progress(f"booting {self.name}")
        self._start(config, os.getpid() if bound else None)
        self._wait_ready()
        return True

    def down(self) -> bool:
        """Switch the guest off and remove the folder; False when it was not running.

        The kernel log is kept as NAME.log beside the folder.
        """
        was_running = self.is_running
        if self.is_ready:
            self._power_off()
        pid = running_pid(self._lock)
        if pid is not None:
            os.kill(pid, signal.SIGTERM)
            self._wait(lambda: not self.is_running, _DOWN_TIMEOUT_S, "does not stop")
        if self.files.kernel_log.exists():
            self.files.kernel_log.replace(self.files.folder.parent / f"{self.name}.log")
        shutil.rmtree(self.files.folder, ignore_errors=True)
        return was_running

    def qmp(self) -> Qmp:
        """A connection to QEMU's control socket."""
        return Qmp(self.files.qmp)

    def kernel_log(self, start: int = 0) -> str:
        """The kernel's console output from byte `start` on."""
        with self.files.kernel_log.open("rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def kernel_log_bytes(self) -> int:
        """Length of the kernel log: a `start` for later."""
        return self.files.kernel_log.stat().st_size

    def check_kernel_log(self, start: int = 0, allowed: tuple[str, ...] = ()) -> list[str]:
        """Unexpected lines of the kernel log from byte `start` on."""
        return unexpected_lines(self.kernel_log(start), allowed)

    def _start(self, config: LabConfig, owner: int | None) -> None:
        shutil.rmtree(self.files.folder, ignore_errors=True)
        self.files.folder.mkdir(mode=0o700)
        (self.files.share / "jobs").mkdir(parents=True)
        config.save(self.files.state)
        bound = [str(owner)] if owner is not None else []
        with self.files.log("supervisor").open("wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "diag.lab.supervisor", str(self.files.folder), *bound],
                cwd=CHECKOUT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._wait(lambda: self.is_running or self._ended() is not None, 30, "does not start")

    def _wait_ready(self) -> None:
        self._wait(
            lambda: self.is_ready or not self.is_running, BOOT_TIMEOUT_S, "does not boot in time"
        )
        if not self.is_ready:
            raise LabError(f"session {self.name}: {self._ended() or 'ended'}{self._tail()}")

    def _power_off(self) -> None:
        try:
            self.guest.power_off()
            self._wait(lambda: not self.is_running, _POWER_OFF_TIMEOUT_S, "does not power off")
        except LabError:
            # A guest that does not react is ended by its supervisor.
            return

    def _ended(self) -> str | None:
        try:
            return (self.files.folder / "ended").read_text()
        except OSError:
            return None

    def _tail(self) -> str:
        """The last lines of each log, for an error text."""
        shown = ""
        for name in ("supervisor", "endpoints", "qemu", "kernel"):
            try:
                lines = self.files.log(name).read_text(errors="replace").splitlines()
            except OSError:
                continue
            shown += "".join(f"\n{name}: {line}" for line in lines[-_TAIL_LINES:])
        return shown

    def _wait(self, condition: Callable[[], bool], timeout_s: float, failure: str) -> None:
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > deadline:
                raise LabError(f"session {self.name} {failure}{self._tail()}")
            time.sleep(_POLL_S)


def _prepare(config: LabConfig, progress: Progress) -> None:
    """Have everything that may need a download, with the caller watching."""
    place_rack(config)
    progress("looking for QEMU")
    find_qemu()
    progress("looking for the guest's tools")
    tools_tree()
    progress(f"looking for kernel {config.kernel}")
    find_kernel(config.kernel)

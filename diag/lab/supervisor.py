# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The process behind one session: starts the endpoints' process and QEMU, ends with them.

Started detached by `session`. It holds the lock of the session's folder; when it dies, the
kernel ends its children (setpriv --pdeathsig), so that nothing is ever left behind.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from diag.lab.accel import choose_accel
from diag.lab.config import LabConfig
from diag.lab.errors import LabError
from diag.lab.initramfs import Places, build_initramfs
from diag.lab.kernel import find_kernel
from diag.lab.machine import SessionFiles, machine_arguments
from diag.lab.qemu import find_qemu
from diag.lab.rack import place_rack
from diag.lab.tools import tools_tree
from diag.model.rack.launch import ONE_THREAD
from diag.model.rack.runtime_dir import RackDir, lock_rack, write_pid

CHECKOUT = Path(__file__).resolve().parents[2]
_SOCKETS_TIMEOUT_S = 60.0
_END_TIMEOUT_S = 5.0


class Supervisor:
    """The children of one session."""

    def __init__(self, files: SessionFiles, config: LabConfig) -> None:
        self._files = files
        self._config = config
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self) -> None:
        """Start the endpoints, then QEMU, which connects to them."""
        placement = place_rack(self._config)
        self._start_endpoints()
        qemu, kernel = find_qemu(), find_kernel(self._config.kernel)
        places = Places(tools_tree(), CHECKOUT)
        self._files.initramfs.write_bytes(build_initramfs(kernel, places))
        options = self._config.machine(choose_accel(self._config.accel, qemu, kernel))
        arguments = machine_arguments(options, kernel, self._files, placement, CHECKOUT)
        self._spawn("qemu", [*qemu.argv, *arguments], qemu.environment())

    def wait(self, owner: int | None) -> str:
        """Sleep until a child or the owner ends or SIGTERM comes; why it ended."""
        watched = {_signal_pipe(): "stopped"}
        if owner is not None:
            watched[owner] = "its owner ended"
        for name, child in self._children.items():
            watched[os.pidfd_open(child.pid)] = f"{name} ended"
        poll = select.poll()
        for descriptor in watched:
            poll.register(descriptor, select.POLLIN)
        return watched[poll.poll()[0][0]]

    def stop(self) -> None:
        """End the children: QEMU first, so that endpoints see an orderly disconnect."""
        for child in reversed(self._children.values()):
            child.terminate()
            try:
                child.wait(_END_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()

    def _start_endpoints(self) -> None:
        command = [sys.executable, "-m", "diag.lab.endpoints", str(self._files.folder)]
        worker = self._spawn("endpoints", command, {**os.environ, **ONE_THREAD})
        deadline = time.monotonic() + _SOCKETS_TIMEOUT_S
        while not self._files.endpoints_ready.exists():
            if worker.poll() is not None or time.monotonic() > deadline:
                raise LabError(f"the endpoints do not start; see {self._files.log('endpoints')}")
            time.sleep(0.02)

    def _spawn(
        self, name: str, command: Sequence[str], env: dict[str, str]
    ) -> subprocess.Popen[bytes]:
        bound = ["setpriv", "--pdeathsig", "KILL", "--", *command]
        with self._files.log(name).open("wb") as log:
            child = subprocess.Popen(
                bound, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        self._children[name] = child
        return child


def _signal_pipe() -> int:
    """A descriptor that becomes readable at SIGTERM or SIGINT."""
    reader, writer = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
    signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    return reader


def main() -> int:
    """Run a session: arguments are its folder and, if it is bound, its owner's process id."""
    files = SessionFiles(Path(sys.argv[1]))
    owner = os.pidfd_open(int(sys.argv[2])) if len(sys.argv) > 2 else None
    lock = lock_rack(RackDir(files.folder))
    if lock is None:
        return 1
    write_pid(lock)
    supervisor = Supervisor(files, LabConfig.load(files.state))
    try:
        supervisor.start()
        reason = supervisor.wait(owner)
    except LabError as error:
        reason = str(error)
    finally:
        supervisor.stop()
    (files.folder / "ended").write_text(reason)
    return 0


if __name__ == "__main__":
    sys.exit(main())

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Starting and stopping racks from another process."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import diag
from diag.model.rack.client import RackClient, RackUnreachableError
from diag.model.rack.control import RpcError
from diag.model.rack.runtime_dir import (
    RackDir,
    clear_rack,
    is_locked,
    lock_rack,
    rack_dir,
    running_pid,
)
from diag.model.rack.spec import load_rack

START_TIMEOUT_S: Final = 40.0
STOP_TIMEOUT_S: Final = 5.0
ONE_THREAD: Final = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "BLIS_NUM_THREADS"), "1"
)
"""Must be in the environment before NumPy is imported.

Worker processes are the parallelism; a pool of BLAS threads in each would not survive the
fork and would cost memory.
"""


class LaunchError(Exception):
    """A rack could not be started or stopped; the message says why."""


class RunningRack:
    """A rack for the time of a `with` block; for tests, demos and benchmarks.

    Args:
        rack: shipped name or file.
        name: of the running rack; the rack's own by default.
        auto_restart: start workers that die again.
    """

    def __init__(
        self, rack: str = "1x1", name: str | None = None, *, auto_restart: bool = False
    ) -> None:
        self.directory = start_rack(rack, name, auto_restart=auto_restart)

    def __enter__(self) -> Self:
        """The rack itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Stop it."""
        stop_rack(self.directory)

    def client(self) -> RackClient:
        """A new connection to its control socket."""
        return RackClient(self.directory)


def supervisor_command(rack: str, name: str | None, *, auto_restart: bool) -> list[str]:
    """The command that runs a supervisor; its environment must hold ONE_THREAD."""
    command = [sys.executable, "-m", "diag.model.rack", "--rack", rack]
    command += ["--name", name] if name else []
    command += ["--auto-restart"] if auto_restart else []
    return command


def supervisor_environment() -> dict[str, str]:
    """The own environment, with one BLAS thread and this very package importable."""
    here = str(Path(diag.__file__).parent.parent)
    paths = [here, *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, **ONE_THREAD, "PYTHONPATH": os.pathsep.join(paths)}


def start_rack(rack: str, name: str | None = None, *, auto_restart: bool = False) -> RackDir:
    """Start a rack in the background; it is usable when this returns.

    Raises:
        RackFileError, PlacementError: the rack file is wrong.
        RuntimeDirError: the runtime directory cannot be used.
        LaunchError: it runs already, or did not come up.
    """
    spec = load_rack(rack)
    directory = rack_dir(name or spec.name, create=True)
    ready, child_end = os.pipe()
    command = supervisor_command(rack, directory.name, auto_restart=auto_restart)
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [*command, "--ready-fd", str(child_end)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            pass_fds=[child_end],
            start_new_session=True,
            env=supervisor_environment(),
        )
        os.close(child_end)
        try:
            answer = _read_ready(ready)
        finally:
            os.close(ready)
        if answer.get("ok"):
            # It lives on without us; nobody will wait for it.
            process.returncode = 0
            return directory
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_TIMEOUT_S)
        if process.poll() is None:
            process.kill()
            process.wait()
        output.seek(0)
        reason = answer.get("error") or output.read()[-2000:].decode("utf-8", "replace").strip()
    raise LaunchError(f"rack {directory.name}: {reason or 'did not get ready in time'}")


def stop_rack(directory: RackDir) -> bool:
    """Stop a rack and remove its files; False when it was not running.

    Asks first, then terminates, then kills; leftovers of a rack that was killed are removed.
    """
    pid = running_pid(directory)
    was_running = is_locked(directory)
    if pid is not None:
        with (
            contextlib.suppress(RackUnreachableError, RpcError),
            RackClient(directory, timeout_s=STOP_TIMEOUT_S) as client,
        ):
            client.call("rack.shutdown")
        _end_process(directory, pid)
    lock = lock_rack(directory) if directory.path.is_dir() else None
    if lock is not None:
        try:
            left = clear_rack(directory)
        finally:
            os.close(lock)
        if left:
            names = ", ".join(left)
            raise LaunchError(f"{directory.path}: left alone what no rack makes: {names}")
    elif directory.path.is_dir():
        raise LaunchError(f"rack {directory.name} (pid {pid}) does not end; kill -9 {pid}")
    return was_running


def _end_process(directory: RackDir, pid: int) -> None:
    try:
        fd = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        for signum in (None, signal.SIGTERM, signal.SIGKILL):
            # The pid belongs to the rack only as long as its lock is held.
            if signum is not None and running_pid(directory) == pid:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(fd, signum)
            if select.select([fd], [], [], STOP_TIMEOUT_S)[0]:
                return
    finally:
        os.close(fd)


def _read_ready(fd: int) -> dict[str, Any]:
    deadline = time.monotonic() + START_TIMEOUT_S
    text = b""
    while not text.endswith(b"\n"):
        left_s = deadline - time.monotonic()
        if left_s <= 0 or not select.select([fd], [], [], left_s)[0]:
            return {}
        piece = os.read(fd, 65536)
        if not piece:
            return {}
        text += piece
    answer = json.loads(text)
    return answer if isinstance(answer, dict) else {}

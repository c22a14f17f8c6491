# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A supervisor process: `python -m diag.model.rack --rack NAME`, started by accel-rack up."""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys

from diag.model.rack.enumerate import PlacementError
from diag.model.rack.log_file import BoundedLog
from diag.model.rack.runtime_dir import (
    RackDir,
    RuntimeDirError,
    clear_rack,
    lock_rack,
    rack_dir,
    running_pid,
    write_pid,
)
from diag.model.rack.spec import RackSpec, load_rack
from diag.model.rack.supervisor import RackStartError, Supervisor
from diag.model.rack.yaml_table import RackFileError

LOG_FORMAT = "%(asctime)s %(levelname)s %(name)s: %(message)s"


def main() -> int:
    """Run a supervisor until it is told to stop; exit status 1 with a reason if it cannot."""
    options = _arguments()
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT)
    try:
        spec = load_rack(options.rack)
        directory = rack_dir(options.name or spec.name, create=True)
        _run(spec, directory, options)
    except (RackFileError, PlacementError, RuntimeDirError, RackStartError, OSError) as error:
        _announce(options.ready_fd, {"error": str(error)})
        sys.stderr.write(f"{error}\n")
        return 1
    return 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m diag.model.rack", description=__doc__)
    parser.add_argument("--rack", required=True)
    parser.add_argument("--name")
    parser.add_argument("--auto-restart", action="store_true")
    parser.add_argument("--ready-fd", type=int)
    return parser.parse_args()


def _run(spec: RackSpec, directory: RackDir, options: argparse.Namespace) -> None:
    lock = lock_rack(directory)
    if lock is None:
        pid, name = running_pid(directory), directory.name
        raise RackStartError(
            f"runs already (pid {pid}); stop it with: accel-rack down {name},"
            f" or start another one with: accel-rack up --name OTHER"
        )
    os.chdir("/")
    try:
        _supervise(spec, directory, options, lock)
    except RackStartError as error:
        raise RackStartError(f"{error}{_log_tail(directory)}") from None
    finally:
        clear_rack(directory)
        os.close(lock)


def _supervise(spec: RackSpec, directory: RackDir, options: argparse.Namespace, lock: int) -> None:
    # Whatever is here was left by a supervisor that was killed.
    left = clear_rack(directory, keep_pid=True)
    if left:
        names = ", ".join(left)
        raise RackStartError(f"{directory.path} holds files that no rack makes: {names}")
    write_pid(lock)
    if options.ready_fd is not None:
        _redirect(directory)
    supervisor = Supervisor(spec, directory, auto_restart=options.auto_restart)
    supervisor.run(lambda: _ready(directory, options.ready_fd))


def _ready(directory: RackDir, ready_fd: int | None) -> None:
    if ready_fd is None:
        sys.stderr.write(f"rack {directory.name} is up: {directory.path}\n")
        return
    _announce(ready_fd, {"ok": True})


def _redirect(directory: RackDir) -> None:
    """Nobody reads the output of a supervisor in the background: it goes to the rack's log."""
    log = os.open(directory.log, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.close(log)
    sys.stdout = sys.stderr = BoundedLog(2)
    # The handler made before has the stream of then.
    logging.basicConfig(level=logging.WARNING, format=LOG_FORMAT, force=True)


def _log_tail(directory: RackDir) -> str:
    """The log goes with the folder: what it says goes into the message."""
    try:
        tail = directory.log.read_text("utf-8", "replace")[-2000:].strip()
    except OSError:
        return ""
    return f"\n{tail}" if tail else ""


def _announce(ready_fd: int | None, answer: dict[str, object]) -> None:
    if ready_fd is not None:
        os.write(ready_fd, json.dumps(answer).encode() + b"\n")
        os.close(ready_fd)


if __name__ == "__main__":
    sys.exit(main())

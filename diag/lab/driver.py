# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko in the guest: built for its kernel when needed, inserted, removed."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from diag.lab.cache import locked
from diag.lab.errors import LabError
from diag.lab.guest import GUEST_SHARE
from diag.lab.headers import headers_of
from diag.lab.session import Session
from diag.lab.supervisor import CHECKOUT
from diag.lab.tools import tool_argv

MODULE = "axl"
_COMMAND_TIMEOUT_S = 300.0


def build(headers: Path, out: Path, *targets: str) -> subprocess.CompletedProcess[str]:
    """Run the driver's make against some headers, with its output in `out`."""
    command = ["make", "-C", str(CHECKOUT / "drivers/linux"), f"HEADERS={headers}", f"OUT={out}"]
    # When make called us its flags are not for this one.
    env = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}
    return subprocess.run(
        [*command, *targets], env=env, check=False, capture_output=True, text=True
    )


def build_for(kernel: str) -> Path:
    """axl.ko for the guest's kernel; only what changed since the last time is compiled."""
    headers = headers_of(kernel)
    out = CHECKOUT / "build/linux" / headers.name
    with locked(out.parent / f".{out.name}.lock"):
        done = build(headers, out)
    if done.returncode:
        raise LabError(f"the driver cannot be built:\n{done.stderr[-4000:]}")
    return out / "linux/axl.ko"


def is_loaded(session: Session) -> bool:
    """Whether the guest's kernel has the module."""
    return session.guest.run(["test", "-e", f"/sys/module/{MODULE}"]).status == 0


def load(session: Session, module: Path, parameters: Sequence[str] = ()) -> None:
    """Insert the module and what it depends on; it must not be loaded."""
    shutil.copy(module, session.files.share)
    for needed in _needs(module):
        _run(session, "modprobe", needed)
    _run(session, "insmod", f"{GUEST_SHARE}/{module.name}", *parameters)


def unload(session: Session) -> None:
    """Remove the module; LabError while somebody uses it."""
    _run(session, "rmmod", MODULE)


def _needs(module: Path) -> list[str]:
    """Modules that must be there before."""
    command = [*tool_argv("usr/sbin/modinfo"), "-F", "depends", str(module)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise LabError(f"{module} is no module: {done.stderr.strip()}")
    return [name for name in done.stdout.strip().split(",") if name]


def _run(session: Session, *command: str) -> None:
    done = session.guest.run(command, timeout_s=_COMMAND_TIMEOUT_S)
    if done.status:
        raise LabError(f"{' '.join(command)} failed in the guest: {done.stderr.decode().strip()}")

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Which accelerator: a trial boot decides, for /dev/kvm may exist and still not work."""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

from diag.lab.cache import cache_dir
from diag.lab.errors import LabUsageError
from diag.lab.kernel import Kernel
from diag.lab.qemu import Program

ACCELERATORS = ("auto", "tcg", "icount", "kvm")
_TRIAL_TIMEOUT_S = 6
_DEVICE = Path("/dev/kvm")
# Without an initial file system a kernel that came this far ran thousands of instructions.
_PROOF = "Kernel panic - not syncing: VFS"


def choose_accel(wanted: str, qemu: Program, kernel: Kernel) -> str:
    """`wanted`, with auto decided: kvm where this machine boots a kernel with it, else tcg."""
    if wanted not in ACCELERATORS:
        raise LabUsageError(f"accelerator {wanted!r}: choose one of {', '.join(ACCELERATORS)}")
    if wanted != "auto":
        return wanted
    if not os.access(_DEVICE, os.R_OK | os.W_OK):
        return "tcg"
    note = _note_path(qemu)
    if not note.exists():
        note.parent.mkdir(parents=True, exist_ok=True)
        note.write_text("kvm" if _kvm_boots(qemu, kernel) else "tcg")
    return "kvm" if note.read_text() == "kvm" else "tcg"


def _note_path(qemu: Program) -> Path:
    """Where the trial's result is kept: one per boot of this machine and QEMU."""
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    digest = hashlib.sha256((boot + " ".join(qemu.argv)).encode()).hexdigest()[:16]
    return cache_dir() / f"kvm-trial-{digest}"


def _kvm_boots(qemu: Program, kernel: Kernel) -> bool:
    command = [
        *qemu.argv,
        *("-machine", "q35", "-accel", "kvm", "-cpu", "host", "-m", "256M"),
        *("-nodefaults", "-no-user-config", "-display", "none", "-serial", "stdio", "-no-reboot"),
        *("-kernel", str(kernel.image), "-append", "console=ttyS0 panic=-1"),
    ]
    try:
        done = subprocess.run(
            command,
            check=False,
            env=qemu.environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=_TRIAL_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return _PROOF in done.stdout.decode(errors="replace")

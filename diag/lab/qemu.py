# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A QEMU that has vfio-user-pci (10.1 or newer): the system's, or one in the cache."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

from diag.lab.apt import archive_of, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError

NEEDED_DEVICES = (
    "vfio-user-pci",
    "pcie-root-port",
    "x3130-upstream",
    "xio3130-downstream",
    "virtio-9p-pci",
    "virtio-serial-pci",
)
_MULTIARCH = "usr/lib/x86_64-linux-gnu"
_SUITE = "trixie-backports"
_HELP_TIMEOUT_S = 60


@dataclass(frozen=True, slots=True)
class Program:
    """How a program is started: leading arguments and additional environment."""

    argv: tuple[str, ...]
    env: dict[str, str] = field(default_factory=dict)

    def environment(self) -> dict[str, str]:
        """The whole environment for a child process."""
        return {**os.environ, **self.env}


def loader(tree: Path, program: str) -> tuple[str, ...]:
    """Arguments that run `program` of an unpacked `tree` with the tree's own libraries."""
    libraries = f"{tree}/{_MULTIARCH}"
    linker = f"{tree}/lib64/ld-linux-x86-64.so.2"
    return (linker, "--library-path", f"{libraries}:{libraries}/pulseaudio", f"{tree}/{program}")


def private_program(tree: Path) -> Program:
    """QEMU of an unpacked tree, with its own firmware and modules."""
    firmware = ("-L", f"{tree}/usr/share/qemu", "-L", f"{tree}/usr/share/seabios")
    argv = (*loader(tree, "usr/bin/qemu-system-x86_64"), *firmware)
    return Program(argv, {"QEMU_MODULE_DIR": f"{tree}/{_MULTIARCH}/qemu"})


def missing_devices(device_help: str) -> list[str]:
    """Which needed devices `-device help` does not list."""
    known = set(re.findall(r'^name "([^"]+)"', device_help, re.MULTILINE))
    return [name for name in NEEDED_DEVICES if name not in known]


def why_unusable(program: Program) -> str | None:
    """None when the program starts and has all devices, else the reason."""
    command = [*program.argv, "-device", "help"]
    try:
        done = subprocess.run(
            command,
            env=program.environment(),
            check=False,
            capture_output=True,
            text=True,
            timeout=_HELP_TIMEOUT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    if done.returncode:
        return f"exit status {done.returncode}: {done.stderr.strip()[-400:]}"
    missing = missing_devices(done.stdout)
    return f"has no {', '.join(missing)}" if missing else None


def find_qemu() -> Program:
    """The QEMU to use: $AXL_QEMU, the system's, or one installed into the cache.

    Raises CannotInstallError when none is usable; the text says what to run.
    """
    chosen = os.environ.get("AXL_QEMU")
    if chosen:
        return _checked(Program((chosen,)), f"AXL_QEMU={chosen}", "unset AXL_QEMU")
    system = shutil.which("qemu-system-x86_64")
    if system and why_unusable(Program((system,))) is None:
        return Program((system,))
    tree = published(cache_dir() / "trees" / f"qemu-{_SUITE}", _install)
    return _checked(private_program(tree), str(tree), f"run: rm -r {tree}")


def _checked(program: Program, origin: str, otherwise: str) -> Program:
    reason = why_unusable(program)
    if reason is not None:
        raise CannotInstallError(
            f"the QEMU of {origin} cannot be used: {reason}; name one >= 10.1 in AXL_QEMU, or "
            f"{otherwise} and try again"
        )
    return program


def _install(folder: Path) -> None:
    with archive_of(["trixie", _SUITE]) as archive:
        unpack(archive.closure(["qemu-system-x86"], release=_SUITE), folder)

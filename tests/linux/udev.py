# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The real udev, unpacked beside the lab's other tools: no daemon of the machine is touched."""

from __future__ import annotations

from pathlib import Path

from diag.lab.apt import archive_of, unpack
from diag.lab.cache import cache_dir, published

_SUITE = "trixie"


def udev_argv(name: str) -> list[str]:
    """Arguments that run udevadm or systemd-udevd (one program with two names)."""
    tree = published(cache_dir() / "trees" / f"udev-{_SUITE}", _install)
    libraries = f"{tree}/usr/lib/x86_64-linux-gnu"
    linker = f"{tree}/lib64/ld-linux-x86-64.so.2"
    path = f"{libraries}:{libraries}/systemd"
    return [linker, "--argv0", name, "--library-path", path, f"{tree}/usr/bin/udevadm"]


def _install(folder: Path) -> None:
    with archive_of([_SUITE]) as archive:
        unpack(archive.closure(["udev"]), folder)

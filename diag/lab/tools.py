# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Programs of the guest that the host may not have: busybox, pciutils, kmod."""

from __future__ import annotations

from pathlib import Path

from diag.lab.apt import archive_of, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.qemu import loader

PACKAGES = ("busybox-static", "pciutils", "kmod")
_SUITE = "trixie"


def tools_tree() -> Path:
    """The folder with the tools, installed when needed; CannotInstallError when it cannot be."""
    return published(cache_dir() / "trees" / f"tools-{_SUITE}", _install)


def tool_argv(program: str) -> tuple[str, ...]:
    """Arguments that run `program` (a path within the tree) on the host."""
    return loader(tools_tree(), program)


def _install(folder: Path) -> None:
    with archive_of([_SUITE]) as archive:
        unpack(archive.closure(PACKAGES), folder)

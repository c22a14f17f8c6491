# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What modules for the guest's kernel are built against: its header packages, unpacked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TextIO

from diag.lab.apt import archive_of, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.compiler import compiler_packages, make_runnable, missing_compiler
from diag.lab.errors import CannotInstallError
from diag.lab.kernel import DEBUG_TREE, DEFAULT_VERSION, find_kernel, suites

_PARTS = re.compile(r"linux-(headers|kbuild)-\d")
_COMPILER_SUITE = "trixie"
_OLDEST = (6, 12)


def find_headers(release: str) -> Path:
    """The folder for `make -C` that belongs to an unpacked kernel, such as 6.12.95+deb12-amd64.

    Where this machine lacks the kernel's compiler, that comes with it (see `compiler`).
    Raises CannotInstallError when the archive has none or cannot be reached.
    """
    tree = cache_dir() / "trees" / f"headers-{release}"

    def build(folder: Path) -> None:
        with archive_of(suites()) as archive:
            packages = archive.with_parts([f"linux-headers-{release}"], _PARTS)
            unpack(archive.exactly(packages), folder)
        compiler = missing_compiler(_headers_in(folder, release, ".config").read_text())
        if compiler is not None:
            with archive_of([_COMPILER_SUITE]) as archive:
                unpack(compiler_packages(archive, compiler), folder)
            make_runnable(folder, tree)
        _relocate(folder, tree)

    published(tree, build)
    return _headers_in(tree, release, "Makefile").parent


def headers_of(version: str) -> Path:
    """The headers of the kernel that `find_kernel(version)` chooses."""
    kernel = find_kernel(version)
    # A kernel that was built here has them in its own tree.
    own = kernel.modules.parents[2] / "usr/src" / f"linux-headers-{kernel.release}"
    return own if own.is_dir() else find_headers(kernel.release)


def all_headers(log: TextIO) -> list[Path]:
    """Headers of every kernel that is installed or in the cache, as far as the driver builds.

    Which are left out, and why, is written to `log`.
    """
    installed = [*Path("/lib/modules").glob("*/build"), *Path("/usr/src").glob("linux-headers-*")]
    trees = cache_dir() / "trees"
    cached = [
        *trees.glob("headers-*/usr/src/linux-headers-*"),
        *trees.glob(f"{DEBUG_TREE}*/usr/src/linux-headers-*"),
    ]
    found = [headers_of(DEFAULT_VERSION), *sorted(installed), *sorted(cached)]
    # Packages of files common to several kernels have no configuration.
    whole = dict.fromkeys(path.resolve() for path in found if (path / ".config").is_file())
    for path in whole:
        if not is_fit(path):
            needed = "Linux 6.12 or newer with CONFIG_DRM_ACCEL and CONFIG_PCI_MSI"
            print(f"{path}: left out, the driver needs {needed}", file=log)
    return [path for path in whole if is_fit(path)]


def is_fit(headers: Path) -> bool:
    """Whether the kernel is new enough for the driver and has what it stands on."""
    config = (headers / ".config").read_text().splitlines()
    version = re.search(r"Linux/\S+ (\d+)\.(\d+)", "\n".join(config[:5]))
    new = version is not None and (int(version[1]), int(version[2])) >= _OLDEST
    return new and {"CONFIG_DRM_ACCEL=y", "CONFIG_PCI_MSI=y"} <= set(config)


def _headers_in(tree: Path, release: str, file: str) -> Path:
    """A file of the headers in a tree; CannotInstallError when it is not there."""
    found = tree / "usr/src" / f"linux-headers-{release}" / file
    if not found.is_file():
        raise CannotInstallError(f"{tree} is not a whole tree: remove it and try again")
    return found


def _relocate(folder: Path, final: Path) -> None:
    """Make the tree work at `final`: the packages expect to lie below /usr."""
    for path in (folder / "usr/src").rglob("*"):
        if path.is_symlink() and str(path.readlink()).startswith("/usr/"):
            target = path.readlink()
            path.unlink()
            path.symlink_to(f"{final}{target}")
    for makefile in (folder / "usr/src").glob("linux-headers-*/Makefile"):
        text = re.sub(r"(?<![\w/.])/usr/src/", f"{final}/usr/src/", makefile.read_text())
        makefile.write_text(text)

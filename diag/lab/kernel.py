# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The guest's kernel: an unmodified distribution package unpacked into the cache.

Or the debug kernel that `kernel_build` made of the distribution's source.
"""

from __future__ import annotations

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

from diag.lab.apt import Archive, Package, archive_of, os_release, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError
from diag.lab.tools import tool_argv

DEFAULT_VERSION = "6.12"
"""What `--kernel` is when it is not given; any leading part of a version can be."""

DEBUG = "debug"
"""The `--kernel` that `accel-lab kernel build` built."""

DEBUG_TREE = "debug-"
"""How the names of its folders begin in the cache; its release follows."""

_PARTS = re.compile(r"linux-(image|modules|binary|base)-\d")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One unpacked kernel: its release, boot image and module folder."""

    release: str
    image: Path
    modules: Path


def find_kernel(version: str = DEFAULT_VERSION) -> Kernel:
    """The kernel whose release starts with `version`, from the cache or the archive.

    `debug`, or the whole release of a debug kernel, is the one that was built here.
    Raises CannotInstallError when the archive has none or cannot be reached.
    """
    if version == DEBUG or "-debug" in version:
        return _debug_kernel(version)
    if not re.fullmatch(r"\d[\w.+~-]*", version):
        raise CannotInstallError(f"kernel version {version!r}: expected the like of 6.12 or 7.3")
    trees = cache_dir() / "trees"
    for tree in sorted(trees.glob(f"kernel-{version}*"), reverse=True):
        if matches(tree.name.removeprefix("kernel-"), version):
            return kernel_in(tree)
    with archive_of(suites()) as archive:
        packages = _parts(archive, suitable(archive.candidates("linux-image-amd64"), version))
        release = packages[0].name.removeprefix("linux-image-")

        def build(folder: Path) -> None:
            unpack(archive.exactly(packages), folder)
            depmod(folder, release)

        return kernel_in(published(trees / f"kernel-{release}", build))


def _debug_kernel(version: str) -> Kernel:
    """The debug kernel that was built last, or the one of that release."""
    trees = sorted((cache_dir() / "trees").glob(f"{DEBUG_TREE}*"), key=os.path.getmtime)
    fitting = [tree for tree in trees if version in (DEBUG, _release_of(tree))]
    if not fitting:
        raise CannotInstallError(f"no kernel {version} in the cache: run accel-lab kernel build")
    return kernel_in(fitting[-1])


def matches(found: str, wanted: str) -> bool:
    """Whether version `found` is `wanted` or continues it at a separator (6.1 is not 6.12)."""
    return found.startswith(wanted) and not found[len(wanted) : len(wanted) + 1].isdigit()


def suites() -> list[str]:
    """Suites of the archive that kernels come from, the machine's own first."""
    own = ["bookworm-backports"] if os_release().get("VERSION_CODENAME") == "bookworm" else []
    return [*own, "trixie", "trixie-backports"]


def suitable(candidates: list[Package], version: str) -> Package:
    """The package of `version` to take; CannotInstallError when none is offered."""
    fitting = [package for package in candidates if matches(package.version, version)]
    if not fitting:
        offered = ", ".join(package.version for package in candidates) or "none"
        raise CannotInstallError(f"no kernel {version} in the archive; offered: {offered}")
    # A kernel built for the machine's own release builds modules with its compiler.
    own = f"~bpo{os_release().get('VERSION_ID')}+"
    return next((package for package in fitting if own in package.version), fitting[0])


def _parts(archive: Archive, meta: Package) -> list[Package]:
    """The packages that hold files, the image's first."""
    images = [name for name in meta.depends if name.startswith("linux-image-")]
    found = archive.with_parts(images, _PARTS)
    if not found:
        raise CannotInstallError(f"{meta.name} {meta.version} names no linux-image package")
    return found


def depmod(folder: Path, release: str) -> None:
    """Write the module tables of a kernel below `folder`."""
    command = [*tool_argv("usr/sbin/depmod"), "-b", str(folder), release]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotInstallError(f"{' '.join(command)}: {done.stderr.strip()}")


def _release_of(tree: Path) -> str:
    """What follows `kernel-` or `debug-` in the name of a tree."""
    return tree.name.partition("-")[2]


def kernel_in(tree: Path) -> Kernel:
    """The kernel of an unpacked tree; CannotInstallError when it is not whole."""
    release = _release_of(tree)
    image = next(
        (path for path in (tree / "boot").glob(f"vmlinu?-{release}")),
        tree / "lib/modules" / release / "vmlinuz",
    )
    kernel = Kernel(release, image, tree / "lib/modules" / release)
    if not image.is_file() or not (kernel.modules / "modules.dep").is_file():
        raise CannotInstallError(f"{tree} is not a whole kernel: remove it and try again")
    return kernel

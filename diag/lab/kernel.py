# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The guest's kernel: an unmodified distribution package unpacked into the cache."""

from __future__ import annotations

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

_PARTS = re.compile(r"linux-(image|modules|binary|base)-\d")


@dataclass(frozen=True, slots=True)
class Kernel:
    """One unpacked kernel: its release, boot image and module folder."""

    release: str
    image: Path
    modules: Path


def find_kernel(version: str = DEFAULT_VERSION) -> Kernel:
    """The kernel whose release starts with `version`, from the cache or the archive.

    Raises CannotInstallError when the archive has none or cannot be reached.
    """
    if not re.fullmatch(r"\d[\w.+~-]*", version):
        raise CannotInstallError(f"kernel version {version!r}: expected the like of 6.12 or 7.3")
    trees = cache_dir() / "trees"
    for tree in sorted(trees.glob(f"kernel-{version}*"), reverse=True):
        if matches(tree.name.removeprefix("kernel-"), version):
            return _kernel_in(tree)
    with archive_of(suites()) as archive:
        packages = _parts(archive, _choose(archive.candidates("linux-image-amd64"), version))
        release = packages[0].name.removeprefix("linux-image-")

        def build(folder: Path) -> None:
            unpack(archive.exactly(packages), folder)
            _depmod(folder, release)

        return _kernel_in(published(trees / f"kernel-{release}", build))


def matches(found: str, wanted: str) -> bool:
    """Whether version `found` is `wanted` or continues it at a separator (6.1 is not 6.12)."""
    return found.startswith(wanted) and not found[len(wanted) : len(wanted) + 1].isdigit()


def suites() -> list[str]:
    """Suites of the archive that kernels come from, the machine's own first."""
    own = ["bookworm-backports"] if os_release().get("VERSION_CODENAME") == "bookworm" else []
    return [*own, "trixie", "trixie-backports"]


def _choose(candidates: list[Package], version: str) -> Package:
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


def _depmod(folder: Path, release: str) -> None:
    command = [*tool_argv("usr/sbin/depmod"), "-b", str(folder), release]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotInstallError(f"{' '.join(command)}: {done.stderr.strip()}")


def _kernel_in(tree: Path) -> Kernel:
    release = tree.name.removeprefix("kernel-")
    image = next(
        (path for path in (tree / "boot").glob(f"vmlinu?-{release}")),
        tree / "lib/modules" / release / "vmlinuz",
    )
    kernel = Kernel(release, image, tree / "lib/modules" / release)
    if not image.is_file() or not (kernel.modules / "modules.dep").is_file():
        raise CannotInstallError(f"{tree} is not a whole kernel: remove it and try again")
    return kernel

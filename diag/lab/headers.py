# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What modules for the guest's kernel are built against: its header packages, unpacked."""

from __future__ import annotations

import re
from pathlib import Path

from diag.lab.apt import archive_of, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError
from diag.lab.kernel import find_kernel, suites

_PARTS = re.compile(r"linux-(headers|kbuild)-\d")


def find_headers(release: str) -> Path:
    """The folder for `make -C` that belongs to an unpacked kernel, such as 6.12.95+deb12-amd64.

    Raises CannotInstallError when the archive has none or cannot be reached.
    """
    tree = cache_dir() / "trees" / f"headers-{release}"

    def build(folder: Path) -> None:
        with archive_of(suites()) as archive:
            packages = archive.with_parts([f"linux-headers-{release}"], _PARTS)
            unpack(archive.exactly(packages), folder)
        _relocate(folder, tree)

    published(tree, build)
    found = tree / "usr/src" / f"linux-headers-{release}"
    if not (found / "Makefile").is_file():
        raise CannotInstallError(f"{tree} is not a whole tree: remove it and try again")
    return found


def headers_of(version: str) -> Path:
    """The headers of the kernel that `find_kernel(version)` chooses."""
    return find_headers(find_kernel(version).release)


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

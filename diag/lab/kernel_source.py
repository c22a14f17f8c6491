# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The distribution's kernel source package: a whole tree, or only its checking scripts."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from diag.lab.apt import Package, archive_of, unpack
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError
from diag.lab.kernel import DEFAULT_VERSION, suitable, suites

_CHECKS = (
    "scripts/checkpatch.pl",
    "scripts/spelling.txt",
    "scripts/const_structs.checkpatch",
    "scripts/coccinelle",
)


def unpack_source(folder: Path, members: Sequence[str] = ()) -> Package:
    """Unpack the source of the lab's default kernel, or only some `members`, into `folder`.

    Raises CannotInstallError when the archive has none or cannot be reached.
    """
    name = f"linux-source-{DEFAULT_VERSION}"
    with archive_of(suites()) as archive, TemporaryDirectory(dir=cache_dir()) as scratch:
        package = suitable(archive.candidates(name), DEFAULT_VERSION)
        unpack(archive.exactly([package]), Path(scratch))
        command = ["tar", "-xf", f"{scratch}/usr/src/{name}.tar.xz", "-C", str(folder)]
        command += ["--strip-components=1", *(f"{name}/{member}" for member in members)]
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise CannotInstallError(f"{' '.join(command)}: {done.stderr.strip()[-400:]}")
    return package


def check_scripts() -> Path:
    """A folder with checkpatch.pl and coccinelle/, the kernel's own scripts for its coding rules.

    Raises CannotInstallError as `unpack_source` does.
    """
    tree = cache_dir() / "trees" / f"checks-{DEFAULT_VERSION}"
    return published(tree, _unpack_checks) / "scripts"


def _unpack_checks(folder: Path) -> None:
    unpack_source(folder, _CHECKS)

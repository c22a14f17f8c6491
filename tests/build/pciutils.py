# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Dumps of real machines from the tests of pciutils: downloaded once, never committed."""

from __future__ import annotations

import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

from diag.lab.apt import system_mirror
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError

_APT_HELPER = "/usr/lib/apt/apt-helper"
_MOST_BYTES = 1 << 20


class NotFetchedError(Exception):
    """There are no dumps; the message says why."""


def dumps(version: str) -> list[Path]:
    """The dumps of pciutils' own tests, of an upstream version ("3.9.0")."""
    folder = published(cache_dir() / f"pciutils-{version}", _filled_with(version))
    return sorted(folder.iterdir())


def _filled_with(version: str) -> Callable[[Path], None]:
    def build(folder: Path) -> None:
        source = folder / "source.tar"
        _download(version, source)
        with tarfile.open(source) as tar:
            for member in tar:
                inside = member.name.split("/")
                if len(inside) == 3 and inside[1] == "tests" and member.isreg():
                    file = tar.extractfile(member)
                    assert file is not None
                    (folder / inside[2]).write_bytes(file.read(_MOST_BYTES))
        source.unlink()

    return build


def _download(version: str, target: Path) -> None:
    """The source as Debian has it, with the machine's mirror, proxy and so on."""
    try:
        pool = f"{system_mirror().uri.rstrip('/')}/pool/main/p/pciutils"
    except CannotInstallError as error:
        raise NotFetchedError(str(error)) from None
    said = ""
    for kind in ("xz", "gz"):
        url = f"{pool}/pciutils_{version}.orig.tar.{kind}"
        done = subprocess.run(
            [_APT_HELPER, "download-file", url, str(target)],
            check=False, capture_output=True, text=True, timeout=100,
        )  # fmt: skip
        if done.returncode == 0:
            return
        said = f"{url}: {done.stderr.strip() or done.stdout.strip()}"
    raise NotFetchedError(said[-400:])

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A small Debian to install things into, made once and never changed: see `Chroot`."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from diag.lab.apt import os_release, system_mirror
from diag.lab.cache import cache_dir, published
from diag.lab.errors import CannotInstallError

_PACKAGES = ("dkms", "gcc", "make", "openssl", "kmod")


class Chroot:
    """The Debian of this machine's release with DKMS and the headers of the newest backport.

    Each `run` sees what earlier ones of this object wrote; all of it is below `scratch`.
    """

    def __init__(self, scratch: Path) -> None:
        self._lower = published(cache_dir() / "trees" / "dkms-chroot", _make)
        self._scratch = scratch
        for name in ("upper", "work", "root"):
            (scratch / name).mkdir()
        done = self.run("true")
        if done.returncode:
            raise CannotInstallError(f"no overlay can be mounted here: {done.stderr.strip()}")

    @property
    def releases(self) -> list[str]:
        """Kernels whose headers it has."""
        return [path.name for path in (self._lower / "lib/modules").iterdir()]

    def run(self, script: str, mount: Path | None = None) -> subprocess.CompletedProcess[str]:
        """A shell script as its root, with a folder of this machine at /mnt."""
        overlay = f"lowerdir={self._lower},upperdir={self._scratch}/upper"
        lines = [
            "set -e",
            "cd $0",
            f"mount -t overlay -o {overlay},workdir=$0/work axl root",
            "mount -t proc proc root/proc",
            "mount --rbind /dev root/dev",
            'test -z "$2" || mount --bind "$2" root/mnt',
            'exec chroot root /bin/sh -ec "$1"',
        ]
        command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", "\n".join(lines)]
        return _run([*command, str(self._scratch), script, str(mount or "")])


def _make(folder: Path) -> None:
    if os.geteuid() or not shutil.which("mmdebstrap"):
        raise CannotInstallError("a chroot needs root and mmdebstrap")
    mirror, codename = system_mirror(), os_release()["VERSION_CODENAME"]
    signed = f"[signed-by={mirror.keyring}] " if mirror.keyring else ""
    suites = (codename, f"{codename}-backports")
    sources = [f"deb {signed}{mirror.uri} {suite} main" for suite in suites]
    wanted = ",".join([*_PACKAGES, f"linux-headers-amd64/{codename}-backports"])
    # What is on the disk after a power failure does not matter here.
    options = ["--variant=essential", "--dpkgopt=force-unsafe-io", f"--include={wanted}"]
    done = _run(["mmdebstrap", *options, codename, str(folder), *sources])
    if done.returncode:
        raise CannotInstallError(f"mmdebstrap: {done.stderr[-800:]}")


def _run(command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    # The headers bring their kernel; nothing boots it, so it needs no initramfs.
    env = {**os.environ, "LC_ALL": "C", "INITRD": "No"}
    env["PATH"] = f"/usr/sbin:/sbin:{os.environ['PATH']}"
    return subprocess.run(command, env=env, check=False, capture_output=True, text=True)

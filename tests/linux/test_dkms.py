# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The driver installed as its guide says: by DKMS, in a Debian that has nothing of ours."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from diag.lab.errors import CannotInstallError
from diag.lab.supervisor import CHECKOUT
from tests.linux.chroot import Chroot

# The first test may wait for the chroot's packages.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

VERSION = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]["version"]


@pytest.fixture(scope="module")
def chroot() -> Iterator[Chroot]:
    """A clean chroot with the sources put where `make install` puts them; skips where it cannot."""
    # An overlay's own folders cannot be on an overlay, as /tmp is in some containers.
    with TemporaryDirectory(prefix="axl-", dir="/dev/shm") as scratch:
        try:
            made = Chroot(Path(scratch))
        except CannotInstallError as error:
            pytest.skip(f"no chroot on this machine: {error}")
        destination = Path(scratch) / "upper"
        command = ["make", "-C", str(CHECKOUT / "drivers/linux"), "install"]
        subprocess.run([*command, f"DESTDIR={destination}"], check=True, capture_output=True)
        yield made


def run(chroot: Chroot, script: str) -> str:
    """What a script prints in the chroot; it must succeed."""
    done = chroot.run(script)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    return done.stdout


def test_dkms_builds_signs_installs_and_removes(chroot: Chroot) -> None:
    """One command builds and installs the module; another leaves nothing of it."""
    (release,) = chroot.releases
    module = f"axl/{VERSION}"

    log = "/var/lib/dkms/axl/*/build/make.log"
    run(chroot, f"dkms install {module} -k {release} || {{ cat {log}; exit 1; }}")
    status = run(chroot, f"dkms status {module}")
    assert status.startswith(f"{module}, {release}, x86_64: installed")

    said = run(chroot, f"modinfo -k {release} axl")
    fields = dict(re.findall(r"(?m)^(\w+):\s+(.*)$", said))
    assert fields["filename"].startswith(f"/lib/modules/{release}/updates/dkms/axl.ko")
    assert fields["vermagic"].split()[0] == release
    assert fields["signer"] == "DKMS module signing key"
    assert "pci:v00001AF4d000010F0sv00001AF4sd0000A301bc*sc*i*" in said
    # What udev loads for an endpoint, found as udev finds it.
    alias = "pci:v00001AF4d000010F0sv00001AF4sd0000A301bc12sc00i00"
    assert run(chroot, f"modprobe -S {release} -R {alias}")

    run(chroot, f"dkms remove {module} --all")
    left = run(chroot, f"find /lib/modules/{release} /var/lib/dkms -name 'axl*'; dkms status axl")
    assert left == ""


def test_a_kernel_without_the_accel_subsystem_is_passed_over(chroot: Chroot) -> None:
    """DKMS says that the module is not for that kernel, which is no failure of an upgrade."""
    (release,) = chroot.releases
    config = f"/usr/src/linux-headers-{release}/.config"
    run(chroot, f"sed -i.kept '/^CONFIG_DRM_ACCEL=/d' {config}")

    done = chroot.run(f"dkms build axl/{VERSION} -k {release}")
    run(chroot, f"mv {config}.kept {config}")
    assert done.returncode == 77
    assert "BUILD_EXCLUSIVE" in done.stdout + done.stderr

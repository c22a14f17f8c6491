# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The udev rules, with the real udev beside the loaded driver."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterator

import pytest

from diag.lab.errors import CannotInstallError
from diag.lab.supervisor import CHECKOUT
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from tests.linux.conftest import Driver
from tests.linux.udev import udev_argv

pytestmark = pytest.mark.timeout(400)

RULES = CHECKOUT / "drivers/linux/udev/60-axl.rules"
ENDPOINTS = enumerate_rack(load_rack("2x2")).endpoints
GROUP_ID = 4242


def udev(name: str) -> str:
    """A command for a shell that starts udev under one of its names; skips where it is not."""
    try:
        return shlex.join(udev_argv(name))
    except CannotInstallError as error:
        pytest.skip(f"no udev on this machine: {error}")


def test_udev_understands_the_rules() -> None:
    """What udevadm verify says of the rules: nothing."""
    command = [*shlex.split(udev("udevadm")), "verify", "--resolve-names=never", str(RULES)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture
def watched(driver: Driver) -> Iterator[Driver]:
    """The real udevd watches with our rules while the module is loaded."""
    udevadm, udevd = udev("udevadm"), udev("systemd-udevd")
    driver.unload()
    try:
        # The daemon keeps what it inherits open: without its own output the shell never ends.
        driver.shell(f"""
            mkdir -p /run/udev/rules.d
            cp {RULES} /run/udev/rules.d
            cp /etc/group /run/udev/group
            grep -v ^render: /etc/group >/etc/group.new
            echo render:x:{GROUP_ID}: >>/etc/group.new
            cat /etc/group.new >/etc/group
            {udevd} --daemon </dev/null >/run/udevd.log 2>&1""")
        driver.load()
        driver.shell(f"{udevadm} settle")
        yield driver
    finally:
        # The guest's groups as they were: other tests ask the system for a group's name.
        driver.shell(f"""
            {udevadm} control --exit || true
            if test -f /run/udev/group; then cat /run/udev/group >/etc/group; fi
            rm -rf /run/udev /dev/accel/by-*""")


@pytest.mark.guest
def test_udev_names_the_endpoints(watched: Driver) -> None:
    """Group, mode and both stable names of every endpoint; they go when the module goes."""
    seen = watched.shell("stat -L -c '%n %g %a %t:%T' /dev/accel/by-*/* /dev/accel/accel*")
    rows = {name: rest for name, *rest in map(str.split, seen.splitlines())}
    nodes = {tuple(rest) for name, rest in rows.items() if "/accel/accel" in name}

    assert {(group, mode) for group, mode, _ in nodes} == {(str(GROUP_ID), "660")}
    for placed in ENDPOINTS:
        by_id = rows[f"/dev/accel/by-id/card-0x{placed.serial:016x}-{placed.index}"]
        by_path = rows[f"/dev/accel/by-path/pci-{placed.bdf}"]
        assert by_id == by_path
        assert tuple(by_id) in nodes
    assert len(rows) == 3 * len(ENDPOINTS)

    watched.unload()
    left = watched.shell(f"{udev('udevadm')} settle; find /dev -path '*/accel/by-*'")
    watched.load()
    assert left == ""

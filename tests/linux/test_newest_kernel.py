# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko on the newest kernel that the distribution offers: built by its compiler, and working."""

from __future__ import annotations

import errno
from collections.abc import Iterator

import pytest

from diag.lab.config import LabConfig
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from pyaccel.spec.formats import Status
from tests.linux.conftest import Driver, built, loaded

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

VERSION = "7.3"
ENDPOINTS = [placed.bdf for placed in enumerate_rack(load_rack("2x2")).endpoints]


@pytest.fixture(scope="module")
def newest() -> Iterator[Driver]:
    """A guest of that kernel with the driver loaded."""
    with loaded(built(VERSION), LabConfig("2x2", accel="tcg", kernel=VERSION)) as made:
        yield made


@pytest.fixture(autouse=True)
def quiet_kernel(newest: Driver) -> Iterator[None]:
    """Every test fails when the kernel complains while it runs."""
    start = newest.lab.kernel_log_bytes()
    yield
    assert newest.lab.check_kernel_log(start, (r"pcieport|aer_inject|AER: PCIe Bus Error",)) == []


def test_it_is_the_kernel_that_was_meant(newest: Driver) -> None:
    """What follows is about this version."""
    assert newest.shell("uname -r").startswith(f"{VERSION}.")


def test_every_endpoint_is_committed(newest: Driver) -> None:
    """All endpoints of the rack are found and have their device address."""
    seen = newest.check("identity")

    assert {bdf: row["address_state"] for bdf, row in seen.items()} == dict.fromkeys(ENDPOINTS, 1)


def test_copies_are_byte_for_byte(newest: Driver) -> None:
    """Copies of odd sizes and offsets through device memory arrive as they were sent."""
    seen = newest.check("copies", ENDPOINTS[0])

    assert (set(seen["statuses"]), seen["wrong"]) == ({Status.OK}, 0)


@pytest.mark.parametrize("how", ["1", "2", "flr"])
def test_a_reset_ends_what_was_before(newest: Driver, how: str) -> None:
    """Function and bus resets by ioctl, and one by sysfs: jobs end, new ones work."""
    seen = newest.check("reset", ENDPOINTS[3], how)

    assert (seen["lost"], seen["generations"]) == (errno.ESTALE, 1)
    assert (seen["address_state"], seen["state"], seen["again"]) == (1, "online", 0)


def test_a_fatal_error_is_recovered_from(newest: Driver) -> None:
    """Through the kernel's AER service, with work in flight."""
    assert newest.check("aer", ENDPOINTS[2], "fatal") == {
        "lost": errno.ESTALE,
        "state": "online",
        "address_state": "committed",
        "again": 0,
    }


def test_removing_the_driver_ends_open_files(newest: Driver) -> None:
    """Unbinding under an open file: -ENODEV, SIGBUS for its memory, and it binds again."""
    seen = newest.check("unbind", ENDPOINTS[1])

    assert (seen["signal"], set(seen["answers"]), seen["again"]) == (7, {errno.ENODEV}, Status.OK)


def test_the_module_comes_and_goes(newest: Driver) -> None:
    """Unloading leaves nothing behind that stops it from working again."""
    newest.unload()
    newest.load()

    assert newest.check("copies", ENDPOINTS[1])["wrong"] == 0

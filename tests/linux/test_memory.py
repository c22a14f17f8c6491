# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko and memory that is not its own: pinned pages, dma-bufs, other endpoints."""

from __future__ import annotations

import errno
import itertools

import pytest

from pyaccel.spec.formats import Status
from tests.linux.conftest import ENDPOINTS, FIRST, FOURTH, SECOND, THIRD, Driver

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

KINDS = ["device", "host", "anonymous", "huge", "private_file", "shared", "udmabuf"]


@pytest.fixture(autouse=True)
def _quiet(quiet_kernel: None) -> None:
    """Every test fails when the kernel complains while it runs."""


def test_any_memory_reaches_any_other(driver: Driver) -> None:
    """150 random copies between 9 kinds of memory, two peers' among them, byte for byte."""
    seen = driver.check("transfers", FIRST, SECOND, FOURTH)

    assert seen["areas"] == [*KINDS, "peer", "peer"]
    assert (seen["statuses"], seen["wrong"]) == ([Status.OK], [])


def test_what_cannot_be_pinned_is_refused(driver: Driver) -> None:
    """RLIMIT_MEMLOCK counts to the page and says -EPERM; holes and kernel addresses -EFAULT."""
    seen = driver.check("pin_limits", FIRST)

    assert seen["limited"] == [0, 64, errno.EPERM, 0, 0, 4]
    assert {seen[case] for case in ("unaligned", "odd")} == {errno.EINVAL}
    faults = ("unmapped", "beyond", "kernel", "wrapped", "device")
    assert {seen[case] for case in faults} == {errno.EFAULT}
    assert (seen["left"], seen["charged"]) == (0, 0)


def test_pages_that_may_only_be_read_stay_so(driver: Driver) -> None:
    """READ_ONLY pins them; no mapping and no command writes to them."""
    assert driver.check("pin_read_only", SECOND) == {
        "statuses": [errno.EFAULT, 0, errno.EACCES],
        "read": Status.OK,
        "same": True,
        "written": Status.PROTECTION_FAULT,
    }


def test_pinned_pages_outlive_the_commands_that_use_them(driver: Driver) -> None:
    """Neither munmap() nor unmapping gives pages back before the last command has ended."""
    assert driver.check("pin_in_flight", THIRD) == {
        "same": True,
        "statuses": [Status.OK, Status.OK],
        "pinned": [64, 64, 0],
    }


def test_a_killed_process_leaves_no_page_pinned(driver: Driver) -> None:
    """Killed with pages pinned and a command that uses them: all given back."""
    assert driver.check("pin_killed", FOURTH) == {"pinned": 256, "left": 0, "again": Status.OK}


def test_removing_the_driver_gives_pinned_pages_back(driver: Driver) -> None:
    """At once, although the file stays open; closing it then gives nothing back twice."""
    assert driver.check("pin_removed", SECOND) == {
        "made": [0] * 4,
        "late": errno.ENODEV,
        "left": 0,
        "charged": 0,
        "after": 0,
    }


def test_dmabufs_are_shared_and_outlive_their_endpoint(driver: Driver) -> None:
    """The CPU sees any part of one; another endpoint keeps host memory when the first goes."""
    assert driver.check("dmabufs", FIRST, SECOND) == {
        "seen": ["HOST", "DEVI"],
        "same": True,
        "statuses": [Status.OK] * 3,
        "equal": True,
        "kept": "hhhhhhhh",
        "signals": [7, 7],
    }


def test_other_drivers_get_host_memory_only(driver: Driver) -> None:
    """Another driver imports a host buffer, but no device memory; pinned pages are not exported."""
    driver.shell("modprobe vgem")

    assert driver.check("foreign", FIRST) == {
        "imports": [0, errno.EOPNOTSUPP, errno.EOPNOTSUPP],
    }


def test_an_imported_dmabuf_is_let_go_at_removal(driver: Driver) -> None:
    """Unbinding with a udmabuf mapped: its owner keeps it, nothing new can be imported."""
    assert driver.check("udmabuf_removed", THIRD) == {
        "status": Status.OK,
        "late": errno.ENODEV,
        "kept": "here",
    }


def test_every_endpoint_reaches_every_other(driver: Driver) -> None:
    """Reads and writes of all twelve pairs byte for byte, and sysfs says reachable."""
    seen = driver.check("peers", *(placed.bdf for placed in ENDPOINTS))

    assert (seen["statuses"], seen["wrong"]) == ([Status.OK], [])
    assert seen["moved"] > 0
    for user, owner in itertools.permutations(ENDPOINTS, 2):
        line = f"card:0x{owner.serial:016x}/{owner.index} {owner.bdf} reachable"
        assert line in seen["sysfs"][user.bdf]
    assert {len(lines) for lines in seen["sysfs"].values()} == {3}


def test_copies_are_told_apart_by_direction(driver: Driver) -> None:
    """Whatever has an end in another endpoint is `peer` in events."""
    assert driver.check("directions", FIRST, SECOND) == [
        "host_to_device",
        "device_to_host",
        "device_to_device",
        "peer",
        "peer",
    ]


@pytest.mark.parametrize(
    ("how", "remap"), [("1", errno.ESTALE), ("2", errno.ESTALE), ("unbind", errno.ENODEV)]
)
def test_memory_of_a_lost_peer_faults(driver: Driver, how: str, remap: int) -> None:
    """After a reset or removal of its owner nothing leads to it; the rest of the context works."""
    assert driver.check("peer_lost", FIRST, THIRD, how) == {
        "before": [Status.OK] * 2,
        "faults": [[Status.PAGE_FAULT, 1]] * 2,
        "remap": remap,
        "unmaps": [0, 0],
        "own": Status.OK,
        "again": [Status.OK],
    }


def test_peers_that_reset_each_other_do_not_deadlock(driver: Driver) -> None:
    """Both map the other's memory over and over while resets take it away."""
    seen = driver.check("peer_storm", SECOND, FOURTH, "4")

    assert seen == {"ended": [0, 0], "again": [Status.OK, Status.OK]}

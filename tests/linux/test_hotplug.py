# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Endpoints taken out of their slot and put back, as pciehp does it: MSI only."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.lab.hotplug import plug, unplug
from diag.lab.rack import place_rack
from tests.linux.conftest import FIRST, FOURTH, Driver, loaded
from tests.linux.expected import assert_peers, assert_rack

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def pluggable(module: Path) -> Iterator[Driver]:
    """A guest whose endpoints have MSI: QEMU ends when one with MSI-X is unplugged."""
    with loaded(module, LabConfig("2x2", accel="tcg", msi=True)) as made:
        yield made


@pytest.mark.parametrize("round_", [1, 2])
def test_an_endpoint_leaves_with_work_in_flight_and_returns(pluggable: Driver, round_: int) -> None:
    """Its jobs end with -ENODEV, its peers are told at once; it returns as the one it was."""
    driver, rack = pluggable, place_rack(pluggable.lab.config)
    leaving = rack.endpoints[-1]
    start = driver.lab.kernel_log_bytes()
    held = driver.lab.files.share / "held"
    before = driver.check("identity")
    assert_rack(rack, before)

    seen = driver.check_meanwhile(held, lambda: unplug(driver.lab, leaving), "unplugged", FOURTH)
    left = driver.check("identity")
    plug(driver.lab, leaving)
    driver.shell(f"for i in $(seq 600); do test -e {sysfs(FOURTH)} && break; sleep 0.1; done")
    again = driver.check("identity")

    assert seen == {"lost": errno.ENODEV, "answers": [errno.ENODEV, errno.ENODEV]}
    assert FOURTH not in left
    assert (left[FIRST]["peers"], left[FIRST]["address_state"]) == (3, 1)
    assert_rack(rack, again)
    with driver.rack() as client:
        assert_peers(client, rack, again)
    assert {row["vectors"] for row in again.values()} == {1}
    assert driver.check("copies", FOURTH)["wrong"] == 0
    assert driver.lab.check_kernel_log(start) == []


def sysfs(bdf: str) -> str:
    """A file that is there when the driver has taken the endpoint."""
    return f"/sys/bus/pci/devices/{bdf}/axl/state"

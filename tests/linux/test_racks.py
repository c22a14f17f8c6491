# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Racks of several shapes: every endpoint found, known and addressed, also after a rescan."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import Placement
from diag.model.rack.spec import load_rack
from tests.linux.conftest import Driver, loaded
from tests.linux.expected import assert_peers, assert_rack

pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]


@pytest.fixture(params=["1x1", "2x2", "8x4"])
def racked(request: pytest.FixtureRequest, module: Path) -> Iterator[tuple[Driver, Placement]]:
    """A guest with the driver; the one that all share where its rack is the same."""
    rack = enumerate_rack(load_rack(request.param))
    if request.param == "2x2":
        yield request.getfixturevalue("driver"), rack
        return
    with loaded(module, LabConfig(request.param, accel="tcg")) as driver:
        yield driver, rack


def test_a_rack_is_known_before_and_after_a_card_is_found_again(
    racked: tuple[Driver, Placement],
) -> None:
    """Identity, place and peers are the rack's; a rescan gives everybody the right addresses."""
    driver, rack = racked
    start = driver.lab.kernel_log_bytes()
    seen = driver.check("identity")
    assert_rack(rack, seen)
    card = [placed for placed in rack.endpoints if placed.card == rack.endpoints[-1].card]
    # The card's own switch, where it has one.
    top = card[0].path[-2] if len(card) > 1 else card[0].bdf

    driver.shell(f"echo 1 >/sys/bus/pci/devices/{top}/remove")
    left = driver.check("identity") if len(card) < len(rack.endpoints) else {}
    driver.shell("echo 1 >/sys/bus/pci/rescan")
    again = driver.check("identity")

    assert set(left) == set(seen) - {placed.bdf for placed in card}
    assert_rack(rack, again)
    with driver.rack() as client:
        assert_peers(client, rack, again)
    assert driver.check("copies", card[-1].bdf)["wrong"] == 0
    assert driver.lab.check_kernel_log(start) == []

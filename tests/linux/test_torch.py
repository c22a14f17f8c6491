# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.device("axl") on the real driver: some of tests/torch, in one process of the guest."""

from __future__ import annotations

import json
import sys
from typing import Any

import pytest

from diag.lab.supervisor import CHECKOUT
from tests.linux.conftest import ENDPOINTS, FIRST, Driver

# Importing PyTorch alone takes a minute or two there.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(900)]

TIMEOUT_S = 800


@pytest.fixture(scope="module")
def seen(driver: Driver) -> dict[str, Any]:
    """What the program in the guest found."""
    command = [sys.executable, "-m", "tests.linux.guest_torch", FIRST]
    done = driver.lab.guest.run(
        ["env", f"PYTHONPATH={CHECKOUT}", "HOME=/tmp", *command],
        timeout_s=TIMEOUT_S,
    )
    assert done.status == 0, done.stderr.decode()[-2000:]
    found: dict[str, Any] = json.loads(done.stdout.decode().strip().splitlines()[-1])
    return found


def test_a_network_trains(seen: dict[str, Any]) -> None:
    """The losses are the CPU's, without a fallback after the first step."""
    training = seen["training"]

    assert training["fallbacks"] == {}
    assert training["actual"] == pytest.approx(training["expected"], rel=2e-3)
    assert training["actual"][-1] < training["actual"][0]


def test_streams_are_ordered_by_events(seen: dict[str, Any]) -> None:
    """What was copied from pinned memory is there for the stream that waits."""
    assert seen["streams"]["same"]


def test_operations_are_fused(seen: dict[str, Any]) -> None:
    """The driver takes the longest command that there is."""
    assert seen["fused"] == {"product": [[2.0] * 4] * 3, "sums": [[8.0]] * 3}


def test_every_endpoint_takes_part(seen: dict[str, Any]) -> None:
    """In stable order, by card and endpoint; tensors went through all of them."""
    names = [f"AXL card:0x{each.serial:016x}/{each.index}" for each in ENDPOINTS]

    assert seen["endpoints"]["names"] == names
    assert seen["endpoints"]["last"] == 999 + len(ENDPOINTS) - 1


def test_a_reset_is_an_error_that_a_program_survives(seen: dict[str, Any]) -> None:
    """It names the endpoint; fresh tensors work in the same process."""
    first = ENDPOINTS[0]

    assert f"axl:0 (card:0x{first.serial:016x}/{first.index})" in seen["reset"]["said"]
    assert seen["reset"]["fresh"] == [2.0, 2.0, 2.0]

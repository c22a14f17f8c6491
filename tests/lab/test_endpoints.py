# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The endpoints that QEMU gets: a rack's, without its firmware."""

from __future__ import annotations

import pytest

from diag.model.bus import ResetKind
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.rack_endpoint import RackEndpoint
from diag.model.rack.spec import load_rack


@pytest.mark.parametrize("kind", [None, *ResetKind])
def test_bars_are_left_to_the_guest(kind: ResetKind | None) -> None:
    """After power-on and after every reset nothing is decoded until the guest says where."""
    placed = enumerate_rack(load_rack("1x1")).endpoints[0]
    endpoint = RackEndpoint(placed, Loop(), Fabric([placed.bar2_bytes]), firmware=False)
    if kind is not None:
        endpoint.reset(kind)

    assert not endpoint.config_space.memory_enabled
    assert not endpoint.config_space.bus_master
    assert endpoint.config_space.read(0x10, 24) == bytes.fromhex("04000000 00000000 0c000000") + (
        bytes.fromhex("00000000 04000000 00000000")
    )
    assert endpoint.address.captured is None

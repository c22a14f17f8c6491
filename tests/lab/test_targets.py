# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Names of ports and endpoints, and what a session's options make of its rack."""

from __future__ import annotations

import pytest

from diag.lab.config import LabConfig
from diag.lab.errors import LabUsageError
from diag.lab.rack import place_rack
from diag.lab.targets import find_endpoint, find_function

PLACEMENT = place_rack(LabConfig("2x2"))


@pytest.mark.parametrize("name", ["0000:0a:00.0", "0a:00.0", "ep3"])
def test_an_endpoint_has_three_names(name: str) -> None:
    """With and without its domain, and as QEMU calls it."""
    assert find_endpoint(PLACEMENT, name) is PLACEMENT.endpoints[3]
    assert find_function(PLACEMENT, name) is PLACEMENT.endpoints[3]


@pytest.mark.parametrize("name", ["0000:02:01.0", "02:01.0", "p02_01_0"])
def test_a_port_has_three_names(name: str) -> None:
    """As for endpoints; a port is no endpoint."""
    assert find_function(PLACEMENT, name).bdf == "0000:02:01.0"
    with pytest.raises(LabUsageError, match=r"no endpoint .*it has 0000:05:00\.0 \(ep0\)"):
        find_endpoint(PLACEMENT, name)


def test_what_does_not_exist_is_named() -> None:
    """The error lists what there is."""
    with pytest.raises(LabUsageError, match=r"no port or endpoint 'ep4'.*0000:00:01\.0"):
        find_function(PLACEMENT, "ep4")


@pytest.mark.parametrize("rack", ["1x1", "2x2", "8x4"])
def test_msi_is_an_option_of_every_rack(rack: str) -> None:
    """Without switches, behind two, behind several root ports: MSI only, at the same places."""
    usual, msi = (place_rack(LabConfig(rack, msi=msi)) for msi in (False, True))

    assert {endpoint.irq for endpoint in msi.endpoints} == {"msi"}
    assert [e.bdf for e in msi.endpoints] == [e.bdf for e in usual.endpoints]
    assert msi.ports == usual.ports


def test_no_more_endpoints_than_the_rack_has() -> None:
    """The error says how many there are."""
    with pytest.raises(LabUsageError, match="rack 2x2 has 4 endpoints, not 5"):
        place_rack(LabConfig("2x2", endpoints=5))

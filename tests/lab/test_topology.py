# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A placed rack as QEMU -device arguments."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from diag.lab.errors import LabError
from diag.lab.topology import port_id, topology_arguments
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import Placement
from diag.model.rack.spec import load_rack, parse_rack


def devices(placement: Placement, endpoints: int | None = None) -> list[dict[str, Any]]:
    """The devices of the arguments, in order."""
    arguments = topology_arguments(placement, Path("/run/x"), endpoints)
    assert arguments[0::2] == ["-device"] * (len(arguments) // 2)
    return [json.loads(argument) for argument in arguments[1::2]]


def rack(text: str) -> Placement:
    """A rack file's text, enumerated."""
    return enumerate_rack(parse_rack(f"axl-rack: 1\n{text}", "rack.yaml"))


@pytest.mark.parametrize("name", ["1x1", "2x2", "8x4", "8x8"])
def test_every_port_and_endpoint_becomes_one_device_behind_its_parent(name: str) -> None:
    """Each device hangs from the bus of its parent, which QEMU has seen before it."""
    placement = enumerate_rack(load_rack(name))
    found = devices(placement)
    seen = {"pcie.0"}

    for device in found:
        assert device["bus"] in seen
        seen.add(device["id"])

    assert len(found) == len(placement.ports) + len(placement.endpoints)
    assert len(seen) == len(found) + 1


def test_port_kinds_are_the_models_that_qemu_has() -> None:
    """A 2x2 rack is one root port and three switches with two downstream ports each."""
    drivers = [device["driver"] for device in devices(enumerate_rack(load_rack("2x2")))]

    assert {name: drivers.count(name) for name in set(drivers)} == {
        "pcie-root-port": 1,
        "x3130-upstream": 3,
        "xio3130-downstream": 6,
        "vfio-user-pci": 4,
    }


def test_slots_are_unique_and_keep_the_numbers_of_the_rack_file() -> None:
    """Two ports never share chassis and slot, which QEMU refuses."""
    found = devices(enumerate_rack(load_rack("2x2")))
    slots = {device["id"]: device["slot"] for device in found if "slot" in device}

    assert slots["p00_01_0"] == 1
    assert (slots["p02_00_0"], slots["p02_01_0"]) == (2, 3)
    assert len(set(slots.values())) == len(slots) == 7


def test_root_ports_take_speed_and_width_of_the_link() -> None:
    """Link capabilities of a root port come from the rack file."""
    link = "{max-speed: 5, speed: 3, max-width: 8, width: 4}"
    port = devices(rack(f"root-ports: [{{link: {link}, card: {{endpoints: 1}}}}]"))[0]

    assert (port["x-speed"], port["x-width"]) == ("32", "8")


def test_endpoints_name_their_socket() -> None:
    """An endpoint is a vfio-user device on the socket that its worker listens on."""
    endpoint = devices(enumerate_rack(load_rack("1x1")))[-1]

    assert endpoint["driver"] == "vfio-user-pci"
    assert endpoint["socket"] == {"type": "unix", "path": "/run/x/ep0.sock"}


@pytest.mark.parametrize("count", [0, 1, 3])
def test_fewer_endpoints_can_be_plugged_in(count: int) -> None:
    """The first ones are there, all ports are; 0 leaves the switches alone."""
    found = devices(enumerate_rack(load_rack("2x2")), count)

    names = [device["id"] for device in found if device["driver"] == "vfio-user-pci"]
    assert names == [f"ep{n}" for n in range(count)]
    assert len(found) == 10 + count


def test_more_root_ports_than_free_devices_are_refused() -> None:
    """The lab's own devices keep their place on the root bus."""
    placement = rack("root-ports: [{repeat: 24, card: {endpoints: 1}}]")

    with pytest.raises(LabError, match=r"0000:00:18\.0: the lab has room for 23 root ports"):
        topology_arguments(placement, Path("/run/x"))


def test_port_ids_come_from_the_place_in_the_rack() -> None:
    """A port's QEMU name tells its bus address in the rack."""
    assert port_id("0000:02:01.0") == "p02_01_0"

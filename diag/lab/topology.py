# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A placed rack as QEMU devices: the same tree and device numbers as the embedded rack.

QEMU's switch ports are TI XIO3130 models: their links always read 2.5 GT/s x1, whatever
the rack file says. Root ports take speed and width from it.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from diag.lab.errors import LabError
from diag.model.rack.placement import PlacedEndpoint, PlacedPort, Placement

_SPEEDS = {1: "2_5", 2: "5", 3: "8", 4: "16", 5: "32", 6: "64"}
_FIRST_INNER_SLOT = 100
_CHASSIS = 1
MAX_ROOT_DEVICE = 0x17
"""Root bus devices above this one belong to the lab and the chipset."""


def port_id(bdf: str) -> str:
    """QEMU's name for a port, from its place in the rack: 0000:02:01.0 is p02_01_0."""
    return "p" + bdf[5:].replace(":", "_").replace(".", "_")


def endpoint_id(number: int) -> str:
    """QEMU's name for endpoint `number`."""
    return f"ep{number}"


def endpoint_device(endpoint: PlacedEndpoint, sockets: Path) -> dict[str, Any]:
    """What QEMU is told of an endpoint, at its start and when it is plugged in later."""
    return {
        "driver": "vfio-user-pci",
        "id": endpoint_id(endpoint.n),
        "bus": port_id(endpoint.parent),
        "addr": "0",
        "socket": {"type": "unix", "path": str(sockets / endpoint.socket)},
    }


def topology_arguments(
    placement: Placement, sockets: Path, endpoints: int | None = None
) -> list[str]:
    """The -device arguments of all ports and endpoints, parents first.

    Args:
        placement: the rack after enumeration.
        sockets: folder of the endpoints' sockets.
        endpoints: plug in only so many, the first ones; None is all.
    """
    slots = _slot_numbers(placement.ports)
    arguments: list[str] = []
    for port in placement.ports:
        arguments += ["-device", _port(port, slots)]
    for endpoint in placement.endpoints[:endpoints]:
        arguments += ["-device", json.dumps(endpoint_device(endpoint, sockets))]
    return arguments


def _slot_numbers(ports: tuple[PlacedPort, ...]) -> dict[str, int]:
    """A number for every slot; on-card ports, which have none, get high ones."""
    used = {port.slot for port in ports}
    free = (slot for slot in range(_FIRST_INNER_SLOT, 1 << 13) if slot not in used)
    return {
        port.bdf: port.slot if port.slot is not None else next(free)
        for port in ports
        if port.kind != "upstream"
    }


def _port(port: PlacedPort, slots: dict[str, int]) -> str:
    device = int(port.bdf[8:10], 16)
    place = {"id": port_id(port.bdf), "bus": _bus(port), "addr": f"{device:x}"}
    if port.kind == "upstream":
        return json.dumps({"driver": "x3130-upstream", **place})
    slot = {"chassis": _CHASSIS, "slot": slots[port.bdf]}
    if port.kind == "downstream":
        return json.dumps({"driver": "xio3130-downstream", **place, **slot})
    if device > MAX_ROOT_DEVICE:
        raise LabError(f"{port.bdf}: the lab has room for {MAX_ROOT_DEVICE} root ports")
    # No device here has I/O ports, and 64 KiB of them are too few for one window per port.
    link = {"x-speed": _SPEEDS[port.link.max_speed], "x-width": str(port.link.max_width)}
    return json.dumps({"driver": "pcie-root-port", **place, **slot, **link, "io-reserve": 0})


def _bus(port: PlacedPort) -> str:
    return port_id(port.parent) if port.parent is not None else "pcie.0"

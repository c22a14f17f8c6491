# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Endpoints and ports as they are named on the command line: 05:00.0, ep0, p02_01_0."""

from __future__ import annotations

from diag.lab.errors import LabUsageError
from diag.lab.topology import endpoint_id, port_id
from diag.model.rack.placement import PlacedEndpoint, PlacedPort, Placement


def find_endpoint(placement: Placement, name: str) -> PlacedEndpoint:
    """The endpoint that `name` means: its bus address, or epN."""
    for endpoint in placement.endpoints:
        if name in _names(endpoint.bdf, endpoint_id(endpoint.n)):
            return endpoint
    known = [f"{endpoint.bdf} (ep{endpoint.n})" for endpoint in placement.endpoints]
    raise LabUsageError(_unknown("endpoint", name, known))


def find_function(placement: Placement, name: str) -> PlacedEndpoint | PlacedPort:
    """The endpoint or port that `name` means: its bus address, epN, or pBB_DD_F."""
    for port in placement.ports:
        if name in _names(port.bdf, port_id(port.bdf)):
            return port
    for endpoint in placement.endpoints:
        if name in _names(endpoint.bdf, endpoint_id(endpoint.n)):
            return endpoint
    known = [port.bdf for port in placement.ports]
    known += [endpoint.bdf for endpoint in placement.endpoints]
    raise LabUsageError(_unknown("port or endpoint", name, known))


def _names(bdf: str, qemu_id: str) -> tuple[str, ...]:
    return (bdf, bdf.removeprefix("0000:"), qemu_id)


def _unknown(kind: str, name: str, known: list[str]) -> str:
    return f"the rack has no {kind} {name[:40]!r}; it has {', '.join(known)}"

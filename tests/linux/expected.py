# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What axl.ko must say of a rack's endpoints, from the rack file."""

from __future__ import annotations

from typing import Any

from diag.model.rack.client import RackClient
from diag.model.rack.placement import PlacedEndpoint, Placement


def numeric(bdf: str) -> int:
    """A BDF as GET_INFO has it."""
    segment, bus, rest = bdf.split(":")
    device, function = rest.split(".")
    return int(segment, 16) << 16 | int(bus, 16) << 8 | int(device, 16) << 3 | int(function)


def reachable(rack: Placement, placed: PlacedEndpoint) -> list[PlacedEndpoint]:
    """The endpoints below the same root port, itself included."""
    return [other for other in rack.endpoints if other.path[0] == placed.path[0]]


def identity(rack: Placement, placed: PlacedEndpoint) -> dict[str, object]:
    """What GET_INFO must say of an endpoint."""
    return {
        "serial": placed.serial,
        "index": placed.index,
        "count": placed.count,
        "bdf": numeric(placed.bdf),
        "slot": placed.slot,
        "path": [numeric(port) for port in placed.path],
        "address_state": 1,
        "peers": len(reachable(rack, placed)),
        "state": 0,
    }


def assert_rack(rack: Placement, seen: dict[str, Any]) -> None:
    """Every endpoint is there and says who and where it is; its memory is its BAR2."""
    assert set(seen) == {placed.bdf for placed in rack.endpoints}
    for placed in rack.endpoints:
        row, wanted = seen[placed.bdf], identity(rack, placed)
        assert {name: row[name] for name in wanted} == wanted
        first, last = row["bar2"]
        assert row["memory"] == [first, placed.bar2_bytes]
        assert last - first + 1 == placed.bar2_bytes


def assert_peers(client: RackClient, rack: Placement, seen: dict[str, Any]) -> None:
    """Each endpoint's own registers hold its place, and where each peer's memory is now."""
    for placed in rack.endpoints:
        peers = reachable(rack, placed)
        rows = [_registers(client, placed.n, "PEER", index=i) for i in range(len(peers))]
        told = {(row["PEER.SERIAL"], row["PEER.INFO"] & 0xFF): row["PEER.ADDRESS"] for row in rows}
        assert told == {(p.serial, p.index): seen[p.bdf]["memory"][0] for p in peers}


def _registers(client: RackClient, n: int, block: str, **where: int) -> dict[str, int]:
    answer = client.call("registers.get", endpoint=n, block=block, **where)
    return {row["name"]: row["value"] for row in answer["registers"]}

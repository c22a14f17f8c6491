# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is wrong with a rack, with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from diag.topo.model import Endpoint, Link, Port, Rack
from diag.topo.text import short_link, size
from pyaccel.spec.formats import PCI_DEVICE_ID, PCI_VENDOR_ID

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: `subject` is a bus address or a card, `rule` a stable name."""

    severity: Severity
    rule: str
    subject: str
    text: str
    advice: str


def find(rack: Rack) -> list[Finding]:
    """All findings, errors first, then in the order of the tree."""
    found = [*_links(rack), *_cards(rack)]
    for endpoint in rack.endpoints:
        found += [*_health(endpoint), *_address(endpoint), *_linux(endpoint), *_peers(endpoint)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _links(rack: Rack) -> Iterator[Finding]:
    for port in rack.ports:
        # An upstream port sees the same link as the port above it.
        if port.kind != "upstream" and port.link.below_capability:
            yield _slow_link(port)


def _slow_link(port: Port) -> Finding:
    best = Link(port.link.max_speed, port.link.max_width, None, None)
    where = f" (slot {port.slot})" if port.slot is not None else ""
    return Finding(
        "warning",
        "link-below-capability",
        port.bdf,
        f"the link below runs at {short_link(port.link)}, both ends can do {short_link(best)}",
        f"reseat the card or cable below {port.bdf}{where}, then look for corrected errors there",
    )


def _cards(rack: Rack) -> Iterator[Finding]:
    for serial, endpoints in rack.cards().items():
        count = endpoints[0].count
        if count is None:
            continue
        missing = sorted(set(range(count)) - {endpoint.index for endpoint in endpoints})
        if missing:
            names = ", ".join(map(str, missing))
            yield Finding(
                "error",
                "card-incomplete",
                f"card:0x{serial:016x}",
                f"{len(endpoints)} of {count} endpoints are there; missing index {names}",
                "power-cycle the card; if they stay away, replace it",
            )


def _health(endpoint: Endpoint) -> Iterator[Finding]:
    reason = f": {endpoint.health_reason}" if endpoint.health_reason else ""
    if endpoint.health == "gone":
        text, advice = "the endpoint is gone", _revive(endpoint)
    elif endpoint.health == "wedged":
        text, advice = "an error stopped the endpoint", "reset it; accel-info shows its error"
    elif endpoint.health == "stale":
        text, advice = "the endpoint gives no answer", _revive(endpoint)
    else:
        return
    yield Finding("error", f"endpoint-{endpoint.health}", endpoint.bdf, f"{text}{reason}", advice)


def _address(endpoint: Endpoint) -> Iterator[Finding]:
    address = endpoint.address
    if address is None or address.state == "committed" or endpoint.health != "online":
        return
    if address.state == "rejected":
        yield Finding(
            "error",
            "address-rejected",
            endpoint.bdf,
            f"the endpoint refused its device address: {address.reason}",
            "the driver's picture of the tree is wrong: rescan and open the endpoint again",
        )
        return
    yield Finding(
        "note",
        "address-stale",
        endpoint.bdf,
        "no device address since the last reset; peer-to-peer is refused",
        _how_addressed(endpoint),
    )


def _is_linux(endpoint: Endpoint) -> bool:
    return endpoint.pci.vendor_id is not None


def _revive(endpoint: Endpoint) -> str:
    if not _is_linux(endpoint):
        return f"accel-rack restart-card {endpoint.card}"
    devices = f"/sys/bus/pci/devices/{endpoint.bdf}"
    return f"find it again: echo 1 > {devices}/remove; echo 1 > /sys/bus/pci/rescan"


def _how_addressed(endpoint: Endpoint) -> str:
    if not _is_linux(endpoint):
        return "it is set up when a program opens the endpoint"
    return f"the driver sets it up by itself; if it stays so: dmesg | grep {endpoint.bdf}"


def _linux(endpoint: Endpoint) -> Iterator[Finding]:
    """What can be wrong before the driver is there at all."""
    ours = (endpoint.pci.vendor_id, endpoint.pci.device_id) == (PCI_VENDOR_ID, PCI_DEVICE_ID)
    if ours and endpoint.pci.driver is None:
        yield Finding(
            "error",
            "no-driver",
            endpoint.bdf,
            "no driver is bound to this accelerator",
            f"modprobe axl; if that does not help: dmesg | grep {endpoint.bdf}",
        )
    for bar in endpoint.bars:
        if bar.address is None:
            yield Finding(
                "error",
                "bar-unassigned",
                endpoint.bdf,
                f"BAR{bar.number} ({size(bar.size_bytes)}) has no address",
                "boot with pci=realloc, or enable 64-bit addresses in the firmware's settings",
            )


def _peers(endpoint: Endpoint) -> Iterator[Finding]:
    peers = endpoint.peers or ()
    for reason in dict.fromkeys(peer.reason for peer in peers if not peer.reachable):
        count = sum(peer.reason == reason for peer in peers)
        yield Finding(
            "note",
            "peer-unreachable",
            endpoint.bdf,
            f"{count} of {len(peers)} peers are reached through host memory only: {reason}",
            "nothing needs to be done; copies between them take two steps",
        )

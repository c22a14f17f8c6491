# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is wrong with a rack, with what to do about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from diag.topo.model import Endpoint, Link, Port, Rack
from diag.topo.text import short_link

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
        found += [*_health(endpoint), *_address(endpoint)]
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
        text, advice = "the endpoint is gone", f"accel-rack restart-card {endpoint.card}"
    elif endpoint.health == "wedged":
        text, advice = "an error stopped the endpoint", "reset it; accel-info shows its error"
    elif endpoint.health == "stale":
        text, advice = "the endpoint gives no answer", f"accel-rack restart-card {endpoint.card}"
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
        "it is set up when a program opens the endpoint",
    )

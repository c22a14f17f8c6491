# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is wrong with a rack, with what to do about it. Pure."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from diag.topo.links import LinkEnds, links
from diag.topo.model import LEFT, Aer, Endpoint, Port, Rack
from diag.topo.text import short_link, size
from pyaccel.spec.formats import PCI_DEVICE_ID, PCI_VENDOR_ID

_ACS: Final = re.compile(
    r"ACS redirects requests at port ([0-9a-f]{4}:[0-9a-f]{2}:[0-9a-f]{2}\.[0-7])"
)
"""The driver's reason (drivers/linux/axl_peer.c)."""

_HOW_ALLOWED: Final = (
    "to allow it, where no virtual machine relies on it: pci=disable_acs_redir={port}"
)
_PEER_CLASSES: Final = (0x01, 0x02, 0x03, 0x12)
"""Storage, network, display, accelerators: what talks to its peers."""

Severity = Literal["error", "warning", "note"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at: `subject` is a bus address or a card, `rule` a stable name."""

    severity: Severity
    rule: str
    subject: str
    text: str
    advice: str


def find(rack: Rack, earlier: Rack | None = None) -> list[Finding]:
    """All findings, errors first, then in the order of the tree.

    Args:
        rack: to look at.
        earlier: the same rack before, to see which error counters grew since then.
    """
    lost = _source(rack)
    if lost is not None:
        return [lost]
    found = [] if earlier is None else list(_growing_errors(rack, earlier))
    found += [*_links(rack), *_buses(rack), *_acs(rack), *_cards(rack)]
    for endpoint in rack.endpoints:
        found += [*_health(endpoint), *_address(endpoint), *_linux(endpoint), *_peers(endpoint)]
    order = {"error": 0, "warning": 1, "note": 2}
    return sorted(found, key=lambda finding: order[finding.severity])


def _source(rack: Rack) -> Finding | None:
    """One finding for a source that does not answer, in place of one for each of its endpoints."""
    healths = {each.health for each in rack.endpoints if each.health_reason == rack.live_reason}
    if rack.live or len(healths) != 1 or not healths <= {"gone", "stale"}:
        return None
    (health,) = healths
    text = "does not answer" if health == "stale" else "is not there"
    advice = (
        "what is shown is what was there before; it comes back by itself when the source answers"
    )
    return Finding(
        "error", f"source-{health}", rack.name, f"{rack.source} {text}: {rack.live_reason}", advice
    )


def _links(rack: Rack) -> Iterator[Finding]:
    return (_slow_link(link) for link in links(rack) if link.lower and link.below_capability)


def _slow_link(link: LinkEnds) -> Finding:
    port = link.upper
    where = f" (slot {port.slot})" if port.slot is not None else ""
    return Finding(
        "warning",
        "link-below-capability",
        port.bdf,
        f"the link below runs at {short_link(port.link)}, both ends can do {short_link(link.best)}",
        f"reseat the card or cable below {port.bdf}{where}, then look for corrected errors there",
    )


def _growing_errors(rack: Rack, earlier: Rack) -> Iterator[Finding]:
    """Ends of links where errors were counted since the earlier picture."""
    before = {member.bdf: member.aer for member in _ends(earlier)}
    for member in _ends(rack):
        grown = _growth(before.get(member.bdf, Aer()), member.aer)
        if not grown:
            continue
        counts = ", ".join(f"{count} {kind}" for kind, count in grown.items())
        yield Finding(
            "warning" if set(grown) == {"correctable"} else "error",
            "errors-growing",
            member.bdf,
            f"new errors at this end of its link: {counts}",
            "reseat the card or cable and see whether they go with the card or stay with the slot",
        )


def _ends(rack: Rack) -> Iterator[Port | Endpoint]:
    yield from rack.ports
    yield from rack.endpoints


def _growth(before: Aer, after: Aer) -> dict[str, int]:
    """By kind, where a counter grew; one that went down was reset, and says nothing."""
    pairs = {
        "correctable": (before.correctable_count, after.correctable_count),
        "non-fatal": (before.nonfatal_count, after.nonfatal_count),
        "fatal": (before.fatal_count, after.fatal_count),
    }
    return {
        kind: now - then
        for kind, (then, now) in pairs.items()
        if then is not None and now is not None and now > then
    }


def _buses(rack: Rack) -> Iterator[Finding]:
    """Bridges that got no bus number when the one above them had none left (0: not set up)."""
    for port in rack.ports:
        if port.secondary == 0:
            yield Finding(
                "error",
                "bus-numbers-exhausted",
                port.bdf,
                "no bus number was left for what is below: nothing is found there",
                "boot with pci=assign-busses, or give hot-plug ports fewer: pci=hpbussize=2",
            )


def _acs(rack: Rack) -> Iterator[Finding]:
    """Ports between accelerators that no driver has told peers of (see `_peers` for the others)."""
    untold = {
        bdf
        for each in rack.endpoints
        if each.peers is None and (each.pci.class_code or 0) >> 16 in _PEER_CLASSES
        for bdf in each.path
    }
    several = Counter(port.parent for port in rack.ports if port.bdf in untold)
    for port in rack.ports:
        if port.acs_redirects and port.bdf in untold and several[port.parent] > 1:
            yield Finding(
                "note",
                "acs-blocks-peers",
                port.bdf,
                "ACS sends requests between the devices below this switch through the root",
                _HOW_ALLOWED.format(port=port.bdf),
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
    if endpoint.health_reason == LEFT:
        return "look after its power and its seat in the slot, then: echo 1 > /sys/bus/pci/rescan"
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
        port = _ACS.search(reason or "")
        yield Finding(
            "note",
            "acs-blocks-peers" if port else "peer-unreachable",
            endpoint.bdf,
            f"{count} of {len(peers)} peers are reached through host memory only: {reason}",
            _HOW_ALLOWED.format(port=port[1])
            if port
            else "nothing needs to be done; copies between them take two steps",
        )

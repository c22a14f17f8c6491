# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A rack as text: the tree, a table, one object in depth. Pure; 80 columns where possible."""

from __future__ import annotations

import dataclasses
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from diag.printable import printable
from diag.topo.findings import Finding, find
from diag.topo.model import Aer, Endpoint, Pci, Port, Rack
from diag.topo.render_readings import render_readings
from diag.topo.sampling import Readings
from diag.topo.text import (
    UNKNOWN,
    bdf_shortener,
    columns,
    dash,
    full_link,
    pairs,
    short_link,
    size,
)

Paint = Callable[[str, str], str]
"""(text, severity) to the text as the terminal shall show it."""

WIDTH = 80


@dataclasses.dataclass(frozen=True, slots=True)
class Insight:
    """What is known of an endpoint beyond the tree.

    Args:
        readings: telemetry, queues and clients, or why there are none.
        blocks: register blocks by name, or why a block could not be read.
    """

    readings: Readings | str
    blocks: Mapping[str, list[dict[str, Any]] | str]


_COLUMNS = (
    "EP", "BDF", "SLOT", "IDENTITY", "LINK", "HEALTH", "ADDRESS", "IRQ", "MEMORY", "PEERS", "PID",
)  # fmt: skip

SLOW = "!"
"""Marks a link that trained below what it can do."""


def plain(text: str, _severity: str) -> str:
    """No colours."""
    return text


def render_tree(rack: Rack, paint: Paint = plain) -> Iterator[str]:
    """The tree with one line per port and endpoint, then what is wrong."""
    yield from _headlines(rack)
    yield from _Tree(rack, paint).members(None, "")
    yield from _finding_lines(find(rack), paint)


def render_table(rack: Rack) -> Iterator[str]:
    """One line per endpoint."""
    cut = bdf_shortener(rack)
    rows = [_COLUMNS]
    rows += [
        (
            str(endpoint.n),
            endpoint.bdf[cut:],
            dash(endpoint.slot),
            _name(endpoint).removeprefix("card:"),
            _marked_link(endpoint),
            endpoint.health,
            _address(endpoint),
            dash(endpoint.irq),
            size(endpoint.memory_bytes),
            _reachable(endpoint),
            dash(endpoint.client_pid),
        )
        for endpoint in rack.endpoints
    ]
    return columns(rows)


def render_endpoint(
    rack: Rack, endpoint: Endpoint, insight: Insight, opens_as: str
) -> Iterator[str]:
    """All that is known of one endpoint.

    Args:
        rack: where it sits.
        endpoint: which one.
        insight: what it is doing.
        opens_as: what a program passes to open it, as the library says.
    """
    yield f"endpoint {endpoint.n}: {_name(endpoint)} at {endpoint.bdf}"
    yield from pairs([*_endpoint_pairs(endpoint), ("opens as", printable(opens_as, 200))])
    yield "path"
    for bdf in endpoint.path:
        port = rack.port(bdf)
        if port is not None:
            yield f"  {port.bdf}  {port.kind:10}  {full_link(port.link)}"
    for bar in endpoint.bars:
        address = "not assigned" if bar.address is None else f"{bar.address:#014x}"
        yield f"BAR{bar.number}    {address}  {size(bar.size_bytes)}"
    yield from render_readings(insight.readings)
    yield from _peer_lines(endpoint)
    for name, block in insight.blocks.items():
        yield from _block(name, block)
    yield from _finding_lines(
        _about(rack, {endpoint.bdf, endpoint.parent, endpoint.card_name}), plain
    )


def render_port(rack: Rack, port: Port) -> Iterator[str]:
    """All that is known of one port."""
    window = UNKNOWN
    if port.window_base is not None and port.window_limit is not None:
        window = f"{port.window_base:#x}..{port.window_limit:#x}"
    buses = UNKNOWN
    if port.secondary is not None and port.subordinate is not None:
        buses = f"{port.secondary:02x}..{port.subordinate:02x}"
    yield f"port {port.bdf}: {port.kind}"
    yield from pairs(
        [
            ("parent", dash(port.parent)),
            ("slot", dash(port.slot)),
            ("link", _link(port)),
            ("buses below", buses),
            ("window", window),
            ("ACS", _acs(port)),
            ("errors", _errors(port)),
            *_pci_pairs(port.pci),
            ("below", ", ".join(_below(rack, port)) or "nothing"),
        ]
    )
    yield from _finding_lines(_about(rack, {port.bdf}), plain)


class _Tree:
    """Draws the branches."""

    def __init__(self, rack: Rack, paint: Paint) -> None:
        self._rack, self._paint = rack, paint
        self._cut = bdf_shortener(rack)

    def port(self, port: Port, prefix: str, *, last: bool) -> Iterator[str]:
        yield f"{prefix}{_branch(last=last)}{self._port_text(port)}"
        inner = prefix + ("   " if last else "│  ")
        below = list(self.members(port.bdf, inner))
        yield from below or [f"{inner}{_branch(last=True)}(empty)"]

    def members(self, bdf: str | None, prefix: str) -> Iterator[str]:
        """What hangs on a port, or on the root complex itself."""
        ports = list(self._rack.ports_below(bdf))
        endpoints = list(self._rack.endpoints_below(bdf))
        children: list[Port | Endpoint] = [*endpoints, *ports]
        for child in children:
            at_end = child is children[-1]
            if isinstance(child, Port):
                yield from self.port(child, prefix, last=at_end)
            else:
                yield f"{prefix}{_branch(last=at_end)}{self._endpoint_text(child)}"

    def _port_text(self, port: Port) -> str:
        name = port.bdf[self._cut :]
        if port.kind == "upstream":
            return f"{name} {self._switch_name(port)}"
        link = short_link(port.link) + _error_mark(port.aer)
        if port.link.below_capability:
            link = self._paint(f"{full_link(port.link)} {SLOW}", "warning") + _error_mark(port.aer)
        slot = "" if port.slot is None else f" slot {port.slot}"
        kind = {"root": "root port", "bridge": "bridge"}.get(port.kind, "port")
        return f"{name} {kind}{slot}  {link}"

    def _switch_name(self, port: Port) -> str:
        legs = {leg.bdf for leg in self._rack.ports_below(port.bdf)}
        below = [endpoint for endpoint in self._rack.endpoints if endpoint.parent in legs]
        cards = {endpoint.card for endpoint in below}
        # The legs of a card's own switch are no slots, although some of them say so.
        slots = {leg.slot for leg in self._rack.ports if leg.bdf in legs}
        own = slots == {None} or any((endpoint.count or 0) > 1 for endpoint in below)
        if own and len(cards) == 1 and None not in cards:
            return f"card {below[0].card}"
        return "switch"

    def _endpoint_text(self, endpoint: Endpoint) -> str:
        if endpoint.identity is None and endpoint.health == "unknown":
            return f"{endpoint.bdf[self._cut :]} ep{endpoint.n} {_name(endpoint)}"
        if endpoint.health in {"online", "unknown"}:
            state = _address(endpoint)
            severity = "error" if state == "rejected" else "note"
        else:
            state, severity = endpoint.health.upper(), "error"
        words = [
            endpoint.bdf[self._cut :],
            f"ep{endpoint.n}",
            _name(endpoint),
            self._paint(state, severity) if severity == "error" else state,
            dash(endpoint.irq),
            size(endpoint.memory_bytes),
        ]
        return " ".join(words) + _error_mark(endpoint.aer)


def _headlines(rack: Rack) -> Iterator[str]:
    cards, endpoints = len(rack.cards()), len(rack.endpoints)
    generation = "" if rack.generation is None else f", generation {rack.generation}"
    yield (
        f"rack {printable(rack.name)}: {cards} card{'s' * (cards != 1)},"
        f" {endpoints} endpoint{'s' * (endpoints != 1)}{generation}"
    )
    if not rack.live:
        text = f"(not asked: {dash(rack.live_reason)})"
        yield from _wrapped(text)


def _branch(*, last: bool) -> str:
    return "└─ " if last else "├─ "


def _address(endpoint: Endpoint) -> str:
    return UNKNOWN if endpoint.address is None else endpoint.address.state


def _marked_link(endpoint: Endpoint) -> str:
    return short_link(endpoint.link) + (SLOW if endpoint.link.below_capability else "")


def _name(endpoint: Endpoint) -> str:
    """Who it is; of a device that is not ours: what it is, and who drives it."""
    if endpoint.identity is not None:
        return endpoint.identity
    vendor, device = endpoint.pci.vendor_id, endpoint.pci.device_id
    if vendor is None or device is None:
        return UNKNOWN
    return f"{vendor:04x}:{device:04x} {dash(endpoint.pci.driver)}"


def _reachable(endpoint: Endpoint) -> str:
    """How many peers are reached directly, of how many."""
    if endpoint.peers is None:
        return UNKNOWN
    return f"{sum(peer.reachable for peer in endpoint.peers)}/{len(endpoint.peers)}"


def _peer_lines(endpoint: Endpoint) -> Iterator[str]:
    if endpoint.peers is None:
        # Only Linux is asked for them.
        if endpoint.identity is not None and endpoint.pci.vendor_id is not None:
            yield f"peers  {_or_reason(endpoint, 'peers', None)}"
        return
    yield f"peers  {_reachable(endpoint)} reachable"
    for peer in endpoint.peers:
        state = "reachable" if peer.reachable else f"through host memory: {dash(peer.reason)}"
        yield f"  {peer.identity}  {peer.bdf}  {printable(state)}"
    if "peers" in endpoint.unavailable:
        yield f"  ({printable(endpoint.unavailable['peers'])})"


def _about(rack: Rack, subjects: set[str | None]) -> list[Finding]:
    return [finding for finding in find(rack) if finding.subject in subjects]


def _finding_lines(findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    if findings:
        yield ""
    # Notes that say the same of many endpoints are said once.
    notes: dict[tuple[str, str], list[Finding]] = {}
    for finding in findings:
        if finding.severity == "note":
            notes.setdefault((finding.rule, finding.text), []).append(finding)
        else:
            yield from _finding_text(finding, finding.subject, paint)
    for same in notes.values():
        subject = same[0].subject if len(same) == 1 else f"{len(same)} endpoints"
        yield from _finding_text(same[0], subject, paint)


def _finding_text(finding: Finding, subject: str, paint: Paint) -> Iterator[str]:
    text = f"{finding.severity}: {printable(subject)}: {printable(finding.text)}"
    for line in _wrapped(text, "  "):
        yield paint(line, finding.severity)
    advice = f"  → {printable(finding.advice)}"
    yield from _wrapped(advice, "    ")


def _wrapped(text: str, indent: str = "") -> list[str]:
    return textwrap.wrap(
        text, WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _endpoint_pairs(endpoint: Endpoint) -> list[tuple[str, str]]:
    address = endpoint.address
    reason = f" ({printable(address.reason)})" if address and address.reason else ""
    health = f" ({printable(endpoint.health_reason)})" if endpoint.health_reason else ""
    return [
        ("health", f"{endpoint.health}{health}"),
        ("generation", _or_reason(endpoint, "generation", endpoint.generation)),
        (
            "address",
            f"{address.state}{reason}, generation {dash(address.generation)}"
            if address
            else _or_reason(endpoint, "address", None),
        ),
        ("card", _place_on_card(endpoint)),
        ("slot", dash(endpoint.slot)),
        ("link", _link(endpoint)),
        ("interrupts", dash(endpoint.irq)),
        ("memory", size(endpoint.memory_bytes)),
        ("used by", _user(endpoint)),
        ("errors", _errors(endpoint)),
        *_pci_pairs(endpoint.pci),
    ]


def _place_on_card(endpoint: Endpoint) -> str:
    if endpoint.card is None:
        return UNKNOWN
    return f"{endpoint.card}, endpoint {dash(endpoint.index)} of {dash(endpoint.count)}"


def _pci_pairs(pci: Pci) -> list[tuple[str, str]]:
    if pci.vendor_id is None or pci.device_id is None:
        return []
    return [
        ("device", f"{pci.vendor_id:04x}:{pci.device_id:04x}, class {pci.class_code or 0:06x}"),
        ("driver", dash(pci.driver)),
        ("NUMA node", dash(pci.numa_node)),
        ("IOMMU group", dash(pci.iommu_group)),
    ]


def _user(endpoint: Endpoint) -> str:
    if endpoint.client_pid is not None:
        return f"pid {endpoint.client_pid}"
    # With a reason, nobody could be asked; without one, nobody holds it.
    asked = "client_pid" not in endpoint.unavailable
    return "nobody" if asked else _or_reason(endpoint, "client_pid", None)


def _or_reason(member: Endpoint | Port, name: str, value: object) -> str:
    if value is not None:
        return dash(value)
    reason = member.unavailable.get(name)
    return f"{UNKNOWN} ({printable(reason)})" if reason else UNKNOWN


def _link(member: Endpoint | Port) -> str:
    reason = member.unavailable.get("link")
    return full_link(member.link) + (f" ({printable(reason)})" if reason else "")


def _acs(port: Port) -> str:
    if port.acs_redirects is None:
        return _or_reason(port, "acs_redirects", None)
    return "requests between peers go to the root" if port.acs_redirects else "peers are free"


def _errors(member: Endpoint | Port) -> str:
    counts = dataclasses.astuple(member.aer)
    if all(count is None for count in counts):
        return _or_reason(member, "aer", None)
    names = ("correctable", "non-fatal", "fatal")
    return ", ".join(f"{dash(count)} {name}" for count, name in zip(counts, names, strict=True))


def _error_mark(aer: Aer) -> str:
    """Counts of an end of a link that has seen errors."""
    counts = dataclasses.astuple(aer)
    if not any(counts):
        return ""
    return f" errors {'/'.join(map(dash, counts))}"


def _block(name: str, block: list[dict[str, Any]] | str) -> Iterator[str]:
    if isinstance(block, str):
        yield f"{name}  {UNKNOWN} ({printable(block)})"
        return
    yield name
    for row in block:
        # Write-only registers have no value, unused rows of a table say nothing.
        if row["value"] is None or (row["indices"] and not row["value"]):
            continue
        short = row["name"].partition(".")[2] + "".join(f"[{i}]" for i in row["indices"])
        value = f"0x{row['value']:0{row['width_bits'] // 4}x}"
        text = f"  {short:22} {value:18}  {printable(' '.join(_fields(row)))}"
        yield from _wrapped(text, " " * 45)


def _fields(row: dict[str, Any]) -> list[str]:
    """Every field with its name; the value of a register that is one field is seen already."""
    fields = {name: row["names"].get(name) or value for name, value in row["fields"].items()}
    if list(fields) == ["VALUE"]:
        return []
    return [f"{name}={value}" for name, value in fields.items()]


def _below(rack: Rack, port: Port) -> list[str]:
    ports = [child.bdf for child in rack.ports_below(port.bdf)]
    return ports + [f"ep{child.n} {child.bdf}" for child in rack.endpoints_below(port.bdf)]

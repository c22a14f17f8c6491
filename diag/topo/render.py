# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A rack as text: the tree, a table, one object in depth. Pure; 80 columns where possible."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from diag.printable import printable
from diag.topo.findings import Finding, find
from diag.topo.model import Aer, Endpoint, Port, Rack
from diag.topo.text import UNKNOWN, bdf_shortener, dash, full_link, short_link, size

Paint = Callable[[str, str], str]
"""(text, severity) to the text as the terminal shall show it."""

WIDTH = 80

SLOW = "!"
"""Marks a link that trained below what it can do."""


def plain(text: str, _severity: str) -> str:
    """No colours."""
    return text


def render_tree(rack: Rack, paint: Paint = plain) -> Iterator[str]:
    """The tree with one line per port and endpoint, then what is wrong."""
    yield from _headlines(rack)
    tree = _Tree(rack, paint)
    roots = list(rack.ports_below(None))
    for port in roots:
        yield from tree.port(port, "", last=port is roots[-1])
    yield from _finding_lines(find(rack), paint)


def render_table(rack: Rack) -> Iterator[str]:
    """One line per endpoint."""
    cut = bdf_shortener(rack)
    rows = [("EP", "BDF", "SLOT", "IDENTITY", "LINK", "HEALTH", "ADDRESS", "IRQ", "MEMORY", "PID")]
    rows += [
        (
            str(endpoint.n),
            endpoint.bdf[cut:],
            dash(endpoint.slot),
            endpoint.identity.removeprefix("card:"),
            _marked_link(endpoint),
            endpoint.health,
            _address(endpoint),
            dash(endpoint.irq),
            size(endpoint.memory_bytes),
            dash(endpoint.client_pid),
        )
        for endpoint in rack.endpoints
    ]
    return _columns(rows)


def render_endpoint(
    rack: Rack, endpoint: Endpoint, blocks: dict[str, list[dict[str, Any]] | str], opens_as: str
) -> Iterator[str]:
    """All that is known of one endpoint.

    Args:
        rack: where it sits.
        endpoint: which one.
        blocks: register blocks by name, or why a block could not be read.
        opens_as: what a program passes to open it, as the library says.
    """
    yield f"endpoint {endpoint.n}: {endpoint.identity} at {endpoint.bdf}"
    yield from _pairs([*_endpoint_pairs(endpoint), ("opens as", printable(opens_as, 200))])
    yield "path"
    for bdf in endpoint.path:
        port = rack.port(bdf)
        if port is not None:
            yield f"  {port.bdf}  {port.kind:10}  {full_link(port.link)}"
    for bar in endpoint.bars:
        yield f"BAR{bar.number}    {bar.address:#014x}  {size(bar.size_bytes)}"
    for name, block in blocks.items():
        yield from _block(name, block)
    yield from _finding_lines(_about(rack, {endpoint.bdf, endpoint.parent, _card(endpoint)}), plain)


def render_port(rack: Rack, port: Port) -> Iterator[str]:
    """All that is known of one port."""
    window = UNKNOWN
    if port.window_base is not None and port.window_limit is not None:
        window = f"{port.window_base:#x}..{port.window_limit:#x}"
    yield f"port {port.bdf}: {port.kind}"
    yield from _pairs(
        [
            ("parent", dash(port.parent)),
            ("slot", dash(port.slot)),
            ("link", full_link(port.link)),
            ("buses below", f"{port.secondary:02x}..{port.subordinate:02x}"),
            ("window", window),
            ("errors", _aer(port.aer)),
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
        ports = list(self._rack.ports_below(port.bdf))
        endpoints = list(self._rack.endpoints_below(port.bdf))
        children: list[Port | Endpoint] = [*endpoints, *ports]
        for child in children:
            at_end = child is children[-1]
            if isinstance(child, Port):
                yield from self.port(child, inner, last=at_end)
            else:
                yield f"{inner}{_branch(last=at_end)}{self._endpoint_text(child)}"
        if not children:
            yield f"{inner}{_branch(last=True)}(empty)"

    def _port_text(self, port: Port) -> str:
        name = port.bdf[self._cut :]
        if port.kind == "upstream":
            return f"{name} {self._switch_name(port)}"
        link = short_link(port.link)
        if port.link.below_capability:
            link = self._paint(f"{full_link(port.link)} {SLOW}", "warning")
        slot = "" if port.slot is None else f" slot {port.slot}"
        kind = "root port" if port.kind == "root" else "port"
        return f"{name} {kind}{slot}  {link}"

    def _switch_name(self, port: Port) -> str:
        legs = {leg.bdf for leg in self._rack.ports_below(port.bdf)}
        below = [endpoint for endpoint in self._rack.endpoints if endpoint.parent in legs]
        # The legs of a card's own switch are no slots.
        slots = {leg.slot for leg in self._rack.ports if leg.bdf in legs}
        if below and slots == {None}:
            return f"card {below[0].card}"
        return "switch"

    def _endpoint_text(self, endpoint: Endpoint) -> str:
        if endpoint.health in {"online", "unknown"}:
            state = _address(endpoint)
            severity = "error" if state == "rejected" else "note"
        else:
            state, severity = endpoint.health.upper(), "error"
        words = [
            endpoint.bdf[self._cut :],
            f"ep{endpoint.n}",
            endpoint.identity,
            self._paint(state, severity) if severity == "error" else state,
            dash(endpoint.irq),
            size(endpoint.memory_bytes),
        ]
        return " ".join(words)


def _headlines(rack: Rack) -> Iterator[str]:
    cards, endpoints = len(rack.cards()), len(rack.endpoints)
    yield (
        f"rack {printable(rack.name)}: {cards} card{'s' * (cards != 1)},"
        f" {endpoints} endpoint{'s' * (endpoints != 1)}, generation {dash(rack.generation)}"
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


def _card(endpoint: Endpoint) -> str:
    return f"card:0x{endpoint.serial:016x}"


def _about(rack: Rack, subjects: set[str]) -> list[Finding]:
    return [finding for finding in find(rack) if finding.subject in subjects]


def _finding_lines(findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    if findings:
        yield ""
    # An idle rack has one such note per endpoint: say it once.
    stale = [finding for finding in findings if finding.rule == "address-stale"]
    for finding in findings:
        if finding in stale and len(stale) > 1:
            continue
        yield from _finding_text(finding, finding.subject, paint)
    if len(stale) > 1:
        yield from _finding_text(stale[0], f"{len(stale)} endpoints", paint)


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
            f"{address.state}{reason}, generation {address.generation}"
            if address
            else _or_reason(endpoint, "address", None),
        ),
        ("card", f"{endpoint.card}, endpoint {endpoint.index} of {endpoint.count}"),
        ("slot", dash(endpoint.slot)),
        ("link", full_link(endpoint.link)),
        ("interrupts", dash(endpoint.irq)),
        ("memory", size(endpoint.memory_bytes)),
        ("used by", _user(endpoint)),
        ("errors", _aer(endpoint.aer)),
    ]


def _user(endpoint: Endpoint) -> str:
    if endpoint.client_pid is not None:
        return f"pid {endpoint.client_pid}"
    # With a reason, nobody could be asked; without one, nobody holds it.
    asked = "client_pid" not in endpoint.unavailable
    return "nobody" if asked else _or_reason(endpoint, "client_pid", None)


def _or_reason(endpoint: Endpoint, name: str, value: object) -> str:
    if value is not None:
        return dash(value)
    reason = endpoint.unavailable.get(name)
    return f"{UNKNOWN} ({printable(reason)})" if reason else UNKNOWN


def _aer(aer: Aer) -> str:
    counts = (aer.correctable_count, aer.nonfatal_count, aer.fatal_count)
    if all(count is None for count in counts):
        return UNKNOWN
    names = ("correctable", "non-fatal", "fatal")
    return ", ".join(f"{dash(count)} {name}" for count, name in zip(counts, names, strict=True))


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


def _pairs(pairs: Sequence[tuple[str, str]]) -> Iterator[str]:
    for name, value in pairs:
        yield f"  {name:12} {value}"


def _columns(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The `topology` file of a running rack.

Written by the supervisor, parsed by libaxl and by diag.topo. One record a line, `kind key=value
...`; unknown keys are ignored, unknown kinds of line are an error. docs/guide/accel-rack.md
shows one.
"""

from __future__ import annotations

import re
from typing import Final, TypeVar, get_args

from diag.model.rack.placement import PlacedEndpoint, PlacedPort, Placement, PortKind, bdf_word
from diag.model.rack.words import NAME_PATTERN, Irq, LinkSpec

HEADER: Final = "axl-topology 1"
MAX_BYTES: Final = 1 << 20

_T = TypeVar("_T", bound=str)
_WORD: Final = re.compile(r"[!-~]*")


class TopologyFileError(ValueError):
    """A topology file that cannot be used; the message names the line."""


def render_topology(placement: Placement) -> str:
    """The text of the file."""
    lines = [HEADER, f"rack name={placement.name} generation={placement.generation}"]
    lines += [_port_line(port) for port in placement.ports]
    lines += [_endpoint_line(endpoint) for endpoint in placement.endpoints]
    return "\n".join(lines) + "\n"


def parse_topology(text: str) -> Placement:
    """The text back as a placement.

    Raises:
        TopologyFileError: anything that the format does not allow, with its line.
    """
    lines = text[: MAX_BYTES + 1].split("\n")
    if len(text) > MAX_BYTES or lines[0] != HEADER or lines[-1] != "":
        raise TopologyFileError(
            f"no topology file (line 1 must be {HEADER!r}), cut short or too big"
        )
    rows: dict[str, list[_Row]] = {"rack": [], "port": [], "endpoint": []}
    for number, line in enumerate(lines[1:-1], start=2):
        kind, _, rest = line.partition(" ")
        if kind not in rows:
            raise TopologyFileError(f"line {number}: unknown kind of line {kind[:40]!r}")
        rows[kind].append(_Row(number, rest))
    if len(rows["rack"]) != 1:
        raise TopologyFileError("there must be exactly one line 'rack'")
    rack = rows["rack"][0]
    placement = Placement(
        name=rack.match("name", NAME_PATTERN),
        generation=rack.integer("generation", 0, (1 << 32) - 1, 10),
        ports=tuple(_parse_port(row) for row in rows["port"]),
        endpoints=tuple(_parse_endpoint(row) for row in rows["endpoint"]),
    )
    _check_references(placement)
    return placement


class _Row:
    """The keys of one line, read with their types."""

    def __init__(self, number: int, text: str) -> None:
        self.number = number
        self._values: dict[str, str] = {}
        for item in text.split(" "):
            key, equals, value = item.partition("=")
            if not equals or not key or not _WORD.fullmatch(item):
                raise TopologyFileError(f"line {number}: {item[:40]!r} is not key=value")
            if key in self._values:
                raise TopologyFileError(f"line {number}: {key[:40]} is given twice")
            self._values[key] = value

    def error(self, key: str, reason: str) -> TopologyFileError:
        return TopologyFileError(f"line {self.number}: {key}: {reason}")

    def word(self, key: str) -> str:
        if key not in self._values:
            raise self.error(key, "is missing")
        return self._values[key]

    def match(self, key: str, pattern: str) -> str:
        value = self.word(key)
        if not re.fullmatch(pattern, value):
            raise self.error(key, f"{value[:40]!r} does not match {pattern}")
        return value

    def choice(self, key: str, choices: tuple[_T, ...]) -> _T:
        value = self.word(key)
        for choice in choices:
            if choice == value:
                return choice
        raise self.error(key, f"{value[:40]!r} is none of {', '.join(choices)}")

    def integer(self, key: str, low: int, high: int, base: int) -> int:
        pattern = {10: r"[0-9]{1,10}", 16: r"[0-9a-f]{2}", 0: r"0x[0-9a-f]{1,16}"}[base]
        value = int(self.match(key, pattern), base)
        if not low <= value <= high:
            raise self.error(key, f"{value} is outside {low}..{high}")
        return value

    def optional(self, key: str, high: int, base: int) -> int | None:
        if self._values.get(key, "-") == "-":
            return None
        return self.integer(key, 0, high, base)

    def bdf(self, key: str) -> str:
        value = self.word(key)
        try:
            bdf_word(value)
        except ValueError as error:
            raise self.error(key, str(error)) from None
        return value

    def link(self) -> LinkSpec:
        return LinkSpec(
            speed=self.integer("speed", 0, 15, 10),
            width=self.integer("width", 0, 63, 10),
            max_speed=self.integer("max_speed", 0, 15, 10),
            max_width=self.integer("max_width", 0, 63, 10),
        )


def _port_line(port: PlacedPort) -> str:
    return (
        f"port bdf={port.bdf} kind={port.kind} parent={port.parent or '-'}"
        f" secondary={port.secondary:02x} subordinate={port.subordinate:02x}"
        f" {_link_words(port.link)} slot={_dash(port.slot)}"
        f" window_base={_dash_hex(port.window_base)} window_limit={_dash_hex(port.window_limit)}"
    )


def _endpoint_line(endpoint: PlacedEndpoint) -> str:
    return (
        f"endpoint n={endpoint.n} bdf={endpoint.bdf} parent={endpoint.parent}"
        f" serial={endpoint.serial:#018x} index={endpoint.index} count={endpoint.count}"
        f" card={endpoint.card} slot={_dash(endpoint.slot)} {_link_words(endpoint.link)}"
        f" path={','.join(endpoint.path)} bar0={endpoint.bar0:#x} bar2={endpoint.bar2:#x}"
        f" bar2_bytes={endpoint.bar2_bytes:#x} bar4={endpoint.bar4:#x}"
        f" irq={endpoint.irq} socket={endpoint.socket}"
    )


def _link_words(link: LinkSpec) -> str:
    return (
        f"speed={link.speed} width={link.width}"
        f" max_speed={link.max_speed} max_width={link.max_width}"
    )


def _parse_port(row: _Row) -> PlacedPort:
    return PlacedPort(
        bdf=row.bdf("bdf"),
        kind=row.choice("kind", get_args(PortKind)),
        parent=None if row.word("parent") == "-" else row.bdf("parent"),
        secondary=row.integer("secondary", 0, 255, 16),
        subordinate=row.integer("subordinate", 0, 255, 16),
        link=row.link(),
        slot=row.optional("slot", 8191, 10),
        window_base=row.optional("window_base", (1 << 64) - 1, 0),
        window_limit=row.optional("window_limit", (1 << 64) - 1, 0),
    )


def _parse_endpoint(row: _Row) -> PlacedEndpoint:
    address = (1 << 64) - 1
    return PlacedEndpoint(
        n=row.integer("n", 0, 4095, 10),
        bdf=row.bdf("bdf"),
        parent=row.bdf("parent"),
        serial=row.integer("serial", 0, address, 0),
        index=row.integer("index", 0, 255, 10),
        count=row.integer("count", 1, 255, 10),
        card=row.integer("card", 0, 4095, 10),
        slot=row.optional("slot", 8191, 10),
        link=row.link(),
        path=tuple(row.match("path", r"[0-9a-f:.,]{1,400}").split(",")),
        bar0=row.integer("bar0", 0, address, 0),
        bar2=row.integer("bar2", 0, address, 0),
        bar2_bytes=row.integer("bar2_bytes", 0, address, 0),
        bar4=row.integer("bar4", 0, address, 0),
        irq=row.choice("irq", get_args(Irq)),
        socket=row.match("socket", r"ep[0-9]{1,4}\.sock"),
    )


def _check_references(placement: Placement) -> None:
    known: set[str] = set()
    for port in placement.ports:
        if port.bdf in known:
            raise TopologyFileError(f"port {port.bdf} is listed twice")
        if port.parent is not None and port.parent not in known:
            raise TopologyFileError(f"port {port.bdf}: parent {port.parent} is not listed above it")
        known.add(port.bdf)
    for n, endpoint in enumerate(placement.endpoints):
        if endpoint.n != n or endpoint.bdf in known:
            raise TopologyFileError(f"endpoint n={endpoint.n}: out of order or listed twice")
        missing = [bdf for bdf in (endpoint.parent, *endpoint.path) if bdf not in known]
        if missing:
            raise TopologyFileError(f"endpoint n={n}: there is no port {missing[0][:40]}")
        known.add(endpoint.bdf)


def _dash(value: int | None) -> str:
    return "-" if value is None else str(value)


def _dash_hex(value: int | None) -> str:
    return "-" if value is None else f"{value:#x}"

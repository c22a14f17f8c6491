# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What a rack consists of: the YAML rack file, loaded and validated.

The tree is generic (root ports, any depth of switches, cards, endpoints), so that the
same file describes the embedded rack and the switch topology of a QEMU guest.
The schema is documented in docs/guide/accel-rack.md.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

from diag.model.rack.words import NAME_PATTERN, Irq, LinkSpec
from diag.model.rack.yaml_table import (
    MAX_FILE_BYTES,
    RackFileError,
    Table,
    UnknownRackError,
    load_table,
)

RACKS_DIR: Final = Path(__file__).parent.parent / "racks"
"""The rack files that are shipped."""

FORMAT_VERSION: Final = 1
MAX_ENDPOINTS: Final = 256
MAX_ENDPOINTS_PER_CARD: Final = 32
MAX_SWITCH_PORTS: Final = 32
MAX_ROOT_PORTS: Final = 30
MAX_SLOT: Final = 8191
"""Physical Slot Number has 13 bits (PCIe 6.0 s7.5.3.9)."""

MIN_MEMORY_BYTES: Final = 1 << 20
MAX_MEMORY_BYTES: Final = 16 << 30
FIRST_SERIAL: Final = 0x00A0_C000_0000_0001

_WIDTHS: Final = ("1", "2", "4", "8", "16")

Grouping = Literal["card", "endpoint", "rack"]


@dataclass(frozen=True, slots=True)
class EndpointSpec:
    """One endpoint.

    A position that is not `present` counts in the card's endpoint count but has no function: a
    card with a dead chip.
    """

    memory_bytes: int
    irq: Irq
    link: LinkSpec
    present: bool = True


@dataclass(frozen=True, slots=True)
class CardSpec:
    """One board. Without its own switch it carries exactly one endpoint."""

    serial: int
    has_switch: bool
    endpoints: tuple[EndpointSpec, ...]


@dataclass(frozen=True, slots=True)
class SwitchSpec:
    """An external switch: one upstream port and these downstream ports."""

    ports: tuple[PortSpec, ...]


@dataclass(frozen=True, slots=True)
class PortSpec:
    """A root port or a switch downstream port, with the link below it.

    Empty when `below` is None.
    """

    link: LinkSpec
    slot: int | None
    below: SwitchSpec | CardSpec | None


@dataclass(frozen=True, slots=True)
class FaultPreset:
    """A fault that is armed when the rack starts."""

    fault: str
    endpoint: int
    queue: int | None
    seed: int | None
    parameters: dict[str, int | float | str]


@dataclass(frozen=True, slots=True)
class RackSpec:
    """A whole rack file."""

    name: str
    description: str
    root_ports: tuple[PortSpec, ...]
    grouping: Grouping = "card"
    faults: tuple[FaultPreset, ...] = ()

    def cards(self) -> Iterator[CardSpec]:
        """Every card, depth first."""
        for port in self.root_ports:
            yield from _cards_below(port)

    @property
    def endpoint_count(self) -> int:
        """Endpoints that are present."""
        return sum(endpoint.present for card in self.cards() for endpoint in card.endpoints)


@dataclass(slots=True)
class _Defaults:
    """What keys that are left out mean, and the counters for automatic slots and serials."""

    link: LinkSpec
    memory_bytes: int
    irq: Irq
    slots: set[int]
    serials: set[int]
    endpoints: int = 0

    def next_slot(self) -> int:
        slot = 1
        while slot in self.slots:
            slot += 1
        return slot

    def next_serial(self) -> int:
        serial = FIRST_SERIAL
        while serial in self.serials:
            serial += 1
        return serial


def shipped_racks() -> list[str]:
    """Names of the shipped rack files."""
    return sorted(path.stem for path in RACKS_DIR.glob("*.yaml"))


def load_rack(name_or_file: str) -> RackSpec:
    """A shipped rack by its name, or a rack file by its path.

    Raises:
        RackFileError: no such rack, or the file is not a valid rack file.
    """
    path = Path(name_or_file)
    if name_or_file in shipped_racks():
        path = RACKS_DIR / f"{name_or_file}.yaml"
    elif not path.is_file():
        names = ", ".join(shipped_racks())
        raise UnknownRackError(name_or_file, None, "", f"no such rack; shipped are {names}")
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
        return parse_rack(data.decode("utf-8"), str(path))
    except (OSError, UnicodeError) as error:
        raise RackFileError(str(path), None, "", f"cannot be read: {error}") from error


def parse_rack(text: str, source: str) -> RackSpec:
    """A rack file's text; `source` names it in errors (RackFileError)."""
    top = load_table(text, source)
    top.integer("axl-rack", FORMAT_VERSION, FORMAT_VERSION)
    defaults = _read_defaults(top)
    spec = RackSpec(
        name=top.text("name", NAME_PATTERN, default=_default_name(source)),
        description=top.text("description", r"[^\x00-\x1f\x7f]{0,200}", default=" ").strip(),
        grouping=_grouping(top.choice("processes", ("card", "endpoint", "rack"), "card")),
        root_ports=_read_ports(top, "root-ports", defaults, MAX_ROOT_PORTS),
        faults=_read_faults(top, defaults.endpoints),
    )
    top.close()
    if not defaults.endpoints:
        raise top.error("the rack has no endpoint", "root-ports")
    return spec


def _default_name(source: str) -> str:
    stem = "".join(c if c.isascii() and c.isalnum() else "-" for c in Path(source).stem)
    return stem.strip("-")[:48] or "rack"


def _grouping(word: str) -> Grouping:
    return "endpoint" if word == "endpoint" else "rack" if word == "rack" else "card"


def _irq(word: str) -> Irq:
    return "msi" if word == "msi" else "msix"


def _read_defaults(top: Table) -> _Defaults:
    table = top.table("defaults")
    if table is None:
        return _Defaults(LinkSpec(), 256 << 20, "msix", set(), set())
    defaults = _Defaults(
        link=_read_link(table, LinkSpec()),
        memory_bytes=table.size("memory", MIN_MEMORY_BYTES, MAX_MEMORY_BYTES, 256 << 20),
        irq=_irq(table.choice("irq", ("msix", "msi"), "msix")),
        slots=set(),
        serials=set(),
    )
    table.close()
    return defaults


def _read_link(owner: Table, default: LinkSpec) -> LinkSpec:
    table = owner.table("link")
    if table is None:
        return default
    max_speed = table.integer("max-speed", 1, 6, default.max_speed)
    max_width = int(table.choice("max-width", _WIDTHS, str(default.max_width)))
    link = LinkSpec(
        speed=table.integer("speed", 1, 6, min(default.speed, max_speed)),
        width=int(table.choice("width", _WIDTHS, str(min(default.width, max_width)))),
        max_speed=max_speed,
        max_width=max_width,
    )
    table.close()
    if link.speed > max_speed:
        raise table.error(f"{link.speed} is above max-speed {max_speed}", "speed")
    if link.width > max_width:
        raise table.error(f"{link.width} is above max-width {max_width}", "width")
    return link


def _read_ports(owner: Table, key: str, defaults: _Defaults, most: int) -> tuple[PortSpec, ...]:
    ports: list[PortSpec] = []
    for table in owner.tables(key, 1, most):
        repeat = table.integer("repeat", 1, most, 1)
        if len(ports) + repeat > most:
            raise owner.error(f"makes more than {most} ports", key)
        ports.extend(_read_port(table, defaults, fixed=repeat == 1) for _ in range(repeat))
    return tuple(ports)


def _read_port(table: Table, defaults: _Defaults, *, fixed: bool) -> PortSpec:
    link = _read_link(table, defaults.link)
    slot = _read_slot(table, defaults, fixed=fixed)
    switch, card = table.table("switch"), table.table("card")
    table.close()
    if switch is not None and card is not None:
        raise table.error("a port leads to a switch or to a card, not to both", "card")
    below: SwitchSpec | CardSpec | None = None
    if switch is not None:
        below = SwitchSpec(_read_ports(switch, "ports", defaults, MAX_SWITCH_PORTS))
        switch.close()
    elif card is not None:
        below = _read_card(card, defaults, link, fixed=fixed)
    return PortSpec(link, slot, below)


def _read_slot(table: Table, defaults: _Defaults, *, fixed: bool) -> int | None:
    if not table.has("slot"):
        slot = defaults.next_slot()
    elif table.text("slot", r"none|[0-9]{1,5}") == "none":
        return None
    else:
        slot = table.integer("slot", 0, MAX_SLOT)
        if not fixed:
            raise table.error("cannot be repeated; leave it out to number slots by itself", "slot")
    if slot in defaults.slots:
        raise table.error(f"slot {slot} is used twice", "slot")
    defaults.slots.add(slot)
    return slot


def _read_card(table: Table, defaults: _Defaults, above: LinkSpec, *, fixed: bool) -> CardSpec:
    serial = table.integer("serial", 1, (1 << 64) - 2, defaults.next_serial())
    if table.has("serial") and not fixed:
        raise table.error("cannot be repeated; leave it out to number cards by itself", "serial")
    if serial in defaults.serials:
        raise table.error(f"serial {serial:#018x} is used twice", "serial")
    defaults.serials.add(serial)
    has_switch = table.flag("switch", default=False)
    endpoints = _read_endpoints(table, defaults, defaults.link if has_switch else above)
    table.close()
    if not has_switch and len(endpoints) != 1:
        raise table.error("a card with several endpoints needs 'switch: yes'", "endpoints")
    if not has_switch and endpoints[0].link != above:
        raise table.error("without a switch the card's link is the port's; set it there")
    return CardSpec(serial, has_switch, endpoints)


def _read_endpoints(card: Table, defaults: _Defaults, link: LinkSpec) -> tuple[EndpointSpec, ...]:
    if card.is_list("endpoints"):
        tables = card.tables("endpoints", 1, MAX_ENDPOINTS_PER_CARD)
        endpoints = tuple(_read_endpoint(table, defaults, link) for table in tables)
    else:
        count = card.integer("endpoints", 1, MAX_ENDPOINTS_PER_CARD, 1)
        endpoints = (EndpointSpec(defaults.memory_bytes, defaults.irq, link),) * count
    defaults.endpoints += sum(endpoint.present for endpoint in endpoints)
    if defaults.endpoints > MAX_ENDPOINTS:
        raise card.error(f"the rack has more than {MAX_ENDPOINTS} endpoints", "endpoints")
    return endpoints


def _read_endpoint(table: Table, defaults: _Defaults, link: LinkSpec) -> EndpointSpec:
    endpoint = EndpointSpec(
        memory_bytes=table.size(
            "memory", MIN_MEMORY_BYTES, MAX_MEMORY_BYTES, defaults.memory_bytes
        ),
        irq=_irq(table.choice("irq", ("msix", "msi"), defaults.irq)),
        link=_read_link(table, link),
        present=table.flag("present", default=True),
    )
    table.close()
    return endpoint


def _read_faults(top: Table, endpoint_count: int) -> tuple[FaultPreset, ...]:
    presets: list[FaultPreset] = []
    for table in top.tables("faults", 0, 256):
        parameters = table.table("set")
        preset = FaultPreset(
            fault=table.text("fault", r"[a-z][a-z0-9_]{0,47}"),
            endpoint=table.integer("endpoint", 0, max(endpoint_count - 1, 0)),
            queue=table.integer("queue", 0, 15) if table.has("queue") else None,
            seed=table.integer("seed", 0, (1 << 64) - 1) if table.has("seed") else None,
            parameters=parameters.numbers() if parameters else {},
        )
        table.close()
        presets.append(preset)
    return tuple(presets)


def _cards_below(port: PortSpec) -> Iterator[CardSpec]:
    if isinstance(port.below, CardSpec):
        yield port.below
    elif port.below is not None:
        for below in port.below.ports:
            yield from _cards_below(below)

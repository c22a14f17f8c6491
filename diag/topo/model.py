# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One frozen picture of a PCI tree, whatever it was read from.

Everything that a source cannot know is None; `unavailable` then says why, by member name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, Literal

PortKind = Literal["root", "upstream", "downstream", "bridge"]
"""bridge: to or from conventional PCI."""
AddressState = Literal["stale", "committed", "rejected"]
Health = Literal["online", "resetting", "wedged", "gone", "stale", "unknown"]
"""stale: it did not answer in time; unknown: nobody was there to ask."""

PORT_KINDS: Final[tuple[PortKind, ...]] = ("root", "upstream", "downstream", "bridge")
ADDRESS_STATES: Final[tuple[AddressState, ...]] = ("stale", "committed", "rejected")
HEALTHS: Final[tuple[Health, ...]] = (
    "online", "resetting", "wedged", "gone", "stale", "unknown",
)  # fmt: skip

LEFT: Final = "it is no longer in the tree"
"""The reason of an endpoint that is gone because its place in the tree is."""

GIGATRANSFERS: Final = {1: "2.5", 2: "5", 3: "8", 4: "16", 5: "32", 6: "64"}
"""GT/s by Link Speed field (PCIe 6.0 s7.5.3.18)."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link: speed as the number of the Link Speed field, width in lanes; now and at best."""

    speed: int | None
    width: int | None
    max_speed: int | None
    max_width: int | None

    @property
    def below_capability(self) -> bool | None:
        """Whether it trained below what it can do; None when that is not known."""
        pairs = ((self.speed, self.max_speed), (self.width, self.max_width))
        known = [now < best for now, best in pairs if now is not None and best is not None]
        return any(known) if known else None

    def down_to(self, lower: Link | None) -> Link:
        """The link below a port that says this of itself: at best what the weaker end can do.

        Without another end there is none: what an empty port says of its speed is no link's.
        """
        if lower is None:
            return Link(None, None, self.max_speed, self.max_width)
        pairs = ((self.max_speed, lower.max_speed), (self.max_width, lower.max_width))
        best = (min((value for value in pair if value), default=None) for pair in pairs)
        return Link(self.speed, self.width, *best)


@dataclass(frozen=True, slots=True)
class Aer:
    """Error counters of one end of a link (sysfs aer_dev_*)."""

    correctable_count: int | None = None
    nonfatal_count: int | None = None
    fatal_count: int | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    """One base address register: bus address (None: none assigned), and bytes where known."""

    number: int
    address: int | None
    size_bytes: int | None


@dataclass(frozen=True, slots=True)
class Address:
    """The device address that the driver set up (see docs/reference/registers.md, ADDR)."""

    state: AddressState
    reason: str | None
    generation: int | None


@dataclass(frozen=True, slots=True)
class Peer:
    """Another endpoint as seen from one: whether requests go there directly, or why not."""

    identity: str
    bdf: str
    reachable: bool
    reason: str | None


@dataclass(frozen=True, slots=True)
class Pci:
    """What Linux knows of a function; all None from a source that is not Linux."""

    vendor_id: int | None = None
    device_id: int | None = None
    class_code: int | None = None
    driver: str | None = None
    numa_node: int | None = None
    iommu_group: int | None = None


@dataclass(frozen=True, slots=True)
class Port:
    """A root port or a switch port. `link` leads down, for an upstream port up."""

    bdf: str
    kind: PortKind
    parent: str | None
    slot: int | None
    secondary: int | None
    subordinate: int | None
    link: Link
    window_base: int | None
    window_limit: int | None
    acs_redirects: bool | None = None
    """Whether Access Control Services send requests between peers below up to the root."""
    aer: Aer = Aer()
    pci: Pci = Pci()
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One endpoint. `path` names the ports above it, root port first.

    Who it is (card, serial, index, count) is None for devices that are not ours.
    """

    n: int
    bdf: str
    parent: str | None
    path: tuple[str, ...]
    slot: int | None
    card: int | None
    serial: int | None
    index: int | None
    count: int | None
    link: Link
    bars: tuple[Bar, ...]
    irq: str | None
    memory_bytes: int | None
    health: Health = "unknown"
    health_reason: str | None = None
    generation: int | None = None
    address: Address | None = None
    client_pid: int | None = None
    aer: Aer = Aer()
    pci: Pci = Pci()
    peers: tuple[Peer, ...] | None = None
    unavailable: Mapping[str, str] = field(default_factory=dict)

    @property
    def identity(self) -> str | None:
        """What stays the same wherever the card is plugged: card:0xSERIAL/INDEX."""
        known = self.card_name is not None and self.index is not None
        return f"{self.card_name}/{self.index}" if known else None

    @property
    def key(self) -> str:
        """What tells it from the others of its rack: its identity, else its bus address."""
        return self.identity or self.bdf

    @property
    def card_name(self) -> str | None:
        """The card that it is on: card:0xSERIAL."""
        return None if self.serial is None else f"card:0x{self.serial:016x}"


@dataclass(frozen=True, slots=True)
class Rack:
    """All that hangs off one host. Ports and endpoints are depth first, parents first.

    `live` tells whether the endpoints themselves were asked; `live_reason` why not.
    """

    name: str
    source: str
    generation: int | None
    live: bool
    live_reason: str | None
    ports: tuple[Port, ...]
    endpoints: tuple[Endpoint, ...]

    def port(self, bdf: str) -> Port | None:
        """The port at a bus address."""
        return next((port for port in self.ports if port.bdf == bdf), None)

    def ports_below(self, bdf: str | None) -> Iterator[Port]:
        """The ports whose parent it is; None gives the root ports."""
        return (port for port in self.ports if port.parent == bdf)

    def endpoints_below(self, bdf: str | None) -> Iterator[Endpoint]:
        """The endpoints whose parent it is; None gives those on the root complex itself."""
        return (endpoint for endpoint in self.endpoints if endpoint.parent == bdf)

    def cards(self) -> dict[int, tuple[Endpoint, ...]]:
        """The endpoints by card serial, without those that have none."""
        found: dict[int, list[Endpoint]] = {}
        for endpoint in self.endpoints:
            if endpoint.serial is not None:
                found.setdefault(endpoint.serial, []).append(endpoint)
        return {serial: tuple(endpoints) for serial, endpoints in found.items()}

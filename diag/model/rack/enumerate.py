# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Enumeration as firmware does it: bus numbers depth first, BARs inside bridge windows.

Every bridge gets the next bus number as its secondary bus and, after everything below it
is numbered, the highest one used as its subordinate bus (PCI-to-PCI Bridge 1.2 s3.2.5).
Addresses are handed out from one cursor; a window starts where its widest BAR is aligned,
so that natural alignment (PCI 3.0 s6.2.5.1) costs little space.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from diag.model.rack.placement import (
    PlacedEndpoint,
    PlacedPort,
    Placement,
    PortKind,
    make_bdf,
)
from diag.model.rack.spec import (
    CardSpec,
    EndpointSpec,
    PortSpec,
    RackSpec,
    SwitchSpec,
)
from diag.model.rack.words import LinkSpec
from pyaccel.spec.formats import BAR0_BYTES, BAR4_BYTES

BAR_BASE: Final = 0x40_0000_0000
"""Bus addresses below belong to host memory."""

WINDOW_BYTES: Final = 1 << 20
"""Granularity of a bridge's memory window (PCI-to-PCI Bridge 1.2 s3.2.5.8)."""

MAX_BUS: Final = 255
MAX_PATH: Final = 16
"""Rows of ADDR.PATH."""


class PlacementError(ValueError):
    """The rack cannot be enumerated: too many buses, or too deep."""


@dataclass(slots=True)
class _Bridge:
    """The bridge being numbered: what its children hang from."""

    bdf: str | None
    secondary: int
    path: tuple[str, ...] = ()
    slot: int | None = None


@dataclass(slots=True)
class _Walk:
    """The counters of one enumeration."""

    bus: int = 0
    address: int = BAR_BASE
    cards: int = 0
    ports: list[PlacedPort] = field(default_factory=list)
    endpoints: list[PlacedEndpoint] = field(default_factory=list)

    def next_bus(self) -> int:
        self.bus += 1
        if self.bus > MAX_BUS:
            raise PlacementError(
                f"the rack needs more than {MAX_BUS} buses; use fewer switches or endpoints"
            )
        return self.bus

    def claim(self, size: int) -> int:
        self.address = _align(self.address, size) + size
        return self.address - size


def enumerate_rack(spec: RackSpec, name: str | None = None, generation: int = 1) -> Placement:
    """Number the buses and place the BARs of a rack.

    Args:
        spec: the rack.
        name: the running rack's name; the file's own by default.
        generation: counts changes of the rack while it runs.

    Raises:
        PlacementError: more buses or levels than there can be.
    """
    walk = _Walk()
    for number, port in enumerate(spec.root_ports, start=1):
        _place_port(walk, port, "root", _Bridge(None, 0), number)
    return Placement(name or spec.name, generation, tuple(walk.ports), tuple(walk.endpoints))


def _place_port(walk: _Walk, port: PortSpec, kind: PortKind, above: _Bridge, device: int) -> None:
    slot = port.slot if port.slot is not None else above.slot
    scope = _BridgeScope(walk, kind, above, device=device, link=port.link, slot=port.slot)
    bridge = scope.open(slot, _widest_below(port.below))
    if isinstance(port.below, CardSpec):
        _place_card(walk, port.below, port.link, bridge)
    elif port.below is not None:
        _place_switch(walk, port.below, port.link, bridge)
    scope.close()


def _place_switch(walk: _Walk, switch: SwitchSpec, link: LinkSpec, above: _Bridge) -> None:
    scope = _BridgeScope(walk, "upstream", above, device=0, link=link, slot=None)
    bridge = scope.open(above.slot, _widest_below(switch))
    for device, port in enumerate(switch.ports):
        _place_port(walk, port, "downstream", bridge, device)
    scope.close()


def _place_card(walk: _Walk, card: CardSpec, link: LinkSpec, above: _Bridge) -> None:
    number = walk.cards
    walk.cards += 1
    if not card.has_switch:
        _place_endpoint(walk, card, 0, number, above)
        return
    scope = _BridgeScope(walk, "upstream", above, device=0, link=link, slot=None)
    inner = scope.open(above.slot, _widest_below(card))
    for index, endpoint in enumerate(card.endpoints):
        leg = _BridgeScope(walk, "downstream", inner, device=index, link=endpoint.link, slot=None)
        bridge = leg.open(inner.slot, endpoint.memory_bytes if endpoint.present else 0)
        _place_endpoint(walk, card, index, number, bridge)
        leg.close()
    scope.close()


def _place_endpoint(walk: _Walk, card: CardSpec, index: int, number: int, above: _Bridge) -> None:
    endpoint = card.endpoints[index]
    if not endpoint.present or above.bdf is None:
        return
    n = len(walk.endpoints)
    bar2 = walk.claim(endpoint.memory_bytes)
    bar0 = walk.claim(BAR0_BYTES)
    bar4 = walk.claim(BAR4_BYTES)
    walk.endpoints.append(
        PlacedEndpoint(
            n=n,
            bdf=make_bdf(above.secondary, 0),
            parent=above.bdf,
            serial=card.serial,
            index=index,
            count=len(card.endpoints),
            card=number,
            slot=above.slot,
            link=endpoint.link,
            path=above.path,
            bar0=bar0,
            bar2=bar2,
            bar2_bytes=endpoint.memory_bytes,
            bar4=bar4,
            irq=endpoint.irq,
            socket=f"ep{n}.sock",
        )
    )


class _BridgeScope:
    """One bridge: opened before its children are placed, closed (and recorded) after."""

    def __init__(  # noqa: PLR0913 - the facts of one bridge
        self,
        walk: _Walk,
        kind: PortKind,
        above: _Bridge,
        *,
        device: int,
        link: LinkSpec,
        slot: int | None,
    ) -> None:
        self._walk, self._kind, self._above = walk, kind, above
        self._bdf = make_bdf(above.secondary, device)
        self._link, self._slot = link, slot

    def open(self, card_slot: int | None, alignment: int) -> _Bridge:
        """Take a bus number and the start of the window.

        `card_slot` is what a card below reports as its slot.
        """
        walk = self._walk
        path = (*self._above.path, self._bdf)
        if len(path) > MAX_PATH:
            raise PlacementError(f"more than {MAX_PATH} ports above an endpoint (at {self._bdf})")
        self._secondary = walk.next_bus()
        # The parent comes before its children in the list although it is known only later.
        self._position = len(walk.ports)
        walk.address = _align(walk.address, max(WINDOW_BYTES, alignment))
        self._base = walk.address
        walk.ports.append(self._record(None))
        return _Bridge(self._bdf, self._secondary, path, card_slot)

    def close(self) -> None:
        """Round the window up and record what is now known."""
        walk = self._walk
        walk.address = _align(walk.address, WINDOW_BYTES)
        limit = walk.address - 1 if walk.address > self._base else None
        walk.ports[self._position] = self._record(limit)

    def _record(self, limit: int | None) -> PlacedPort:
        return PlacedPort(
            bdf=self._bdf,
            kind=self._kind,
            parent=self._above.bdf,
            secondary=self._secondary,
            subordinate=self._walk.bus,
            link=self._link,
            slot=self._slot,
            window_base=None if limit is None else self._base,
            window_limit=limit,
        )


def _widest_below(below: SwitchSpec | CardSpec | None) -> int:
    return max((endpoint.memory_bytes for endpoint in _endpoints(below)), default=0)


def _endpoints(below: SwitchSpec | CardSpec | None) -> Iterator[EndpointSpec]:
    if isinstance(below, CardSpec):
        yield from (endpoint for endpoint in below.endpoints if endpoint.present)
    elif below is not None:
        for port in below.ports:
            yield from _endpoints(port.below)


def _align(address: int, size: int) -> int:
    return (address + size - 1) & -size

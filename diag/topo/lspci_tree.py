# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The tree that a dump of lspci holds: whatever the machine had, drivers or not. Pure."""

from __future__ import annotations

from typing import Final

from diag.topo.config_space import CONVENTIONAL_BYTES, EXPRESS_BYTES
from diag.topo.lspci import Function, functions
from diag.topo.model import Endpoint, Link, Pci, Port, Rack

HOW: Final = "lspci -vvvxxxx, as root"
_HEADER_BYTES: Final = 64
_MAX_DEPTH: Final = 64
_NO_LINK: Final = Link(None, None, None, None)
_NO_COUNTERS: Final = "lspci prints no error counters"
_DUMP: Final = "it is a dump of lspci"


class DumpError(ValueError):
    """The text holds no tree; the message says why and how to get one that does."""


def rack_of_dump(text: str, source: str) -> Rack:
    """The tree of a dump.

    Raises:
        DumpError: no function in it has its configuration space.
    """
    found = {each.bdf: each for each in functions(text)}
    usable = {bdf: each for bdf, each in found.items() if len(each.data) >= _HEADER_BYTES}
    if not usable:
        why = "functions without bytes" if found else "no functions"
        raise DumpError(f"{why} in it; make it with: {HOW}")
    tree = _Tree(usable)
    return Rack(
        name="lspci",
        source=source,
        generation=None,
        live=False,
        live_reason=_DUMP,
        ports=tuple(tree.ports),
        endpoints=tuple(tree.endpoints),
    )


class _Tree:
    """Hangs functions below the bridge that has their bus; depth first."""

    def __init__(self, found: dict[str, Function]) -> None:
        self.ports: list[Port] = []
        self.endpoints: list[Endpoint] = []
        self._by_bus: dict[str, list[Function]] = {}
        self._done: set[str] = set()  # buses; a dump may claim that they run in circles
        for each in found.values():
            self._by_bus.setdefault(each.bdf[:7], []).append(each)
        below = {bus for each in found.values() for bus in _bus_below(each)}
        # First the buses of host bridges, and those whose bridge is missing in the dump.
        for bus in sorted(self._by_bus, key=lambda bus: bus in below):
            self._descend(bus, ())

    def _descend(self, bus: str, path: tuple[str, ...]) -> None:
        if len(path) >= _MAX_DEPTH or bus in self._done:
            return
        self._done.add(bus)
        for each in self._by_bus.get(bus, []):
            if not each.config.is_bridge:
                self.endpoints.append(self._endpoint(each, path))
                continue
            self.ports.append(self._port(each, path))
            for following in _bus_below(each):
                self._descend(following, (*path, each.bdf))

    def _port(self, each: Function, path: tuple[str, ...]) -> Port:
        config = each.config
        base, limit = config.window
        return Port(
            bdf=each.bdf,
            kind=config.port_kind or "bridge",
            parent=path[-1] if path else None,
            slot=config.slot,
            secondary=config.buses[0],
            subordinate=config.buses[1],
            link=self._port_link(each),
            window_base=base,
            window_limit=limit,
            acs_redirects=config.redirects_peers,
            pci=_pci(each),
            unavailable=_unavailable(each),
        )

    def _port_link(self, each: Function) -> Link:
        """As this end has it; at best what the weaker end can do."""
        link = _link(each)
        if each.config.port_kind == "upstream":
            return link
        far_end = self._far_end(each)
        return link.down_to(None if far_end is None else _link(far_end))

    def _endpoint(self, each: Function, path: tuple[str, ...]) -> Endpoint:
        slots = [port.slot for port in self.ports if path and port.bdf == path[-1]]
        return Endpoint(
            n=len(self.endpoints),
            bdf=each.bdf,
            parent=path[-1] if path else None,
            path=path,
            slot=slots[0] if slots else None,
            card=None,
            serial=None,
            index=None,
            count=None,
            link=_link(each),
            # lspci knows more of them than the bytes say, where its text is there.
            bars=tuple(each.bars.values()) or each.config.bars,
            irq=None,
            memory_bytes=None,
            pci=_pci(each),
            unavailable=_unavailable(each),
        )

    def _far_end(self, each: Function) -> Function | None:
        """The function at the lower end of a port's link."""
        return next(
            (below[0] for bus in _bus_below(each) if (below := self._by_bus.get(bus))), None
        )


def _bus_below(each: Function) -> list[str]:
    """The bus behind a bridge, if it was given one."""
    secondary = each.config.buses[0] if each.config.is_bridge else None
    return [f"{each.bdf[:4]}:{secondary:02x}"] if secondary else []


def _link(each: Function) -> Link:
    return each.config.link() or _NO_LINK


def _pci(each: Function) -> Pci:
    config = each.config
    return Pci(
        vendor_id=config.u16(0),
        device_id=config.u16(2),
        class_code=config.class_code,
        driver=each.driver,
        numa_node=each.numa_node,
        iommu_group=each.iommu_group,
    )


def _unavailable(each: Function) -> dict[str, str]:
    reasons = {"aer": _NO_COUNTERS}
    if not each.config.is_answer:
        reasons["link"] = "it gave no answer: its configuration space reads all-ones"
    elif each.config.link() is None:
        cut = len(each.data) < CONVENTIONAL_BYTES
        reasons["link"] = f"the bytes end before it; dump with: {HOW}" if cut else "it has none"
    if each.config.is_bridge and len(each.data) < EXPRESS_BYTES:
        reasons["acs_redirects"] = f"the bytes end before it; dump with: {HOW}"
    return reasons

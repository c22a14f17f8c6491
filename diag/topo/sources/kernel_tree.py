# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PCI functions as sysfs shows them, and the tree that they make."""

from __future__ import annotations

import dataclasses
import re
import socket
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from diag.topo import sysfs
from diag.topo.config_space import CONVENTIONAL_BYTES, EXPRESS_BYTES, ConfigSpace
from diag.topo.model import (
    ADDRESS_STATES,
    HEALTHS,
    Address,
    Aer,
    Endpoint,
    Health,
    Link,
    Pci,
    Port,
    PortKind,
    Rack,
)
from diag.topo.sources.attributes import Attributes, inode, link_target, read_bytes
from diag.topo.text import short_link
from pyaccel.spec.formats import BAR_MEMORY

NAME: Final = "kernel"
"""What the user writes after --source."""
MAX_CLASS: Final = 0xFFFFFF
MAX_SLOT: Final = 8191
PCI_CHANGING: Final = (
    "aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal",
    "current_link_speed", "current_link_width",
)  # fmt: skip
AXL_CHANGING: Final = ("state", "generation", "address_state", "address_reason")
"""Attributes that are read at every look, like those of PCI_CHANGING."""
# Last, since it may have to wait for a reset; and it wakes who sleeps, so it is not read often.
AXL_PEERS: Final = ("peers",)
_BRIDGE_CLASS: Final = 0x0604
_Rate = tuple[int | None, int | None]
Changing = dict[str, tuple[object, ...]]
"""What functions say at this look of what may change, by bus address."""
_NO_AXL: Final = "the axl driver is not bound to it"


class Function:
    """One function: its attributes, and where it hangs."""

    def __init__(self, bdf: str, folder: Path) -> None:
        self.bdf = bdf
        self.pci, self.axl = Attributes(folder), Attributes(folder / "axl")
        self.has_axl = (folder / "axl").is_dir()
        self._path = str(folder)
        self.driver = link_target(f"{self._path}/driver")
        self._inode = inode(self._path)
        self.config: ConfigSpace | None = None
        self.interrupts: str | None = None
        group = link_target(f"{self._path}/iommu_group") or ""
        self.iommu_group = int(group) if re.fullmatch("[0-9]{1,9}", group) else None
        above = folder.resolve().parent.name
        self.parent = above if sysfs.BDF.fullmatch(above) and above != bdf else None

    def is_same(self) -> bool:
        """Whether the folder still shows the same device with the same driver."""
        path = self._path
        return inode(path) == self._inode and link_target(f"{path}/driver") == self.driver

    def changing(self) -> tuple[object, ...]:
        """All that may differ from one look to the next, to compare."""
        axl = self.axl.seen((*AXL_CHANGING, *AXL_PEERS)) if self.has_axl else ()
        return (*self.pci.seen(PCI_CHANGING), *axl, self.interrupts)

    def read_interrupts(self) -> None:
        """Which kind of interrupt is in use; it stays until a reset or another driver."""
        self.interrupts = _interrupts(self.pci.folder)

    def read_config(self) -> None:
        """Its configuration space: of root all of it, of others the first 64 bytes."""
        data = read_bytes(self.pci.folder / "config", EXPRESS_BYTES)
        self.config = ConfigSpace(data) if data else None

    @property
    def acs_redirects(self) -> bool | None:
        """Whether it sends requests between peers below it upwards."""
        return None if self.config is None else self.config.redirects_peers

    @property
    def port_kind(self) -> PortKind | None:
        """Which kind of port it says it is, where all of it may be read."""
        config = self.config
        if config is None or len(config.data) < CONVENTIONAL_BYTES:
            return None
        return config.port_kind

    @property
    def is_bridge(self) -> bool:
        """Whether there is a bus behind it."""
        return (self.pci.number("class", MAX_CLASS) or 0) >> 8 == _BRIDGE_CLASS

    @property
    def is_express(self) -> bool:
        """Whether it has a PCI Express capability."""
        return self.pci.is_there("max_link_speed")

    def description(self) -> Pci:
        """What Linux knows of it."""
        return Pci(
            vendor_id=self.pci.number("vendor", sysfs.U16_MAX),
            device_id=self.pci.number("device", sysfs.U16_MAX),
            class_code=self.pci.number("class", MAX_CLASS),
            driver=self.driver,
            numa_node=self.pci.number("numa_node", sysfs.U16_MAX),
            iommu_group=self.iommu_group,
        )

    def aer(self) -> Aer:
        """The counters of this end of its link."""
        kinds = ("correctable", "nonfatal", "fatal")
        return Aer(*(sysfs.aer_total(self.pci.text(f"aer_dev_{kind}")) for kind in kinds))

    def best(self) -> _Rate:
        """Speed and width that this end can do."""
        return self._rate("max")

    def now(self) -> _Rate:
        """Speed and width as this end reports them."""
        return self._rate("current")

    def _rate(self, which: str) -> _Rate:
        return (
            sysfs.speed(self.pci.text(f"{which}_link_speed")),
            sysfs.width(self.pci.text(f"{which}_link_width")),
        )

    def link(self, other: Function | None, *, has_other: bool) -> Link:
        """The link to the other end; what both ends can do is what the weaker one can."""
        now, best = self.now(), self.best()
        if other is None:
            return Link(*(now if not has_other else (None, None)), *best)
        its = other.now()
        if _disagree(now, its):
            return Link(*now, None, None)
        return Link(*now, *best).down_to(Link(*its, *other.best()))

    def unavailable(self, other: Function | None, aer: Aer) -> dict[str, str]:
        """Why its counters, which are `aer`, and its link are not known."""
        reasons, now = {}, self.now()
        if aer == Aer():
            reasons["aer"] = self.pci.why("aer_dev_correctable")
        if None in now:
            reasons["link"] = self.pci.why("current_link_speed")
        elif other is not None and _disagree(now, other.now()):
            mine, its = (short_link(Link(*each.now(), None, None)) for each in (self, other))
            reasons["link"] = f"the ends disagree: {mine} says this one, {its} says {other.bdf}"
        return reasons


def _disagree(mine: _Rate, its: _Rate) -> bool:
    """Whether two ends report different rates, as those of emulated switches do."""
    return any(one and other and one != other for one, other in zip(mine, its, strict=True))


class Tree:
    """Puts functions into a rack, depth first; it lasts as long as nothing is plugged.

    A port or endpoint whose attributes read as before is the same object as before: little
    changes from second to second, and telling that costs less than making all of it again.

    Args:
        functions: by bus address.
        slots: numbers of slots by the bus in them ("0000:02").
    """

    def __init__(self, functions: dict[str, Function], slots: dict[str, int]) -> None:
        self._functions, self._slots = functions, slots
        self._bridges: list[tuple[Function, PortKind]] = []
        self._leaves: list[tuple[Function, tuple[str, ...]]] = []
        self._children: dict[str | None, list[Function]] = {}
        self._ports: dict[str, tuple[object, Port]] = {}
        self._endpoints: dict[str, tuple[object, Endpoint]] = {}
        for each in functions.values():
            parent = each.parent if each.parent in functions else None
            self._children.setdefault(parent, []).append(each)
        self._descend(None, None, ())
        # Ours come first, so that their numbers do not depend on what else is plugged in.
        self._leaves.sort(key=lambda leaf: not leaf[0].has_axl)
        serials = dict.fromkeys(
            each.axl.number("board_serial") for each, _ in self._leaves if each.has_axl
        )
        serials.pop(None, None)
        self._cards = {serial: card for card, serial in enumerate(serials)}

    def rack(self) -> Rack:
        """The tree that the functions make now."""
        changing = {bdf: each.changing() for bdf, each in self._functions.items()}
        return Rack(
            name=socket.gethostname()[:64],
            source=NAME,
            generation=None,
            live=True,
            live_reason=None,
            ports=tuple(self._port_now(each, kind, changing) for each, kind in self._bridges),
            endpoints=tuple(
                self._endpoint_now(n, each, path, changing)
                for n, (each, path) in enumerate(self._leaves)
            ),
        )

    def _descend(self, bdf: str | None, kind: PortKind | None, path: tuple[str, ...]) -> None:
        for each in self._children.get(bdf, []):
            if each.is_bridge:
                below = _kind(each, kind)
                self._bridges.append((each, below))
                self._descend(each.bdf, below, (*path, each.bdf))
            else:
                self._leaves.append((each, path))

    def _port_now(self, each: Function, kind: PortKind, changing: Changing) -> Port:
        other = self._other_end(each, kind)
        seen = (changing[each.bdf], None if other is None else changing[other.bdf])
        known = self._ports.get(each.bdf)
        if known is not None and known[0] == seen:
            return known[1]
        made = self._port(each, kind, other)
        self._ports[each.bdf] = seen, made
        return made

    def _endpoint_now(
        self, n: int, each: Function, path: tuple[str, ...], changing: Changing
    ) -> Endpoint:
        seen = (changing[each.bdf], changing[path[-1]] if path else None)
        known = self._endpoints.get(each.bdf)
        if known is not None and known[0] == seen:
            return known[1]
        made = self._endpoint(n, each, path)
        self._endpoints[each.bdf] = seen, made
        return made

    def _other_end(self, each: Function, kind: PortKind) -> Function | None:
        if kind == "upstream":
            return self._functions.get(each.parent or "")
        below = self._children.get(each.bdf, [])
        return below[0] if below else None

    def _port(self, each: Function, kind: PortKind, other: Function | None) -> Port:
        secondary, aer = each.pci.number("secondary_bus_number", sysfs.U8_MAX), each.aer()
        base, limit = sysfs.window(sysfs.resources(each.pci.text("resource")))
        return Port(
            bdf=each.bdf,
            kind=kind,
            parent=each.parent if each.parent in self._functions else None,
            slot=self._slot_of(each),
            secondary=secondary,
            subordinate=each.pci.number("subordinate_bus_number", sysfs.U8_MAX),
            link=each.link(other, has_other=True),
            window_base=base,
            window_limit=limit,
            acs_redirects=each.acs_redirects,
            aer=aer,
            pci=each.description(),
            unavailable=each.unavailable(other, aer) | _not_privileged(each),
        )

    def _endpoint(self, n: int, each: Function, path: tuple[str, ...]) -> Endpoint:
        parent = self._functions.get(path[-1]) if path else None
        bars = sysfs.bars(sysfs.resources(each.pci.text("resource")))
        memory = next((bar.size_bytes for bar in bars if bar.number == BAR_MEMORY), None)
        serial = each.axl.number("board_serial")
        health, health_reason = _health(each)
        peers, reasons = _peers(each)
        made = Endpoint(
            n=n,
            bdf=each.bdf,
            parent=path[-1] if path else None,
            path=path,
            slot=self._slot(each, path),
            card=self._cards.get(serial) if serial is not None else None,
            serial=serial,
            index=each.axl.number("endpoint_index", sysfs.U8_MAX),
            count=each.axl.number("endpoint_count", sysfs.U8_MAX) or None,
            link=each.link(parent, has_other=False),
            bars=bars,
            irq=each.interrupts,
            memory_bytes=memory if each.has_axl else None,
            health=health,
            health_reason=health_reason,
            generation=each.axl.number("generation", sysfs.U32_MAX),
            address=_address(each.axl),
            aer=each.aer(),
            pci=each.description(),
            peers=peers,
        )
        reasons |= each.unavailable(parent, made.aer) | _not_told(each, made)
        return dataclasses.replace(made, unavailable=reasons)

    def _slot(self, each: Function, path: tuple[str, ...]) -> int | None:
        if each.has_axl:
            # The driver leaves out what a card's own switch calls slots.
            return each.axl.number("slot", MAX_SLOT)
        return self._slot_of(self._functions[path[-1]]) if path else None

    def _slot_of(self, port: Function) -> int | None:
        secondary = port.pci.number("secondary_bus_number", sysfs.U8_MAX)
        return None if secondary is None else self._slots.get(f"{port.bdf[:4]}:{secondary:02x}")


def _not_privileged(each: Function) -> dict[str, str]:
    if each.acs_redirects is not None:
        return {}
    return {"acs_redirects": "only root may read so much of its configuration space"}


def _kind(each: Function, above: PortKind | None) -> PortKind:
    """Its own word where it may be read, else what it must be by what is above it."""
    if each.port_kind is not None:
        return each.port_kind
    if not each.is_express or above == "bridge":
        return "bridge"
    if above is None:
        return "root"
    return "downstream" if above == "upstream" else "upstream"


def _health(each: Function) -> tuple[Health, str | None]:
    state = each.axl.text("state")
    if not each.has_axl:
        return "unknown", None
    if state is None:
        return "stale", each.axl.why("state")
    if state.startswith("resetting"):
        return "resetting", None
    for health in HEALTHS:
        if health == state:
            return health, None
    return "unknown", each.axl.why("state")


def _address(axl: Attributes) -> Address | None:
    state = next((known for known in ADDRESS_STATES if known == axl.text("address_state")), None)
    if state is None:
        return None
    code = axl.number("address_reason")
    return Address(state, _reason_name(code) if code else None, None)


@lru_cache(64)
def _reason_name(code: int) -> str:
    # The register table is slow to import, and few addresses have a reason.
    from pyaccel.spec.regs import AddressReason  # noqa: PLC0415

    names = {int(reason): reason.name.lower() for reason in AddressReason}
    return names.get(code, f"reason {code}")


def _peers(each: Function) -> tuple[Any, dict[str, str]]:
    """The driver's list, and why there is none or not all of it."""
    text = each.axl.text("peers")
    if text is None:
        return None, {"peers": each.axl.why("peers") if each.has_axl else _NO_AXL}
    found = sysfs.peers(text)
    if found is None:
        return None, {"peers": "peers: a line of the driver's list makes no sense"}
    last = text.rpartition("\n")[2]
    return found, {"peers": last} if last.startswith("and ") else {}


def _not_told(each: Function, made: Endpoint) -> dict[str, str]:
    """Why members that the driver should tell are not known."""
    if not each.has_axl:
        return dict.fromkeys(("generation", "address", "client_pid"), _NO_AXL)
    members = {
        "serial": "board_serial", "index": "endpoint_index", "count": "endpoint_count",
        "slot": "slot", "generation": "generation", "address": "address_state",
    }  # fmt: skip
    reasons = {
        member: each.axl.why(name)
        for member, name in members.items()
        if getattr(made, member) is None
    }
    return {**reasons, "client_pid": "several programs may have it open; sysfs does not name them"}


def _interrupts(folder: Path) -> str | None:
    """Which kind of interrupt is in use."""
    try:
        first = sorted(path.name for path in (folder / "msi_irqs").iterdir())[:1]
    except OSError:
        return None
    attributes = Attributes(folder / "msi_irqs")
    attributes.fetch(first)
    kind = attributes.text(first[0]) if first else None
    return kind if kind in {"msi", "msix"} else None

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The PCI tree from what Windows' Plug and Play says of devices. Pure.

Properties are those of devpkey.h and pciprop.h, by the names there without DEVPKEY_.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from diag.topo.model import Endpoint, Link, Pci, Port, PortKind, Rack

Value = int | str | tuple[str, ...]

_UINT32, _STRING, _STRINGS = 0x07, 0x12, 0x2012
"""DEVPROP_TYPE_UINT32, _STRING, and _STRING with DEVPROP_TYPEMOD_LIST."""
_BRIDGES: Final[dict[int, PortKind]] = {
    6: "bridge", 7: "bridge", 8: "root", 9: "upstream", 10: "downstream",
    11: "bridge", 12: "bridge", 13: "bridge",
}  # fmt: skip
"""DevProp_PciDevice_BridgeType_*; what is not in it is no bridge."""
_IDS: Final = re.compile(r"PCI\\VEN_([0-9A-F]{4})&DEV_([0-9A-F]{4})", re.IGNORECASE)
_CLASS: Final = re.compile(r"&CC_([0-9A-F]{6})$", re.IGNORECASE)
_MAX_DEPTH: Final = 64
_MAX_SPEED: Final = 15
_MAX_WIDTH: Final = 63
_MAX_BUS: Final = 0xFF_FFFF
_MAX_ADDRESS: Final = 0xFFFF_FFFF
_MAX_DEVICE: Final = 0x1F
_MAX_FUNCTION: Final = 7
_UNTOLD: Final = "Windows does not tell it"


@dataclass(frozen=True, slots=True)
class PnpDevice:
    """A device: its instance id and those of its properties that it has."""

    instance: str
    properties: Mapping[str, Value]

    def number(self, name: str, most: int) -> int | None:
        """A number up to `most`."""
        value = self.properties.get(name)
        return value if isinstance(value, int) and value <= most else None

    def text(self, name: str) -> str | None:
        """A string that is not empty."""
        value = self.properties.get(name)
        return value if isinstance(value, str) and value else None

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of strings."""
        value = self.properties.get(name)
        return value if isinstance(value, tuple) else ()

    @property
    def bdf(self) -> str | None:
        """Segment and bus from BusNumber, device and function from Address."""
        bus = self.number("Device_BusNumber", _MAX_BUS)
        address = self.number("Device_Address", _MAX_ADDRESS)
        if bus is None or address is None:
            return None
        device, function = address >> 16, address & 0xFFFF
        if device > _MAX_DEVICE or function > _MAX_FUNCTION:
            return None
        return f"{bus >> 8:04x}:{bus & 0xFF:02x}:{device:02x}.{function}"

    @property
    def kind(self) -> PortKind | None:
        """Which kind of port or bridge it is; None for endpoints."""
        return _BRIDGES.get(self.number("PciDevice_DeviceType", 255) or 0)

    def link(self) -> Link:
        """Its link as this end has it."""
        return Link(
            self.number("PciDevice_CurrentLinkSpeed", _MAX_SPEED) or None,
            self.number("PciDevice_CurrentLinkWidth", _MAX_WIDTH) or None,
            self.number("PciDevice_MaxLinkSpeed", _MAX_SPEED) or None,
            self.number("PciDevice_MaxLinkWidth", _MAX_WIDTH) or None,
        )

    def pci(self) -> Pci:
        """Ids from the hardware ids, driver from the service."""
        ids = next(filter(None, map(_IDS.match, self.texts("Device_HardwareIds"))), None)
        codes = filter(None, map(_CLASS.search, self.texts("Device_HardwareIds")))
        code = next(codes, None)
        return Pci(
            vendor_id=int(ids[1], 16) if ids else None,
            device_id=int(ids[2], 16) if ids else None,
            class_code=int(code[1], 16) if code else None,
            driver=(self.text("Device_Service") or "")[:64] or None,
            numa_node=self.number("Device_Numa_Node", 0xFFFF),
            iommu_group=None,
        )


def property_value(kind: int, data: bytes) -> Value | None:
    """A property as SetupAPI gives it: its type, and its bytes; None for types not used here."""
    if kind == _UINT32 and len(data) == 4:
        value: int = struct.unpack("<I", data)[0]
        return value
    if kind not in {_STRING, _STRINGS} or len(data) % 2:
        return None
    texts = data.decode("utf-16-le", "replace").split("\0")
    return tuple(filter(None, texts)) if kind == _STRINGS else texts[0]


def rack_of_devices(devices: Iterable[PnpDevice], name: str, source: str) -> Rack:
    """The tree: who is below whom is what Windows says, whatever the bus numbers are."""
    tree = _Tree(devices)
    return Rack(
        name=name[:64],
        source=source,
        generation=None,
        live=True,
        live_reason=None,
        ports=tuple(tree.ports),
        endpoints=tuple(tree.endpoints),
    )


class _Tree:
    """Hangs devices below their parents, depth first."""

    def __init__(self, devices: Iterable[PnpDevice]) -> None:
        self.ports: list[Port] = []
        self.endpoints: list[Endpoint] = []
        self._known: dict[str, tuple[str, PnpDevice]] = {}
        self._below: dict[str, list[str]] = {}
        places: set[str] = set()
        for each in devices:
            bdf = each.bdf
            # Without a place it is no PCI function; two in one place cannot be.
            if bdf is not None and bdf not in places:
                places.add(bdf)
                self._known[each.instance.upper()] = bdf, each
        for key, (_, each) in sorted(self._known.items(), key=lambda item: item[1][0]):
            parent = (each.text("Device_Parent") or "").upper()
            self._below.setdefault(parent if self._is_port(parent) else "", []).append(key)
        self._descend("", ())

    def _is_port(self, key: str) -> bool:
        return key in self._known and self._known[key][1].kind is not None

    def _descend(self, key: str, path: tuple[str, ...]) -> None:
        # A device cannot be reached twice: it is listed below one parent only.
        for child in self._below.get(key, []):
            bdf, each = self._known[child]
            kind = each.kind
            if kind is None:
                self.endpoints.append(self._endpoint(bdf, each, path))
            elif len(path) < _MAX_DEPTH:
                self.ports.append(self._port(bdf, each, kind, path))
                self._descend(child, (*path, bdf))

    def _port(self, bdf: str, each: PnpDevice, kind: PortKind, path: tuple[str, ...]) -> Port:
        below = [self._known[key] for key in self._below.get(each.instance.upper(), [])]
        link = each.link()
        if kind in {"root", "downstream"}:
            link = link.down_to(below[0][1].link() if below else None)
        return Port(
            bdf=bdf,
            kind=kind,
            parent=path[-1] if path else None,
            slot=None,
            secondary=int(below[0][0][5:7], 16) if below else None,
            subordinate=None,
            link=link,
            window_base=None,
            window_limit=None,
            pci=each.pci(),
            unavailable=dict.fromkeys(("aer", "slot", "subordinate", "acs_redirects"), _UNTOLD),
        )

    def _endpoint(self, bdf: str, each: PnpDevice, path: tuple[str, ...]) -> Endpoint:
        return Endpoint(
            n=len(self.endpoints),
            bdf=bdf,
            parent=path[-1] if path else None,
            path=path,
            slot=None,
            card=None,
            serial=None,
            index=None,
            count=None,
            link=each.link(),
            bars=(),
            irq=None,
            memory_bytes=None,
            pci=each.pci(),
            unavailable=dict.fromkeys(("aer", "slot", "bars"), _UNTOLD),
        )

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The tree of a Windows machine, from properties in the shape that SetupAPI gives them.

Nothing here ran on Windows: names, keys and types are those of its public headers, values are
what the documentation says of them.
"""

from __future__ import annotations

import ctypes
import json
import struct
import uuid
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.topo.document import from_document, to_document
from diag.topo.findings import find
from diag.topo.model import Link
from diag.topo.protocol import SourceError
from diag.topo.schema import SCHEMA
from diag.topo.sources.setupapi import KEYS, DeviceInfo, PropertyKey, SetupApiSource
from diag.topo.windows import PnpDevice, Value, property_value, rack_of_devices

ROOT, UP, DOWN, LEAF = "ROOT&0", "UP&1", "DOWN&2", "LEAF&3"


def device(instance: str, parent: str, place: tuple[int, int, int], kind: int, **more: Any) -> Any:
    """A device as (instance, properties)."""
    bus, number, function = place
    properties = {
        "Device_HardwareIds": ("PCI\\VEN_1AF4&DEV_10F0&REV_00", "PCI\\VEN_1AF4&CC_120000"),
        "Device_BusNumber": bus,
        "Device_Address": number << 16 | function,
        "Device_Parent": f"PCI\\{parent}",
        "PciDevice_DeviceType": kind,
        "PciDevice_CurrentLinkSpeed": 4,
        "PciDevice_CurrentLinkWidth": 16,
        "PciDevice_MaxLinkSpeed": 4,
        "PciDevice_MaxLinkWidth": 16,
    }
    return f"PCI\\{instance}", {**properties, **more}


MACHINE = [
    # In the order of nobody, and with the parent's name spelled in another case.
    device(LEAF.lower(), DOWN, (5, 0, 0), 2, Device_Service="axl", Device_Numa_Node=1),
    device(ROOT, "ACPI&PNP0A08", (0, 1, 0), 8),
    device(DOWN, UP, (2, 1, 0), 10, PciDevice_CurrentLinkWidth=4),
    device(UP, ROOT, (1, 0, 0), 9),
    device("OTHER", "ACPI&PNP0A08", (0x0001_03, 2, 1), 4),
]


class Library:
    """setupapi.dll, as documented."""

    def __init__(self, devices: list[tuple[str, Mapping[str, Value]]]) -> None:
        self.devices = devices
        self.open_lists = 0

    def SetupDiGetClassDevsW(self, _guid: Any, enumerator: str, _window: Any, flags: int) -> int:  # noqa: N802
        """A list of what is present."""
        assert (enumerator, flags) == ("PCI", 6)
        self.open_lists += 1
        return 7

    def SetupDiDestroyDeviceInfoList(self, handle: int) -> int:  # noqa: N802
        """Its end."""
        assert handle == 7
        self.open_lists -= 1
        return 1

    def SetupDiEnumDeviceInfo(self, _handle: int, index: int, pointer: Any) -> int:  # noqa: N802
        """One by one."""
        info = pointer._obj
        assert info.size == ctypes.sizeof(DeviceInfo)
        info.instance = index
        return int(index < len(self.devices))

    def SetupDiGetDeviceInstanceIdW(self, _: int, info: Any, text: Any, size: int, __: Any) -> int:  # noqa: N802
        """Its name."""
        name = self.devices[info._obj.instance][0]
        assert len(name) < size
        text.value = name
        return 1

    def SetupDiGetDevicePropertyW(self, _: int, info: Any, key: Any, kind: Any, *rest: Any) -> int:  # noqa: N802
        """A property; too small a buffer is told the size that it takes."""
        buffer, size, needed, flags = rest
        assert flags == 0
        wanted = uuid.UUID(bytes_le=bytes(key._obj.guid)), key._obj.number
        name = next(name for name, known in KEYS.items() if known == wanted)
        value = self.devices[info._obj.instance][1].get(name)
        if value is None:
            needed._obj.value = 0
            return 0
        kind._obj.value, data = encoded(value)
        needed._obj.value = len(data)
        if len(data) > size:
            return 0
        ctypes.memmove(buffer, data, len(data))
        return 1


def encoded(value: Value) -> tuple[int, bytes]:
    """Type and bytes of a property."""
    if isinstance(value, int):
        return 0x07, struct.pack("<I", value)
    if isinstance(value, str):
        return 0x12, f"{value}\0".encode("utf-16-le")
    return 0x2012, "".join(f"{each}\0" for each in (*value, "")).encode("utf-16-le")


def test_the_tree_is_what_windows_says() -> None:
    """Parents, kinds, places with their segment, links of both ends, driver."""
    library = Library(MACHINE)
    rack = SetupApiSource(library).read()
    assert [(port.bdf, port.kind, port.parent, port.secondary) for port in rack.ports] == [
        ("0000:00:01.0", "root", None, 1),
        ("0000:01:00.0", "upstream", "0000:00:01.0", 2),
        ("0000:02:01.0", "downstream", "0000:01:00.0", 5),
    ]
    leaf, other = sorted(rack.endpoints, key=lambda each: each.bdf)
    assert leaf.path == ("0000:00:01.0", "0000:01:00.0", "0000:02:01.0")
    assert (leaf.pci.vendor_id, leaf.pci.device_id, leaf.pci.class_code) == (
        0x1AF4,
        0x10F0,
        0x120000,
    )
    assert (leaf.pci.driver, leaf.pci.numa_node) == ("axl", 1)
    assert (other.bdf, other.parent) == ("0001:03:02.1", None)
    assert rack.ports[2].link == Link(4, 4, 4, 16)
    assert {each.rule for each in find(rack)} >= {"link-below-capability", "no-driver"}
    assert library.open_lists == 0


def test_the_tree_is_a_snapshot() -> None:
    """It fits the schema and reads back, what Windows does not tell being null with a reason."""
    rack = SetupApiSource(Library(MACHINE)).read()
    document = to_document(rack)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert from_document(json.dumps(document), "kernel") == rack
    assert document["ports"][0]["aer"]["fatal_count"] is None
    assert document["ports"][0]["unavailable"]["aer"] == "Windows does not tell it"


def test_long_properties_are_asked_for_again() -> None:
    """With the size that the first answer names."""
    names = [f"PCI\\VEN_{n:04X}&DEV_0000" for n in range(40)]
    ids = (*names, "PCI\\VEN_1AF4&CC_120000")
    machine = [device(LEAF, "ACPI", (5, 0, 0), 2, Device_HardwareIds=ids)]
    assert SetupApiSource(Library(machine)).read().endpoints[0].pci.class_code == 0x120000


def test_a_machine_without_devices_is_told() -> None:
    """Not an empty tree."""
    with pytest.raises(SourceError, match="no PCI devices"):
        SetupApiSource(Library([])).read()


def test_our_driver_makes_it_the_choice_of_auto() -> None:
    """As on Linux: a device that it drives."""
    assert SetupApiSource(Library(MACHINE)).has_endpoints()
    assert not SetupApiSource(Library(MACHINE[1:])).has_endpoints()


def test_structures_have_windows_sizes() -> None:
    """As on 64-bit Windows: setupapi.dll refuses others."""
    assert (ctypes.sizeof(DeviceInfo), ctypes.sizeof(PropertyKey)) == (32, 20)


@pytest.mark.skipif(hasattr(ctypes, "WinDLL"), reason="this is Windows")
def test_elsewhere_there_is_no_setupapi() -> None:
    """Said so, not a traceback."""
    with pytest.raises(SourceError, match="on Windows only"):
        SetupApiSource()


@pytest.mark.parametrize(
    ("bus", "address"), [(None, 0), (0, None), (1 << 24, 0), (0, 0x20 << 16), (0, 8), ("0", 0)]
)
def test_what_has_no_place_is_left_out(bus: Value | None, address: Value | None) -> None:
    """It is no function of PCI."""
    given = {"Device_BusNumber": bus, "Device_Address": address}
    known = {name: value for name, value in given.items() if value is not None}
    assert PnpDevice("x", known).bdf is None


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abcd"),
            st.sampled_from("abcde"),
            st.integers(0, 3),
            st.sampled_from([2, 8, 9, 10]),
        ),
        max_size=8,
    )
)
def test_whoever_is_whose_parent_the_tree_holds_together(
    rows: list[tuple[str, str, int, int]],
) -> None:
    """Circles, twins and orphans: each place once at most, parents first."""
    made = [device(name, parent, (0, place, 0), kind) for name, parent, place, kind in rows]
    rack = rack_of_devices([PnpDevice(*each) for each in made], "x", "kernel")
    places = [each.bdf for each in (*rack.ports, *rack.endpoints)]
    assert len(set(places)) == len(places)
    assert from_document(json.dumps(to_document(rack)), "kernel") == rack


@given(st.integers(0, 0x3000), st.binary(max_size=40))
def test_any_bytes_are_a_property_or_none(kind: int, data: bytes) -> None:
    """Types that are not used, odd lengths, halves of characters."""
    value = property_value(kind, data)
    assert value is None or isinstance(value, int | str | tuple)

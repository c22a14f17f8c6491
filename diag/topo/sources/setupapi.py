# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The PCI devices of a Windows machine, through SetupAPI.

Written from the documented interface and never run on Windows: tests drive it with a library
that answers as documented. docs/guide/accel-info.md says so too.
"""

from __future__ import annotations

import ctypes
import socket
import uuid
from collections.abc import Iterator
from typing import Any, Final

from diag.topo.model import Rack
from diag.topo.protocol import SourceError
from diag.topo.windows import PnpDevice, property_value, rack_of_devices

NAME: Final = "kernel"
_PRESENT_OF_ALL_CLASSES: Final = 0x2 | 0x4
_MAX_BYTES: Final = 65536
_MAX_DEVICES: Final = 4096
_INVALID_HANDLE: Final = ctypes.c_void_p(-1).value
_DEVICE: Final = uuid.UUID("a45c254e-df1c-4efd-8020-67d146a850e0")
_PCI_DEVICE: Final = uuid.UUID("3ab22e31-8264-4b4e-9af5-a8d2d8e33e62")
KEYS: Final[dict[str, tuple[uuid.UUID, int]]] = {
    "Device_HardwareIds": (_DEVICE, 3),
    "Device_Service": (_DEVICE, 6),
    "Device_BusNumber": (_DEVICE, 23),
    "Device_Address": (_DEVICE, 30),
    "Device_Parent": (uuid.UUID("4340a6c5-93fa-4706-972c-7b648008a5a7"), 8),
    "Device_Numa_Node": (uuid.UUID("540b947e-8b40-45bc-a8a2-6a0b894cbda2"), 3),
    "PciDevice_DeviceType": (_PCI_DEVICE, 1),
    "PciDevice_CurrentLinkSpeed": (_PCI_DEVICE, 9),
    "PciDevice_CurrentLinkWidth": (_PCI_DEVICE, 10),
    "PciDevice_MaxLinkSpeed": (_PCI_DEVICE, 11),
    "PciDevice_MaxLinkWidth": (_PCI_DEVICE, 12),
}
"""Names and keys of devpkey.h and pciprop.h."""


class PropertyKey(ctypes.Structure):
    """DEVPROPKEY."""

    _fields_ = (("guid", ctypes.c_ubyte * 16), ("number", ctypes.c_uint32))


class DeviceInfo(ctypes.Structure):
    """SP_DEVINFO_DATA."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("class_guid", ctypes.c_ubyte * 16),
        ("instance", ctypes.c_uint32),
        ("reserved", ctypes.c_size_t),
    )


class SetupApiSource:
    """Reads the tree of a Windows machine. Needs no privilege.

    Args:
        library: setupapi.dll; None loads it.
    """

    name = NAME

    def __init__(self, library: Any = None) -> None:
        self._library = library or _load()

    def has_endpoints(self) -> bool:
        """Whether the axl driver drives any device here."""
        return any(each.text("Device_Service") == "axl" for each in self._devices())

    def read(self) -> Rack:
        """The tree as it is now."""
        devices = list(self._devices())
        if not devices:
            raise SourceError("SetupAPI lists no PCI devices")
        return rack_of_devices(devices, socket.gethostname(), self.name)

    def registers(self, n: int, block: str) -> list[dict[str, Any]]:
        """The driver keeps the registers to itself."""
        raise SourceError(f"endpoint {n}: the kernel driver shows no registers ({block})")

    def _devices(self) -> Iterator[PnpDevice]:
        library = self._library
        handle = library.SetupDiGetClassDevsW(None, "PCI", None, _PRESENT_OF_ALL_CLASSES)
        if handle in {None, _INVALID_HANDLE}:
            raise SourceError("SetupAPI gives no list of PCI devices (SetupDiGetClassDevsW)")
        try:
            info = DeviceInfo(size=ctypes.sizeof(DeviceInfo))
            for index in range(_MAX_DEVICES):
                if not library.SetupDiEnumDeviceInfo(handle, index, ctypes.byref(info)):
                    return
                yield self._device(handle, info)
        finally:
            library.SetupDiDestroyDeviceInfoList(handle)

    def _device(self, handle: int, info: DeviceInfo) -> PnpDevice:
        text = ctypes.create_unicode_buffer(512)
        got = self._library.SetupDiGetDeviceInstanceIdW(
            handle, ctypes.byref(info), text, len(text), None
        )
        values = {name: self._property(handle, info, name) for name in KEYS}
        known = {name: value for name, value in values.items() if value is not None}
        return PnpDevice(text.value if got else "", known)

    def _property(self, handle: int, info: DeviceInfo, name: str) -> Any:
        guid, number = KEYS[name]
        key = PropertyKey((ctypes.c_ubyte * 16)(*guid.bytes_le), number)
        kind, needed = ctypes.c_uint32(), ctypes.c_uint32()
        size = 512
        # The second time with the size that the first one asked for.
        for _ in range(2):
            buffer = (ctypes.c_ubyte * size)()
            if self._library.SetupDiGetDevicePropertyW(
                handle, ctypes.byref(info), ctypes.byref(key), ctypes.byref(kind),
                buffer, size, ctypes.byref(needed), 0,
            ):  # fmt: skip
                return property_value(kind.value, bytes(buffer[: min(needed.value, size)]))
            size = needed.value
            if not 512 < size <= _MAX_BYTES:
                return None
        return None


def _load() -> Any:
    """The system's own library, with the types of what is used of it."""
    loader = getattr(ctypes, "WinDLL", None)
    if loader is None:
        raise SourceError("SetupAPI is there on Windows only")
    library = loader("setupapi", use_last_error=True)
    pointer, word = ctypes.c_void_p, ctypes.c_uint32
    library.SetupDiGetClassDevsW.argtypes = (pointer, ctypes.c_wchar_p, pointer, word)
    library.SetupDiGetClassDevsW.restype = pointer
    library.SetupDiEnumDeviceInfo.argtypes = (pointer, word, pointer)
    library.SetupDiDestroyDeviceInfoList.argtypes = (pointer,)
    library.SetupDiGetDeviceInstanceIdW.argtypes = (pointer, pointer, pointer, word, pointer)
    library.SetupDiGetDevicePropertyW.argtypes = (
        pointer, pointer, pointer, pointer, pointer, word, pointer, word,
    )  # fmt: skip
    return library

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A folder laid out as sysfs shows PCI functions; texts as a real kernel gives them."""

from __future__ import annotations

from pathlib import Path

BRIDGE, ACCELERATOR, NETWORK = "0x060400", "0x120000", "0x020000"
NO_RESOURCE = "0x0000000000000000 0x0000000000000000 0x0000000000000000"
RATE = {"speed": "16.0 GT/s PCIe", "width": "16"}
AER = {
    "aer_dev_correctable": "RxErr 3\nBadTLP 0\nTOTAL_ERR_COR 3\n",
    "aer_dev_nonfatal": "Undefined 0\nTOTAL_ERR_NONFATAL 0\n",
    "aer_dev_fatal": "Undefined 0\nTOTAL_ERR_FATAL 0\n",
}
AXL = {
    "board_serial": "0x00a0c00000000001", "endpoint_index": "0", "endpoint_count": "1",
    "state": "online", "generation": "2", "address_state": "committed", "address_reason": "0",
    "slot": "7",
    "peers": "card:0x00a0c00000000002/1 0000:06:00.0 reachable\n"
    "card:0x00a0c00000000003/0 0000:07:00.0 unreachable: below another root port\n",
}  # fmt: skip


class Sysfs:
    """A tree below `root` that grows function by function."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.devices = root / "bus/pci/devices"
        self.devices.mkdir(parents=True)

    def attribute(self, bdf: str, name: str, text: str | bytes) -> Path:
        """Write one attribute of a function."""
        path = self.devices / bdf / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text if isinstance(text, bytes) else text.encode() + b"\n")
        return path

    def function(self, bdf: str, parent: str | None, **texts: str) -> None:
        """A function below another one, or on the root complex, with the link of RATE."""
        above = "devices/pci0000:00" if parent is None else (self.devices / parent).resolve()
        folder = self.root / above / bdf
        folder.mkdir(parents=True)
        (self.devices / bdf).symlink_to(folder)
        rates = {f"{w}_link_{k}": v for w in ("max", "current") for k, v in RATE.items()}
        for name, text in {**AER, **rates, "numa_node": "-1", **texts}.items():
            self.attribute(bdf, name, text)

    def bridge(self, bdf: str, parent: str | None, buses: tuple[int, int], **texts: str) -> None:
        """A port with the buses below it and a prefetchable window."""
        window = "0x0000000200000000 0x00000002ffffffff 0x0000000000102201"
        resource = "\n".join([NO_RESOURCE] * 15 + [window, NO_RESOURCE])
        numbers = {"secondary_bus_number": str(buses[0]), "subordinate_bus_number": str(buses[1])}
        ids = {"class": BRIDGE, "vendor": "0x1b36", "device": "0x000c", "resource": resource}
        self.function(bdf, parent, **{**ids, **numbers, **texts})

    def endpoint(self, bdf: str, parent: str | None, **axl: str) -> None:
        """One of ours with the driver bound to it."""
        bars = [
            "0x00000000fe800000 0x00000000fe81ffff 0x0000000000140204", NO_RESOURCE,
            "0x00000002f0000000 0x00000002ffffffff 0x000000000014220c", NO_RESOURCE,
        ]  # fmt: skip
        resource = "\n".join(bars + [NO_RESOURCE] * 9)
        ids = {"class": ACCELERATOR, "vendor": "0x1af4", "device": "0x10f0"}
        self.function(bdf, parent, resource=resource, **ids)
        for name, text in {**AXL, **axl}.items():
            self.attribute(bdf, f"axl/{name}", text)
        self.attribute(bdf, "msi_irqs/40", "msix")
        self.bind(bdf, "axl")

    def bind(self, bdf: str, driver: str) -> None:
        """Bind a driver."""
        folder = self.root / "bus/pci/drivers" / driver
        folder.mkdir(parents=True, exist_ok=True)
        (folder / bdf).symlink_to(self.devices / bdf)
        (self.devices / bdf / "driver").symlink_to(folder)

    def slot(self, name: str, address: str) -> None:
        """A physical slot."""
        folder = self.root / "bus/pci/slots" / name
        folder.mkdir(parents=True)
        (folder / "address").write_text(address + "\n")

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


def full_machine(root: Path, segments: int, cards: int = 16, per_card: int = 8) -> Sysfs:
    """Switches with cards of several endpoints behind a switch each, on several segments.

    Every endpoint has a bus of its own, as has every port: 16 cards of 8 fill a segment.
    """
    made = Sysfs(root)
    for segment in range(segments):
        base = f"{segment:04x}"
        made.bridge(f"{base}:00:01.0", None, (1, 254))
        made.bridge(f"{base}:01:00.0", f"{base}:00:01.0", (2, 254))
        for card in range(cards):
            bus = 3 + card * (per_card + 2)
            slot, switch = f"{base}:02:{card:02x}.0", f"{base}:{bus:02x}:00.0"
            made.bridge(slot, f"{base}:01:00.0", (bus, bus + per_card + 1))
            made.bridge(switch, slot, (bus + 1, bus + per_card + 1))
            serial = f"0x{0x00A0_C000_0000_0000 + segment * 256 + card:016x}"
            for index in range(per_card):
                port, own = f"{base}:{bus + 1:02x}:{index:02x}.0", bus + 2 + index
                made.bridge(port, switch, (own, own))
                made.endpoint(
                    f"{base}:{own:02x}:00.0", port, board_serial=serial,
                    endpoint_index=str(index), endpoint_count=str(per_card), peers="",
                )  # fmt: skip
    return made

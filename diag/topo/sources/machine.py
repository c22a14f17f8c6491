# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The PCI functions of a machine, looked at once or again and again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diag.topo import sysfs
from diag.topo.model import Rack
from diag.topo.protocol import SourceError
from diag.topo.sources.attributes import Attributes, fetch_all
from diag.topo.sources.deadline import run_all
from diag.topo.sources.kernel_tree import Function, Tree

_PCI_CONSTANT: Final = (
    "class", "vendor", "device", "numa_node", "resource", "secondary_bus_number",
    "subordinate_bus_number", "max_link_speed", "max_link_width",
)  # fmt: skip
_PCI_CHANGING: Final = (
    "aer_dev_correctable", "aer_dev_nonfatal", "aer_dev_fatal",
    "current_link_speed", "current_link_width",
)  # fmt: skip
_AXL_CONSTANT: Final = ("board_serial", "endpoint_index", "endpoint_count", "slot")
_AXL_CHANGING: Final = ("state", "generation", "address_state", "address_reason")
# Last, since it may have to wait for a reset; and it wakes who sleeps, so it is not read often.
_AXL_PEERS: Final = ("peers",)


class Machine:
    """Keeps between two looks what stays the same as long as nothing is plugged.

    Args:
        root: where sysfs is mounted, or a recorded copy of it.
        patience_s: how long no attribute at all may answer.
    """

    def __init__(self, root: Path, patience_s: float) -> None:
        self._root = root
        self._patience_s = patience_s
        self._slots: dict[str, int] = {}
        self.functions: dict[str, Function] = {}

    def look(self) -> Rack:
        """The tree as it is now."""
        folder = self._root / "bus/pci/devices"
        names = list(function_names(folder))
        if not names:
            raise SourceError(
                f"{folder}: no PCI devices are shown there; is this Linux, and is sysfs mounted?"
            )
        known = self.functions
        if list(known) == names and all(each.is_same() for each in known.values()):
            self._look_again()
        else:
            self._look_at_all(folder, names)
        return Tree(self.functions, self._slots).rack()

    def _look_at_all(self, folder: Path, names: list[str]) -> None:
        self.functions = {name: Function(name, folder / name) for name in names}
        self._slots = _slots(self._root / "bus/pci/slots")
        everything = (*_AXL_CONSTANT, *_AXL_CHANGING, *_AXL_PEERS)
        self._fetch((*_PCI_CONSTANT, *_PCI_CHANGING), everything)
        bridges = [each.read_config for each in self.functions.values() if each.is_bridge]
        run_all(bridges, self._patience_s)

    def _look_again(self) -> None:
        before = {bdf: each.axl.text("generation") for bdf, each in self.functions.items()}
        self._fetch(_PCI_CHANGING, _AXL_CHANGING)
        reset = [
            (each.axl, _AXL_PEERS)
            for bdf, each in self.functions.items()
            if each.has_axl and each.axl.text("generation") != before[bdf]
        ]
        if reset:
            fetch_all(reset, self._patience_s)

    def _fetch(self, pci: tuple[str, ...], axl: tuple[str, ...]) -> None:
        each = self.functions.values()
        wanted = [(one.pci, pci) for one in each] + [(one.axl, axl) for one in each if one.has_axl]
        fetch_all(wanted, self._patience_s)


def function_names(folder: Path) -> Iterator[str]:
    """The bus addresses that a folder has entries for, in their order."""
    try:
        names = sorted(path.name for path in folder.iterdir())
    except OSError:
        return
    yield from (name for name in names if sysfs.BDF.fullmatch(name))


def _slots(folder: Path) -> dict[str, int]:
    """Slot numbers by the bus that is plugged in there ("0000:02")."""
    try:
        names = [path.name for path in folder.iterdir()]
    except OSError:
        return {}
    found = {}
    for name in names:
        attributes = Attributes(folder / name)
        attributes.fetch(["address"])
        bus, _, device = (attributes.text("address") or "").rpartition(":")
        number = sysfs.slot_number(name)
        if device == "00" and number is not None:
            found[bus] = number
    return found

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The PCI functions of a machine, looked at once or again and again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from diag.topo import sysfs
from diag.topo.model import Rack
from diag.topo.protocol import SourceError
from diag.topo.sources.attributes import Attributes, fetch_all
from diag.topo.sources.deadline import run_all
from diag.topo.sources.kernel_tree import AXL_CHANGING, AXL_PEERS, PCI_CHANGING, Function, Tree

_PCI_CONSTANT: Final = (
    "class", "vendor", "device", "numa_node", "resource", "secondary_bus_number",
    "subordinate_bus_number", "max_link_speed", "max_link_width",
)  # fmt: skip
_AXL_CONSTANT: Final = ("board_serial", "endpoint_index", "endpoint_count", "slot")


class Machine:
    """Keeps between two looks what stays the same as long as nothing is plugged.

    Args:
        root: where sysfs is mounted, or a recorded copy of it.
        patience_s: how long no attribute at all may answer.
    """

    def __init__(self, root: Path, patience_s: float) -> None:
        self._root = root
        self._patience_s = patience_s
        self._tree = Tree({}, {})
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
        return self._tree.rack()

    def _look_at_all(self, folder: Path, names: list[str]) -> None:
        self.functions = {name: Function(name, folder / name) for name in names}
        everything = (*_AXL_CONSTANT, *AXL_CHANGING, *AXL_PEERS)
        self._fetch((*_PCI_CONSTANT, *PCI_CHANGING), everything)
        bridges = [each.read_config for each in self.functions.values() if each.is_bridge]
        run_all(bridges, self._patience_s)
        for each in self.functions.values():
            each.read_interrupts()
        self._tree = Tree(self.functions, _slots(self._root / "bus/pci/slots"))

    def _look_again(self) -> None:
        before = {bdf: each.axl.text("generation") for bdf, each in self.functions.items()}
        self._fetch(PCI_CHANGING, AXL_CHANGING)
        reset = [
            each
            for bdf, each in self.functions.items()
            if each.has_axl and each.axl.text("generation") != before[bdf]
        ]
        fetch_all([(each.axl, AXL_PEERS) for each in reset], self._patience_s)
        for each in reset:
            each.read_interrupts()

    def _fetch(self, pci: tuple[str, ...], axl: tuple[str, ...]) -> None:
        each = self.functions.values()
        wanted = [(one.pci, pci) for one in each] + [(one.axl, axl) for one in each if one.has_axl]
        fetch_all(wanted, self._patience_s)


def function_names(folder: Path) -> Iterator[str]:
    """The bus addresses that a folder has entries for, in their order."""
    try:
        names = sorted(os.listdir(folder))  # noqa: PTH208 - a Path each costs more than the rest
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

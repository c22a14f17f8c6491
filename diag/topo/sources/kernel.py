# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The machine itself: PCI as Linux shows it in sysfs, and what the axl driver adds there."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from diag.topo.model import Rack
from diag.topo.protocol import SourceError
from diag.topo.sources.kernel_sampler import KernelSampler
from diag.topo.sources.kernel_tree import NAME
from diag.topo.sources.machine import Machine, function_names

SYSFS: Final = Path("/sys")
PATIENCE_S: Final = 2.0
"""How long no attribute at all may answer: a driver may be in the middle of a reset."""


class KernelSource:
    """Reads sysfs. Needs no privilege, works for every PCI device.

    Args:
        root: where sysfs is mounted, or a recorded copy of it.
    """

    name = NAME

    def __init__(self, root: Path = SYSFS) -> None:
        self._root = root

    def has_endpoints(self) -> bool:
        """Whether the axl driver drives any device here."""
        return any(True for _ in function_names(self._root / "bus/pci/drivers/axl"))

    def read(self) -> Rack:
        """The tree as it is now."""
        return Machine(self._root, PATIENCE_S).look()

    def sampler(self) -> KernelSampler:
        """Takes samples of the same machine."""
        return KernelSampler(self._root)

    def registers(self, n: int, block: str) -> list[dict[str, Any]]:
        """The driver keeps the registers to itself."""
        raise SourceError(f"endpoint {n}: the kernel driver shows no registers ({block})")

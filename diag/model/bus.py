# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The seam between an endpoint (a PCI function) and the thing that carries it.

`PciFunction` is what a vfio-user session drives: configuration space, BARs, reset.
`HostBus` is what the function uses to reach out: DMA into memory that the other side
shares, and interrupts. The device knows no sockets; the server knows no registers.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Protocol

CONFIG_BYTES = 4096
"""Extended configuration space (PCIe 6.0 s7.2.2)."""


class BusError(Exception):
    """A DMA request that the fabric refuses: Unsupported Request."""

    def __init__(self, address: int, length: int, reason: str) -> None:
        super().__init__(f"DMA {address:#x}+{length:#x}: {reason}")
        self.address = address
        self.length = length


class ResetKind(IntEnum):
    """How a function is reset from outside; numbers as in RESET_CAUSE."""

    FUNCTION = 2
    SECONDARY_BUS = 3


class Region(IntEnum):
    """Region numbers of a PCI device in the vfio interface."""

    BAR0 = 0
    BAR1 = 1
    BAR2 = 2
    BAR3 = 3
    BAR4 = 4
    BAR5 = 5
    ROM = 6
    CONFIG = 7
    VGA = 8


class IrqKind(IntEnum):
    """Interrupt kinds of a PCI device in the vfio interface."""

    INTX = 0
    MSI = 1
    MSIX = 2
    ERR = 3
    REQ = 4


@dataclass(frozen=True, slots=True)
class RegionSpec:
    """One region. With `fd`, the client may map bytes 0..size of it."""

    size: int
    readable: bool = True
    writable: bool = True
    fd: int | None = None


@dataclass(frozen=True, slots=True)
class ShadowDoorbells:
    """Doorbells that a client rings without a message.

    It stores the value at the same offset (relative to `offset`) of shared memory and then
    signals an eventfd, of which every client gets its own.
    """

    offset: int
    """First doorbell byte within BAR0."""
    size: int
    memory_fd: int


@dataclass(slots=True)
class FunctionSpec:
    """What the vfio interface reports of a function."""

    name: str
    regions: dict[Region, RegionSpec]
    irq_counts: dict[IrqKind, int]
    pci_reset: bool = True
    shadow_doorbells: ShadowDoorbells | None = field(default=None)


class HostBus(Protocol):
    """What an attached function may do to the host. Valid from attach() to detach()."""

    def dma_view(self, address: int, length: int, *, write: bool) -> memoryview:
        """Zero-copy bytes at a bus address; BusError unless one mapping with the access has all."""

    def dma_views(self, address: int, length: int, *, write: bool) -> list[memoryview]:
        """The same of a range that may span mappings, in pieces; BusError where a byte is missing.

        Mappings that meet on both sides, in bus addresses and in memory, give one piece.
        """

    def dma_contains(self, address: int, length: int) -> bool:
        """Whether the whole range lies in one mapping that can be accessed."""

    def raise_interrupt(self, vector: int) -> bool:
        """Signal MSI-X or MSI `vector`, whichever the host enabled.

        MSI is folded to the vectors granted. False when none is enabled or the vector has no
        eventfd.
        """


class PciFunction(Protocol):
    """One endpoint, as a vfio-user session drives it.

    Single-threaded: all calls come from the event loop that serves the endpoint.
    """

    spec: FunctionSpec

    def attach(self, bus: HostBus) -> None:
        """A client is connected and its memory can be used."""

    def detach(self) -> None:
        """The client is gone: forget every view and stop all DMA before returning."""

    def dma_changed(self) -> None:
        """Mappings were removed: drop cached views before returning."""

    def region_read(self, region: Region, offset: int, length: int) -> bytes:
        """Read inside the region (bounds already checked)."""

    def region_write(self, region: Region, offset: int, data: bytes) -> None:
        """Write inside the region (bounds already checked)."""

    def reset(self, kind: ResetKind) -> None:
        """DEVICE_RESET from the client: hot reset of the function."""

    def doorbell(self) -> None:
        """The shadow doorbell eventfd was signalled."""

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The endpoint's way to memory: host, its own, and its peers'.

A *segment* is a run of bytes that lie side by side in one address space. What the page
table says becomes segments here, and here is the only place where memory is reached.
"""

from __future__ import annotations

from typing import NamedTuple, Protocol

from diag.model.bus import BusError, HostBus
from diag.model.fabric import Fabric
from diag.model.memory import DeviceMemory
from diag.model.status import CommandError
from pyaccel.spec.formats import Space, Status


class Segment(NamedTuple):
    """Bytes at `address` (bus address, or offset in device memory for DEVICE)."""

    space: int
    address: int
    view: memoryview


class Watch(Protocol):
    """Sees DMA before it happens; installed only while a fault or the tap needs it."""

    def reading(self, segments: list[Segment]) -> None:
        """A command will read; may raise CommandError."""

    def writing(self, segments: list[Segment]) -> None:
        """A command will write; may raise CommandError."""


class PeerGate(Protocol):
    """Decides whether peer-to-peer is allowed (the device-address block)."""

    def check_peer(self, address: int, length: int) -> None:
        """CommandError unless the range lies in a committed peer window."""


class Dma:
    """Resolves (space, address, length) to bytes."""

    def __init__(self, memory: DeviceMemory, fabric: Fabric, row: int, gate: PeerGate) -> None:
        self._memory = memory
        self._fabric = fabric
        self._row = row
        self._gate = gate
        self.bus: HostBus | None = None
        self.watch: Watch | None = None
        self.memory_bytes = memory.size
        self.peers_used = False
        self._fabric_state = b""

    def peers_moved(self) -> bool:
        """Whether a peer's BAR2 came, went or moved since peer memory was last resolved."""
        if not self.peers_used or self._fabric.state() == self._fabric_state:
            return False
        self.peers_used = False
        return True

    def host(self, address: int, length: int, *, write: bool) -> memoryview:
        """Bytes of host memory; CommandError if the host does not offer them all."""
        if self.bus is None:
            raise _refused(address, "no host is attached")
        try:
            return self.bus.dma_view(address, length, write=write)
        except BusError as error:
            raise _refused(address, str(error)) from error

    def host_pieces(self, address: int, length: int, *, write: bool) -> list[memoryview]:
        """As `host` for a range that may span mappings of the host."""
        if self.bus is None:
            raise _refused(address, "no host is attached")
        try:
            return self.bus.dma_views(address, length, write=write)
        except BusError as error:
            raise _refused(error.address, str(error)) from error

    def segments(self, space: int, address: int, length: int, *, write: bool) -> list[Segment]:
        """The run as segments: one, or more where the host's mappings meet inside it."""
        if space == Space.DEVICE:
            return [self._device(address, length)]
        if space == Space.PEER:
            return [self._peer(address, length)]
        found = []
        for view in self.host_pieces(address, length, write=write):
            found.append(Segment(space, address, view))
            address += len(view)
        return found

    def _device(self, address: int, length: int) -> Segment:
        if address + length > self._memory.size:
            reason = f"device memory ends at {self._memory.size:#x}"
            raise CommandError(Status.PAGE_FAULT, reason, address=address)
        return Segment(Space.DEVICE, address, self._memory.view[address : address + length])

    def _peer(self, address: int, length: int) -> Segment:
        self._gate.check_peer(address, length)
        self._fabric_state = self._fabric.state()
        self.peers_used = True
        try:
            row, offset = self._fabric.locate(address, length)
            if row == self._row:
                view = self._memory.view[offset : offset + length]
            else:
                view = self._fabric.resolve(address, length)
        except BusError as error:
            raise _refused(address, str(error)) from error
        return Segment(Space.PEER, address, view)


def _refused(address: int, reason: str) -> CommandError:
    return CommandError(Status.UNSUPPORTED_REQUEST, reason, address=address)

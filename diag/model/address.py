# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The device-address block: where the driver says the endpoint and its peers sit.

Peer-to-peer is refused until an address is committed that agrees with what the endpoint
knows itself; every reset and every renumbering makes it stale again.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Final

from diag.model.registers import RegisterFile
from diag.model.status import CommandError
from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_PEERS, Status
from pyaccel.spec.regs import AddressReason, AddressState

_BDF_MASK: Final = 0xFFFF
PATH_PORTS: Final = regs.ADDR_PATH.counts[0]

_Peer = tuple[int, int, int, int]
"""(address, size, serial, index)."""


class AddressBlock:
    """Keeps the ADDR and PEER registers.

    Args:
        registers: where the block lives.
        identity: (board serial, endpoint index) that CARD must name.
        memory_bytes: size of BAR2.
        bar2: gives the bus address of the endpoint's own BAR2, None if it decodes nothing.
        on_change: called after the address came into force or stopped being in force.
    """

    def __init__(
        self,
        registers: RegisterFile,
        identity: tuple[int, int],
        memory_bytes: int,
        bar2: Callable[[], int | None],
        on_change: Callable[[], None],
    ) -> None:
        self._registers = registers
        self._identity = identity
        self._memory_bytes = memory_bytes
        self._bar2 = bar2
        self._on_change = on_change
        self._windows: list[tuple[int, int]] = []
        self._state = AddressState.STALE
        self._reason = AddressReason.NONE
        self.captured: int | None = None
        """Bus:device.function from configuration writes, None if never captured."""
        registers.on_write(regs.ADDR_COMMIT, self._write_commit)
        registers.on_read(regs.ADDR_STATUS, self._read_status)
        registers.on_read(regs.ADDR_CAPTURED, lambda: self.captured or 0)

    @property
    def state(self) -> AddressState:
        """Whether an address is in force."""
        return self._state

    @property
    def reason(self) -> AddressReason:
        """Why the last commit was rejected."""
        return self._reason

    def capture(self, bdf: int) -> None:
        """A configuration write arrived at bus:device.function `bdf` (PCIe 6.0 s2.2.9.1)."""
        if bdf != self.captured:
            self.captured = bdf & _BDF_MASK
            self.make_stale()

    def make_stale(self) -> None:
        """No address is in force any more."""
        self._enter(AddressState.STALE, AddressReason.NONE, [])

    def check_peer(self, address: int, length: int) -> None:
        """CommandError unless the range lies in a peer window of the committed table."""
        if self._state is not AddressState.COMMITTED:
            reason = f"the device address is {self._state.name.lower()}"
            raise CommandError(Status.ADDRESS_STALE, reason, address=address)
        end = address + length
        if not any(low <= address and end <= high for low, high in self._windows):
            reason = f"{address:#x} is in no row of the peer table"
            raise CommandError(Status.UNSUPPORTED_REQUEST, reason, address=address)

    def _enter(
        self, state: AddressState, reason: AddressReason, windows: list[tuple[int, int]]
    ) -> None:
        was_in_force = self._state is AddressState.COMMITTED
        self._state, self._reason, self._windows = state, reason, windows
        if was_in_force or state is AddressState.COMMITTED:
            self._on_change()

    def _read_status(self) -> int:
        return regs.ADDR_STATUS.make(
            STATE=self._state, REASON=self._reason, CAPTURED_VALID=self.captured is not None
        )

    def _write_commit(self, raw: int, _new: int) -> None:
        if not raw & 1:
            self.make_stale()
            return
        peers = self._peers()
        reason = self._check(peers)
        if reason is not AddressReason.NONE:
            self._enter(AddressState.REJECTED, reason, [])
            return
        assert peers is not None
        count = self._registers.get(regs.ADDR_GENERATION) + 1 & 0xFFFFFFFF
        self._registers.set(regs.ADDR_GENERATION, count)
        windows = [(address, address + size) for address, size, _, _ in peers]
        self._enter(AddressState.COMMITTED, AddressReason.NONE, windows)

    def _check(self, peers: list[_Peer] | None) -> AddressReason:
        registers = self._registers
        place = registers.get(regs.ADDR_PLACE) & _BDF_MASK
        if self.captured is not None and place != self.captured:
            return AddressReason.BDF_MISMATCH
        index = regs.ADDR_CARD.get(registers.get(regs.ADDR_CARD), "INDEX")
        if (registers.get(regs.ADDR_CARD_SERIAL), index) != self._identity:
            return AddressReason.CARD_MISMATCH
        if not self._path_is_valid():
            return AddressReason.PATH_INVALID
        return self._check_peers(peers)

    def _check_peers(self, peers: list[_Peer] | None) -> AddressReason:
        if peers is None or _overlap(peers):
            return AddressReason.PEER_INVALID
        own = [peer for peer in peers if peer[2:] == self._identity]
        if not own:
            return AddressReason.SELF_PEER_MISSING
        if any(peer[:2] != (self._bar2(), self._memory_bytes) for peer in own):
            return AddressReason.SELF_BAR_MISMATCH
        return AddressReason.NONE

    def _path_is_valid(self) -> bool:
        depth = self._registers.get(regs.ADDR_PATH_DEPTH)
        valid = regs.ADDR_PATH.field("VALID").mask
        return depth <= PATH_PORTS and all(
            self._registers.get(regs.ADDR_PATH, port) & valid for port in range(depth)
        )

    def _peers(self) -> list[_Peer] | None:
        """The peer table, None if it cannot be right."""
        registers = self._registers
        count = registers.get(regs.ADDR_PEER_COUNT)
        if count > MAX_PEERS:
            return None
        peers = []
        for row in range(count):
            info = registers.get(regs.PEER_INFO, row)
            size = registers.get(regs.PEER_SIZE, row)
            if not regs.PEER_INFO.get(info, "VALID") or not size:
                return None
            address = registers.get(regs.PEER_ADDRESS, row)
            serial = registers.get(regs.PEER_SERIAL, row)
            peers.append((address, size, serial, regs.PEER_INFO.get(info, "INDEX")))
        return peers


def _overlap(peers: list[_Peer]) -> bool:
    ordered = sorted((address, size) for address, size, _, _ in peers)
    pairs = itertools.pairwise(ordered)
    wraps = any(address + size > 1 << 64 for address, size in ordered)
    return wraps or any(low[0] + low[1] > high[0] for low, high in pairs)

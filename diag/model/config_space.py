# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PCI configuration space of the endpoint: 4096 bytes with the behaviour of hardware.

The layout lives in `pci_caps`; here is what reads, writes and resets do to it. Unknown
bytes read as zero and ignore writes, as PCIe 6.0 s7.5 demands of unimplemented registers.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import IntEnum
from typing import Final

from diag.model import pci_caps as caps
from diag.model.bus import CONFIG_BYTES, ResetKind
from diag.model.pci_caps import ConfigOptions, Register

ADDRESS_MASK: Final = ~0xF & ((1 << 64) - 1)


class PowerState(IntEnum):
    """States that the function can be put into (PCIe 6.0 s5.3.1)."""

    D0 = 0
    D3HOT = 3


class ErrorMessage(IntEnum):
    """Message that an error makes the endpoint send to its root port (PCIe 6.0 s2.2.8.3)."""

    NONE = 0
    ERR_COR = 0x30
    ERR_NONFATAL = 0x31
    ERR_FATAL = 0x33


def _nothing() -> None:
    """Callback of nobody."""


class ConfigSpace:
    """The configuration space of one function.

    Callbacks run inside `write()`, after the value is stored: `on_flr` when software sets
    Initiate Function Level Reset (its owner resets the function and calls `reset()`),
    `on_bar_change` when any BAR's decoded address changed, `on_interrupt_change` when an
    enable, mask or message of MSI or MSI-X changed.

    `TlpTap` takes this object as its `LinkState`.
    """

    def __init__(self, options: ConfigOptions) -> None:
        self.options = options
        self.on_flr: Callable[[], None] = _nothing
        self.on_bar_change: Callable[[], None] = _nothing
        self.on_interrupt_change: Callable[[], None] = _nothing
        self._table = caps.endpoint_registers(options)
        self._bars = caps.bar_sizes(options)
        self._writable = self._image("rw")
        self._clearable = self._image("w1c")
        self._bytes = bytearray(self._image("reset"))
        self.aer_counts = dict.fromkeys(("correctable", "nonfatal", "fatal"), 0)
        """Errors that were not masked, since power-on, reported by a message or not."""

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of the space; ValueError outside it."""
        _check(offset, length)
        return bytes(self._bytes[offset : offset + length])

    def write(self, offset: int, data: bytes) -> None:
        """Write as software does: masks apply and side effects happen; ValueError outside."""
        _check(offset, len(data))
        bars, interrupts = self._bar_state(), self._interrupt_state()
        power = self.power_state
        for at, new in enumerate(data, offset):
            writable = self._writable[at]
            kept = self._bytes[at] & ~writable & ~(new & self._clearable[at])
            self._bytes[at] = kept | (new & writable)
        self._refuse_power_state(power)
        flr = self._get("devctl") & caps.DEVCTL_INITIATE_FLR
        self._set("devctl", self._get("devctl") & ~caps.DEVCTL_INITIATE_FLR)
        if self._bar_state() != bars:
            self.on_bar_change()
        if self._interrupt_state() != interrupts:
            self.on_interrupt_change()
        if flr:
            self.on_flr()

    def reset(self, kind: ResetKind) -> None:
        """Back to defaults; sticky bits stay, and for an FLR the fields of PCIe 6.0 s6.6.2.

        BARs and enables are lost. `on_bar_change` and `on_interrupt_change` are called when
        something changed; `on_flr` is not.
        """
        bars, interrupts = self._bar_state(), self._interrupt_state()
        for row in self._table.values():
            kept = row.sticky | (row.flr_keep if kind is ResetKind.FUNCTION else 0)
            value = self._get(row.name) & kept | row.reset & ~kept
            self._set(row.name, value)
        if self._bar_state() != bars:
            self.on_bar_change()
        if self._interrupt_state() != interrupts:
            self.on_interrupt_change()

    def bar_size(self, bar: int) -> int | None:
        """Bytes of a BAR, None if there is no such BAR."""
        return self._bars.get(bar)

    def bar_address(self, bar: int) -> int | None:
        """Bus address that the BAR decodes, None while it is unassigned or decoding is off."""
        size = self._bars.get(bar)
        if size is None or not self.memory_enabled:
            return None
        address = self._get(f"bar{bar}") & ADDRESS_MASK
        # 0 is unassigned, all ones is a BAR that is being sized.
        unassigned = address in (0, ~(size - 1) & ADDRESS_MASK)
        return None if unassigned else address

    def assign_bar(self, bar: int, address: int) -> None:
        """Write a BAR as firmware does; ValueError if it cannot lie at `address`."""
        size = self._bars.get(bar)
        if size is None or address % size or not 0 < address < 1 << 64:
            raise ValueError(f"BAR{bar} of {size} bytes cannot be at {address:#x}")
        self.write(0x10 + 4 * bar, address.to_bytes(8, "little"))

    def enable(self, *, memory: bool = True, bus_master: bool = True) -> None:
        """Write the command register's memory decode and bus master bits as firmware does."""
        kept = self._get("command") & ~(caps.COMMAND_MEMORY | caps.COMMAND_BUS_MASTER)
        bits = (caps.COMMAND_MEMORY if memory else 0) | (
            caps.COMMAND_BUS_MASTER if bus_master else 0
        )
        self.write(self._table["command"].offset, (kept | bits).to_bytes(2, "little"))

    @property
    def memory_enabled(self) -> bool:
        """Whether the BARs decode: memory space on, and D0."""
        on = self._get("command") & caps.COMMAND_MEMORY
        return bool(on) and self.power_state is PowerState.D0

    @property
    def bus_master(self) -> bool:
        """Whether the function may send requests, interrupts included."""
        on = self._get("command") & caps.COMMAND_BUS_MASTER
        return bool(on) and self.power_state is PowerState.D0

    @property
    def power_state(self) -> PowerState:
        """Power state that software chose."""
        return PowerState(self._get("pmcsr") & 3)

    @property
    def serial(self) -> int:
        """Device Serial Number."""
        return self._get("dsn")

    @property
    def max_payload_bytes(self) -> int:
        """Max_Payload_Size: what software set, at most what the device can do."""
        return 128 << min(self._get("devctl") >> 5 & 7, caps.MAX_PAYLOAD_SUPPORTED)

    @property
    def max_read_request_bytes(self) -> int:
        """Max_Read_Request_Size; reserved encodings count as 4096 bytes."""
        return 128 << min(self._get("devctl") >> 12 & 7, 5)

    @property
    def tag_count(self) -> int:
        """Tags for requests: 32, or 256 with Extended Tag Field Enable."""
        return 256 if self._get("devctl") & caps.DEVCTL_EXTENDED_TAG else 32

    @property
    def link_speed(self) -> int:
        """Current Link Speed, 1 is 2.5 GT/s."""
        return self._get("linksta") & 0xF

    @property
    def link_width(self) -> int:
        """Negotiated Link Width in lanes."""
        return self._get("linksta") >> 4 & 0x3F

    def set_link(self, speed: int, width: int) -> None:
        """Hardware side: the link trained anew; ValueError beyond the link capabilities."""
        if not 1 <= speed <= self.options.max_link_speed:
            raise ValueError(f"link speed {speed} is not 1..{self.options.max_link_speed}")
        if not 1 <= width <= self.options.max_link_width:
            raise ValueError(f"link width {width} is not 1..{self.options.max_link_width}")
        self._set("linksta", self._get("linksta") & ~0x3FF | width << 4 | speed)

    @property
    def msix_enabled(self) -> bool:
        """Whether software enabled MSI-X."""
        return bool(self._find("msix_control") & caps.MSIX_ENABLE)

    @property
    def msix_function_masked(self) -> bool:
        """Whether all MSI-X vectors are masked at once."""
        return bool(self._find("msix_control") & caps.MSIX_FUNCTION_MASK)

    @property
    def msi_enabled(self) -> bool:
        """Whether software enabled MSI."""
        return bool(self._find("msi_control") & caps.MSI_ENABLE)

    @property
    def msi_vectors_granted(self) -> int:
        """MSI vectors that software allowed (Multiple Message Enable), 0 without MSI."""
        if not self.options.msi_vectors:
            return 0
        granted = 1 << (self._get("msi_control") >> 4 & 7)
        return min(granted, self.options.msi_vectors)

    @property
    def msi_mask(self) -> int:
        """MSI mask bits, one per vector."""
        return self._find("msi_mask")

    @property
    def msi_pending(self) -> int:
        """MSI pending bits, one per vector."""
        return self._find("msi_pending")

    def set_msi_pending(self, vector: int, *, pending: bool) -> None:
        """Hardware side: the pending bit of a masked MSI vector; ValueError if there is none."""
        if not 0 <= vector < self.options.msi_vectors:
            raise ValueError(f"MSI vector {vector} of {self.options.msi_vectors}")
        bits = self._get("msi_pending") & ~(1 << vector)
        self._set("msi_pending", bits | (1 << vector if pending else 0))

    def msi_message(self, vector: int) -> tuple[int, int] | None:
        """(address, data) of an MSI as the function would send it, None while MSI is off.

        The vector is folded to those granted (PCIe 6.0 s7.7.1.2).
        """
        if not self.msi_enabled:
            return None
        low = vector % self.msi_vectors_granted
        data = self._get("msi_data") & ~(self.msi_vectors_granted - 1) | low
        return self._get("msi_address"), data

    def set_transactions_pending(self, *, pending: bool) -> None:
        """Hardware side: Transactions Pending of the device status (PCIe 6.0 s7.5.3.5)."""
        self._set("devsta", self._get("devsta") & ~0x20 | (0x20 if pending else 0))

    def record_uncorrectable(self, bit: int, header: tuple[int, int, int, int]) -> ErrorMessage:
        """Hardware side: an uncorrectable error was detected (PCIe 6.0 s6.2.3.2, s6.2.5).

        Args:
            bit: bit number in the AER uncorrectable status register.
            header: DW 0..3 of the offending TLP, zeros if the error has none.

        Returns:
            The message to send; NONE when masked or when reporting is disabled. A masked
            error sets its status bit but leaves header log and First Error Pointer alone.
        """
        flag = _error_flag(bit, caps.AER_UNCORRECTABLE, "uncorrectable")
        fatal = bool(self._get("aer_severity") & flag)
        self._or("devsta", 0x4 if fatal else 0x2)
        if bit == UNSUPPORTED_REQUEST:
            self._or("devsta", 0x8)
        logged = self._unresolved()
        self._or("aer_uncorrectable_status", flag)
        if self._get("aer_uncorrectable_mask") & flag:
            return ErrorMessage.NONE
        self.aer_counts["fatal" if fatal else "nonfatal"] += 1
        if not logged:
            self._log(bit, header)
        if not self._reports(0x4 if fatal else 0x2):
            return ErrorMessage.NONE
        self._or("status", 0x4000 if self._get("command") & caps.COMMAND_SERR else 0)
        return ErrorMessage.ERR_FATAL if fatal else ErrorMessage.ERR_NONFATAL

    def record_correctable(self, bit: int) -> ErrorMessage:
        """Hardware side: a correctable error, by bit number in the AER status register."""
        flag = _error_flag(bit, caps.AER_CORRECTABLE, "correctable")
        self._or("devsta", 0x1)
        self._or("aer_correctable_status", flag)
        if self._get("aer_correctable_mask") & flag:
            return ErrorMessage.NONE
        self.aer_counts["correctable"] += 1
        return ErrorMessage.ERR_COR if self._get("devctl") & 0x1 else ErrorMessage.NONE

    def record_master_abort(self) -> None:
        """Hardware side: a request was answered with Unsupported Request (s7.5.1.1.4)."""
        self._or("status", 0x2000)

    @property
    def aer_status(self) -> tuple[int, int]:
        """AER status registers: uncorrectable, correctable."""
        return self._get("aer_uncorrectable_status"), self._get("aer_correctable_status")

    def _reports(self, enable: int) -> bool:
        serr = self._get("command") & caps.COMMAND_SERR
        return bool(serr or self._get("devctl") & enable)

    def _unresolved(self) -> bool:
        """Whether the first error logged is still there."""
        first = 1 << (self._get("aer_control") & 0x1F)
        masked = self._get("aer_uncorrectable_mask")
        return bool(self._get("aer_uncorrectable_status") & ~masked & first)

    def _log(self, bit: int, header: tuple[int, int, int, int]) -> None:
        self._set("aer_control", self._get("aer_control") & ~0x1F | bit)
        value = sum((word & 0xFFFFFFFF) << (32 * index) for index, word in enumerate(header))
        self._set("aer_header_log", value)

    def _refuse_power_state(self, before: PowerState) -> None:
        """D1 and D2 are not implemented: such a write is discarded (PCIe 6.0 s7.5.2.2)."""
        pmcsr = self._get("pmcsr")
        if pmcsr & 3 in (1, 2):
            self._set("pmcsr", pmcsr & ~3 | before)

    def _bar_state(self) -> list[int | None]:
        return [self.bar_address(bar) for bar in self._bars]

    def _interrupt_state(self) -> bytes:
        return bytes(self._bytes[caps.MSI_OFFSET : caps.EXPRESS_OFFSET])

    def _image(self, field: str) -> bytes:
        image = bytearray(CONFIG_BYTES)
        for row in self._table.values():
            image[row.offset : row.offset + row.size] = getattr(row, field).to_bytes(
                row.size, "little"
            )
        return bytes(image)

    def _find(self, name: str) -> int:
        """Value of a register that not every configuration has, else 0."""
        return self._get(name) if name in self._table else 0

    def _get(self, name: str) -> int:
        row = self._table[name]
        return int.from_bytes(self._bytes[row.offset : row.offset + row.size], "little")

    def _set(self, name: str, value: int) -> None:
        row: Register = self._table[name]
        self._bytes[row.offset : row.offset + row.size] = value.to_bytes(row.size, "little")

    def _or(self, name: str, bits: int) -> None:
        self._set(name, self._get(name) | bits)


UNSUPPORTED_REQUEST: Final = 20
"""Bit of Unsupported Request in the uncorrectable status register."""


def _error_flag(bit: int, supported: int, what: str) -> int:
    if not 0 <= bit < 32 or not supported >> bit & 1:
        raise ValueError(f"{what} error bit {bit} is not one of {supported:#010x}")
    return 1 << bit


def _check(offset: int, length: int) -> None:
    if offset < 0 or length < 0 or offset + length > CONFIG_BYTES:
        raise ValueError(f"configuration access {offset:#x}+{length:#x} is outside 4096 bytes")

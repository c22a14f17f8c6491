# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Registers of the endpoint's configuration space as tables.

Each row says which bits software may write (`rw`), clear by writing one (`w1c`), and which
survive a hot reset (`sticky`: ROS/RWS/RW1CS, PCIe 6.0 s7.4) or a function-level reset
(`flr_keep`, s6.6.2). Bits in no mask are read-only. Clauses are of PCIe 6.0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from diag.model.bus import CONFIG_BYTES
from pyaccel.spec import formats as fmt

PM_OFFSET: Final = 0x40
MSI_OFFSET: Final = 0x50
"""MSI or MSI-X, whichever is configured."""
EXPRESS_OFFSET: Final = 0x70
AER_OFFSET: Final = 0x100
AER_UNCORRECTABLE_MASK_OFFSET: Final = AER_OFFSET + 0x08
DSN_OFFSET: Final = 0x150

COMMAND_MEMORY: Final = 0x2
COMMAND_BUS_MASTER: Final = 0x4
COMMAND_SERR: Final = 0x100
MSIX_ENABLE: Final = 0x8000
MSIX_FUNCTION_MASK: Final = 0x4000
MSI_ENABLE: Final = 0x1
DEVCTL_INITIATE_FLR: Final = 0x8000
DEVCTL_EXTENDED_TAG: Final = 0x100
MAX_MSI_VECTORS: Final = 32
MAX_MSIX_VECTORS: Final = 2048
MAX_PAYLOAD_SUPPORTED: Final = 2
"""Encoding of 512 bytes (s7.5.3.3)."""

AER_UNCORRECTABLE: Final = 0x005FF010
"""Uncorrectable errors of this endpoint: bits 4, 12..20 and 22 (s7.8.4.2)."""
AER_UNCORRECTABLE_MASK: Final = 0x00400000
"""Default mask: uncorrectable internal error (s7.8.4.3)."""
AER_SEVERITY: Final = 0x00462010
"""Default fatal: data link protocol, flow control, overflow, malformed, internal (s7.8.4.4)."""
AER_CORRECTABLE: Final = 0x0000F1C1
"""Correctable errors: bits 0, 6, 7, 8, 12..15 (s7.8.4.5)."""
AER_CORRECTABLE_MASK: Final = 0x0000E000
"""Default mask: advisory non-fatal, corrected internal, header log overflow (s7.8.4.6)."""

AER_UNCORRECTABLE_NAMES: Final = {
    4: "DLP",
    12: "TLP",
    13: "FCP",
    14: "CmpltTO",
    15: "CmpltAbrt",
    16: "UnxCmplt",
    17: "RxOF",
    18: "MalfTLP",
    19: "ECRC",
    20: "UnsupReq",
    22: "UncorrIntErr",
}
"""Status bits by the names that Linux gives them in aer_dev_*."""
AER_CORRECTABLE_NAMES: Final = {
    0: "RxErr",
    6: "BadTLP",
    7: "BadDLLP",
    8: "Rollover",
    12: "Timeout",
    13: "NonFatalErr",
    14: "CorrIntErr",
    15: "HeaderOF",
}


def error_names(names: dict[int, str], status: int) -> list[str]:
    """The errors of an AER status register, lowest bit first."""
    return [name for bit, name in names.items() if status >> bit & 1]


@dataclass(frozen=True, slots=True)
class Register:
    """One register: place, value after reset and what may change it."""

    name: str
    offset: int
    size: int
    reset: int = 0
    rw: int = 0
    w1c: int = 0
    sticky: int = 0
    flr_keep: int = 0


@dataclass(frozen=True, slots=True)
class ConfigOptions:
    """What differs between endpoints.

    Args:
        serial: Device Serial Number, 64 bits.
        memory_bytes: size of BAR2, a power of two of at least 4 KiB.
        link_speed: 1 to 6 (2.5 GT/s to 64 GT/s); with `link_width`, the trained link.
        msi_vectors: 0 gives MSI-X with all vectors; 1 to 32 (power of two) gives MSI instead.
    """

    serial: int
    memory_bytes: int
    link_speed: int = 4
    link_width: int = 16
    max_link_speed: int = 4
    max_link_width: int = 16
    msi_vectors: int = 0

    def __post_init__(self) -> None:
        """Refuse what no hardware could be; ValueError names the field."""
        _require(0 <= self.serial < 1 << 64, "serial", self.serial)
        sized = self.memory_bytes >= 4096 and self.memory_bytes.bit_count() == 1
        _require(sized and self.memory_bytes <= 1 << 63, "memory_bytes", self.memory_bytes)
        _require(1 <= self.max_link_speed <= 6, "max_link_speed", self.max_link_speed)
        _require(1 <= self.link_speed <= self.max_link_speed, "link_speed", self.link_speed)
        _require(self.max_link_width in (1, 2, 4, 8, 16), "max_link_width", self.max_link_width)
        trained = self.link_width in (1, 2, 4, 8, 16) and self.link_width <= self.max_link_width
        _require(trained, "link_width", self.link_width)
        _require(self.msi_vectors in (0, 1, 2, 4, 8, 16, 32), "msi_vectors", self.msi_vectors)


def _require(ok: bool, field: str, value: int) -> None:
    if not ok:
        raise ValueError(f"{field} {value:#x} is not possible for a PCI Express endpoint")


def bar_sizes(options: ConfigOptions) -> dict[int, int]:
    """Bytes of each BAR; all are 64-bit, so each takes the next register too (s7.5.1.2.1)."""
    return {
        fmt.BAR_REGISTERS: fmt.BAR0_BYTES,
        fmt.BAR_MEMORY: options.memory_bytes,
        fmt.BAR_MSIX: fmt.BAR4_BYTES,
    }


def header_registers(options: ConfigOptions) -> list[Register]:
    """Type 0 header (s7.5.1.1, s7.5.1.2). No INTx: Interrupt Pin is 0."""
    registers = [
        Register("vendor_id", 0x00, 2, fmt.PCI_VENDOR_ID),
        Register("device_id", 0x02, 2, fmt.PCI_DEVICE_ID),
        # Memory, bus master, parity response, SERR#, interrupt disable (s7.5.1.1.3).
        Register("command", 0x04, 2, 0, rw=0x0546),
        Register("status", 0x06, 2, 0x0010, w1c=0xF900),  # s7.5.1.1.4
        Register("revision_id", 0x08, 1, 1),
        Register("class_code", 0x09, 3, fmt.PCI_CLASS_CODE),
        Register("cache_line_size", 0x0C, 1, 0, rw=0xFF),
        Register("subsystem_vendor_id", 0x2C, 2, fmt.PCI_SUBSYSTEM_VENDOR_ID),
        Register("subsystem_id", 0x2E, 2, fmt.PCI_SUBSYSTEM_ID),
        Register("capabilities_pointer", 0x34, 1, PM_OFFSET),
        Register("interrupt_line", 0x3C, 1, 0, rw=0xFF),
    ]
    for bar, size in bar_sizes(options).items():
        flags = 0x4 | (0x8 if bar == fmt.BAR_MEMORY else 0)  # 64-bit, prefetchable
        writable = ~(size - 1) & ((1 << 64) - 1)
        registers.append(Register(f"bar{bar}", 0x10 + 4 * bar, 8, flags, rw=writable))
    return registers


def power_registers() -> list[Register]:
    """PCI Power Management capability (s7.5.2): D0 and D3hot, state kept (No_Soft_Reset)."""
    base = PM_OFFSET
    return [
        Register("pm_id", base, 2, 0x01 | MSI_OFFSET << 8),
        Register("pmc", base + 2, 2, 0x0003),
        Register("pmcsr", base + 4, 2, 0x0008, rw=0x0003),
    ]


def msix_registers(vectors: int) -> list[Register]:
    """MSI-X capability (s7.7.2), table and PBA in BAR4."""
    base = MSI_OFFSET
    return [
        Register("msix_id", base, 2, 0x11 | EXPRESS_OFFSET << 8),
        Register("msix_control", base + 2, 2, vectors - 1, rw=MSIX_ENABLE | MSIX_FUNCTION_MASK),
        Register("msix_table", base + 4, 4, fmt.MSIX_TABLE_OFFSET | fmt.BAR_MSIX),
        Register("msix_pba", base + 8, 4, fmt.MSIX_PBA_OFFSET | fmt.BAR_MSIX),
    ]


def msi_registers(vectors: int) -> list[Register]:
    """MSI capability (s7.7.1): 64-bit addresses, per-vector masks."""
    base = MSI_OFFSET
    control = (vectors.bit_length() - 1) << 1 | 0x0180
    return [
        Register("msi_id", base, 2, 0x05 | EXPRESS_OFFSET << 8),
        Register("msi_control", base + 2, 2, control, rw=0x0071),
        Register("msi_address", base + 4, 8, 0, rw=0xFFFFFFFFFFFFFFFC),
        Register("msi_data", base + 12, 2, 0, rw=0xFFFF),
        Register("msi_mask", base + 16, 4, 0, rw=(1 << vectors) - 1),
        Register("msi_pending", base + 20, 4, 0),
    ]


def express_registers(options: ConfigOptions) -> list[Register]:
    """PCI Express capability of an endpoint, version 2 (s7.5.3)."""
    base = EXPRESS_OFFSET
    # Extended tags, role-based error reporting, function-level reset (s7.5.3.3).
    devcap = MAX_PAYLOAD_SUPPORTED | 1 << 5 | 1 << 15 | 1 << 28
    # Clock power management is absent, ASPM optionality compliance set (s7.5.3.6).
    linkcap = options.max_link_speed | options.max_link_width << 4 | 1 << 22
    linksta = options.link_speed | options.link_width << 4 | 1 << 12
    speeds = ((1 << options.max_link_speed) - 1) << 1
    return [
        Register("express_id", base, 2, 0x10),
        Register("express_caps", base + 0x02, 2, 0x0002),
        Register("devcap", base + 0x04, 4, devcap),
        # Bit 15 starts a function-level reset and always reads 0 (s7.5.3.4); MPS survives one.
        Register("devctl", base + 0x08, 2, 0x2810, rw=0xF9FF, flr_keep=0x00E0),
        Register("devsta", base + 0x0A, 2, 0, w1c=0x000F),
        Register("linkcap", base + 0x0C, 4, linkcap),
        Register("linkctl", base + 0x10, 2, 0, rw=0x00CB, flr_keep=0x00CB),
        Register("linksta", base + 0x12, 2, linksta, sticky=0xFFFF, flr_keep=0xFFFF),
        # Completion timeout ranges A to D and its disable (s7.5.3.15).
        Register("devcap2", base + 0x24, 4, 0x0000001F),
        Register("devctl2", base + 0x28, 2, 0, rw=0x001F),
        Register("linkcap2", base + 0x2C, 4, speeds),
        Register(
            "linkctl2", base + 0x30, 2, options.max_link_speed, rw=0xF, sticky=0xF, flr_keep=0xF
        ),
    ]


def aer_registers() -> list[Register]:
    """Advanced Error Reporting, version 2 (s7.8.4); every field of it is sticky."""
    base, errors, warnings = AER_OFFSET, AER_UNCORRECTABLE, AER_CORRECTABLE
    mask, severity = AER_UNCORRECTABLE_MASK, AER_SEVERITY
    quiet, log = AER_CORRECTABLE_MASK, (1 << 128) - 1
    return [
        Register("aer_id", base, 4, 0x0001 | 2 << 16 | DSN_OFFSET << 20),
        Register("aer_uncorrectable_status", base + 0x04, 4, 0, w1c=errors, sticky=errors),
        Register("aer_uncorrectable_mask", base + 0x08, 4, mask, rw=errors, sticky=errors),
        Register("aer_severity", base + 0x0C, 4, severity, rw=errors, sticky=errors),
        Register("aer_correctable_status", base + 0x10, 4, 0, w1c=warnings, sticky=warnings),
        Register("aer_correctable_mask", base + 0x14, 4, quiet, rw=warnings, sticky=warnings),
        Register("aer_control", base + 0x18, 4, 0, sticky=0x1F),
        Register("aer_header_log", base + 0x1C, 16, 0, sticky=log),
    ]


def serial_registers(serial: int) -> list[Register]:
    """Device Serial Number (s7.9.3), the last extended capability."""
    return [
        Register("dsn_id", DSN_OFFSET, 4, 0x0003 | 1 << 16),
        Register("dsn", DSN_OFFSET + 4, 8, serial),
    ]


def endpoint_registers(options: ConfigOptions) -> dict[str, Register]:
    """Every register of the function, by name."""
    interrupts = (
        msi_registers(options.msi_vectors)
        if options.msi_vectors
        else msix_registers(fmt.MSIX_VECTORS)
    )
    rows = [
        *header_registers(options),
        *power_registers(),
        *interrupts,
        *express_registers(options),
        *aer_registers(),
        *serial_registers(options.serial),
    ]
    table = {row.name: row for row in rows}
    used = bytearray(CONFIG_BYTES)
    for row in rows:
        span = slice(row.offset, row.offset + row.size)
        assert not any(used[span]), f"{row.name} overlaps"
        used[span] = b"\x01" * row.size
    return table

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Registers of BAR0. Generated from drivers/spec/axl_bar0.rdl by `make gen`; do not edit."""

from __future__ import annotations

from enum import IntEnum
from typing import Final

from pyaccel.spec.types import Field, Register


class ResetCause(IntEnum):
    """Values of reset_cause."""

    POWER_ON = 0
    """First start."""
    QUEUE = 1
    """One queue was reset."""
    FUNCTION = 2
    """Function-level reset (PCIe 6.0 s6.6.2)."""
    SECONDARY_BUS = 3
    """Hot reset through the port above."""



class AddressState(IntEnum):
    """Values of address_state."""

    STALE = 0
    """No address since the last reset or renumbering; peer-to-peer is refused."""
    COMMITTED = 1
    """The address and the peer table are in force."""
    REJECTED = 2
    """The last commit disagreed with where the endpoint sits; see REASON."""



class AddressReason(IntEnum):
    """Values of address_reason."""

    NONE = 0
    """Nothing to report."""
    BDF_MISMATCH = 1
    """PLACE differs from the bus:device.function captured from configuration writes."""
    CARD_MISMATCH = 2
    """CARD names another board serial or endpoint index."""
    SELF_PEER_MISSING = 3
    """The peer table has no row for this endpoint."""
    SELF_BAR_MISMATCH = 4
    """This endpoint's own peer row disagrees with its BAR2."""
    PATH_INVALID = 5
    """The upstream path is longer than the path table or has an unset port."""
    PEER_INVALID = 6
    """A peer row overlaps another, or PEER_COUNT exceeds the table."""



class ErrorCode(IntEnum):
    """Values of error_code."""

    NONE = 0
    """No error recorded."""
    PAGE_FAULT = 1
    """A command touched an address that its context does not map."""
    PROTECTION_FAULT = 2
    """A command wrote to a read-only page."""
    DMA_UNSUPPORTED = 3
    """A DMA request ended with Unsupported Request."""
    DMA_TIMEOUT = 4
    """A DMA read got no completion."""
    DMA_POISONED = 5
    """A DMA read returned poisoned data."""
    MEMORY_UNCORRECTED = 6
    """Device memory reported an uncorrected error."""
    RING_INVALID = 7
    """A ring base, size or doorbell value cannot be right."""
    COMMAND_INVALID = 8
    """A command cannot be decoded."""
    ADDRESS_STALE = 9
    """Peer-to-peer was asked for while the device address was not committed."""
    FIRMWARE = 10
    """The firmware stopped."""
    QUEUE_HUNG = 11
    """A queue makes no progress although it has work."""



class QueueState(IntEnum):
    """Values of queue_state."""

    DISABLED = 0
    """The rings may be programmed."""
    READY = 1
    """Fetching is allowed."""
    HALTED = 2
    """Stopped by an error; a queue reset is needed."""


# IDENT: Identity block
IDENT_MAGIC: Final = Register(
    name="IDENT.MAGIC",
    title="Magic",
    offset=0x0,
    width=32,
    counts=(),
    strides=(),
    reset=0x314c5841,
    fields=(
        Field("VALUE", high=31, low=0, access="ro", doc="The bytes A X L 1. All-ones: the endpoint is gone."),
    ),
)
IDENT_HW_VERSION: Final = Register(
    name="IDENT.HW_VERSION",
    title="Hardware version",
    offset=0x4,
    width=32,
    counts=(),
    strides=(),
    reset=0x1000000,
    fields=(
        Field("MAJOR", high=31, low=24, access="ro", doc="Major version: changes that break drivers."),
        Field("MINOR", high=23, low=16, access="ro", doc="Minor version: additions behind feature bits."),
        Field("PATCH", high=15, low=0, access="ro", doc="Patch level."),
    ),
)
IDENT_FW_VERSION: Final = Register(
    name="IDENT.FW_VERSION",
    title="Firmware version",
    offset=0x8,
    width=32,
    counts=(),
    strides=(),
    reset=0x1000000,
    fields=(
        Field("MAJOR", high=31, low=24, access="ro", doc="Major version."),
        Field("MINOR", high=23, low=16, access="ro", doc="Minor version."),
        Field("PATCH", high=15, low=0, access="ro", doc="Patch level."),
    ),
)
IDENT_SPEC_VERSION: Final = Register(
    name="IDENT.SPEC_VERSION",
    title="Contract version",
    offset=0xc,
    width=32,
    counts=(),
    strides=(),
    reset=0x1,
    fields=(
        Field("VALUE", high=31, low=0, access="ro", doc="Version of this register map; drivers accept a range."),
    ),
)
IDENT_BOARD_SERIAL: Final = Register(
    name="IDENT.BOARD_SERIAL",
    title="Board serial",
    offset=0x10,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VALUE", high=63, low=0, access="ro", doc="Serial number of the board, the same in the Device Serial Number capability."),
    ),
)
IDENT_ENDPOINT: Final = Register(
    name="IDENT.ENDPOINT",
    title="Endpoint on the card",
    offset=0x18,
    width=32,
    counts=(),
    strides=(),
    reset=0x100,
    fields=(
        Field("COUNT", high=15, low=8, access="ro", doc="How many endpoints the card carries."),
        Field("INDEX", high=7, low=0, access="ro", doc="Index of this endpoint on its card, from 0."),
    ),
)
IDENT_FEATURES: Final = Register(
    name="IDENT.FEATURES",
    title="Features",
    offset=0x1c,
    width=32,
    counts=(),
    strides=(),
    reset=0x3f,
    fields=(
        Field("COALESCING", high=5, low=5, access="ro", doc="Interrupt coalescing by count and time."),
        Field("CHECKSUM", high=4, low=4, access="ro", doc="CRC-32 of the bytes a copy read, in the completion."),
        Field("LARGE_PAGES", high=3, low=3, access="ro", doc="2 MiB pages in device page tables."),
        Field("F64", high=2, low=2, access="ro", doc="float64 arithmetic."),
        Field("BF16", high=1, low=1, access="ro", doc="bfloat16 arithmetic."),
        Field("PEER_TO_PEER", high=0, low=0, access="ro", doc="Can reach peers by bus address."),
    ),
)
IDENT_LIMITS: Final = Register(
    name="IDENT.LIMITS",
    title="Limits",
    offset=0x20,
    width=32,
    counts=(),
    strides=(),
    reset=0x400e10,
    fields=(
        Field("CONTEXT_COUNT", high=31, low=16, access="ro", doc="Contexts (device page tables)."),
        Field("RING_SIZE_LOG2", high=15, low=8, access="ro", doc="log2 of the most entries a ring may have."),
        Field("QUEUE_COUNT", high=7, low=0, access="ro", doc="Queue pairs."),
    ),
)
IDENT_PEER_LIMIT: Final = Register(
    name="IDENT.PEER_LIMIT",
    title="Peer rows",
    offset=0x24,
    width=32,
    counts=(),
    strides=(),
    reset=0x40,
    fields=(
        Field("COUNT", high=15, low=0, access="ro", doc="Rows in the peer table."),
    ),
)
IDENT_MEMORY_BYTES: Final = Register(
    name="IDENT.MEMORY_BYTES",
    title="Device memory",
    offset=0x28,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="ro", doc="Bytes of device memory behind BAR2."),
    ),
)


# CTRL: Control block
CTRL_CONTROL: Final = Register(
    name="CTRL.CONTROL",
    title="Device control",
    offset=0x100,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("ENABLE", high=0, low=0, access="rw", doc="Allow queues to fetch. Cleared by every reset."),
    ),
)
CTRL_STATUS: Final = Register(
    name="CTRL.STATUS",
    title="Device status",
    offset=0x104,
    width=32,
    counts=(),
    strides=(),
    reset=0x1,
    fields=(
        Field("ERROR", high=2, low=2, access="ro", doc="The error block holds a record."),
        Field("HALTED", high=1, low=1, access="ro", doc="An uncorrected error stopped the device; a function-level reset is needed."),
        Field("READY", high=0, low=0, access="ro", doc="Firmware is up; the other blocks may be used."),
    ),
)
CTRL_GENERATION: Final = Register(
    name="CTRL.GENERATION",
    title="Generation",
    offset=0x108,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Counts resets of the whole function; survives them."),
    ),
)
CTRL_RESET_CAUSE: Final = Register(
    name="CTRL.RESET_CAUSE",
    title="Cause of the last reset",
    offset=0x10c,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("CAUSE", high=2, low=0, access="ro", doc="What reset the function last; survives resets."),
    ),
)
CTRL_QUEUE_RESET: Final = Register(
    name="CTRL.QUEUE_RESET",
    title="Queue reset",
    offset=0x110,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("MASK", high=15, low=0, access="wo", doc="One bit per queue: stop it, drop its work and its ring pointers, leave it DISABLED. Takes effect before the next register access."),
    ),
)
CTRL_SCRATCH: Final = Register(
    name="CTRL.SCRATCH",
    title="Scratch",
    offset=0x114,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VALUE", high=31, low=0, access="rw", doc="No meaning; for register access tests."),
    ),
)
CTRL_EVENT_VECTOR: Final = Register(
    name="CTRL.EVENT_VECTOR",
    title="Event vector",
    offset=0x118,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VECTOR", high=4, low=0, access="rw", doc="Interrupt vector for errors and address changes."),
    ),
)


# ADDR: Device-address block
ADDR_PLACE: Final = Register(
    name="ADDR.PLACE",
    title="Place",
    offset=0x200,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("SEGMENT", high=31, low=16, access="rw", doc="PCI segment (domain)."),
        Field("BUS", high=15, low=8, access="rw", doc="Bus number."),
        Field("DEVICE", high=7, low=3, access="rw", doc="Device number."),
        Field("FUNCTION", high=2, low=0, access="rw", doc="Function number."),
    ),
)
ADDR_CARD: Final = Register(
    name="ADDR.CARD",
    title="Place in the card",
    offset=0x204,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("SLOT", high=31, low=16, access="rw", doc="Physical slot of the card, 0xffff if unknown."),
        Field("INDEX", high=7, low=0, access="rw", doc="Endpoint index as the driver derived it."),
    ),
)
ADDR_CARD_SERIAL: Final = Register(
    name="ADDR.CARD_SERIAL",
    title="Card serial",
    offset=0x208,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VALUE", high=63, low=0, access="rw", doc="Board serial as the driver read it."),
    ),
)
ADDR_PATH_DEPTH: Final = Register(
    name="ADDR.PATH_DEPTH",
    title="Upstream path length",
    offset=0x210,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("DEPTH", high=7, low=0, access="rw", doc="Ports between the root complex and the endpoint, root port first."),
    ),
)
ADDR_PEER_COUNT: Final = Register(
    name="ADDR.PEER_COUNT",
    title="Peer rows in use",
    offset=0x214,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=15, low=0, access="rw", doc="Rows of the peer table that are filled in, from row 0."),
    ),
)
ADDR_COMMIT: Final = Register(
    name="ADDR.COMMIT",
    title="Commit",
    offset=0x218,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COMMIT", high=0, low=0, access="wo", doc="Writing 1 checks what was written and puts it in force, or rejects it; writing 0 makes it stale."),
    ),
)
ADDR_STATUS: Final = Register(
    name="ADDR.STATUS",
    title="Address status",
    offset=0x21c,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("CAPTURED_VALID", high=8, low=8, access="ro", doc="The endpoint has captured its bus and device number from a configuration write (PCIe 6.0 s2.2.9.1)."),
        Field("REASON", high=7, low=4, access="ro", doc="Why the last commit was rejected."),
        Field("STATE", high=1, low=0, access="ro", doc="State of the device address."),
    ),
)
ADDR_CAPTURED: Final = Register(
    name="ADDR.CAPTURED",
    title="Captured place",
    offset=0x220,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BUS", high=15, low=8, access="ro", doc="Bus number."),
        Field("DEVICE", high=7, low=3, access="ro", doc="Device number."),
        Field("FUNCTION", high=2, low=0, access="ro", doc="Function number."),
    ),
)
ADDR_GENERATION: Final = Register(
    name="ADDR.GENERATION",
    title="Generation of the address",
    offset=0x224,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Counts successful commits; survives resets."),
    ),
)
ADDR_PATH: Final = Register(
    name="ADDR.PATH",
    title="Upstream path",
    offset=0x240,
    width=32,
    counts=(16,),
    strides=(4,),
    reset=0x0,
    fields=(
        Field("VALID", high=31, low=31, access="rw", doc="The row holds a port."),
        Field("BUS", high=15, low=8, access="rw", doc="Bus number of the port."),
        Field("DEVICE", high=7, low=3, access="rw", doc="Device number of the port."),
        Field("FUNCTION", high=2, low=0, access="rw", doc="Function number of the port."),
    ),
)


# TELEMETRY: Telemetry block
TELEMETRY_VALID: Final = Register(
    name="TELEMETRY.VALID",
    title="Valid sensors",
    offset=0x400,
    width=32,
    counts=(),
    strides=(),
    reset=0xf,
    fields=(
        Field("UTILISATION", high=3, low=3, access="ro", doc="UTILISATION can be used."),
        Field("CLOCK", high=2, low=2, access="ro", doc="CLOCK can be used."),
        Field("POWER", high=1, low=1, access="ro", doc="POWER can be used."),
        Field("TEMPERATURE", high=0, low=0, access="ro", doc="TEMPERATURE can be used."),
    ),
)
TELEMETRY_TEMPERATURE: Final = Register(
    name="TELEMETRY.TEMPERATURE",
    title="Temperature",
    offset=0x404,
    width=32,
    counts=(),
    strides=(),
    reset=0x9c40,
    fields=(
        Field("MILLICELSIUS", high=31, low=0, access="ro", doc="Signed, in 1/1000 degree Celsius."),
    ),
)
TELEMETRY_POWER: Final = Register(
    name="TELEMETRY.POWER",
    title="Power",
    offset=0x408,
    width=32,
    counts=(),
    strides=(),
    reset=0x2ee0,
    fields=(
        Field("MILLIWATT", high=31, low=0, access="ro", doc="In mW."),
    ),
)
TELEMETRY_CLOCK: Final = Register(
    name="TELEMETRY.CLOCK",
    title="Core clock",
    offset=0x40c,
    width=32,
    counts=(),
    strides=(),
    reset=0xf4240,
    fields=(
        Field("KHZ", high=31, low=0, access="ro", doc="In kHz."),
    ),
)
TELEMETRY_UTILISATION: Final = Register(
    name="TELEMETRY.UTILISATION",
    title="Utilisation",
    offset=0x410,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("PERMILLE", high=15, low=0, access="ro", doc="Busy time over the last second, in 1/1000."),
    ),
)
TELEMETRY_LINK: Final = Register(
    name="TELEMETRY.LINK",
    title="Link",
    offset=0x414,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("WIDTH", high=9, low=4, access="ro", doc="Negotiated Link Width."),
        Field("SPEED", high=3, low=0, access="ro", doc="Current Link Speed (PCIe 6.0 s7.5.3.8)."),
    ),
)
TELEMETRY_MEMORY_CORRECTED: Final = Register(
    name="TELEMETRY.MEMORY_CORRECTED",
    title="Corrected memory errors",
    offset=0x418,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Since power-on; survives resets; saturates."),
    ),
)
TELEMETRY_MEMORY_UNCORRECTED: Final = Register(
    name="TELEMETRY.MEMORY_UNCORRECTED",
    title="Uncorrected memory errors",
    offset=0x41c,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Since power-on; survives resets; saturates."),
    ),
)
TELEMETRY_BYTES_HOST_TO_DEVICE: Final = Register(
    name="TELEMETRY.BYTES_HOST_TO_DEVICE",
    title="Bytes read from the host",
    offset=0x420,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="ro", doc="Host memory to device, since power-on; survives resets."),
    ),
)
TELEMETRY_BYTES_DEVICE_TO_HOST: Final = Register(
    name="TELEMETRY.BYTES_DEVICE_TO_HOST",
    title="Bytes written to the host",
    offset=0x428,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="ro", doc="Device to host memory."),
    ),
)
TELEMETRY_BYTES_DEVICE_TO_DEVICE: Final = Register(
    name="TELEMETRY.BYTES_DEVICE_TO_DEVICE",
    title="Bytes moved inside",
    offset=0x430,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="ro", doc="Device memory to device memory."),
    ),
)
TELEMETRY_BYTES_PEER: Final = Register(
    name="TELEMETRY.BYTES_PEER",
    title="Bytes moved to and from peers",
    offset=0x438,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="ro", doc="Peer-to-peer, both directions."),
    ),
)
TELEMETRY_HEARTBEAT: Final = Register(
    name="TELEMETRY.HEARTBEAT",
    title="Heartbeat",
    offset=0x440,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Advances ten times a second while the firmware lives."),
    ),
)
TELEMETRY_PROGRESS: Final = Register(
    name="TELEMETRY.PROGRESS",
    title="Commands finished",
    offset=0x448,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=63, low=0, access="ro", doc="All queues, since power-on; survives resets: the progress counter for hang detection."),
    ),
)


# CLOCK: Clock correlation
CLOCK_FREQUENCY: Final = Register(
    name="CLOCK.FREQUENCY",
    title="Frequency",
    offset=0x500,
    width=64,
    counts=(),
    strides=(),
    reset=0x5f5e100,
    fields=(
        Field("HZ", high=63, low=0, access="ro", doc="Nominal frequency of the device clock in Hz."),
    ),
)
CLOCK_LATCH: Final = Register(
    name="CLOCK.LATCH",
    title="Latch",
    offset=0x508,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("LATCH", high=0, low=0, access="wo", doc="Any write latches the clock."),
    ),
)
CLOCK_TICKS: Final = Register(
    name="CLOCK.TICKS",
    title="Latched ticks",
    offset=0x510,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=63, low=0, access="ro", doc="Device clock in ticks since power-on; survives resets."),
    ),
)


# ERROR: Error block
ERROR_STATUS: Final = Register(
    name="ERROR.STATUS",
    title="Error status",
    offset=0x600,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("CODE", high=15, low=8, access="ro", doc="The first error."),
        Field("HAS_ADDRESS", high=2, low=2, access="ro", doc="ADDRESS is meaningful."),
        Field("HAS_COMMAND", high=1, low=1, access="ro", doc="QUEUE, CONTEXT and SEQUENCE are meaningful."),
        Field("VALID", high=0, low=0, access="rw1c", doc="The block holds a record. Write 1 to clear the whole block."),
    ),
)
ERROR_COUNT: Final = Register(
    name="ERROR.COUNT",
    title="Errors since cleared",
    offset=0x604,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Counts every error, the first included; saturates."),
    ),
)
ERROR_WHERE: Final = Register(
    name="ERROR.WHERE",
    title="Place of the error",
    offset=0x608,
    width=32,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("CONTEXT", high=31, low=16, access="ro", doc="Context."),
        Field("OPCODE", high=15, low=8, access="ro", doc="Opcode."),
        Field("QUEUE", high=7, low=0, access="ro", doc="Queue."),
    ),
)
ERROR_SEQUENCE: Final = Register(
    name="ERROR.SEQUENCE",
    title="Sequence",
    offset=0x610,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VALUE", high=63, low=0, access="ro", doc="Sequence number of the command."),
    ),
)
ERROR_ADDRESS: Final = Register(
    name="ERROR.ADDRESS",
    title="Address",
    offset=0x618,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("VALUE", high=63, low=0, access="ro", doc="Device virtual or bus address that failed."),
    ),
)
ERROR_TIME: Final = Register(
    name="ERROR.TIME",
    title="Time",
    offset=0x620,
    width=64,
    counts=(),
    strides=(),
    reset=0x0,
    fields=(
        Field("TICKS", high=63, low=0, access="ro", doc="Device clock in ticks when the error was recorded."),
    ),
)


# CONTEXT: Context
CONTEXT_COUNT: Final = 64
CONTEXT_ROOT: Final = Register(
    name="CONTEXT.ROOT",
    title="Page table root",
    offset=0x1000,
    width=64,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("ADDRESS", high=63, low=0, access="rw", doc="Bus address of the top-level table, 4 KiB aligned."),
    ),
)
CONTEXT_CONTROL: Final = Register(
    name="CONTEXT.CONTROL",
    title="Context control",
    offset=0x1008,
    width=32,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("INVALIDATE", high=1, low=1, access="wo", doc="Write 1: forget cached translations before the next command."),
        Field("ENABLE", high=0, low=0, access="rw", doc="The context may be used by commands."),
    ),
)
CONTEXT_STATUS: Final = Register(
    name="CONTEXT.STATUS",
    title="Context status",
    offset=0x100c,
    width=32,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("FAULTED", high=0, low=0, access="rw1c", doc="A command of this context faulted; its later commands are refused with CONTEXT_FAULTED until this is cleared."),
    ),
)


# PEER: Peer row
PEER_COUNT: Final = 64
PEER_ADDRESS: Final = Register(
    name="PEER.ADDRESS",
    title="Bus address",
    offset=0x2000,
    width=64,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("ADDRESS", high=63, low=0, access="rw", doc="Bus address of the peer\u0027s BAR2."),
    ),
)
PEER_SIZE: Final = Register(
    name="PEER.SIZE",
    title="Size",
    offset=0x2008,
    width=64,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("BYTES", high=63, low=0, access="rw", doc="Bytes of the peer\u0027s BAR2."),
    ),
)
PEER_SERIAL: Final = Register(
    name="PEER.SERIAL",
    title="Peer serial",
    offset=0x2010,
    width=64,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("VALUE", high=63, low=0, access="rw", doc="Board serial of the peer."),
    ),
)
PEER_INFO: Final = Register(
    name="PEER.INFO",
    title="Peer info",
    offset=0x2018,
    width=32,
    counts=(64,),
    strides=(32,),
    reset=0x0,
    fields=(
        Field("VALID", high=31, low=31, access="rw", doc="The row is filled in."),
        Field("INDEX", high=7, low=0, access="rw", doc="Endpoint index on the peer\u0027s card."),
    ),
)


# QUEUE: Queue pair
QUEUE_COUNT: Final = 16
QUEUE_SQ_BASE: Final = Register(
    name="QUEUE.SQ_BASE",
    title="Submission ring",
    offset=0x4000,
    width=64,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("ADDRESS", high=63, low=0, access="rw", doc="Bus address of the ring of 64-byte slots, 4 KiB aligned."),
    ),
)
QUEUE_CQ_BASE: Final = Register(
    name="QUEUE.CQ_BASE",
    title="Completion ring",
    offset=0x4008,
    width=64,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("ADDRESS", high=63, low=0, access="rw", doc="Bus address of the ring of 32-byte completions, 4 KiB aligned."),
    ),
)
QUEUE_SIZE: Final = Register(
    name="QUEUE.SIZE",
    title="Ring sizes",
    offset=0x4010,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("CQ_LOG2", high=15, low=8, access="rw", doc="log2 of the entries of the completion ring."),
        Field("SQ_LOG2", high=7, low=0, access="rw", doc="log2 of the slots of the submission ring."),
    ),
)
QUEUE_CONTROL: Final = Register(
    name="QUEUE.CONTROL",
    title="Queue control",
    offset=0x4014,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("ENABLE", high=0, low=0, access="rw", doc="Start the queue; refused (RING_INVALID) if the rings cannot be right."),
    ),
)
QUEUE_INTERRUPT: Final = Register(
    name="QUEUE.INTERRUPT",
    title="Interrupt",
    offset=0x4018,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("ENABLE", high=8, low=8, access="rw", doc="Completions raise interrupts."),
        Field("VECTOR", high=4, low=0, access="rw", doc="Interrupt vector."),
    ),
)
QUEUE_COALESCE: Final = Register(
    name="QUEUE.COALESCE",
    title="Coalescing",
    offset=0x401c,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("MICROSECONDS", high=31, low=16, access="rw", doc="Raise at the latest this many microseconds after the first one."),
        Field("COUNT", high=15, low=0, access="rw", doc="Raise after this many completions that ask for an interrupt; 0 and 1 mean at once."),
    ),
)
QUEUE_STATUS: Final = Register(
    name="QUEUE.STATUS",
    title="Queue status",
    offset=0x4020,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("WAITING", high=2, low=2, access="ro", doc="Waiting in a FENCE_WAIT."),
        Field("STATE", high=1, low=0, access="ro", doc="State of the queue."),
    ),
)
QUEUE_SQ_HEAD: Final = Register(
    name="QUEUE.SQ_HEAD",
    title="Fetched",
    offset=0x4024,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("INDEX", high=31, low=0, access="ro", doc="Submission slots fetched so far (free-running)."),
    ),
)
QUEUE_CQ_TAIL: Final = Register(
    name="QUEUE.CQ_TAIL",
    title="Completed",
    offset=0x4028,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("INDEX", high=31, low=0, access="ro", doc="Completions written so far (free-running)."),
    ),
)
QUEUE_INTERRUPTS: Final = Register(
    name="QUEUE.INTERRUPTS",
    title="Interrupts raised",
    offset=0x402c,
    width=32,
    counts=(16,),
    strides=(256,),
    reset=0x0,
    fields=(
        Field("COUNT", high=31, low=0, access="ro", doc="Interrupts raised so far (free-running)."),
    ),
)


# DOORBELL: Doorbell page
DOORBELL_COUNT: Final = 16
DOORBELL_SQ_TAIL: Final = Register(
    name="DOORBELL.SQ_TAIL",
    title="Submission tail",
    offset=0x10000,
    width=32,
    counts=(16,),
    strides=(4096,),
    reset=0x0,
    fields=(
        Field("INDEX", high=31, low=0, access="wo", doc="Free-running index one past the last slot written."),
    ),
)
DOORBELL_CQ_HEAD: Final = Register(
    name="DOORBELL.CQ_HEAD",
    title="Completion head",
    offset=0x10004,
    width=32,
    counts=(16,),
    strides=(4096,),
    reset=0x0,
    fields=(
        Field("INDEX", high=31, low=0, access="wo", doc="Free-running index one past the last completion consumed."),
    ),
)


REGISTERS: Final[tuple[Register, ...]] = (
    IDENT_MAGIC,
    IDENT_HW_VERSION,
    IDENT_FW_VERSION,
    IDENT_SPEC_VERSION,
    IDENT_BOARD_SERIAL,
    IDENT_ENDPOINT,
    IDENT_FEATURES,
    IDENT_LIMITS,
    IDENT_PEER_LIMIT,
    IDENT_MEMORY_BYTES,
    CTRL_CONTROL,
    CTRL_STATUS,
    CTRL_GENERATION,
    CTRL_RESET_CAUSE,
    CTRL_QUEUE_RESET,
    CTRL_SCRATCH,
    CTRL_EVENT_VECTOR,
    ADDR_PLACE,
    ADDR_CARD,
    ADDR_CARD_SERIAL,
    ADDR_PATH_DEPTH,
    ADDR_PEER_COUNT,
    ADDR_COMMIT,
    ADDR_STATUS,
    ADDR_CAPTURED,
    ADDR_GENERATION,
    ADDR_PATH,
    TELEMETRY_VALID,
    TELEMETRY_TEMPERATURE,
    TELEMETRY_POWER,
    TELEMETRY_CLOCK,
    TELEMETRY_UTILISATION,
    TELEMETRY_LINK,
    TELEMETRY_MEMORY_CORRECTED,
    TELEMETRY_MEMORY_UNCORRECTED,
    TELEMETRY_BYTES_HOST_TO_DEVICE,
    TELEMETRY_BYTES_DEVICE_TO_HOST,
    TELEMETRY_BYTES_DEVICE_TO_DEVICE,
    TELEMETRY_BYTES_PEER,
    TELEMETRY_HEARTBEAT,
    TELEMETRY_PROGRESS,
    CLOCK_FREQUENCY,
    CLOCK_LATCH,
    CLOCK_TICKS,
    ERROR_STATUS,
    ERROR_COUNT,
    ERROR_WHERE,
    ERROR_SEQUENCE,
    ERROR_ADDRESS,
    ERROR_TIME,
    CONTEXT_ROOT,
    CONTEXT_CONTROL,
    CONTEXT_STATUS,
    PEER_ADDRESS,
    PEER_SIZE,
    PEER_SERIAL,
    PEER_INFO,
    QUEUE_SQ_BASE,
    QUEUE_CQ_BASE,
    QUEUE_SIZE,
    QUEUE_CONTROL,
    QUEUE_INTERRUPT,
    QUEUE_COALESCE,
    QUEUE_STATUS,
    QUEUE_SQ_HEAD,
    QUEUE_CQ_TAIL,
    QUEUE_INTERRUPTS,
    DOORBELL_SQ_TAIL,
    DOORBELL_CQ_HEAD,
)

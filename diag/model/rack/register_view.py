# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Registers of an endpoint as JSON: telemetry with reasons, and whole blocks decoded.

Pure: the caller says how a register is read. What cannot be known is None with a reason.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, Final

from pyaccel.spec import regs
from pyaccel.spec.types import Register

ReadRegister = Callable[[Register, tuple[int, ...]], int]
"""The value of one register element."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One telemetry value: where it comes from and what makes it valid."""

    name: str
    register: Register
    field: str
    valid: str | None = None
    signed: bool = False


READINGS: Final = (
    Reading(
        "temperature_millicelsius",
        regs.TELEMETRY_TEMPERATURE,
        "MILLICELSIUS",
        "TEMPERATURE",
        signed=True,
    ),
    Reading("power_milliwatt", regs.TELEMETRY_POWER, "MILLIWATT", "POWER"),
    Reading("clock_khz", regs.TELEMETRY_CLOCK, "KHZ", "CLOCK"),
    Reading("utilisation_permille", regs.TELEMETRY_UTILISATION, "PERMILLE", "UTILISATION"),
    Reading("link_speed", regs.TELEMETRY_LINK, "SPEED"),
    Reading("link_width", regs.TELEMETRY_LINK, "WIDTH"),
    Reading("memory_corrected_count", regs.TELEMETRY_MEMORY_CORRECTED, "COUNT"),
    Reading("memory_uncorrected_count", regs.TELEMETRY_MEMORY_UNCORRECTED, "COUNT"),
    Reading("bytes_host_to_device", regs.TELEMETRY_BYTES_HOST_TO_DEVICE, "BYTES"),
    Reading("bytes_device_to_host", regs.TELEMETRY_BYTES_DEVICE_TO_HOST, "BYTES"),
    Reading("bytes_device_to_device", regs.TELEMETRY_BYTES_DEVICE_TO_DEVICE, "BYTES"),
    Reading("bytes_peer", regs.TELEMETRY_BYTES_PEER, "BYTES"),
    Reading("heartbeat_count", regs.TELEMETRY_HEARTBEAT, "COUNT"),
    Reading("commands_finished_count", regs.TELEMETRY_PROGRESS, "COUNT"),
)

BLOCKS: Final = tuple(dict.fromkeys(r.name.partition(".")[0] for r in regs.REGISTERS))
"""Names of the register blocks, doorbells last."""

_ENUMS: Final[dict[tuple[str, str], type[IntEnum]]] = {
    ("CTRL.RESET_CAUSE", "CAUSE"): regs.ResetCause,
    ("ADDR.STATUS", "STATE"): regs.AddressState,
    ("ADDR.STATUS", "REASON"): regs.AddressReason,
    ("ERROR.STATUS", "CODE"): regs.ErrorCode,
    ("QUEUE.STATUS", "STATE"): regs.QueueState,
}


def read_telemetry(read: ReadRegister) -> dict[str, Any]:
    """Every reading: `values` by name (None where unavailable), `unavailable` the reasons."""
    valid = regs.TELEMETRY_VALID.decode(read(regs.TELEMETRY_VALID, ()))
    words = {r.register.name: r.register for r in READINGS}
    raw = {name: read(register, ()) for name, register in words.items()}
    values: dict[str, int | None] = {}
    reasons: dict[str, str] = {}
    for reading in READINGS:
        value = reading.register.get(raw[reading.register.name], reading.field)
        if reading.valid is not None and not valid[reading.valid]:
            values[reading.name] = None
            reasons[reading.name] = f"the sensor does not work (VALID.{reading.valid} is clear)"
        else:
            values[reading.name] = _signed(value) if reading.signed else value
    return {"values": values, "unavailable": reasons}


def no_telemetry(reason: str) -> dict[str, Any]:
    """The same shape when nothing can be read."""
    names = [reading.name for reading in READINGS]
    return {"values": dict.fromkeys(names), "unavailable": dict.fromkeys(names, reason)}


def block_indices(block: str) -> int | None:
    """How many elements a block has; None when it is no array."""
    first = next(r for r in regs.REGISTERS if r.name.startswith(f"{block}."))
    # ADDR.PATH is an array inside a block that is none.
    others = [r for r in regs.REGISTERS if r.name.startswith(f"{block}.")]
    return first.counts[0] if all(r.counts for r in others) else None


def read_block(block: str, index: int | None, read: ReadRegister) -> list[dict[str, Any]]:
    """Every register of a block (of element `index` of it), decoded, in address order."""
    rows = []
    for register in regs.REGISTERS:
        if not register.name.startswith(f"{block}."):
            continue
        if index is not None:
            rows.append(_decoded(register, (index,), read))
        elif register.counts:
            rows += [_decoded(register, (i,), read) for i in range(register.counts[0])]
        else:
            rows.append(_decoded(register, (), read))
    return rows


def _decoded(register: Register, indices: tuple[int, ...], read: ReadRegister) -> dict[str, Any]:
    row: dict[str, Any] = {
        "name": register.name,
        "indices": list(indices),
        "offset": register.at(*indices),
        "width_bits": register.width,
        "value": None,
        "fields": {},
        "names": {},
        "reason": "write-only",
    }
    if all(field.access == "wo" for field in register.fields):
        return row
    value = read(register, indices)
    fields = register.decode(value)
    names = {n: _enum_name(register, n, v) for n, v in fields.items() if _has_names(register, n)}
    return {**row, "value": value, "fields": fields, "names": names, "reason": None}


def _has_names(register: Register, field: str) -> bool:
    return (register.name, field) in _ENUMS


def _enum_name(register: Register, field: str, value: int) -> str | None:
    kind = _ENUMS[register.name, field]
    return kind(value).name if value in kind._value2member_map_ else None


def _signed(value: int) -> int:
    return value - (1 << 32) if value >> 31 else value

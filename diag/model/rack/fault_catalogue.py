# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The device's fault catalogue as the control socket and rack files speak of it."""

from __future__ import annotations

from typing import Any

from diag.model.fault_kinds import CATALOGUE, parameters_of
from diag.model.faults import Faults, catalogue
from diag.model.rack.control import INVALID_PARAMS, RpcError
from diag.model.rack.spec import FaultPreset, RackSpec
from diag.model.rack.yaml_table import RackFileError
from pyaccel.spec.formats import Opcode

Settings = dict[str, Any]
"""Parameters by name, queue and seed among them."""


def describe() -> list[dict[str, Any]]:
    """Every fault with its parameters."""
    return catalogue()


def checked(fault: str, settings: Settings) -> Settings:
    """The settings as the device takes them; opcodes may be given by name.

    Raises:
        RpcError: an unknown fault or parameter, or a value that cannot be.
    """
    kind = CATALOGUE.get(fault)
    if kind is None:
        known = ", ".join(sorted(CATALOGUE))
        raise _bad("fault", f"there is no fault {fault[:48]!r}; known: {known}")
    parameters = {parameter.name: parameter for parameter in parameters_of(kind)}
    values = {key: value for key, value in settings.items() if value is not None}
    for key, value in values.items():
        if key not in parameters:
            raise _bad(f"set.{key[:40]}", f"{fault} has no such parameter; see: fault list")
        if key == "opcode" and isinstance(value, str):
            values[key] = _opcode(value)
        try:
            parameters[key].check(values[key])
        except ValueError as error:
            raise _bad(f"set.{key}", str(error)) from None
    return values


def check_presets(spec: RackSpec) -> None:
    """Refuse a rack file whose fault presets cannot be armed (RackFileError)."""
    for position, preset in enumerate(spec.faults):
        try:
            checked(preset.fault, preset_settings(preset))
        except RpcError as error:
            raise RackFileError(spec.name, None, f"faults[{position}]", error.message) from None


def preset_settings(preset: FaultPreset) -> Settings:
    """Parameters of a preset with its queue and seed among them."""
    return {**preset.parameters, "queue": preset.queue, "seed": preset.seed}


def arm(faults: Faults, fault: str, settings: Settings) -> dict[str, Any]:
    """Arm a fault of one endpoint; the same members as in `active`."""
    try:
        number = faults.inject(fault, **checked(fault, settings))
    except ValueError as error:
        raise _bad("fault", str(error)) from None
    armed = [row for row in faults.active() if row["id"] == number]
    # A fault that strikes at once and is done is no longer active.
    return armed[0] if armed else {"id": number, "fault": fault, "parameters": {}}


def clear(faults: Faults, fault_id: int | None) -> int:
    """Disarm one or all; how many there were."""
    before = len(faults.active())
    faults.clear(fault_id)
    return before - len(faults.active())


def _opcode(name: str) -> int:
    try:
        return Opcode[name.upper()].value
    except KeyError:
        known = ", ".join(opcode.name.lower() for opcode in Opcode)
        raise _bad("set.opcode", f"{name[:40]!r} is none of {known}") from None


def _bad(where: str, reason: str) -> RpcError:
    return RpcError(INVALID_PARAMS, f"params.{where}: {reason}", {"where": f"params.{where}"})

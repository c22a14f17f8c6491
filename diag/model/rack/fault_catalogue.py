# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The device's fault catalogue as the control socket speaks of it."""

from __future__ import annotations

from typing import Any

from diag.model.rack.control import Params


def describe() -> list[dict[str, Any]]:
    """Every fault with its parameters."""
    return []


def check(params: Params, request: dict[str, Any]) -> None:
    """Refuse what the catalogue does not have, before any worker is asked."""


def arm(
    faults: Any, fault: str, queue: int | None, seed: int | None, parameters: dict[str, Any]
) -> dict[str, Any]:
    """Arm a fault of one endpoint."""
    return {}


def active(faults: Any) -> list[dict[str, Any]]:
    """The armed faults of one endpoint."""
    return []


def clear(faults: Any, fault_id: int | None) -> int:
    """Disarm one or all; how many."""
    return 0


def log(faults: Any) -> list[dict[str, Any]]:
    """What the faults did so far."""
    return []

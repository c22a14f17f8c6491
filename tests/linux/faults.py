# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What tests share that do something to an endpoint while a check runs in the guest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from tests.linux.conftest import Driver

FRESH: Final = {"online": True, "address": "committed", "statuses": [0], "interrupts": True}
"""An endpoint as after probing."""


def clear_faults(driver: Driver, endpoint: int) -> None:
    """Everything that was injected into an endpoint."""
    with driver.rack() as rack:
        rack.call("fault.clear", endpoint=endpoint)


def check_with(driver: Driver, act: Callable[[], object], *check: str) -> Any:
    """A check that waits until something was done to its endpoint."""
    acted = driver.lab.files.share / "acted"
    acted.unlink(missing_ok=True)

    def act_and_tell() -> None:
        act()
        acted.touch()

    return driver.check_meanwhile(driver.lab.files.share / "held", act_and_tell, *check)

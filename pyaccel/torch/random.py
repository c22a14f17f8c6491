# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Random numbers of devices: seeds and states."""

from __future__ import annotations

import torch

Target = int | str | torch.device | None


def _generator(target: Target) -> torch.Generator:
    from pyaccel.torch import device

    device.require()
    found: torch.Generator = torch.ops.axl.default_generator(device.index_of(target))
    return found


def manual_seed(seed: int) -> None:
    """Seed the current device."""
    _generator(None).manual_seed(int(seed))


def manual_seed_all(seed: int) -> None:
    """Seed every device; torch.manual_seed() calls this."""
    from pyaccel.torch import device

    for index in range(device.device_count()):
        _generator(index).manual_seed(int(seed))


def seed() -> int:
    """Seed the current device from the operating system; the seed."""
    return int(_generator(None).seed())


def initial_seed() -> int:
    """The current device's seed."""
    return int(_generator(None).initial_seed())


def get_rng_state(target: Target = "axl") -> torch.Tensor:
    """Seed and position of a device's generator."""
    return _generator(target).get_state()


def set_rng_state(state: torch.Tensor, target: Target = "axl") -> None:
    """Continue from a state of get_rng_state()."""
    _generator(target).set_state(state)

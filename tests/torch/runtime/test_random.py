# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Random numbers of a device, and what deterministic mode promises."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pytest
import torch

from pyaccel import testing

DRAW = """
import torch
torch.manual_seed(11)
print(torch.rand(3, device="axl").tolist(), torch.randperm(9, device="axl").tolist())
"""


def test_torch_manual_seed_seeds_every_device() -> None:
    """The same seed gives the same numbers, on each device."""
    drawn = []
    for _ in range(2):
        torch.manual_seed(5)
        drawn.append([torch.randn(100, device=f"axl:{i}").cpu() for i in range(2)])

    assert all(first.equal(second) for first, second in zip(*drawn, strict=True))
    assert drawn[0][0].std() > 0.5


@pytest.mark.slow
def test_a_seed_gives_the_same_numbers_in_every_process() -> None:
    """Two runs of a program draw the same."""
    with testing.rack("1x1"):
        runs = [
            subprocess.run([sys.executable, "-c", DRAW], capture_output=True, check=True)
            for _ in range(2)
        ]

    assert runs[0].stdout == runs[1].stdout != b""


def test_a_state_continues_where_it_was_taken() -> None:
    """set_rng_state(get_rng_state()) repeats what follows; drawing changes the state."""
    torch.rand(7, device="axl")
    state = torch.axl.get_rng_state()
    first = torch.rand(50, device="axl").cpu()
    moved = torch.axl.get_rng_state()
    torch.axl.set_rng_state(state)

    assert torch.rand(50, device="axl").cpu().equal(first)
    assert not moved.equal(state)
    assert not torch.rand(50, device="axl").cpu().equal(first)


def test_a_generator_is_independent_of_the_devices_own() -> None:
    """torch.Generator("axl") has a state of its own; clones continue alike."""
    own = torch.Generator("axl").manual_seed(3)
    before = torch.axl.get_rng_state()
    drawn = torch.randn(20, device="axl", generator=own).cpu()

    assert torch.axl.get_rng_state().equal(before)
    assert own.manual_seed(3).initial_seed() == 3
    assert torch.randn(20, device="axl", generator=own).cpu().equal(drawn)
    assert own.device == torch.device("axl:0")


def test_fork_rng_restores_the_state() -> None:
    """What is drawn inside torch.random.fork_rng does not count outside."""
    with torch.random.fork_rng(devices=[0], device_type="axl"):
        inside = torch.rand(9, device="axl").cpu()

    assert torch.rand(9, device="axl").cpu().equal(inside)


def test_a_generator_of_another_device_is_refused() -> None:
    """The error says how to make the right one; so does a state of the wrong size."""
    with pytest.raises(RuntimeError, match=r"torch.Generator\(device='axl'\)"):
        torch.randn(3, device="axl", generator=torch.Generator())
    with pytest.raises(RuntimeError, match="ByteTensor of 16"):
        torch.axl.set_rng_state(torch.zeros(3, dtype=torch.uint8))


@pytest.fixture
def deterministic() -> Iterator[None]:
    """torch.use_deterministic_algorithms(True) for a test."""
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.int32, torch.bool], ids=str)
def test_uninitialised_memory_is_filled_as_on_the_cpu(deterministic, dtype: torch.dtype) -> None:
    """Deterministic mode: empty() and resize_() show what the CPU's show."""
    dirty = torch.ones(64, device="axl")
    del dirty
    made = {
        device: [
            torch.empty(5, dtype=dtype, device=device),
            torch.empty_strided((2, 3), (3, 1), dtype=dtype, device=device),
            torch.zeros(2, dtype=dtype, device=device).resize_(6),
        ]
        for device in ("cpu", "axl")
    }

    for host, device in zip(made["cpu"], made["axl"], strict=True):
        torch.testing.assert_close(device.cpu(), host, equal_nan=True)

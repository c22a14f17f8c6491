# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Device memory: what the statistics count, what the cache gives back, and its end."""

from __future__ import annotations

import gc
import random
from collections.abc import Iterator

import pytest
import torch

MIB = 1 << 20
LEAST_RATIO = 1.25
"""Memory taken from the endpoint, as multiple of that of tensors alive."""


@pytest.fixture(autouse=True)
def fresh() -> Iterator[None]:
    """The cache is empty, and peaks and sums start here."""
    gc.collect()
    torch.axl.empty_cache()
    torch.axl.reset_peak_memory_stats()
    torch.axl.reset_accumulated_memory_stats()
    yield
    torch.axl.empty_cache()


def test_allocated_bytes_follow_the_tensors() -> None:
    """memory_allocated() grows by a tensor's bytes and shrinks when it is gone."""
    before = torch.axl.memory_allocated()
    tensor = torch.empty(3 * MIB, dtype=torch.uint8, device="axl")
    assert torch.axl.memory_allocated() == before + 3 * MIB
    del tensor

    assert torch.axl.memory_allocated() == before
    assert torch.axl.max_memory_allocated() == before + 3 * MIB


def test_each_device_counts_for_itself() -> None:
    """A tensor of axl:1 does not show on axl:0."""
    before = torch.axl.memory_allocated("axl:0")
    other = torch.axl.memory_allocated("axl:1")
    tensor = torch.empty(MIB, dtype=torch.uint8, device="axl:1")

    assert torch.axl.memory_allocated("axl:0") == before
    assert torch.axl.memory_allocated("axl:1") == other + tensor.nbytes


def test_the_peak_can_be_started_again() -> None:
    """reset_peak_memory_stats() forgets the largest figure so far."""
    del_me = torch.empty(8 * MIB, dtype=torch.uint8, device="axl")
    high = torch.axl.max_memory_allocated()
    del del_me
    torch.axl.reset_peak_memory_stats()

    assert torch.axl.max_memory_allocated() == torch.axl.memory_allocated() <= high - 8 * MIB


def test_freed_memory_is_used_again_without_asking_the_endpoint() -> None:
    """The next tensor of the size gets the same memory; no segment is added."""
    first = torch.empty(MIB, device="axl")
    address, reserved = first.data_ptr(), torch.axl.memory_reserved()
    del first
    second = torch.empty(MIB, device="axl")

    assert second.data_ptr() == address
    assert torch.axl.memory_reserved() == reserved


def test_empty_cache_gives_memory_back_to_the_endpoint() -> None:
    """What nobody uses is free for other processes afterwards; what is used stays."""
    kept = torch.full((MIB,), 5, dtype=torch.uint8, device="axl")
    gone = torch.empty(64 * MIB, dtype=torch.uint8, device="axl")
    free, total = torch.axl.mem_get_info()
    del gone
    assert torch.axl.mem_get_info() == (free, total)
    torch.axl.empty_cache()

    assert torch.axl.mem_get_info() == (free + 64 * MIB, total)
    assert kept.eq(5).all().item()


def test_out_of_memory_shows_what_holds_it() -> None:
    """torch.OutOfMemoryError names the endpoint, what was asked for, and the largest tensors."""
    total = torch.axl.mem_get_info()[1]
    held = [torch.empty(total // 4, dtype=torch.uint8, device="axl") for _ in range(3)]
    with pytest.raises(torch.OutOfMemoryError) as caught:
        torch.empty(total // 2, dtype=torch.uint8, device="axl")
    text = str(caught.value)

    assert f"axl:0 ({torch.axl.endpoint()}): out of memory" in text
    assert f"{total // 2 // MIB} MiB were asked for" in text
    assert f"{len(held)} x {total // 4 // MIB} MiB" in text
    assert "Delete tensors" in text
    assert torch.axl.memory_stats()["num_ooms"] == 1


def test_memory_is_there_again_after_running_out() -> None:
    """A failed allocation leaves the process able to go on."""
    total = torch.axl.mem_get_info()[1]
    held = torch.empty(total * 3 // 4, dtype=torch.uint8, device="axl")
    with pytest.raises(torch.OutOfMemoryError):
        torch.empty(total // 2, dtype=torch.uint8, device="axl")
    del held

    assert torch.full((total // 2,), 3, dtype=torch.uint8, device="axl")[-1].item() == 3


def test_cached_memory_of_another_size_is_given_up_before_running_out() -> None:
    """The cache never makes an allocation fail that would fit without it."""
    total = torch.axl.mem_get_info()[1]
    parts = [torch.empty(total // 8, dtype=torch.uint8, device="axl") for _ in range(6)]
    del parts

    assert torch.empty(total * 3 // 4, dtype=torch.uint8, device="axl").nbytes == total * 3 // 4


def test_the_high_water_mark_stays_near_the_tensors_alive() -> None:
    """Tensors of changing sizes do not make the cache grow without end."""
    # What other tests left behind holds a segment of its own.
    kept, used = torch.axl.memory_reserved(), torch.axl.memory_allocated()
    chosen, alive = random.Random(3), []
    for _ in range(400):
        if alive and (len(alive) == 20 or chosen.random() < 0.4):
            alive.pop(chosen.randrange(len(alive)))
        else:
            size = int(MIB * 8 ** chosen.random())
            alive.append(torch.empty(size, dtype=torch.uint8, device="axl"))

    taken = torch.axl.max_memory_reserved() - kept
    assert taken <= LEAST_RATIO * (torch.axl.max_memory_allocated() - used)


def test_a_failed_command_is_told_although_the_cache_was_emptied(faulty) -> None:
    """empty_cache() waits for the device, and leaves its errors to the next synchronisation."""
    tensor = torch.zeros(8, device="axl")
    torch.axl.synchronize()
    faulty.inject("memory_ue", endpoint=0)
    tensor.clone()
    torch.axl.empty_cache()

    with pytest.raises(torch.AcceleratorError, match="memory_error"):
        torch.axl.synchronize()
    assert tensor.fill_(1).sum().item() == 8


def test_the_summary_is_a_table_of_the_statistics() -> None:
    """memory_summary() shows the figures of memory_stats() in MiB."""
    kept = torch.empty(3 * MIB, dtype=torch.uint8, device="axl")
    lines = torch.axl.memory_summary().splitlines()
    used = next(line for line in lines if line.startswith("used by tensors"))

    assert lines[0].startswith("axl:0, MiB")
    assert used.split()[3] == f"{torch.axl.memory_allocated() / MIB:.2f}"
    assert kept.nbytes <= torch.axl.memory_allocated()

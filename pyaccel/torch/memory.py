# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Memory of devices: statistics and the cache. PyTorch's generic interface does the work."""

from __future__ import annotations

from typing import Any, Final

import torch

Target = int | str | torch.device | None

_SUMMARY: Final = (
    ("used by tensors", "allocated_bytes"),
    ("asked for", "requested_bytes"),
    ("used or in flight", "active_bytes"),
    ("taken from the endpoint", "reserved_bytes"),
)
_KINDS: Final = ("current", "peak", "allocated")
_MIB: Final = 1 << 20


def _index(target: Target) -> int:
    from pyaccel.torch import device

    device.require()
    return device.index_of(target)


def empty_cache() -> None:
    """Give memory that no tensor uses back to the endpoints."""
    torch._C._accelerator_emptyCache()


def memory_stats(target: Target = None) -> dict[str, Any]:
    """All counters, as torch.cuda.memory_stats names them."""
    return dict(torch.accelerator.memory.memory_stats(_index(target)))


def memory_allocated(target: Target = None) -> int:
    """Bytes that tensors use."""
    return int(torch.accelerator.memory.memory_allocated(_index(target)))


def max_memory_allocated(target: Target = None) -> int:
    """Most bytes that tensors used since reset_peak_memory_stats()."""
    return int(torch.accelerator.memory.max_memory_allocated(_index(target)))


def memory_reserved(target: Target = None) -> int:
    """Bytes taken from the endpoint: those of tensors and of the cache."""
    return int(torch.accelerator.memory.memory_reserved(_index(target)))


def max_memory_reserved(target: Target = None) -> int:
    """Most bytes taken from the endpoint since reset_peak_memory_stats()."""
    return int(torch.accelerator.memory.max_memory_reserved(_index(target)))


def reset_peak_memory_stats(target: Target = None) -> None:
    """Start the peaks from now."""
    torch.accelerator.memory.reset_peak_memory_stats(_index(target))


def reset_accumulated_memory_stats(target: Target = None) -> None:
    """Start the sums from zero."""
    torch.accelerator.memory.reset_accumulated_memory_stats(_index(target))


def mem_get_info(target: Target = None) -> tuple[int, int]:
    """(free, total) bytes of the endpoint's memory, whoever uses it."""
    free, total = torch.accelerator.memory.get_memory_info(_index(target))
    return int(free), int(total)


def memory_summary(target: Target = None) -> str:
    """A table of the statistics, to print: now, at most, and in all, in MiB."""
    index = _index(target)
    stats = memory_stats(index)
    lines = [f"axl:{index}, MiB {'now':>19} {'peak':>10} {'in all':>12}"]
    for name, key in _SUMMARY:
        now, peak, total = (stats.get(f"{key}.all.{of}", 0) for of in _KINDS)
        lines.append(f"{name:24} {now / _MIB:10.2f} {peak / _MIB:10.2f} {total / _MIB:12.2f}")
    lines.append(
        f"{stats.get('allocation.all.current', 0)} tensors alive, "
        f"{stats.get('segment.all.current', 0)} segments, "
        f"{stats.get('num_alloc_retries', 0)} times short of memory, "
        f"{stats.get('num_ooms', 0)} times out of it"
    )
    return "\n".join(lines)

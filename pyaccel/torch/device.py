# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The device module `torch.axl`: what `torch.cuda` is for CUDA."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator, Sequence

import torch

from pyaccel.torch import _library
from pyaccel.torch.memory import (
    empty_cache,
    max_memory_allocated,
    max_memory_reserved,
    mem_get_info,
    memory_allocated,
    memory_reserved,
    memory_stats,
    memory_summary,
    reset_accumulated_memory_stats,
    reset_peak_memory_stats,
)
from pyaccel.torch.random import (
    get_rng_state,
    initial_seed,
    manual_seed,
    manual_seed_all,
    seed,
    set_rng_state,
)
from pyaccel.torch.streams import (
    Event,
    Stream,
    current_stream,
    default_stream,
    set_stream,
    stream,
    synchronize,
)

__all__ = [
    "AcceleratorError",
    "Event",
    "OutOfMemoryError",
    "Stream",
    "current_device",
    "current_stream",
    "default_stream",
    "device",
    "device_count",
    "device_of",
    "empty_cache",
    "endpoint",
    "fallback_summary",
    "fallbacks",
    "get_amp_supported_dtype",
    "get_device_name",
    "get_rng_state",
    "init",
    "initial_seed",
    "is_available",
    "is_bf16_supported",
    "is_initialized",
    "manual_seed",
    "manual_seed_all",
    "max_memory_allocated",
    "max_memory_reserved",
    "mem_get_info",
    "memory_allocated",
    "memory_reserved",
    "memory_stats",
    "memory_summary",
    "reset_accumulated_memory_stats",
    "reset_fallbacks",
    "reset_peak_memory_stats",
    "seed",
    "set_device",
    "set_rng_state",
    "set_stream",
    "stream",
    "synchronize",
]

AcceleratorError = torch.AcceleratorError
"""A command failed, or the endpoint was reset, hangs or is gone; the text says which."""
OutOfMemoryError = torch.OutOfMemoryError

_reasons: list[str] = []
_INDUCTOR = ("Scheduling", "PythonWrapperCodegen", "CppWrapperCodegen", "WrapperFxCodegen")
"""What torch.compile's default looks for in a device module."""


def __getattr__(name: str) -> object:
    """Of `_INDUCTOR`, imported when they are asked for: inductor takes a second."""
    if name not in _INDUCTOR:
        raise AttributeError(f"module 'torch.axl' has no attribute {name!r}")
    from pyaccel.torch.compiler import inductor

    return getattr(inductor, name)


def set_reason(reason: str | None) -> None:
    """Remember why the compiled part is not loaded; None if it is."""
    _reasons[:] = [] if reason is None else [reason]


def require() -> None:
    """NotLoadedError if the compiled part is missing."""
    if _reasons:
        raise _library.NotLoadedError(f"the PyTorch device axl is not available: {_reasons[0]}")


def device_count() -> int:
    """Endpoints that are visible (AXL_VISIBLE_DEVICES); opens none of them."""
    return 0 if _reasons else int(torch.ops.axl.device_count())


def is_available() -> bool:
    """Whether there is an endpoint; opens none."""
    return device_count() > 0


def why_unavailable() -> str | None:
    """What to do about `is_available()` being False; None if it is True."""
    if _reasons:
        return _reasons[0]
    return str(torch.ops.axl.why_none()) or None


def is_initialized() -> bool:
    """Whether an endpoint was opened by this process."""
    return not _reasons and any(torch.ops.axl.is_open(i) for i in range(device_count()))


def _is_in_bad_fork() -> bool:
    return not _reasons and bool(torch.ops.axl.is_forked())


def _lazy_init() -> None:
    require()
    if not is_available():
        raise RuntimeError(f"no axl device: {why_unavailable()}")
    torch.ops.axl.open(current_device())


def init() -> None:
    """Open the current device now; otherwise the first tensor does it."""
    _lazy_init()


def current_device() -> int:
    """Index of the device that "axl" without a number means."""
    require()
    return int(torch.ops.axl.current_device())


def set_device(target: int | str | torch.device) -> None:
    """Make "axl" without a number mean this device."""
    require()
    torch.ops.axl.set_device(index_of(target))


def index_of(target: int | str | torch.device | None) -> int:
    """The index of a device in any spelling; None is the current one."""
    if target is None:
        return current_device()
    if isinstance(target, int):
        return target
    named = torch.device(target)
    if named.type != "axl":
        raise ValueError(f"{named} is no axl device")
    return current_device() if named.index is None else named.index


class device:  # noqa: N801 - as torch.cuda.device
    """Context manager: "axl" without a number is `target` inside."""

    def __init__(self, target: int | str | torch.device | None) -> None:
        self._index = -1 if target is None else index_of(target)
        self._before = -1

    def __enter__(self) -> None:
        """Switch."""
        if self._index >= 0:
            self._before = current_device()
            set_device(self._index)

    def __exit__(self, *_error: object) -> None:
        """Switch back."""
        if self._index >= 0:
            set_device(self._before)


class device_of(device):  # noqa: N801 - as torch.cuda.device_of
    """Context manager: the device of a tensor is current inside; nothing for the CPU."""

    def __init__(self, tensor: torch.Tensor) -> None:
        super().__init__(tensor.device if tensor.device.type == "axl" else None)


def endpoint(target: int | str | torch.device | None = None) -> str:
    """Stable id of a device's endpoint, for accel-info and AXL_VISIBLE_DEVICES. Opens it."""
    require()
    return str(torch.ops.axl.open(index_of(target)))


def get_device_name(target: int | str | torch.device | None = None) -> str:
    """A name to show."""
    return f"AXL {endpoint(target)}"


def is_bf16_supported(including_emulation: bool = True) -> bool:  # noqa: ARG001
    """The device computes bfloat16 with float32 accumulation."""
    return True


def get_amp_supported_dtype() -> list[torch.dtype]:
    """Types that torch.autocast("axl") takes."""
    return [torch.bfloat16, torch.float16]


def fallbacks() -> Counter[str]:
    """How often each operator ran on the CPU because the device has none."""
    require()
    pairs: Sequence[str] = torch.ops.axl.fallbacks()
    split = (pair.split(" ", 1) for pair in pairs)
    return Counter(
        {name: int(count) for count, name in sorted(split, key=lambda p: (-int(p[0]), p[1]))}
    )


def fallback_summary() -> str:
    """One line: how many calls ran on the CPU, and the operators with most of them."""
    counts = fallbacks()
    if not counts:
        return "no operator ran on the CPU"
    most = ", ".join(f"{name} {count}" for name, count in list(counts.items())[:5])
    more = f", and {len(counts) - 5} more" if len(counts) > 5 else ""
    return f"{sum(counts.values())} calls of {len(counts)} operators ran on the CPU: {most}{more}"


def reset_fallbacks() -> None:
    """Count from zero."""
    require()
    torch.ops.axl.reset_fallbacks()


@contextlib.contextmanager
def counting_fallbacks() -> Iterator[dict[str, int]]:
    """Count the fallbacks of a block; the dictionary is filled when it ends."""
    before = fallbacks()
    counted: dict[str, int] = {}
    yield counted
    for name, count in fallbacks().items():
        if count > before.get(name, 0):
            counted[name] = count - before.get(name, 0)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PyTorch on axl beside PyTorch on the CPU: `python -m tests.bench.torch_ops` prints JSON.

A compiled step is beside the same in eager mode, on axl both. What is compared runs in one
process, taking turns; a figure is the median of the turns.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import torch

from pyaccel import testing
from tests.torch.networks import Transformer

TURNS = 15
CALLS = 200
STEPS = 10
COPY_BYTES = 4 << 20

Work = Callable[[], Any]


def seconds(work: Work, count: int) -> float:
    """Time of one call, without what the device still has to do."""
    begin = time.perf_counter()
    for _ in range(count):
        work()
    spent = time.perf_counter() - begin
    torch.axl.synchronize()
    return spent / count


def seconds_done(work: Work, count: int) -> float:
    """Time of one call until the device has done all of them."""
    begin = time.perf_counter()
    for _ in range(count):
        work()
    torch.axl.synchronize()
    return (time.perf_counter() - begin) / count


def turns(ours: Work, peer: Work, count: int, clock: Callable[[Work, int], float]) -> list[float]:
    """Medians of ours and the peer's, in microseconds, interleaved after a warm-up."""
    samples: list[list[float]] = [[], []]
    for work in (ours, peer):
        clock(work, count)
    for _ in range(TURNS):
        for kept, work in zip(samples, (ours, peer), strict=True):
            kept.append(clock(work, count) * 1e6)
    return [statistics.median(each) for each in samples]


def step_of(device: str, kind: type[torch.optim.Optimizer]) -> Work:
    """A training step of the digits model: 64 images of 8 x 8."""
    torch.manual_seed(1)
    model = torch.nn.Sequential(
        torch.nn.Linear(64, 128), torch.nn.ReLU(), torch.nn.Linear(128, 10)
    ).to(device)
    optimiser = kind(model.parameters(), lr=0.01)  # type: ignore[call-arg]
    images, labels = torch.rand(64, 64).to(device), torch.randint(10, (64,)).to(device)

    def step() -> None:
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(model(images), labels).backward()
        optimiser.step()

    return step


def transformer_step(*, compiled: bool) -> Work:
    """Forward, backward and SGD of one block on 16 texts of 24 characters, on axl."""
    torch.manual_seed(1)
    model = Transformer(64, 24, 32).to("axl")
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    texts, following = (torch.randint(64, size).to("axl") for size in ((16, 24), (16 * 24,)))

    def loss(x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(model(x), y)

    forward: Callable[..., torch.Tensor] = loss
    if compiled:
        forward = torch.compile(loss, backend="axl")

    def step() -> None:
        optimiser.zero_grad()
        forward(texts, following).backward()
        optimiser.step()

    return step


def measure() -> dict[str, float]:
    """All figures."""
    a, b = torch.rand(4, 4), torch.rand(4, 4)
    x, y = a.to("axl"), b.to("axl")
    host = torch.zeros(COPY_BYTES, dtype=torch.uint8)
    other, device = torch.ones_like(host), host.to("axl")
    pairs: dict[str, list[float]] = {
        "add": turns(lambda: x + y, lambda: a + b, CALLS, seconds),
        "mm": turns(lambda: x @ y, lambda: a @ b, CALLS, seconds),
        "sgd": turns(step_of("axl", torch.optim.SGD), step_of("cpu", torch.optim.SGD), STEPS,
                     seconds_done),
        "adam": turns(step_of("axl", torch.optim.Adam), step_of("cpu", torch.optim.Adam), STEPS,
                      seconds_done),
        "compiled": turns(transformer_step(compiled=True), transformer_step(compiled=False), STEPS,
                          seconds_done),
        "upload": turns(lambda: device.copy_(host), lambda: other.copy_(host), 5, seconds_done),
        "download": turns(lambda: host.copy_(device), lambda: other.copy_(host), 5, seconds_done),
    }  # fmt: skip
    figures: dict[str, float] = {}
    for name, (ours, peer) in pairs.items():
        figures[f"{name}_us"], figures[f"{name}_peer_us"] = ours, peer
    return figures


def main() -> None:
    """Measure on an embedded rack and print."""
    with testing.rack("1x1"):
        print(json.dumps(measure()))


if __name__ == "__main__":
    main()

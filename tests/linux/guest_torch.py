# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""PyTorch on the kernel driver's endpoints: `python -m tests.linux.guest_torch BDF`.

Runs in the guest, where importing PyTorch takes a minute: one process for everything. Prints
one line of JSON. BDF is the function of the first endpoint, which is reset at the end.
"""

from __future__ import annotations

import copy
import json
import sys
from pathlib import Path
from typing import Any

import torch
from torch import nn

from pyaccel.spec.formats import FUSED_BINARY, Binary, Reduce

STEPS = 5


def losses(model: nn.Module, device: str) -> list[float]:
    """Of each step on a batch of noise; fallbacks are counted from the second on.

    The steps are written out: torch.optim imports a minute's worth of modules here.
    """
    model = copy.deepcopy(model).to(device)
    data = torch.randn(16, 20, generator=torch.Generator().manual_seed(1)).to(device)
    target = (torch.arange(16) % 10).to(device)
    found = []
    for step in range(STEPS):
        if step == 1:
            torch.axl.reset_fallbacks()
        model.zero_grad()
        loss = nn.functional.cross_entropy(model(data), target)
        loss.backward()
        with torch.no_grad():
            for weight in model.parameters():
                assert weight.grad is not None
                weight.sub_(weight.grad, alpha=0.1)
        found.append(loss.detach())
    return [float(loss) for loss in found]


def training() -> dict[str, Any]:
    """A network beside the same one on the CPU."""
    torch.manual_seed(2)
    model = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 10))
    expected, actual = losses(model, "cpu"), losses(model, "axl")
    return {"expected": expected, "actual": actual, "fallbacks": torch.axl.fallbacks()}


def streams() -> dict[str, Any]:
    """A copy from pinned memory on a busy stream, and what reads it on another after its event."""
    source = torch.arange(1000.0).pin_memory()
    there, busy = torch.zeros(1000, device="axl"), torch.ones(256, 256, device="axl")
    torch.axl.synchronize()
    side, done = torch.axl.Stream(), torch.axl.Event()
    with torch.axl.stream(side):
        for _ in range(20):
            busy = busy @ busy
        there.copy_(source, non_blocking=True)
        done.record(side)
    torch.axl.current_stream().wait_event(done)
    return {"same": torch.equal((there + 0).cpu(), source)}


def fused() -> dict[str, Any]:
    """A command of sixteen slots, as compiled graphs have them: (a + b) * 2 and sums of it."""
    inputs = [torch.full((3, 4), float(n), device="axl") for n in range(10)]
    add, mul = FUSED_BINARY | Binary.ADD, FUSED_BINARY | Binary.MUL
    code = [add, 0, 1, 0, mul, 11, 10, 0]
    product, total = torch.ops.axl.fused(
        inputs, [2.0], code, [12, 12], [0, 1 + Reduce.SUM], [0, 0b10], [3, 4], [4, 1], torch.float32
    )
    return {"product": product.cpu().tolist(), "sums": total.cpu().tolist()}


def endpoints() -> dict[str, Any]:
    """Every endpoint computes, and what one has reaches another."""
    names = [torch.axl.get_device_name(n) for n in range(torch.axl.device_count())]
    first = torch.arange(1000.0).to("axl:0")
    hops = first
    for n in range(1, len(names)):
        hops = hops.to(f"axl:{n}") + 1
    return {"names": names, "last": hops.cpu().tolist()[-1]}


def reset(bdf: str) -> dict[str, Any]:
    """What a program sees of a reset of its endpoint, and whether it can go on."""
    old = torch.ones(8, device="axl:0")
    torch.axl.synchronize(0)
    Path(f"/sys/bus/pci/devices/{bdf}/reset").write_text("1")
    said = ""
    try:
        old.add_(1)
        torch.axl.synchronize(0)
    except torch.AcceleratorError as error:
        said = str(error)
    fresh = torch.ones(3, device="axl:0") + 1
    return {"said": said, "fresh": fresh.cpu().tolist()}


def main() -> None:
    """All of them in one process."""
    found = {
        "training": training(),
        "streams": streams(),
        "fused": fused(),
        "endpoints": endpoints(),
        "reset": reset(sys.argv[1]),
    }
    print(json.dumps(found))  # noqa: T201 - the result


if __name__ == "__main__":
    main()

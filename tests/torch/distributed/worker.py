# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One process of a group: does what it is told and prints what it saw as JSON.

worker.py TASK RANK SIZE RENDEZVOUS
"""

from __future__ import annotations

import json
import os
import sys
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel

DEVICE = "axl"
TIMEOUT = timedelta(seconds=60)
STEPS, ROWS, FEATURES, CLASSES = 10, 16, 8, 3


def filled(value: float, count: int = 2) -> torch.Tensor:
    """A tensor on this process's endpoint."""
    return torch.full((count,), float(value), device=DEVICE)


def zeros(number: int) -> list[torch.Tensor]:
    """Where that many results go."""
    return [filled(0) for _ in range(number)]


def lists(tensors: list[torch.Tensor]) -> list[Any]:
    """Their values; each must be on the endpoint still."""
    assert all(tensor.device.type == DEVICE for tensor in tensors)
    return [tensor.tolist() for tensor in tensors]


def reductions(rank: int, size: int) -> dict[str, Any]:
    """Collectives that compute."""
    total, mean, most, low = (filled(rank + 1) for _ in range(4))
    dist.all_reduce(total)
    dist.all_reduce(mean, op=dist.ReduceOp.AVG)
    dist.all_reduce(most, op=dist.ReduceOp.MAX)
    dist.reduce(low, dst=0, op=dist.ReduceOp.MIN)
    part, single = zeros(2)
    rows = [filled(10 * rank + column) for column in range(size)]
    dist.reduce_scatter(part, rows)
    dist.reduce_scatter_single(single, torch.cat(rows), op=dist.ReduceOp.AVG)
    half = torch.ones(3, device=DEVICE, dtype=torch.bfloat16)
    dist.all_reduce(half)
    return {
        "sum": total.tolist(),
        "avg": mean.tolist(),
        "max": most.tolist(),
        "min": low.tolist() if rank == 0 else None,
        "reduce_scatter": part.tolist(),
        "reduce_scatter_single": single.tolist(),
        "bfloat16": half.tolist(),
    }


def exchanges(rank: int, size: int) -> dict[str, Any]:
    """Collectives that move."""
    told = filled(7 if rank == 1 else 0)
    dist.broadcast(told, src=1)
    gathered, whole = zeros(size), filled(0, 2 * size)
    dist.all_gather(gathered, filled(rank))
    dist.all_gather_single(whole, filled(rank))
    collected = zeros(size) if rank == 0 else None
    dist.gather(filled(rank), collected, dst=0)
    mine = filled(0)
    dist.scatter(mine, [filled(5 + index) for index in range(size)] if rank == 0 else None, src=0)
    swapped, split = zeros(size), filled(0, 2 * size)
    dist.all_to_all(swapped, [filled(10 * rank + index) for index in range(size)])
    dist.all_to_all_single(split, torch.cat([filled(rank)] * size))
    objects: list[Any] = [None] * size
    dist.all_gather_object(objects, {"rank": rank})
    return {
        "broadcast": told.tolist(),
        "all_gather": lists(gathered),
        "all_gather_single": whole.tolist(),
        "gather": lists(collected) if collected else None,
        "scatter": mine.tolist(),
        "all_to_all": lists(swapped),
        "all_to_all_single": split.tolist(),
        "objects": objects,
    }


def transfers(rank: int, size: int) -> dict[str, Any]:
    """From one process to another, and work that is waited for later."""
    received = filled(0)
    if rank == 0:
        dist.send(filled(3), dst=1)
        dist.isend(filled(4), dst=1).wait()
    else:
        dist.recv(received, src=0)
        first = received.tolist()
        dist.recv(received)
    later = filled(1)
    work = dist.all_reduce(later, async_op=True)
    work.wait(timedelta(seconds=60))
    chosen = torch.axl.Stream()
    aside = filled(2)
    torch.axl.synchronize()
    with torch.axl.stream(chosen):
        dist.all_reduce(aside)
        twice = (aside * 2).tolist()
    host = torch.ones(2)
    dist.all_reduce(host)
    subset = dist.new_group([0])
    alone = filled(9)
    if rank == 0:
        dist.all_reduce(alone, group=subset)
    dist.barrier()
    return {
        "received": [first, received.tolist()] if rank else None,
        "async": later.tolist(),
        "stream": twice,
        "cpu": host.tolist(),
        "alone": alone.tolist(),
    }


def batch(step: int, size: int) -> tuple[torch.Tensor, torch.Tensor]:
    """What all processes together see in one step."""
    made = torch.Generator().manual_seed(step)
    rows = torch.randn(ROWS * size, FEATURES, generator=made)
    return rows, torch.randint(CLASSES, (ROWS * size,), generator=made)


def model(seed: int) -> nn.Module:
    """Two layers."""
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(FEATURES, 16), nn.ReLU(), nn.Linear(16, CLASSES))


def training(rank: int, size: int) -> dict[str, Any]:
    """DistributedDataParallel: each process has its part of every batch."""
    # Other weights everywhere: the first process's are the ones that count.
    network = DistributedDataParallel(model(rank).to(DEVICE))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    losses = []
    for step in range(STEPS):
        rows, labels = (part.chunk(size)[rank].to(DEVICE) for part in batch(step, size))
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(rows), labels)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    weights = [value.flatten().tolist() for value in network.module.parameters()]
    return {"losses": losses, "weights": weights}


def deserted(rank: int, _size: int) -> dict[str, Any]:
    """The other process leaves in the middle."""
    if rank == 1:
        os._exit(3)
    try:
        dist.all_reduce(filled(1))
    except RuntimeError as error:
        return {"error": str(error)}
    return {"error": None}


TASKS = {
    "collectives": lambda rank, size: {
        **reductions(rank, size),
        **exchanges(rank, size),
        **transfers(rank, size),
    },
    "training": training,
    "deserted": deserted,
}


def main() -> None:
    """See the module."""
    task, rank, size = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    torch.axl.set_device(rank)
    # Without a name: what the device's own backend is, PyTorch knows.
    name = None if task == "training" else "axl"
    dist.init_process_group(
        name, init_method=f"file://{sys.argv[4]}", rank=rank, world_size=size, timeout=TIMEOUT
    )
    sys.stdout.write(json.dumps(TASKS[task](rank, size)))
    sys.stdout.flush()
    if task == "deserted":
        os._exit(0)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()

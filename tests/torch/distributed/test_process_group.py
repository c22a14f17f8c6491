# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The process group "axl": one real process per endpoint of one rack."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from pyaccel import testing
from tests.torch.distributed import worker

TIMEOUT_S = 240


def run(rack: testing.Rack, task: str, size: int, folder: Path) -> list[Any]:
    """What each process saw, by rank; None for one that left."""
    environment = {
        **os.environ,
        "AXL_RUNTIME_DIR": str(rack.runtime_dir),
        "GLOO_SOCKET_IFNAME": "lo",
    }
    processes = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "tests.torch.distributed.worker",
                *(task, str(rank), str(size), str(folder / "rendezvous")),
            ],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(size)
    ]
    seen = []
    for process in processes:
        out, err = process.communicate(timeout=TIMEOUT_S)
        assert process.returncode in {0, 3}, err
        seen.append(json.loads(out) if out else None)
    return seen


@pytest.fixture(scope="module")
def racks() -> Any:
    """A rack that no endpoint is taken of: the processes of each test take them."""
    with testing.rack("2x2") as running:
        yield running


@pytest.mark.timeout(TIMEOUT_S)
def test_collectives_of_two_endpoints(racks: testing.Rack, tmp_path: Path) -> None:
    """Every collective, to and from the endpoints' memory, with the right numbers."""
    first, second = run(racks, "collectives", 2, tmp_path)
    both = {
        "sum": [3.0, 3.0],
        "avg": [1.5, 1.5],
        "max": [2.0, 2.0],
        "bfloat16": [2.0, 2.0, 2.0],
        "broadcast": [7.0, 7.0],
        "all_gather": [[0.0, 0.0], [1.0, 1.0]],
        "all_gather_single": [0.0, 0.0, 1.0, 1.0],
        "all_to_all_single": [0.0, 0.0, 1.0, 1.0],
        "objects": [{"rank": 0}, {"rank": 1}],
        "async": [2.0, 2.0],
        "stream": [8.0, 8.0],
        "cpu": [2.0, 2.0],
        "alone": [9.0, 9.0],
    }
    assert {name: first.pop(name) for name in both} == both
    assert {name: second.pop(name) for name in both} == both
    assert first == {
        "min": [1.0, 1.0],
        "reduce_scatter": [10.0, 10.0],
        "reduce_scatter_single": [5.0, 5.0],
        "gather": [[0.0, 0.0], [1.0, 1.0]],
        "scatter": [5.0, 5.0],
        "all_to_all": [[0.0, 0.0], [10.0, 10.0]],
        "received": None,
    }
    assert second == {
        "min": None,
        "reduce_scatter": [12.0, 12.0],
        "reduce_scatter_single": [6.0, 6.0],
        "gather": None,
        "scatter": [6.0, 6.0],
        "all_to_all": [[1.0, 1.0], [11.0, 11.0]],
        "received": [[3.0, 3.0], [4.0, 4.0]],
    }


def trained_on_the_cpu(size: int) -> list[torch.Tensor]:
    """The weights after the same steps, in one process, on whole batches."""
    network = worker.model(0)
    optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
    for step in range(worker.STEPS):
        rows, labels = worker.batch(step, size)
        optimizer.zero_grad()
        nn.functional.cross_entropy(network(rows), labels).backward()
        optimizer.step()
    return [value.detach().flatten() for value in network.parameters()]


@pytest.mark.timeout(TIMEOUT_S)
@pytest.mark.parametrize("size", [2, 4])
def test_data_parallel_training_is_that_of_one_process(
    racks: testing.Rack, tmp_path: Path, size: int
) -> None:
    """DistributedDataParallel over endpoints ends where the CPU ends with the whole batch."""
    seen = run(racks, "training", size, tmp_path)
    expected = trained_on_the_cpu(size)

    assert all(one["weights"] == seen[0]["weights"] for one in seen)
    for got, wanted in zip(seen[0]["weights"], expected, strict=True):
        torch.testing.assert_close(torch.tensor(got), wanted, rtol=1e-4, atol=1e-5)
    assert len({tuple(one["losses"]) for one in seen}) == size


@pytest.mark.timeout(TIMEOUT_S)
def test_a_process_that_leaves_ends_the_others_collective(
    racks: testing.Rack, tmp_path: Path
) -> None:
    """Nobody waits for ever: the collective raises what Gloo met."""
    left, gone = run(racks, "deserted", 2, tmp_path)

    assert gone is None
    assert left["error"]

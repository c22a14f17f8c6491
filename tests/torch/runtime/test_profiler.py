# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""torch.profiler shows the device's commands, beside the operators that they belong to."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

ELEMENTS = 4_000_000
"""A fill takes milliseconds: more than PyTorch's resolution and the error of the clock line."""
ACTIVITIES = [ProfilerActivity.CPU, ProfilerActivity.PrivateUse1]


@pytest.fixture
def trace(tmp_path: Path) -> dict[str, Any]:
    """A trace of a copy to the device, a fill and a copy there, with the time around them."""
    torch.zeros(1, device="axl").cpu()
    before = time.monotonic_ns()
    with profile(activities=ACTIVITIES) as profiled:
        torch.ones(1000).to("axl")
        tensor = torch.empty(ELEMENTS, device="axl")
        tensor.fill_(2)
        tensor.clone()
        torch.axl.synchronize()
    after = time.monotonic_ns()
    profiled.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]
    return {"events": events, "before": before, "after": after, "profiled": profiled}


def commands(trace: dict[str, Any]) -> list[dict[str, Any]]:
    """Events of the device, in its order."""
    found = [e for e in trace["events"] if "start_monotonic_ns" in e.get("args", {})]
    return sorted(found, key=lambda event: int(event["args"]["sequence"]))


def test_commands_are_events_of_the_device(trace: dict[str, Any]) -> None:
    """Each command has a name, an operator, a queue, a sequence and a status."""
    found = commands(trace)

    assert [e["name"] for e in found][:3] == ["axl::copy", "axl::fill", "axl::copy_strided"]
    assert found[1]["args"]["operator"].startswith("aten::fill")
    assert all(e["args"]["status"] == "ok" for e in found)
    sequences = [e["args"]["sequence"] for e in found]
    assert sequences == sorted(set(sequences))


def test_commands_are_on_the_clock_of_the_library(trace: dict[str, Any]) -> None:
    """start_monotonic_ns lies inside the profile, and the trace's own times agree with it."""
    found = commands(trace)
    starts = [int(e["args"]["start_monotonic_ns"]) for e in found]

    assert all(trace["before"] <= start <= trace["after"] for start in starts)
    by_trace = (found[-1]["ts"] - found[0]["ts"]) * 1000
    assert by_trace == pytest.approx(starts[-1] - starts[0], abs=2000)


def test_commands_are_correlated_with_their_operators(trace: dict[str, Any]) -> None:
    """The operator's event has the command as its kernel, so tables show device time."""
    (fill,) = [e for e in trace["profiled"].events() if e.name == "aten::fill_" and e.kernels]
    rows = {row.key: row for row in trace["profiled"].key_averages()}

    assert [kernel.name for kernel in fill.kernels] == ["axl::fill"]
    assert fill.kernels[0].duration > 0
    assert rows["aten::fill_"].device_time_total > 0


def test_nothing_is_recorded_outside_a_profile(tmp_path: Path) -> None:
    """A second profile holds its own commands only."""
    tensor = torch.zeros(4, device="axl")
    for _ in range(5):
        tensor.fill_(1)
    with profile(activities=ACTIVITIES) as profiled:
        tensor.clone()
        torch.axl.synchronize()
    profiled.export_chrome_trace(str(tmp_path / "trace.json"))
    events = json.loads((tmp_path / "trace.json").read_text())["traceEvents"]

    assert [e["name"] for e in commands({"events": events})] == ["axl::copy_strided"]

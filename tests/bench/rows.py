# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The benchmark table: what is measured, beside what, and the target.

To add a row: one `Row`, in a `Group` whose `ours` returns its key.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench import peers
from tests.bench.guest import counted_driver, guest_driver
from tests.build.native import build

ROOT = Path(__file__).resolve().parents[2]

Sample = dict[str, float]
NO_TARGET = "—"
MEMCPY = "memcpy of the same bytes, in the same process"
GUEST_MEMCPY = "memcpy of the same bytes, in the same process in the guest"
EMPTY_IOCTL = "an empty DRM ioctl (VERSION), in the same process in the guest"
TORCH_CPU = "PyTorch on the CPU, in turns in the same process"
TORCH_EAGER = "the same step in eager mode on axl, in turns in the same process"
COLUMN_PASS = "NumPy: least and most of every column, nothing else"


@dataclass(frozen=True, slots=True)
class Row:
    """One figure. `met` judges (median of ours, median ratio to the peer)."""

    name: str
    key: str
    unit: str
    target: str
    met: Callable[[float, float | None], bool]
    peer_key: str | None = None
    peer_name: str | None = None


@dataclass(frozen=True, slots=True)
class Group:
    """Rows that one run measures together."""

    name: str
    rows: tuple[Row, ...]
    open: Callable[[], AbstractContextManager[Callable[[], Sample]]]
    peer: Callable[[], Sample]


def run_json(*argv: str, env: dict[str, str] | None = None) -> Sample:
    """Run a program that prints one JSON object."""
    done = subprocess.run(
        argv, cwd=ROOT, env=env, check=False, stdout=subprocess.PIPE, text=True, timeout=600
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(argv)}: exit status {done.returncode}, see above")
    sample: Sample = json.loads(done.stdout)
    return sample


@contextmanager
def embedded() -> Iterator[Callable[[], Sample]]:
    """A 1x1 rack, and the C program that drives it through libaxl."""
    with tempfile.TemporaryDirectory(prefix="axl-bench-") as folder:
        program = build("c", Path(folder) / "built") / "tests/bench/nop_latency"
        env = os.environ | {"AXL_RUNTIME_DIR": f"{folder}/run"}
        rack = [sys.executable, "-m", "diag.model.cli"]
        subprocess.run([*rack, "up", "--rack", "1x1"], env=env, check=True, capture_output=True)
        try:
            yield lambda: run_json(str(program), env=env)
        finally:
            subprocess.run([*rack, "down", "--all"], env=env, check=True, capture_output=True)


@contextmanager
def idle_rack() -> Iterator[Callable[[], Sample]]:
    """64 idle endpoints."""
    yield lambda: run_json(sys.executable, "-m", "tests.bench.rack_idle")


@contextmanager
def trace_analysis() -> Iterator[Callable[[], Sample]]:
    """Percentiles of ten million events."""
    yield lambda: run_json(sys.executable, "-m", "tests.bench.trace_analysis", "--rounds", "1")


@contextmanager
def accel_top() -> Iterator[Callable[[], Sample]]:
    """The screen over 64, 192 and 256 endpoints."""
    yield lambda: run_json(sys.executable, "-m", "tests.bench.accel_top")


@contextmanager
def torch_memory() -> Iterator[Callable[[], Sample]]:
    """Steps of Adam on an MLP and a transformer layer."""
    yield lambda: run_json(sys.executable, "-m", "tests.bench.torch_memory")


@contextmanager
def torch_ops() -> Iterator[Callable[[], Sample]]:
    """Operators, training steps and copies of PyTorch, beside its own CPU device."""
    yield lambda: run_json(sys.executable, "-m", "tests.bench.torch_ops")


def embedded_peer() -> Sample:
    """Two bare Python processes over eventfd."""
    return {"ping_pong_us": peers.eventfd_ping_pong_us()}


def no_peer() -> Sample:
    """Nothing comparable exists."""
    return {}


GROUPS = (
    Group(
        "embedded rack",
        (
            Row("nop round trip, p50", "nop_p50_us", "us", "<= 45 us", lambda v, _: v <= 45,
                "ping_pong_us", "eventfd ping-pong, two Python processes"),
            Row("nop round trip, p99", "nop_p99_us", "us", NO_TARGET, lambda _v, _r: True),
            Row("nops in batches of 64", "nops_per_s", "1/s", ">= 80 k/s",
                lambda v, _: v >= 80000),
            Row("copy host to device, 16 MiB", "host_to_device_gb_s", "GB/s", ">= 0.7 x",
                lambda _, r: (r or 0) >= 0.7, "memcpy_gb_s", MEMCPY),
            Row("copy device to host, 16 MiB", "device_to_host_gb_s", "GB/s", ">= 0.7 x",
                lambda _, r: (r or 0) >= 0.7, "memcpy_gb_s", MEMCPY),
            Row("write through BAR2, 16 MiB", "bar2_gb_s", "GB/s", ">= 0.7 x",
                lambda _, r: (r or 0) >= 0.7, "memcpy_gb_s", MEMCPY),
        ),
        embedded,
        embedded_peer,
    ),
    Group(
        "idle rack of 64",
        (
            Row("memory (PSS)", "pss_bytes", "B", "<= 400 MB", lambda v, _: v <= 400e6),
            Row("processor", "cpu_percent", "%", "<= 1 %", lambda v, _: v <= 1),
        ),
        idle_rack,
        no_peer,
    ),
    Group(
        "kernel driver in a guest",
        (
            Row("submit ioctl, 16 nops, less the doorbell", "submit_16_net_us", "us", NO_TARGET,
                lambda _v, _r: True, "empty_ioctl_us", EMPTY_IOCTL),
            Row("doorbell, into the simulated device", "doorbell_us", "us", NO_TARGET,
                lambda _v, _r: True),
            Row("interrupts per batch", "interrupts_per_batch", "", "<= 1", lambda v, _: v <= 1),
            Row("interrupts per batch, coalesced by 4", "interrupts_per_batch_coalesced", "",
                "<= 1", lambda v, _: v <= 1),
            Row("processor per command, batches of 16", "cpu_us_per_command", "us", NO_TARGET,
                lambda _v, _r: True),
            Row("copy pinned to device, 16 MiB", "host_to_device_gb_s", "GB/s", ">= 0.7 x",
                lambda _, r: (r or 0) >= 0.7, "memcpy_gb_s", GUEST_MEMCPY),
            Row("copy device to pinned, 16 MiB", "device_to_host_gb_s", "GB/s", ">= 0.7 x",
                lambda _, r: (r or 0) >= 0.7, "memcpy_gb_s", GUEST_MEMCPY),
        ),
        guest_driver,
        no_peer,
    ),
    Group(
        "kernel driver, instructions",
        (
            Row("submit ioctl, 16 nops", "submit_16_instructions", "", "<= 3 x",
                lambda _, r: r is not None and r <= 3, "empty_ioctl_instructions", EMPTY_IOCTL),
        ),
        counted_driver,
        no_peer,
    ),
    Group(
        "trace analysis",
        (
            Row("events to percentiles, 10 M events", "events_per_s", "1/s", ">= 5 M/s",
                lambda v, _: v >= 5e6, "peer_events_per_s", COLUMN_PASS),
            Row("peak memory, as multiple of the file", "memory_ratio", "x", "<= 2 x",
                lambda v, _: v <= 2),
        ),
        trace_analysis,
        no_peer,
    ),
    Group(
        "accel-top",
        (
            Row("frame, 64 endpoints, all figures new", "frame_ms", "ms", "<= 10 ms",
                lambda v, _: v <= 10),
            Row("the same, with Textual's DataTable", "peer_ms", "ms", NO_TARGET,
                lambda _v, _r: True),
            Row("processor, 64 endpoints at 1 Hz", "cpu_percent", "%", "<= 3 %",
                lambda v, _: v <= 3),
            Row("processor, 192 endpoints at 1 Hz", "cpu_percent_192", "%", "<= 10 %",
                lambda v, _: v <= 10),
            Row("the same, 64 of the driver (as files)", "cpu_percent_driver_64", "%", "<= 3 %",
                lambda v, _: v <= 3),
            Row("the same, 256 of the driver (as files)", "cpu_percent_driver_256", "%", "<= 10 %",
                lambda v, _: v <= 10),
            Row("start to first frame", "first_frame_s", "s", "<= 0.7 s", lambda v, _: v <= 0.7),
            Row("memory (RSS), 64 endpoints", "rss_bytes", "B", "<= 120 MB",
                lambda v, _: v <= 120e6),
            Row("memory (RSS), 192 endpoints", "rss_bytes_192", "B", "<= 120 MB",
                lambda v, _: v <= 120e6),
            Row("memory (RSS), 256 of the driver", "rss_bytes_driver_256", "B", "<= 120 MB",
                lambda v, _: v <= 120e6),
        ),
        accel_top,
        no_peer,
    ),
    Group(
        "torch memory",
        (
            Row("taken from the endpoint, training an MLP", "mlp_ratio", "x", "<= 1.25 x",
                lambda v, _: v <= 1.25),
            Row("the same, a transformer layer", "transformer_ratio", "x", "<= 1.25 x",
                lambda v, _: v <= 1.25),
        ),
        torch_memory,
        no_peer,
    ),
    Group(
        "torch operators",
        (
            Row("add of 4 x 4, until it is submitted", "add_us", "us", "<= 2.0 x",
                lambda _, r: (r or 9) <= 2.0, "add_peer_us", TORCH_CPU),
            Row("mm of 4 x 4, until it is submitted", "mm_us", "us", "<= 2.0 x",
                lambda _, r: (r or 9) <= 2.0, "mm_peer_us", TORCH_CPU),
            Row("step of the digits MLP, SGD", "sgd_us", "us", "<= 3 x",
                lambda _, r: (r or 9) <= 3, "sgd_peer_us", TORCH_CPU),
            Row("step of the digits MLP, Adam", "adam_us", "us", "<= 3 x",
                lambda _, r: (r or 9) <= 3, "adam_peer_us", TORCH_CPU),
            Row("step of a small transformer, compiled", "compiled_us", "us", "<= 0.67 x",
                lambda _, r: (r or 9) <= 0.667, "compiled_peer_us", TORCH_EAGER),
            Row("copy to the device, 4 MiB", "upload_us", "us", "<= 1.43 x",
                lambda _, r: (r or 9) <= 1.43, "upload_peer_us", TORCH_CPU),
            Row("copy from the device, 4 MiB", "download_us", "us", "<= 1.43 x",
                lambda _, r: (r or 9) <= 1.43, "download_peer_us", TORCH_CPU),
        ),
        torch_ops,
        no_peer,
    ),
)  # fmt: skip

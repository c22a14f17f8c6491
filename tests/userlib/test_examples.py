# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The C examples and the benchmark program run on a rack."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from axl_binding import SOURCE

from diag.model.rack.launch import RunningRack


def run(*command: str | Path) -> str:
    """Output of a program that must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_vector_add_is_right_and_shows_times(built: Path, rack: RunningRack) -> None:
    """The example lists endpoints, adds, verifies, and prints the time of each command."""
    out = run(built / "examples/c/vector_add", f"{SOURCE}#1")
    assert f"{SOURCE}#card:" in out
    assert out.count(" ok  waited") == 4
    assert "262144 elements, 0 wrong" in out


def test_vector_add_says_what_is_wrong(built: Path, rack: RunningRack) -> None:
    """A wrong endpoint gives a sentence and exit status 1."""
    done = subprocess.run(
        [built / "examples/c/vector_add", f"{SOURCE}#9"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert "no endpoint" in done.stderr


def test_benchmark_prints_json(built: Path, rack: RunningRack) -> None:
    """Every figure is there and positive."""
    figures = json.loads(run(built / "tests/bench/nop_latency", f"{SOURCE}#1", "100"))
    assert {"nop_p50_us", "nop_p99_us", "nops_per_s", "memcpy_gb_s", "bar2_gb_s"} <= set(figures)
    assert all(value > 0 for value in figures.values())

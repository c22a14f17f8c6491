# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The benchmarks run; how fast is for `make bench` to say."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bench.rows import GROUPS, run_json

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_every_row_of_a_group_is_measured_and_written(tmp_path: Path) -> None:
    """The runner prints the table and writes one record per row, with the peer's figure."""
    out = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tests.bench", "--rounds", "1", "--only", "embedded"]
    done = subprocess.run(
        [*command, "--out", str(out)], cwd=ROOT, check=True, capture_output=True, text=True
    )
    rows = json.loads(out.read_text())["rows"]

    assert [row["name"] for row in rows] == [row.name for row in GROUPS[0].rows]
    assert all(row["ours"]["median"] > 0 for row in rows)
    assert all((row["peer"] is not None) == (row["peer_name"] is not None) for row in rows)
    assert all(row["name"] in done.stdout for row in rows)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "arguments", "key"),
    [
        ("tests.bench.rack_idle", ("--rack", "2x2", "--seconds", "0.2"), "pss_bytes"),
        ("tests.bench.trace_analysis", ("--events", "20000", "--rounds", "1"), "events_per_s"),
        ("tests.bench.torch_memory", (), "mlp_ratio"),
    ],
)
def test_single_benchmarks_print_one_json_object(
    module: str, arguments: tuple[str, ...], key: str
) -> None:
    """Each program of the table runs by itself and gives the figure that its row reads."""
    assert run_json(sys.executable, "-m", module, *arguments)[key] > 0

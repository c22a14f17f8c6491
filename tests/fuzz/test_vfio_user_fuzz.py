# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The vfio-user server against hostile clients: seeds, random mutation, libFuzzer.

AXL_FUZZ_SECONDS sets how long the coverage-guided run takes (10 by default).
"""

from __future__ import annotations

import gc
import importlib.util
import logging
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.vfio_user_target import STEPS, run_one

ROOT = Path(__file__).resolve().parents[2]
RANDOM_RUNS = 800


@pytest.fixture(autouse=True)
def _quiet(caplog: pytest.LogCaptureFixture) -> None:
    """Refusals are logged; thousands of them help nobody."""
    caplog.set_level(logging.CRITICAL, "diag.model.vfio_user")


@pytest.fixture(autouse=True)
def _nothing_of_earlier_tests() -> None:
    """Descriptors are counted: garbage of earlier tests must not be closed meanwhile."""
    gc.collect()


def seeds() -> list[bytes]:
    """Inputs that reach every kind of step, alone and after each other."""
    alone = [bytes([1, step, *range(40)]) for step in range(len(STEPS))]
    mapped = bytes([1, 5, 1, 0, 3, 6, 15, 2, 0, 7, 1, 0])
    rest = [mapped + bytes([1, command] + [0] * 40) for command in range(20)]
    return [b"", b"\0", mapped, *alone, *rest]


@pytest.mark.parametrize("data", seeds(), ids=lambda data: data[:8].hex() or "empty")
def test_seed(data: bytes) -> None:
    """Each seed leaves no descriptor, view or client behind."""
    run_one(data)


@given(st.binary(max_size=300))
@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
def test_arbitrary_bytes(data: bytes) -> None:
    """Any input leaves the server as it was."""
    run_one(data)


def test_mutated_seeds() -> None:
    """Seeds with random bytes replaced, inserted and joined leave the server as it was."""
    dice = random.Random(0xA81)
    pool = seeds()
    for _ in range(RANDOM_RUNS):
        data = bytearray(dice.choice(pool) + dice.choice(pool)[1:])
        for _ in range(dice.randint(1, 8)):
            at = dice.randrange(len(data) + 1)
            data[at : at + dice.randint(0, 1)] = bytes([dice.randrange(256)])
        run_one(bytes(data))


@pytest.mark.slow
def test_coverage_guided(tmp_path: Path) -> None:
    """Fuzzing finds no input that crashes, hangs or leaks within its time."""
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("needs atheris: pip install atheris")
    for number, data in enumerate(seeds()):
        (tmp_path / f"seed{number}").write_bytes(data)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "tests.fuzz.vfio_user_target",
            f"-max_total_time={os.environ.get('AXL_FUZZ_SECONDS', '10')}",
            "-timeout=20",
            "-max_len=600",
            "-len_control=0",
            f"-artifact_prefix={tmp_path}/",
            str(tmp_path),
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "DONE" in done.stderr

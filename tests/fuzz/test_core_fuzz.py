# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Bounded runs of the core's libFuzzer targets."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.core import core_build as cb
from tests.fuzz.core_corpus import SEEDS, write_corpus

SECONDS = 8


@pytest.mark.slow
@pytest.mark.parametrize("target", sorted(SEEDS))
def test_target_survives_a_bounded_run(target, tmp_path):
    """Seeds and eight seconds of mutations: no crash, no leak, no broken promise."""
    if shutil.which("clang") is None:
        pytest.skip("libFuzzer comes with clang, which is not installed")
    folder = cb.ROOT / "tests" / "fuzz"
    flags = ["-O1", "-g", f"-I{folder}", "-fsanitize=fuzzer,address,undefined"]
    flags += ["-fno-sanitize-recover=all"]
    files = [*cb.sources(), cb.HERE / "axl_os_host.c", folder / f"{target}.c"]
    program = cb.build(target, files, flags, compiler="clang")
    write_corpus(target, tmp_path / "corpus")
    options = [f"-max_total_time={SECONDS}", "-seed=1", "-max_len=4096", "-timeout=10"]
    options += [f"-artifact_prefix={tmp_path}/", "-print_final_stats=1"]
    done = subprocess.run(
        [program, *options, tmp_path / "corpus"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-4000:]
    runs = [line.split()[-1] for line in done.stderr.splitlines() if "executed_units" in line]
    assert int(runs[0]) > 1000

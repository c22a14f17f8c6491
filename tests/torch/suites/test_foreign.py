# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A part of the suites that others wrote, and how their outcomes are judged."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.errors import CannotInstallError
from pyaccel import testing
from tests.torch.suites import array_api, foreign, generic
from tests.torch.suites.foreign import Exclusions, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def own_rack(environment: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """For other processes: this one may hold the endpoints of the rack that all tests share."""
    with testing.rack("2x2") as running:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(running.runtime_dir))
        yield


def bad(outcomes: list[Outcome]) -> list[Outcome]:
    """Those that failed."""
    return [each for each in outcomes if each.status == "failed"]


@pytest.mark.usefixtures("own_rack")
def test_pytorch_s_tests_of_views() -> None:
    """One file of PyTorch's device-generic tests, whole."""
    try:
        generic.tests_folder()
    except CannotInstallError as error:
        pytest.skip(f"PyTorch's tests cannot be fetched: {error}")
    outcomes = generic.run_file("test_view_ops")

    assert bad(outcomes) == []
    assert sum(each.status == "passed" for each in outcomes) > 100


@pytest.mark.usefixtures("own_rack")
def test_scipy_s_tests_of_clusters() -> None:
    """One package of SciPy's array API tests."""
    outcomes = array_api.run_package("cluster")

    assert bad(outcomes) == []
    assert sum(each.status == "passed" for each in outcomes) > 30


def test_a_failure_is_found(tmp_path: Path) -> None:
    """Failed tests, errors of their ends and a run that crashes are failures; others are not."""
    (tmp_path / "test_it.py").write_text(
        "import os, pytest\n"
        "def test_good(): pass\n"
        "def test_bad(): assert False, 'no'\n"
        "def test_skipped(): pytest.skip('why')\n"
        "@pytest.fixture\n"
        "def ending():\n"
        "    yield\n"
        "    raise OSError\n"
        "def test_ends_badly(ending): pass\n"
    )
    outcomes = {each.name: each.status for each in foreign.run_pytest(["test_it.py"], tmp_path)}
    assert outcomes == {
        "test_good": "passed",
        "test_bad": "failed",
        "test_skipped": foreign.SKIPPED,
        "test_ends_badly": "failed",
    }

    (tmp_path / "test_it.py").write_text("def test_dies():\n    import os\n    os.abort()\n")
    (crash,) = foreign.run_pytest(["test_it.py"], tmp_path)
    assert crash.status == "failed"
    assert next(iter(generic.judged([crash]))).status == "failed"


def test_what_fails_on_the_cpu_too_and_what_is_excluded(tmp_path: Path) -> None:
    """The CPU's outcome of the same test decides first; a row of the list names the rest."""
    found = [
        Outcome("TestItAXL", "test_a_axl_float32", "failed"),
        Outcome("TestItCPU", "test_a_cpu_float32", "failed"),
        Outcome("TestItAXL", "test_b_axl", "failed"),
        Outcome("TestItCPU", "test_b_cpu", "passed"),
    ]
    assert [each.status for each in generic.judged(found)] == ["fails on the CPU too", "failed"]

    (tmp_path / "rows.yaml").write_text("TestIt.test_b: a reason\nnever: another\n")
    exclusions = Exclusions(tmp_path / "rows.yaml")
    judged = exclusions.judged(Outcome("TestIt", "test_b_axl", "failed"))
    assert (judged.status, judged.reason) == ("excluded", "a reason")
    assert exclusions.judged(Outcome("TestIt", "test_c", "failed")).status == "failed"
    assert exclusions.unused == {"never"}

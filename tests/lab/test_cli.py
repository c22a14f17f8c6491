# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The command line without a guest."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from diag.lab import cli, cli_common
from diag.lab.cli import _choose, _Given, app
from diag.lab.config import LabConfig
from diag.lab.session import Session

NOTHING = _Given(None, None, None, None, None, None, None, None, None)


@pytest.fixture(autouse=True)
def runtime(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime directory and a cache of the test's own: nothing runs, nothing is installed."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(tmp_path / "run"))
    monkeypatch.setenv("AXL_CACHE_DIR", str(tmp_path / "cache"))


def invoke(*arguments: str) -> Result:
    """The outcome of one command."""
    return CliRunner().invoke(app, list(arguments))


def test_nothing_is_up_at_first() -> None:
    """Status succeeds with an empty list, and says how to start a guest."""
    assert invoke("status").stderr == (
        "accel-lab: no guest is up; start one: accel-lab up --rack 2x2\n"
    )
    assert json.loads(invoke("status", "--json").stdout) == {"version": 1, "sessions": []}


@pytest.mark.parametrize(
    "command",
    [
        ["down"],
        ["shell"],
        ["log"],
        ["qmp", "query-status"],
        ["aer", "05:00.0", "receiver"],
        ["plug", "ep0"],
        ["unplug", "ep0"],
        ["cp", "file", "guest:/tmp"],
        ["driver", "load"],
        ["driver", "unload"],
    ],
)
def test_commands_that_need_a_guest_say_so(command: list[str]) -> None:
    """Exit status 1 and where to look."""
    result = invoke(*command)

    assert result.exit_code == 1
    assert "no guest is up; accel-lab status lists them" in result.stderr


@pytest.mark.parametrize(
    "arguments",
    [["run"], ["frobnicate"], ["up", "--cpus", "0"], ["up", "x"], ["up", "--name", "/"]],
)
def test_wrong_usage_is_2(arguments: list[str]) -> None:
    """Wrong usage is told apart from failure."""
    assert invoke(*arguments).exit_code == 2


def test_an_unknown_rack_is_named() -> None:
    """`up` fails with 2; `run` with 125, which no program of the guest uses for itself."""
    up, run = invoke("up", "--rack", "9x9"), invoke("run", "--rack", "9x9", "--", "true")

    assert (up.exit_code, run.exit_code) == (2, 125)
    assert "9x9" in up.stderr
    assert "no such rack; shipped are" in up.stderr


def test_the_version_is_told() -> None:
    """--version names the tool."""
    assert invoke("--version").stdout.startswith("accel-lab ")


def test_a_fresh_session_has_the_defaults() -> None:
    """Without any option the default rack is meant."""
    session, config = _choose(None, NOTHING)

    assert (session.name, config) == ("2x2", LabConfig("2x2"))


def test_what_is_not_given_stays_as_the_running_guest_has_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`run` after `up --iommu --kernel 7.3` means that guest, without repeating options."""
    config = LabConfig("8x4", kernel="7.3", iommu=True)
    running = Session("8x4")
    monkeypatch.setattr(Session, "is_running", property(lambda _: True))
    monkeypatch.setattr(Session, "config", property(lambda _: config))
    for module in (cli, cli_common):
        monkeypatch.setattr(module, "running_sessions", lambda: [running])

    session, chosen = _choose(None, NOTHING)

    assert (session, chosen) == (running, config)


def test_arguments_of_qmp_must_be_an_object(monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything but a JSON object is refused before it is sent."""
    monkeypatch.setattr(cli, "the_session", lambda _: pytest.fail("was sent"))

    assert "are not a JSON object" in invoke("qmp", "query-pci", "[]").stderr

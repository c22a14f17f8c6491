# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-info and accel-rack as a user runs them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
import typer
from typer.testing import CliRunner, Result

import diag.model.cli
import diag.topo.cli
import pyaccel
from diag.model.rack.launch import RunningRack
from diag.topo.document import to_document
from diag.topo.schema import SCHEMA
from tests.build.racks import runtime_directory
from tests.build.topologies import endpoint, rack

ROOT = Path(__file__).resolve().parents[2]


def run(app: typer.Typer, *args: str, expect: int = 0) -> Result:
    """Run a command line in this process and check its exit status."""
    result = CliRunner().invoke(app, list(args))
    assert result.exit_code == expect, result.output
    return result


def info(*args: str, expect: int = 0) -> Result:
    """Run accel-info."""
    return run(diag.topo.cli.app, *args, expect=expect)


def rack_tool(*args: str, expect: int = 0) -> Result:
    """Run accel-rack."""
    return run(diag.model.cli.app, *args, expect=expect)


@pytest.fixture(scope="module")
def base() -> Iterator[Path]:
    """A base directory for the racks of this file."""
    with runtime_directory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(folder))
        yield folder


@pytest.fixture(scope="module")
def mixed(base: Path) -> Iterator[RunningRack]:
    """A rack with slow links; with `named` beside it, it must be named."""
    with RunningRack("2x2-mixed", name="mixed") as running:
        yield running


def test_an_endpoint_says_what_opens_it(mixed: RunningRack) -> None:
    """The library is asked: the URI shown opens exactly that endpoint."""
    line = next(x for x in info("--source", "rack:mixed", "1").stdout.splitlines() if "opens" in x)
    with pyaccel.open(line.split()[-1]) as device:
        assert device.id == "card:0x00a0c00000000021/1"


def test_an_endpoint_that_programs_cannot_see_says_why(
    mixed: RunningRack, monkeypatch: pytest.MonkeyPatch
) -> None:
    """AXL_VISIBLE_DEVICES hides endpoints from programs, not from this tool."""
    monkeypatch.setenv("AXL_VISIBLE_DEVICES", "card:0x00a0c00000000021/0")
    text = info("--source", "rack:mixed", "1").stdout
    assert "opens as     — (hidden by AXL_VISIBLE_DEVICES=card:0x00a0c00000000021/0)" in text


def test_the_tree_of_a_running_rack(mixed: RunningRack) -> None:
    """Live state is shown: addresses are stale before anybody opened the endpoints."""
    text = info("--source", "rack:mixed").stdout
    assert "rack mixed: 2 cards, 4 endpoints, generation 1" in text
    assert "05:00.0 ep0 card:0x00a0c00000000021/0 stale msix 256M" in text
    assert "note: 4 endpoints: no device address since the last reset" in text
    assert "\x1b" not in text


@pytest.mark.parametrize(
    "name",
    [
        "1",
        "ep1",
        "06:00.0",
        "0000:06:00.0",
        "card:0x00a0c00000000021/1",
        "CARD:0X00A0C00000000021/1",
    ],
)
def test_an_endpoint_is_found_by_all_its_names(mixed: RunningRack, name: str) -> None:
    """Number, bus address and identity lead to the same endpoint."""
    text = info(name, "--source", f"rack:{mixed.directory.path}").stdout
    assert text.startswith("endpoint 1: card:0x00a0c00000000021/1 at 0000:06:00.0\n")
    assert "STATE=STALE" in text


def test_an_endpoint_says_what_it_is_doing(mixed: RunningRack) -> None:
    """Telemetry, the queue that is in use, and which program holds it."""
    uri = f"rack:{mixed.directory.path}#card:0x00a0c00000000021/1"
    with pyaccel.open(uri) as device, device.queue() as queue:
        queue.copy(device.empty((1024,)), device.empty((1024,), memory="host"))
        queue.submit().wait()
        lines = info("1", "--source", "rack:mixed").stdout.splitlines()
    assert "  to device    4096 bytes" in lines
    at = lines.index("queues")
    assert lines[at + 1].split()[:3] == ["QUEUE", "STATE", "SLOTS"]
    assert lines[at + 2].split()[1] == "ready"
    assert lines[lines.index("clients") + 2].split()[:2] == [str(os.getpid()), own_name()]


def own_name() -> str:
    """What this process calls itself."""
    return Path("/proc/self/comm").read_text().strip()


def test_a_port_is_found_by_its_address(mixed: RunningRack) -> None:
    """A port in depth."""
    text = info("02:00.0", "--source", "rack:mixed").stdout
    assert text.startswith("port 0000:02:00.0: downstream\n")


def test_an_unknown_object_is_wrong_usage(mixed: RunningRack) -> None:
    """The error says what may be given."""
    text = info("ff:1f.7", "--source", "rack:mixed", expect=2).stderr
    assert "no such endpoint or port; give a number (0..3)" in text


def test_json_fits_the_published_schema(mixed: RunningRack) -> None:
    """--json is the documented document."""
    document = json.loads(info("--json", "--source", "rack:mixed").stdout)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert [e["address"]["state"] for e in document["endpoints"]] == ["stale"] * 4


def test_a_snapshot_shows_the_same_tree(mixed: RunningRack, tmp_path: Path) -> None:
    """--save and file: lose nothing but the source."""
    path = tmp_path / "snap.json"
    live = info("--source", "rack:mixed", "--save", str(path)).stdout
    assert info("--source", f"file:{path}").stdout == live
    text = info("0", "--source", f"file:{path}").stdout
    assert "a snapshot holds no registers" in text


def test_check_fails_when_something_is_wrong(mixed: RunningRack) -> None:
    """--check turns warnings into exit status 1."""
    info("--check", "--source", "rack:mixed", expect=1)


def test_the_table_is_for_reading_line_by_line(mixed: RunningRack) -> None:
    """One line per endpoint, slow links marked."""
    lines = info("--table", "--source", "rack:mixed").stdout.splitlines()
    assert len(lines) == 5
    assert "2.5GT/s x8!" in lines[3]


def test_a_dead_worker_is_shown_within_its_deadline(mixed: RunningRack) -> None:
    """Endpoints of a killed card are gone; the card number for the restart is told."""
    with RunningRack("1x1", name="dying") as dying, dying.client() as client:
        os.kill(client.call("rack.info")["workers"][0]["pid"], signal.SIGKILL)
        while client.call("rack.info")["workers"][0]["state"] != "dead":
            continue
        text = info("--source", "rack:dying").stdout
        assert "ep0 card:0x00a0c00000000001/0 GONE" in text
        assert "accel-rack restart-card 0" in text


SOURCES = [
    ("nonsense", 2, "is none of auto, kernel, rack[:DIR], file:PATH"),
    ("kernel:x", 2, "is none of auto, kernel"),
    ("rack:nowhere", 1, "see: accel-rack status"),
    ("file:/nonexistent", 2, "No such file"),
    ("rack:../x", 1, "topology"),
]


@pytest.mark.parametrize(("source", "status", "reason"), SOURCES)
def test_a_source_that_cannot_be_read_is_told(
    base: Path, source: str, status: int, reason: str
) -> None:
    """One line on standard error; the exit status tells a wrong word from a silent rack."""
    done = info("--source", source, expect=status)
    assert reason in done.stderr
    assert done.stdout == ""


def test_what_a_stranger_wrote_cannot_drive_the_terminal(tmp_path: Path) -> None:
    """Control characters of a snapshot are shown escaped, as text and as JSON."""
    document = to_document(rack(endpoint()))
    document["endpoints"][0]["address"]["reason"] = document["name"] = "\x9b31m\x1b[2J\ud800"
    path = tmp_path / "snap.json"
    path.write_text(json.dumps(document))
    for words in ((), ("0",), ("0000:00:01.0",), ("--json",), ("--table",)):
        text = info(*words, "--source", f"file:{path}").stdout
        assert not {"\x1b", "\x9b", "\ud800"} & set(text), words


def test_a_terminal_without_the_characters_is_no_error(base: Path) -> None:
    """An old terminal sees question marks, not a traceback."""
    words = [sys.executable, "-m", "diag.topo.cli", "--help"]
    env = os.environ | {"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}
    subprocess.run(words, env=env, check=True, capture_output=True)
    path = base / "snap.json"
    path.write_text(json.dumps(to_document(rack(endpoint()))))
    words = [sys.executable, "-m", "diag.topo.cli", "--source", f"file:{path}"]
    done = subprocess.run(words, env=env, check=False, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert b"root port" in done.stdout


@pytest.mark.parametrize("app", [diag.topo.cli.app, diag.model.cli.app])
def test_help_has_examples_and_version_a_number(app: typer.Typer) -> None:
    """--help teaches by example."""
    assert "Examples:" in run(app, "--help").stdout
    assert run(app, "--version").stdout.startswith("accel-")


@pytest.mark.parametrize("tool", ["diag.topo.cli", "diag.model.cli"])
def test_the_tools_start_as_processes(base: Path, tool: str) -> None:
    """What the console scripts call works, and a pipe gets no escape sequences."""
    done = subprocess.run(
        [sys.executable, "-m", tool, "--help"], capture_output=True, check=True, cwd=ROOT
    )
    assert b"Usage: accel-" in done.stdout
    assert b"\x1b" not in done.stdout


def test_wrong_options_are_wrong_usage() -> None:
    """Exit status 2."""
    info("--no-such-option", expect=2)
    rack_tool("up", "--no-such-option", expect=2)
    rack_tool("endpoint", "explode", "0", expect=2)
    rack_tool("down", "x", "--all", expect=2)


def test_a_session_with_accel_rack(base: Path) -> None:
    """Up, status, fault, down: each says what is next."""
    text = rack_tool("up", "--rack", "1x1", "--name", "session").stdout
    assert "rack session is up" in text
    assert "next: accel-info" in text
    assert "runs already" in rack_tool("up", "-n", "session", expect=1).stderr
    status = json.loads(rack_tool("status", "session", "--json").stdout)
    assert status["racks"][0]["well"]
    rack_tool("fault", "inject", "hung_queue", "-e", "0", "--set", "after=3", "-n", "session")
    assert "hung_queue id=1 after=3" in rack_tool("fault", "active", "-n", "session").stdout
    assert "1 faults cleared" in rack_tool("fault", "clear", "-n", "session").stdout
    assert "card 0 is up again" in rack_tool("restart-card", "0", "-n", "session").stdout
    assert rack_tool("down", "session").stdout == "rack session is down\n"
    assert not (base / "session").exists()


def test_a_bad_rack_file_is_told_with_its_line(tmp_path: Path) -> None:
    """The line and the key, exit status 1, nothing started."""
    path = tmp_path / "r.yaml"
    path.write_text("axl-rack: 1\nroot-ports:\n  - card: {endpoints: many}\n")
    text = rack_tool("up", "--rack", str(path), expect=1).stderr
    assert f"{path}:3: root-ports[0].card.endpoints: 'many' is no whole number" in text


def test_settings_must_be_pairs(base: Path) -> None:
    """--set without a value is wrong usage."""
    text = rack_tool("fault", "inject", "hung_queue", "-e", "0", "--set", "after", expect=2).stderr
    assert "write NAME=VALUE" in text


def test_the_shipped_racks_are_listed() -> None:
    """accel-rack racks names shapes and sizes."""
    text = rack_tool("racks").stdout
    assert "8x8        64" in text

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top for programs: documents, lines, and its command line over a running rack."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest
from typer.testing import CliRunner, Result

import diag.tui.cli
from diag.model.rack.launch import RunningRack
from diag.schemas import text
from diag.topo.sampling import Client, Queue, Recovery
from diag.tui import machine, modes
from diag.tui.picture import Painter
from diag.tui.series import History
from tests.build.racks import runtime_directory
from tests.build.samples import Script, rack, readings, sample, steady, troubled

ROOT = Path(__file__).resolve().parents[2]
VALID = jsonschema.Draft202012Validator(machine.SCHEMA)


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRack]:
    """A rack of one endpoint."""
    with runtime_directory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(folder))
        with RunningRack("1x1") as started:
            yield started


def top(*args: str, expect: int = 0) -> Result:
    """Run the command line in this process."""
    result = CliRunner().invoke(diag.tui.cli.app, list(args))
    assert result.exit_code == expect, result.output
    return result


def test_the_published_schema_is_the_one_in_use() -> None:
    """Run `python -m diag.schemas` after a change."""
    published = (ROOT / "docs/reference/top.schema.json").read_text()
    assert published == text("top.schema.json")


def test_documents_of_every_state_fit_the_schema() -> None:
    """Live, troubled, and silent; the first one has rates of null, the second has numbers."""
    painter = Painter()
    first = machine.document(painter.add(sample(0, troubled())))
    second = machine.document(painter.add(sample(1, troubled())))
    silent = machine.document(
        painter.add(sample(2, rack(), state="stale", reason="x", readings={}))
    )
    for document in (first, second, silent):
        VALID.validate(json.loads(json.dumps(document)))
    assert set(first["endpoints"][0]["rates"].values()) == {None}
    assert second["endpoints"][0]["rates"]["bytes_host_to_device_per_s"] == 40e6
    assert second["endpoints"][3]["telemetry"]["temperature_millicelsius"] is None
    assert silent["state"] == "stale"


def test_a_document_has_who_uses_an_endpoint_and_why_something_is_not_known() -> None:
    """Queues, programs and recoveries are lists, null where nobody can see them."""
    full = dataclasses.replace(
        readings(0, 1),
        clients=(Client(4711, "train", id=3, commands_submitted_count=9),),
        recoveries=(Recovery(1, 5, "hang", 0, "flr", "online", 2),),
        unavailable={"clock_khz": "the sensor does not work"},
    )
    shown = Painter().add(sample(0, readings={0: full}))
    first, second = machine.document(shown)["endpoints"][:2]
    VALID.validate(json.loads(json.dumps(machine.document(shown))))
    assert [queue["slots"] for queue in first["queues"]] == [256]
    assert first["queues"][0]["in_flight"] is None
    assert (first["clients"][0]["pid"], first["clients"][0]["busy_ns"]) == (4711, None)
    assert first["recoveries"][0]["action"] == "flr"
    assert first["unavailable"]["clock_khz"] == "the sensor does not work"
    assert (second["queues"], second["clients"], second["recoveries"]) == (None, None, None)


def test_counters_that_go_back_give_no_rate() -> None:
    """A reset, or a clock that stands still, is not a rate of minus something."""
    painter = Painter()
    painter.add(sample(5))
    back = painter.add(sample(1, time_ns=9_000_000_000))
    assert back.values[0]["h2d"] is None
    still = painter.add(sample(6, time_ns=9_000_000_000))
    assert still.values[0]["h2d"] is None


def test_a_queue_s_rate_is_of_its_own_completions() -> None:
    """Per second between two samples; unknown at first, and of a queue that was made anew."""
    history, name = History(), rack().endpoints[0].key
    counts = {1: (100, None), 2: (350, 10), 3: (400, 5)}
    seen = []
    for second, (first, other) in counts.items():
        made = [Queue(0, "ready", 256, 0, 0, first, 0)]
        if other is not None:
            made.append(Queue(3, "ready", 256, 0, 0, other, 0))
        shown = dataclasses.replace(sample(0), time_ns=second * 10**9)
        readings = {0: dataclasses.replace(shown.readings[0], queues=tuple(made))}
        history.add(dataclasses.replace(shown, readings=readings))
        seen.append(dict(history.queue_rates(name)))

    assert seen == [{0: None}, {0: 250.0, 3: None}, {0: 50.0, 3: None}]


def test_a_table_has_dashes_for_what_is_not_known() -> None:
    """The line of a dead endpoint holds no figure."""
    painter = Painter()
    painter.add(sample(0, troubled()))
    lines = machine.table(painter.add(sample(1, troubled())))
    words = next(line for line in lines if "GONE" in line).split()
    assert words[5:] == ["—"] * 9
    assert any(line.startswith("error: ") for line in lines)


def test_a_loop_prints_one_line_a_sample() -> None:
    """Unknown rates are null in JSON and a dash in text, and the count is kept to."""
    said: list[str] = []
    modes.loop(modes.pictures(Script(*steady(rack(), 3)), 0), 3, said.append, as_json=True)
    rates = [json.loads(line)["endpoints"][0]["rates"]["commands_per_s"] for line in said]
    assert rates == [None, 1500.0, 1500.0]
    said.clear()
    modes.loop(modes.pictures(Script(*steady(rack(), 2)), 0), 2, said.append, as_json=False)
    assert "h2d=—/s" in said[0]
    assert "h2d=400M/s" in said[1]


def test_once_over_a_running_rack(running: RunningRack) -> None:
    """Text and JSON, both with rates."""
    assert "online" in top("--once", "--interval", "0.1").stdout
    document = json.loads(top("--json", "--interval", "0.1").stdout)
    VALID.validate(document)
    assert document["endpoints"][0]["rates"]["commands_per_s"] == 0


def test_lines_of_a_loop_leave_at_once(running: RunningRack) -> None:
    """A pipe gets each line when its sample is there, and may close whenever it likes."""
    command = [sys.executable, "-m", "diag.tui.cli", "--loop", "--interval", "0.1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as p:
        assert p.stdout is not None
        assert p.stderr is not None
        assert "online=1/1" in p.stdout.readline()
        assert "commands=0/s" in p.stdout.readline()
        p.stdout.close()
        assert p.stderr.read() == ""
    assert p.returncode == 0


@pytest.mark.parametrize(
    ("args", "status", "words"),
    [
        (["--once", "--loop"], 2, "choose one"),
        (["--once", "--record", "x"], 2, "--record goes with"),
        (["--samples", "3"], 2, "--samples goes with"),
        (["--source", "nonsense"], 2, "is none of"),
        (["--once", "--source", "rack:no-such"], 1, "accel-rack"),
        (["--exporter", "no-port"], 2, "HOST:PORT"),
        (["--replay", "/no/such/file"], 2, "No such file"),
    ],
)
def test_wrong_words_are_explained(
    running: RunningRack, args: list[str], status: int, words: str
) -> None:
    """2 is wrong usage, 1 is a rack that does not answer."""
    assert words in " ".join(top(*args, expect=status).output.split())


def test_the_screen_is_not_imported_without_need() -> None:
    """--help and --loop do not wait for Textual."""
    code = "import sys, diag.tui.cli, diag.tui.modes; sys.exit('textual' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_once_fails_when_nobody_answers() -> None:
    """What could not be read is no success."""

    class Dead:
        name = "rack:dead"

        def sample(self):
            return sample(0, rack(), state="gone", reason="no rack", readings={})

    said: list[str] = []
    assert not modes.once(Dead(), 0, said.append, as_json=False)
    assert "gone: no rack" in said[-1]

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The other commands of accel-trace, through their command line."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import jsonschema
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from diag.schemas import text as schema_text
from diag.trace.capture import CaptureWriter, read_capture
from diag.trace.cli import app, main
from diag.trace.errors import TraceError
from diag.trace.model import Endpoint, Loss, RecorderCost, Refused
from diag.trace.schema import CaptureInfo, Note, to_batch
from tests.build.events import command

ROOT = Path(__file__).resolve().parents[2]
LOST = "card:0x00a0c00000000001/1 queue 2 sequence 60"


@pytest.fixture
def run():
    """Run a command line; returns standard output. `expect` is the exit status."""

    def invoke(*arguments, expect=0):
        result = CliRunner().invoke(app, [str(word) for word in arguments])
        if isinstance(result.exception, TraceError):
            return result.exception
        assert result.exit_code == expect, result.output
        return result.stdout

    return invoke


def test_report_begins_with_what_was_lost(run, capture_path):
    """Loss stands before every number that it could have spoilt, and names the ring."""
    text = run("report", capture_path)
    assert text.index("5 events were lost") < text.index("\nstage ")
    assert "ring 9-0.ring: 5 events of card:0x00a0c00000000001/0, process 9" in text


def test_report_names_the_lost_command(run, capture_path):
    """Endpoint, queue, sequence, last stage and age of the command that never completed."""
    text = " ".join(run("report", capture_path).split())  # a narrow terminal breaks lines
    assert re.search(LOST + r".*?LOST, age [\d.]+ .s, last seen doorbell; \d+ later commands", text)


@pytest.mark.parametrize("width", [80, 100, 132])
def test_report_fits_the_terminal(run, capture_path, monkeypatch, width):
    """No line is wider, whatever is grouped by; what matters most is kept."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.chdir(capture_path.parent)  # a path has no place to be broken at
    for by in ("endpoint", "endpoint,queue,opcode,size,direction"):
        lines = run("report", capture_path.name, "--by", by).splitlines()
        assert max(map(len, lines)) <= width
        (header,) = [line for line in lines if line.startswith("ep ") and "p50" in line]
        assert "p99" in header.split()


def test_report_for_a_pipe_leaves_nothing_out(run, capture_path, monkeypatch):
    """Every column is there, and what the short endpoint names stand for."""
    monkeypatch.delenv("COLUMNS", raising=False)
    text = run("report", capture_path)
    (header,) = [line for line in text.splitlines() if line.startswith("ep ") and "p50" in line]
    wanted = "ep queue opcode size direction count p50 p90 p99 p99.9 max mean bytes most time in"
    assert header.split() == wanted.split()
    assert "ep1   card:0x00a0c00000000001/1 at 0000:06:00.0" in text


def test_report_has_no_colours_for_a_pipe(run, capture_path):
    """Nothing but text."""
    assert "\x1b" not in run("report", capture_path)


def test_report_json_has_a_schema_and_agrees_with_the_text(run, capture_path):
    """Same findings, plain numbers, null for unknown."""
    document = json.loads(run("report", capture_path, "--json", "--by", "endpoint,queue"))
    assert (document["schema"], document["version"]) == ("axl.trace.report", 1)
    assert document["command_count"] == 1000
    assert document["loss"]["ring_dropped_count"] == 5
    assert (document["unfinished_count"], document["lost_count"]) == (1, 1)
    assert document["uncertain_count"] == 0
    (lost,) = document["unfinished"]
    assert (lost["endpoint_row"], lost["queue"], lost["sequence"]) == (1, 2, 60)
    assert lost["stamps_ns"]["complete"] is None
    assert lost["is_certain"] is True
    assert document["latency"]["submit_wake"]["count"] == 999
    assert sum(group["command_count"] for group in document["groups"]) == 1000
    assert len(document["groups"]) == 8
    assert document["recorder"]["cpu_ns"] == 10**6
    assert "NaN" not in json.dumps(document)


def test_every_json_document_fits_the_published_schema(run, capture_path):
    """Run `python -m diag.schemas` after a change."""
    published = (ROOT / "docs/reference/trace-report.schema.json").read_text()
    assert published == schema_text("trace-report.schema.json")
    check = jsonschema.Draft202012Validator(json.loads(published))
    for words in (["report"], ["report", "--by", "size"], ["show"], ["show", "--commands"]):
        check.validate(json.loads(run(words[0], capture_path, *words[1:], "--json")))
    cut = capture_path.read_bytes()[:30_000]
    capture_path.write_bytes(cut)
    check.validate(json.loads(run("report", capture_path, "--json")))


def test_worst_lists_as_many_as_asked(run, capture_path):
    """The slowest commands, slowest first."""
    worst = json.loads(run("report", capture_path, "--json", "--worst", 7))["worst"]
    totals = [row["total_ns"] for row in worst]
    assert len(totals) == 7
    assert totals == sorted(totals, reverse=True)


@pytest.mark.parametrize("by", ["colour", "", "queue,,tide"])
def test_unknown_group_key_is_a_usage_error(run, capture_path, by):
    """The error lists the keys that exist."""
    error = run("report", capture_path, "--by", by)
    assert error.exit_status == 2
    assert "endpoint, pid, queue" in str(error)


def test_show_prints_one_line_per_event(run, capture_path):
    """As many lines as events, limited and filtered as asked."""
    assert len(run("show", capture_path).splitlines()) == read_capture(capture_path).event_count
    lines = run("show", capture_path, "--queue", 2, "--stage", "submit", "-n", 5).splitlines()
    assert len(lines) == 5
    assert all("q=2" in line and "submit" in line for line in lines)


def test_show_commands_prints_one_line_per_command(run, capture_path):
    """The lost one says so."""
    lines = run("show", capture_path, "--commands", "--endpoint", "0000:06:00.0").splitlines()
    (lost,) = [line for line in lines if "never completed" in line]
    assert "q=2  seq=60" in lost
    assert len(lines) == 500


def test_show_json_has_a_schema(run, capture_path):
    """Names for codes, plain numbers."""
    events = json.loads(run("show", capture_path, "--json", "-n", 2))
    assert (events["schema"], len(events["events"])) == ("axl.trace.events", 2)
    assert events["events"][0]["stage"] == "submit"
    commands = json.loads(run("show", capture_path, "-c", "--json", "-n", 2))
    assert (commands["schema"], len(commands["commands"])) == ("axl.trace.commands", 2)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [(["--stage", "flight"], "no such stage"), (["--endpoint", "x"], "no endpoint 'x'")],
)
def test_filters_that_match_nothing_known_are_usage_errors(run, capture_path, arguments, message):
    """A typo must not look like an empty capture."""
    error = run("show", capture_path, *arguments)
    assert error.exit_status == 2
    assert message in str(error)


def test_csv_has_a_row_per_event_with_names(run, capture_path, tmp_path):
    """Any spreadsheet reads it."""
    output = tmp_path / "x.csv"
    run("export", capture_path, "--to", "csv", "-o", output)
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == read_capture(capture_path).event_count
    assert (rows[0]["stage"], rows[0]["endpoint"]) == ("submit", "card:0x00a0c00000000001/0")


def test_parquet_has_the_same_events_and_the_endpoint_table(run, capture_path, tmp_path):
    """Numbers stay numbers, and the capture's metadata travels along."""
    output = tmp_path / "x.parquet"
    run("export", capture_path, "--to", "parquet", "-o", output)
    table = pq.read_table(output)
    wanted = [t for b in read_capture(capture_path).batches for t in b["time_ns"].to_pylist()]
    assert table["time_ns"].to_pylist() == wanted
    assert set(table["stage"].to_pylist()) >= {"submit", "complete"}
    assert b"axl.capture" in table.schema.metadata


def test_chrome_trace_has_a_slice_per_command(run, capture_path, tmp_path):
    """Begin and end in pairs, the engine's execution as ordinary slices, names for tracks."""
    output = tmp_path / "x.json"
    run("export", capture_path, "--to", "chrome", "-o", output)
    events = json.loads(output.read_text())["traceEvents"]
    kinds = [event["ph"] for event in events]
    assert (kinds.count("b"), kinds.count("e"), kinds.count("X")) == (1000, 1000, 999)
    names = [event["args"]["name"] for event in events if event["ph"] == "M"]
    assert "card:0x00a0c00000000001/1 0000:06:00.0" in names


def test_unknown_format_is_a_usage_error_and_writes_nothing(run, capture_path, tmp_path):
    """The error lists the formats."""
    error = run("export", capture_path, "--to", "docx", "-o", tmp_path / "x")
    assert "csv, parquet, chrome" in str(error)
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("suffix", [".png", ".svg"])
def test_plot_draws_a_picture(run, capture_path, tmp_path, suffix):
    """Without a display."""
    output = tmp_path / f"x{suffix}"
    run("plot", capture_path, "-o", output)
    head = output.read_bytes()[:200]
    assert head.startswith(b"\x89PNG") if suffix == ".png" else b"<?xml" in head


def test_plot_of_nothing_says_so(run, tmp_path, capture_path):
    """A capture without a complete command gives a figure, not a traceback."""
    data = capture_path.read_bytes()
    empty = tmp_path / "empty.axt"
    # Schema and the first, empty batch only.
    empty.write_bytes(data[: data.index(b"\xff\xff\xff\xff", 8) + 1500])
    run("plot", empty, "-o", tmp_path / "x.svg")
    assert "nothing to show" in (tmp_path / "x.svg").read_text()
    assert "never" not in run("report", empty)


def test_plot_to_an_unknown_suffix_is_a_usage_error(run, capture_path, tmp_path):
    """The error lists the formats."""
    assert ".png, .svg" in str(run("plot", capture_path, "-o", tmp_path / "x.gif"))


def test_damaged_capture_is_shown_and_fails(run, capture_path):
    """What is whole is shown; the exit status tells a script that it is not all."""
    data = bytearray(capture_path.read_bytes())
    marker = data.rfind(b"\xff\xff\xff\xff", 0, len(data) * 3 // 4)
    data[marker] = 1
    capture_path.write_bytes(data)
    assert "damaged" in run("report", capture_path, expect=1)


def test_export_to_what_is_no_file_is_a_usage_error(run, capture_path, tmp_path):
    """A folder stays a folder, and an unwritable place is named in one line."""
    for output in ("/", tmp_path):
        assert "is no file" in str(run("export", capture_path, "--to", "csv", "-o", output))
    error = run("export", capture_path, "--to", "parquet", "-o", tmp_path / "no" / "x")
    assert str(error).endswith("cannot be written: No such file or directory")
    assert error.exit_status == 2


def test_nothing_in_a_capture_can_drive_the_terminal(run, tmp_path):
    """Names, rack, host, command and reasons from a stranger's file are shown escaped."""
    path, bad = tmp_path / "bad.axt", "\x1b]0;x\x07\x9b31m\ud800\n$\\frac{$"
    table = (Endpoint(0, 1, 0, bad, bad),)
    info = CaptureInfo(table, bad, bad, 0, 0, (bad,), bad)
    writer = CaptureWriter(path, info)
    refused = (Refused(bad, bad, 1),)
    writer.write([to_batch(command(1, 1000))], Note((Loss(bad, 0, 9, 5, 10),), refused))
    writer.finish(RecorderCost(7, 1, 1, 1, 1, 9000, 0, bad))
    for words in (["report"], ["report", "--json"], ["show"], ["show", "-c"], ["show", "--json"]):
        text = run(words[0], path, *words[1:])
        assert not {"\x1b", "\x07", "\x9b", "\ud800"} & set(text), words
        assert not any(line.startswith("$") for line in text.splitlines())
    run("plot", path, "-o", tmp_path / "x.png")
    for kind in ("csv", "parquet", "chrome"):
        run("export", path, "--to", kind, "-o", tmp_path / "x")
        assert b"\x1b" not in (tmp_path / "x").read_bytes()


def test_errors_are_one_message_and_a_status(monkeypatch, capsys, tmp_path):
    """No traceback for users."""
    monkeypatch.setattr("sys.argv", ["accel-trace", "report", str(tmp_path / "no.axt")])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    assert "Traceback" not in capsys.readouterr().err


def test_help_and_version_exist(run):
    """Every command explains itself, with examples."""
    assert run("--version").startswith("accel-trace ")
    assert "accel-trace record -o" in run("--help")
    for name in ("record", "report", "show", "plot", "export"):
        assert f"accel-trace {name}" in run(name, "--help")

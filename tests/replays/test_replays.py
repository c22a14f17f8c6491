# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Old captures stay readable, and show what they showed when they were recorded."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from diag.trace.capture import read_capture
from diag.trace.report import make_report, to_json
from diag.trace.report_text import to_text

REPLAYS = Path(__file__).resolve().parents[2] / "replays"
CAPTURES = sorted(REPLAYS.glob("*.axt"))
MAX_BYTES = 300_000


@pytest.fixture(params=CAPTURES, ids=lambda path: path.stem)
def capture_file(request: pytest.FixtureRequest) -> Path:
    """Each capture in turn."""
    path: Path = request.param
    return path


@pytest.fixture
def provenance(capture_file: Path) -> dict[str, Any]:
    """What stands beside it."""
    document: dict[str, Any] = json.loads(capture_file.with_suffix(".json").read_text())
    return document


def test_there_are_captures() -> None:
    """Without any the tests below would prove nothing."""
    assert [path.name for path in CAPTURES] != []


def test_a_capture_is_the_one_that_was_recorded(capture_file: Path, provenance: Any) -> None:
    """Size and hash are those of its provenance, and the size is within bounds."""
    data = capture_file.read_bytes()
    assert len(data) == provenance["bytes"] <= MAX_BYTES
    assert hashlib.sha256(data).hexdigest() == provenance["sha256"]
    assert provenance["file"] == capture_file.name


def test_a_capture_shows_what_it_must(capture_file: Path, provenance: Any) -> None:
    """Stages, commands, losses, endpoints, bytes and the end of the recorded command."""
    report = make_report(read_capture(capture_file))
    document = to_json(report)
    used = [report.capture.endpoint_name(row) for row in np.unique(report.commands.endpoint)]
    shown = {
        "event_count_by_stage": document["event_count_by_stage"],
        "command_count": document["command_count"],
        "ring_dropped_count": document["loss"]["ring_dropped_count"],
        "unfinished_count": document["unfinished_count"],
        "failed_count": document["failed_count"],
        "endpoints_used": used,
        "bytes_by_direction": {item["direction"]: item["bytes"] for item in document["traffic"]},
        "exit_status": document["recorder"]["exit_status"],
    }
    assert shown == provenance["shows"]
    assert document["warnings"] == []
    assert document["capture"]["format_version"] == provenance["versions"]["capture_format"]


def test_the_stages_of_each_command_are_in_order(capture_file: Path) -> None:
    """The device's stamps, moved to the host's clock, lie between submission and completion."""
    stamps = make_report(read_capture(capture_file)).commands.stamps[:, :6]
    assert (np.diff(stamps, axis=1) >= 0).all()
    assert "loss      none" in to_text(make_report(read_capture(capture_file)))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`make demo` from beginning to end, as a user runs it."""

from __future__ import annotations

import html
import re
import subprocess
import sys
from pathlib import Path

import pytest

from diag.demo.session import Session

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_demo_holds_every_claim_and_leaves_nothing_running(tmp_path: Path) -> None:
    """All checks of the demo hold, the report stands alone, and no rack stays behind."""
    done = subprocess.run(
        [sys.executable, "-m", "diag.demo", "--out", str(tmp_path), "--epochs", "12"],
        cwd=ROOT, check=False, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    page = html.unescape((tmp_path / "report.html").read_text())

    assert "FAILED" not in done.stdout
    assert page.count("✓ held") == 8
    assert re.search(r"CommandLostError: card:0x\w+2/0: queue 0 sequence \d+", page)
    assert "src=" not in page.replace('src="data:image/png;base64,', "")
    assert "rack 2x2 is down" in done.stdout


def test_a_failing_command_stops_the_demo(tmp_path: Path) -> None:
    """A step that ends with another status than it should is an error, not a report."""
    session = Session(tmp_path)
    with pytest.raises(RuntimeError, match="exit status 3, expected 0"):
        session.run("python", "-c", "raise SystemExit(3)")

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What an endpoint is doing, as text."""

from __future__ import annotations

from diag.topo.render_readings import render_readings
from diag.topo.sampling import Client, Queue, Readings, Recovery, Telemetry


def text(readings: Readings | str) -> str:
    """All lines."""
    return "\n".join(render_readings(readings))


def test_readings_have_their_units() -> None:
    """Numbers as people read them; signs of temperatures included."""
    shown = text(Readings(Telemetry(-1500, 11807, 1_000_000, 123, bytes_peer=7)))
    for line in ("temperature  -1.5 °C", "power        11.8 W", "clock        1000.0 MHz",
                 "utilisation  12.3 %", "from peers   7 bytes"):  # fmt: skip
        assert f"  {line}\n" in shown


def test_what_is_not_known_says_why() -> None:
    """A dash and the reason, never 0; nobody and not known are not the same."""
    reasons = {"clock_khz": "the sensor does not work", "queues": "debugfs, for root"}
    shown = text(Readings(clients=(), unavailable=reasons))
    assert "  clock        — (the sensor does not work)\n" in shown
    assert "queues  — (debugfs, for root)" in shown
    assert "clients  none" in shown
    assert " 0" not in shown
    assert text("a snapshot") == "telemetry  — (a snapshot)"


def test_names_that_programs_chose_drive_no_terminal() -> None:
    """They are shown, escaped."""
    shown = text(
        Readings(
            queues=(Queue(0, "ready\x1b", 64, None, None, None, None),),
            clients=(Client(1, "\x1b[2J\u202e"),),
            recoveries=(Recovery(0, 1, "hung\x07", 0, "reset", "online", 1),),
            reset_cause="\x9b31m",
        )
    )
    assert shown.replace("\n", "").isprintable()
    assert "\\x1b[2J" in shown

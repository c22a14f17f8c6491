# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the driver prints, taken apart: texts are those that docs/guide/driver.md shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.topo.driver_text import client, fdinfo, queues, recoveries
from diag.topo.sampling import Client, Queue, Recovery

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guide/driver.md").read_text()


def shown(command: str) -> str:
    """What the guide shows below a command."""
    found = re.search(rf"^# {re.escape(command)}\n(.*?)^(?:#|```)", GUIDE, re.MULTILINE | re.DOTALL)
    assert found, command
    return found[1]


def test_the_guide_s_queue_is_read() -> None:
    """Ring positions, commands in flight."""
    assert queues(shown("cat queues")) == (
        Queue(0, "ready", 1024, 21, 0, completions_count=0, interrupts_count=None, in_flight=21),
    )


def test_a_queue_that_is_closed_has_no_ring_positions() -> None:
    """They are unknown then, not 0."""
    (queue,) = queues("queue=3 context=1 slots=64 closed=1 over=0 submitted=9 completed=2")
    assert (queue.state, queue.pending_slots, queue.in_flight) == ("closed", None, None)


def test_ring_positions_run_over() -> None:
    """They are free-running words of 32 bits."""
    (queue,) = queues("queue=0 slots=64 closed=0 sq_head=4294967290 sq_tail=4")
    assert queue.pending_slots == 10


def test_the_guide_s_recoveries_are_read() -> None:
    """All four steps, in their order."""
    steps = recoveries(shown("cat recoveries"))
    assert [(step.action, step.generation) for step in steps] == [
        ("reset_queue", 0), ("resume", 0), ("reset_function", 0), ("resume", 1),
    ]  # fmt: skip
    assert steps[0] == Recovery(
        0, 103923840589, "queue_hung", 0, "reset_queue", "resetting_queue", 0
    )


def test_the_guide_s_client_is_read() -> None:
    """Counts, engine time, and memory in bytes."""
    keys = fdinfo(shown("cat /proc/812/fdinfo/5"))
    assert (keys["drm-driver"], keys["drm-pdev"]) == ("axl", "0000:05:00.0")
    assert client(keys, 812, "train") == Client(
        pid=812,
        name="train",
        id=1,
        queues=1,
        busy_ns=4085226,
        commands_submitted_count=4,
        commands_completed_count=4,
        commands_failed_count=1,
        bytes_submitted=790528,
        device_memory_bytes=256 << 10,
        host_memory_bytes=260 << 10,
        peer_memory_bytes=256 << 10,
    )


@pytest.mark.parametrize("text", ["-1", "1 parsec", "1" * 40, "", "\uff11"])
def test_amounts_that_make_no_sense_are_unknown(text: str) -> None:
    """Not 0."""
    assert client({"drm-engine-compute": text}, 1, None).busy_ns is None


@given(st.text(max_size=300))
def test_any_text_is_read_without_an_error(text: str) -> None:
    """Nothing comes out that was not in it."""
    assert all(queue.slots >= 0 for queue in queues(text))
    assert isinstance(recoveries(text), tuple)
    assert client(fdinfo(text), 1, text).pid == 1

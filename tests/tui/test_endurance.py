# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Racks that hang, die and come back under a running screen; and a long time in a short one."""

from __future__ import annotations

import asyncio
import dataclasses
import gc
import os
import signal
import tracemalloc

import pytest
from textual.pilot import Pilot

from diag.model.rack.client import RackClient
from diag.model.rack.launch import RunningRack, start_rack, stop_rack
from diag.topo.sampling import Client, Recovery
from diag.topo.sources import follow
from diag.tui.app import TopApp
from diag.tui.collector import Collector
from diag.tui.picture import Painter
from tests.build.racks import runtime_directory
from tests.build.samples import rack, sample, with_endpoint
from tests.build.top import HandApp, screen_lines, ticks


async def until(app: TopApp, pilot: Pilot[None], words: str) -> None:
    """Wait for words on the screen; keys work meanwhile."""
    for _ in range(400):
        if any(words in line for line in screen_lines(app)):
            return
        await pilot.press("down", "up")
        await pilot.pause(0.05)
    raise AssertionError(f"{words!r} never came:\n" + "\n".join(screen_lines(app)))


def test_a_rack_that_hangs_dies_and_restarts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stopped it is stale, killed it is gone, started again it is live; keys always work."""

    async def story(app: TopApp, pid: int, directory) -> None:
        async with app.run_test(size=(120, 30)) as pilot:
            await until(app, pilot, "● live")
            os.kill(pid, signal.SIGSTOP)
            try:
                await until(app, pilot, "STALE")
            finally:
                os.kill(pid, signal.SIGCONT)
            await until(app, pilot, "● live")
            await asyncio.to_thread(stop_rack, directory)
            await until(app, pilot, "✖ GONE")
            await asyncio.to_thread(start_rack, "1x1")
            await until(app, pilot, "● live")

    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        directory = start_rack("1x1")
        try:
            sampler = follow(f"rack:{directory.path}")
            pid = int(directory.pid.read_text())
            asyncio.run(story(TopApp(Collector(sampler, 0.1)), pid, directory))
        finally:
            stop_rack(directory)


async def line_with(app: TopApp, pilot: Pilot[None], *words: str) -> None:
    """Wait for a line that has all the words."""
    for _ in range(400):
        if any(all(word in line for word in words) for line in screen_lines(app)):
            return
        await pilot.pause(0.05)
    raise AssertionError(f"{words!r} never came:\n" + "\n".join(screen_lines(app)))


def test_one_card_that_hangs_and_one_endpoint_that_leaves(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Stale, gone and back, each of its own; the others stay, and so does the screen's size."""

    async def story(app: TopApp, client: RackClient) -> None:
        async with app.run_test(size=(120, 30)) as pilot:
            await line_with(app, pilot, "ep3", "online")
            pid = client.call("rack.info")["workers"][1]["pid"]
            os.kill(pid, signal.SIGSTOP)
            try:
                await line_with(app, pilot, "ep3", "STALE")
                await line_with(app, pilot, "ep0", "online")
                await pilot.resize_terminal(80, 24)
                await line_with(app, pilot, "ep2", "STALE")
            finally:
                os.kill(pid, signal.SIGCONT)
            await line_with(app, pilot, "ep3", "online")
            await asyncio.to_thread(client.call, "endpoint.remove", endpoint=3)
            await line_with(app, pilot, "ep3", "GONE")
            await pilot.resize_terminal(160, 40)
            await line_with(app, pilot, "ep2", "online")
            await asyncio.to_thread(client.call, "endpoint.restore", endpoint=3)
            await line_with(app, pilot, "ep3", "online")

    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        with RunningRack("2x2") as running, running.client() as client:
            sampler = follow(f"rack:{running.directory.path}")
            asyncio.run(story(TopApp(Collector(sampler, 0.1)), client))


def test_clocks_that_jump_do_no_harm() -> None:
    """The clock on the wall goes back a day, the other one stands still; rates stay sane."""
    day_ns = 86_400_000_000_000
    jumps = [
        sample(0), sample(1), sample(2, wall_ns=sample(2).wall_ns - day_ns),
        sample(3, time_ns=sample(2).time_ns), sample(4),
    ]  # fmt: skip

    async def story() -> None:
        app = HandApp(jumps)
        async with app.run_test(size=(160, 30)) as pilot:
            lines = await ticks(app, pilot, 4)
            # One second's worth of bytes in two seconds of the clock that counts.
            assert any("ep1" in line and "40.0M" in line for line in lines)
            for key in "12345":
                await pilot.press(key)

    asyncio.run(story())


def test_half_an_hour_takes_no_more_memory_than_a_few_minutes() -> None:
    """1800 samples in which something happens all the time: history and log stop growing."""
    calm, busy = rack(), with_endpoint(rack(), 1, generation=1, client_pid=5)
    painter = Painter()
    tracemalloc.start()
    used = []
    for step in range(1800):
        painter.add(sample(step, busy if step % 2 else calm))
        if step in {1200, 1799}:
            gc.collect()
            used.append(tracemalloc.get_traced_memory()[0])
    tracemalloc.stop()
    events = painter.journal.events
    assert len(events) == events.maxlen
    assert used[1] - used[0] < 1_000_000


def test_the_log_forgets_and_says_how_much() -> None:
    """Old events go, and their number is kept."""
    painter = Painter()
    painter.journal.events = type(painter.journal.events)(maxlen=10)
    for step in range(40):
        painter.add(sample(step, with_endpoint(rack(), 0, client_pid=step)))
    assert len(painter.journal.events) == 10
    assert painter.journal.forgotten == 29


def test_programs_and_recoveries_are_in_the_detail() -> None:
    """As the kernel driver tells them, names made safe."""
    made = sample(0)
    readings = dataclasses.replace(
        made.readings[0],
        clients=(Client(4711, "evil\x1b[2J", commands_submitted_count=9,
                        commands_completed_count=7),),
        recoveries=(Recovery(1, 5, "hang", 0, "function_reset", "online", 3),),
    )  # fmt: skip
    shown = dataclasses.replace(made, readings={**made.readings, 0: readings})

    async def story() -> None:
        app = HandApp([shown])
        async with app.run_test(size=(160, 50)) as pilot:
            await pilot.press("down", "down", "enter")
            await pilot.pause()
            text = "\n".join(screen_lines(app))
            assert "4711" in text
            assert "evil\\x1b[2J" in text
            assert "hang → function_reset: online, generation 3" in text

    asyncio.run(story())

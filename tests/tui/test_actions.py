# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Actions: chosen, agreed to, done on a real rack; and absent where they must be."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from textual.pilot import Pilot

from diag.model.rack.launch import RunningRack
from diag.topo.sampling import Client, Readings
from diag.topo.sources import follow, open_source
from diag.trace.switch import Switch
from diag.tui import detail
from diag.tui.actions import ActionError, actions
from diag.tui.app import TopApp
from diag.tui.collector import Collector
from diag.tui.picture import Painter, Picture
from diag.tui.series import History
from tests.build.racks import runtime_directory
from tests.build.samples import rack, sample
from tests.build.top import HandApp, screen_lines

EP0 = "0000:01:00.0"


@pytest.fixture
def running(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RunningRack]:
    """A rack of one endpoint, and a folder to save into."""
    monkeypatch.chdir(tmp_path)
    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        with RunningRack("1x1") as started:
            yield started


def picture(running: RunningRack) -> Picture:
    """The rack as it is now."""
    return Painter().add(follow(f"rack:{running.directory.path}").sample())


def generation(running: RunningRack) -> int | None:
    """Resets of its endpoint."""
    return open_source(f"rack:{running.directory.path}").read().endpoints[0].generation


async def until(app: TopApp, pilot: Pilot[None], words: str) -> None:
    """Wait for words on the screen; at most some ten seconds."""
    for _ in range(200):
        if any(words in line for line in screen_lines(app)):
            return
        await pilot.pause(0.05)
    raise AssertionError(f"{words!r} never came:\n" + "\n".join(screen_lines(app)))


def test_a_reset_needs_a_yes(running: RunningRack) -> None:
    """Enter and Escape leave the endpoint alone; y resets it, and the log has it."""
    collector = Collector(follow(f"rack:{running.directory.path}"), 0.2)

    async def story() -> None:
        app = TopApp(collector)
        async with app.run_test(size=(120, 30), notifications=True) as pilot:
            await until(app, pilot, "ep0")
            await pilot.press("x")
            await until(app, pilot, "reset endpoint 0")
            await pilot.press("down", "down", "enter")
            await until(app, pilot, "y: do it")
            await pilot.press("enter")
            await pilot.pause(0.1)
            assert generation(running) == 0
            await pilot.press("x")
            await until(app, pilot, "reset endpoint 0")
            await pilot.press("down", "down", "enter")
            await until(app, pilot, "y: do it")
            await pilot.press("y")
            await until(app, pilot, "endpoint 0 was reset")
            assert generation(running) == 1
            await pilot.press("4")
            await until(app, pilot, "generation 0 → 1")

    asyncio.run(story())


def test_a_snapshot_is_saved_and_reads_back(running: RunningRack, tmp_path: Path) -> None:
    """What is said to be saved is there."""
    shown = picture(running)
    said = actions(shown, EP0)[0].run().text
    (saved,) = tmp_path.glob("axl-*.json")
    assert str(saved) in said
    assert open_source(f"file:{saved}").read().endpoints == shown.rack.endpoints


def test_a_capture_has_what_programs_did_meanwhile(
    running: RunningRack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It needs a yes; the file is a whole capture with the commands of another process."""
    monkeypatch.setattr("diag.tui.actions.CAPTURE_S", 3)
    capture = actions(picture(running), None)[1]
    assert capture.warning is not None
    work = (
        "import time, pyaccel\n"
        "end = time.monotonic() + 6\n"
        f"with pyaccel.open('rack:{running.directory.path}#0000:01:00.0') as d, d.queue() as q:\n"
        "    while time.monotonic() < end: q.nop(); q.submit().wait(); time.sleep(0.01)\n"
    )
    with subprocess.Popen([sys.executable, "-c", work]) as worker:
        done = capture.run()
        worker.wait(60)
    (saved,) = tmp_path.glob("axl-*.axt")
    assert str(saved) in done.text
    assert Path(saved).stat().st_size > 0
    shown = subprocess.run(
        [sys.executable, "-m", "diag.trace.cli", "report", str(saved)],
        check=True, capture_output=True, text=True,
    )  # fmt: skip
    assert "nop" in shown.stdout
    history = History()
    history.captured = done.captured
    blocks = detail.blocks(picture(running), history, EP0)
    lines = [line for block in blocks if block.title == "latency by opcode" for line in block.lines]
    words = "".join(cell.text for cell in lines[-1]).split()
    assert words[0] == "nop"
    assert int(words[1]) > 10
    assert words[-1] in {"us", "ms"}


def test_a_capture_that_fails_says_why(running: RunningRack) -> None:
    """There is one recorder at a time, and the message names the other."""
    switch = Switch(running.directory.events_enable, Path("other.axt"))
    try:
        with pytest.raises(ActionError, match=r"other\.axt"):
            actions(picture(running), None)[1].run()
    finally:
        switch.close()


def test_other_sources_offer_nothing_that_changes_a_device(running: RunningRack) -> None:
    """Only the snapshot is left."""
    assert len(actions(picture(running), EP0)) == 4
    recorded = Painter().add(sample(0, rack()))
    assert [a.warning for a in actions(recorded, "0000:05:00.0")] == [None]


def test_the_kernel_resets_an_endpoint_for_who_may(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its file in sysfs, if that can be written; who uses it stands in the question."""
    monkeypatch.setattr("diag.tui.actions._DEVICES", tmp_path)
    tree = dataclasses.replace(rack(), source="kernel")
    reading = Readings(clients=(Client(77, "train"),))
    shown = Painter().add(dataclasses.replace(sample(0, tree), readings={0: reading}))
    first = tree.endpoints[0].bdf
    assert len(actions(shown, first)) == 1

    (tmp_path / first).mkdir()
    (tmp_path / first / "reset").touch()
    reset = actions(shown, first)[1]
    assert "train (pid 77)" in (reset.warning or "")
    assert "endpoint 0 was reset" in reset.run().text
    assert (tmp_path / first / "reset").read_text() == "1"
    shutil.rmtree(tmp_path / first)
    with pytest.raises(ActionError, match="No such file"):
        reset.run()


def test_readonly_has_no_actions_at_all() -> None:
    """The key does nothing and is not shown, nor is it in the palette."""

    async def story() -> None:
        app = HandApp([sample(0)], readonly=True)
        async with app.run_test(size=(120, 30)) as pilot:
            assert not any("Actions" in line for line in screen_lines(app))
            await pilot.press("x")
            await pilot.pause(0.2)
            assert len(app.screen_stack) == 1
            names = [each.title for each in app.get_system_commands(app.screen)]
            assert "Pause" in names
            assert "Actions" not in names

    asyncio.run(story())


def test_what_fails_says_why(running: RunningRack) -> None:
    """A rack that went away meanwhile."""
    reset = actions(picture(running), EP0)[2]
    with running.client() as client:
        client.call("card.kill", card=0)
    with pytest.raises(ActionError):
        reset.run()

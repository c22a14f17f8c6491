# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What accel-top costs: a whole process on a terminal of 200 x 60, and single frames.

python -m tests.bench.accel_top [--seconds 20]: prints one JSON object.
"""

from __future__ import annotations

import argparse
import asyncio
import fcntl
import json
import os
import pty
import select
import signal
import statistics
import struct
import sys
import tempfile
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from textual.app import App, ComposeResult
from textual.widgets import DataTable

from diag.model.rack.launch import RunningRack
from tests.bench.rack_idle import cpu_ticks
from tests.build.samples import rack, steady
from tests.build.sysfs import full_machine
from tests.build.top import HandApp

SIZE = (200, 60)
RACK_OF_192 = """\
axl-rack: 1
name: top192
root-ports:
  - switch:
      ports:
        - repeat: 24
          card: {switch: yes, endpoints: 8}
"""
"""As many as the buses of one segment hold, as each endpoint has one of its own."""
_TOP: Final = ("-m", "diag.tui.cli", "--source")
_TOP_OVER_SYSFS: Final = ("-m", "tests.bench.top_over_sysfs")


def whole_process(program: Sequence[str], seconds: float) -> dict[str, float]:
    """accel-top as a user starts it: first frame, then its share of a core at 1 Hz.

    Args:
        program: arguments for the interpreter.
        seconds: how long to look.
    """
    started = time.perf_counter()
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ["TERM"] = "xterm-256color"
        os.execv(sys.executable, [sys.executable, *program])
    size = struct.pack("HHHH", SIZE[1], SIZE[0], 0, 0)
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, size)
    try:
        _read_until(terminal, b"ep0", 30)
        first_frame_s = time.perf_counter() - started
        _drain(terminal, 3)
        before, begin = cpu_ticks(pid), time.perf_counter()
        _drain(terminal, seconds)
        used_s = (cpu_ticks(pid) - before) / os.sysconf("SC_CLK_TCK")
        share = 100 * used_s / (time.perf_counter() - begin)
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)
    rss = pages * os.sysconf("SC_PAGE_SIZE")
    return {"first_frame_s": first_frame_s, "cpu_percent": share, "rss_bytes": rss}


def _read_until(terminal: int, words: bytes, seconds: float) -> None:
    seen, end = b"", time.monotonic() + seconds
    while words not in seen:
        if time.monotonic() > end:
            raise TimeoutError(f"accel-top showed no {words!r} within {seconds} s: {seen[-500:]!r}")
        if select.select([terminal], [], [], 1)[0]:
            seen += os.read(terminal, 65536)


def _drain(terminal: int, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if select.select([terminal], [], [], left)[0]:
            os.read(terminal, 65536)


async def frames(count: int = 60) -> float:
    """Processor time of a frame in which every figure of 64 endpoints changes, in ms.

    From the picture to the screen's last byte. Pilot's own way to wait sends a message to every
    widget of the screen, which is not waited for here.
    """
    app = HandApp(steady(rack("8x8"), count + 5))
    costs = []
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        for _ in range(count):
            picture = app.hand.step()
            begin = time.thread_time()
            app.show_picture(picture)
            await _drawn(app)
            costs.append((time.thread_time() - begin) * 1000)
    return statistics.median(costs)


async def _drawn(app: App[None]) -> None:
    """Wait until everything up to now is on the screen."""
    done = asyncio.Event()
    app.call_after_refresh(done.set)
    await done.wait()


class _Peer(App[None]):
    """Textual's own table with as many lines, and half as many columns."""

    def compose(self) -> ComposeResult:
        yield DataTable()

    def on_mount(self) -> None:
        table = self.query_one(DataTable)
        self.columns = table.add_columns(*(f"column {i}" for i in range(10)))
        self.lines = [table.add_row(*("0" for _ in range(10))) for _ in range(64)]


async def peer_frames(count: int = 8) -> float:
    """The same for DataTable."""
    app = _Peer()
    costs = []
    async with app.run_test(size=SIZE) as pilot:
        await pilot.pause()
        table = app.query_one(DataTable)
        for step in range(count):
            begin = time.thread_time()
            for line in app.lines:
                for column in app.columns:
                    table.update_cell(line, column, str(step))
            await _drawn(app)
            costs.append((time.thread_time() - begin) * 1000)
    return statistics.median(costs)


def measure(seconds: float) -> dict[str, Any]:
    """All figures."""
    found: dict[str, Any] = {
        "frame_ms": asyncio.run(frames()),
        "peer_ms": asyncio.run(peer_frames()),
    }
    with RunningRack("8x8", name="top64") as running:
        found |= whole_process((*_TOP, f"rack:{running.directory.path}"), seconds)
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(RACK_OF_192)
        file.flush()
        with RunningRack(file.name, name="top192") as running:
            large = whole_process((*_TOP, f"rack:{running.directory.path}"), seconds)
    found |= {f"{key}_192": value for key, value in large.items()}
    for segments, cards, name in ((1, 8, "driver_64"), (2, 16, "driver_256")):
        with tempfile.TemporaryDirectory(prefix="axl-bench-") as folder:
            full_machine(Path(folder) / "sys", segments, cards)
            (Path(folder) / "proc").mkdir()
            seen = whole_process((*_TOP_OVER_SYSFS, folder), seconds)
        found |= {f"{key}_{name}": value for key, value in seen.items()}
    return found


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axl-bench-") as folder:
        os.environ["AXL_RUNTIME_DIR"] = folder
        print(json.dumps(measure(options.seconds)))


if __name__ == "__main__":
    main()

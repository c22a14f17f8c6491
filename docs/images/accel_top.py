# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Draw accel-top's views anew: `python docs/images/accel_top.py`.

They show real racks: programs copy on some endpoints, one is reset and one is pulled out.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pyaccel
from diag.model.rack.launch import RunningRack
from diag.topo.sources import follow
from diag.tui.app import VIEWS, TopApp
from diag.tui.collector import Collector

HERE = Path(__file__).resolve().parent
SIZES = {"2x2": (120, 30), "8x8": (200, 50)}
WARM_UP_S = 6.0


def copy(uri: str, stop: threading.Event, kib: int) -> None:
    """Copies up and down until it is told to stop."""
    # The reset ends it on one endpoint; that is what the picture is to show.
    with (
        suppress(pyaccel.errors.CommandAbortedError),
        pyaccel.open(uri) as device,
        device.queue() as queue,
    ):
        shape = (kib * 256,)
        host, memory = device.empty(shape, memory="host"), device.empty(shape)
        while not stop.wait(0.02):
            queue.copy(memory, host)
            queue.copy(host, memory)
            queue.submit().wait()


@contextmanager
def at_work(source: str) -> Iterator[None]:
    """Some endpoints are busy."""
    stop = threading.Event()
    uris = [device.uri for device in pyaccel.devices(source)]
    busy = [
        threading.Thread(target=copy, args=(uri, stop, 64 << i), daemon=True)
        for i, uri in enumerate(uris[:3])
    ]
    for each in busy:
        each.start()
    try:
        yield
    finally:
        stop.set()
        for each in busy:
            each.join()


async def draw(name: str, running: RunningRack) -> None:
    """Every view of one rack."""
    source = f"rack:{running.directory.path}"
    app = TopApp(Collector(follow(source), 0.25))
    async with app.run_test(size=SIZES[name]) as pilot:
        await pilot.pause(WARM_UP_S)
        with running.client() as client:
            client.call("endpoint.remove", endpoint=3)
            client.call("endpoint.reset", endpoint=2)
        await pilot.pause(1)
        await pilot.press("down", "down")
        for view, _ in VIEWS:
            app.action_view(view)
            await pilot.pause(0.6)
            svg = app.export_screenshot(title=f"accel-top, rack {name}")
            (HERE / f"accel-top-{view}-{name}.svg").write_text(svg, encoding="utf-8")


def main() -> None:
    """Both racks."""
    with tempfile.TemporaryDirectory(prefix="axl-") as folder:
        os.environ["AXL_RUNTIME_DIR"] = folder
        for name in SIZES:
            with RunningRack(name) as running, at_work(f"rack:{running.directory.path}"):
                asyncio.run(draw(name, running))


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top --serve, as the page in a browser talks to it."""

from __future__ import annotations

import asyncio
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import aiohttp
import pytest

from diag.model.rack.launch import RunningRack
from tests.build.browser import chromium, page_of
from tests.build.racks import runtime_directory


@contextmanager
def served(monkeypatch: pytest.MonkeyPatch, rack: str) -> Iterator[int]:
    """accel-top --serve over a running rack; its port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        command = [sys.executable, "-m", "diag.tui.cli", "--serve", str(port)]
        with RunningRack(rack), subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                asyncio.run(answers(port))
                yield port
            finally:
                server.send_signal(signal.SIGINT)


async def answers(port: int) -> None:
    """Wait until somebody listens."""
    for _ in range(200):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.1)
        else:
            writer.close()
            return
    raise AssertionError("accel-top --serve does not listen")


async def first_screen(port: int) -> tuple[str, bytes]:
    """The page, and what comes over its websocket until an endpoint is on the screen."""
    at = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        async with session.get(at) as answer:
            page = await answer.text()
        seen = b""
        async with session.ws_connect(f"{at}/ws?width=120&height=30") as sock:
            while b"ep0" not in seen or b"Filter" not in seen:
                message = await sock.receive(timeout=30)
                assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}, message
                data = message.data
                seen += data if isinstance(data, bytes) else data.encode()
    return page, seen


DRAWN = """(() => {
    const canvas = document.querySelector('.xterm-text-layer');
    const pixels = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height).data;
    return pixels.filter((value, at) => at % 4 == 1 && value > 120).length;
})()"""
"""How many pixels of the terminal are bright green, or white: letters are."""
FOCUS = "document.querySelector('.xterm-helper-textarea').focus()"


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_chromium_draws_the_screen_and_its_keys_work(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The tree is on the page, `?` opens the help, and `x` does nothing: there are no actions."""

    async def story(port: int, devtools: int) -> None:
        async with page_of(devtools, f"http://127.0.0.1:{port}/") as page:
            await page.until("ep0")
            for _ in range(100):
                if (drawn := await page.value(DRAWN)) > 3000:
                    break
                await asyncio.sleep(0.1)
            assert drawn > 3000
            await page.value(FOCUS)
            await page.press("x")
            await page.press("?")
            await page.until("of a group: its highest")
            assert "Actions" not in page.received

    with served(monkeypatch, "1x1") as port, chromium(tmp_path / "profile") as devtools:
        asyncio.run(story(port, devtools))


def test_a_browser_gets_the_live_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree of a running rack, without actions, on the loopback interface only."""
    with served(monkeypatch, "1x1") as port:
        page, seen = asyncio.run(first_screen(port))
    assert "accel-top" in page
    assert b"Actions" not in seen

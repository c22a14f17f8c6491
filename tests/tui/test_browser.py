# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top --serve, as the page in a browser talks to it."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys

import aiohttp
import pytest

from diag.model.rack.launch import RunningRack
from tests.build.racks import runtime_directory


async def first_screen(port: int) -> tuple[str, bytes]:
    """The page, and what comes over its websocket until an endpoint is on the screen."""
    at = f"http://127.0.0.1:{port}"
    async with aiohttp.ClientSession() as session:
        for _ in range(200):
            try:
                async with session.get(at) as answer:
                    page = await answer.text()
                break
            except aiohttp.ClientConnectionError:
                await asyncio.sleep(0.1)
        seen = b""
        async with session.ws_connect(f"{at}/ws?width=120&height=30") as sock:
            while b"ep0" not in seen or b"Filter" not in seen:
                message = await sock.receive(timeout=30)
                assert message.type in {aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.TEXT}, message
                data = message.data
                seen += data if isinstance(data, bytes) else data.encode()
    return page, seen


def test_a_browser_gets_the_live_screen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tree of a running rack, without actions, on the loopback interface only."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with runtime_directory() as folder:
        monkeypatch.setenv("AXL_RUNTIME_DIR", str(folder))
        command = [sys.executable, "-m", "diag.tui.cli", "--serve", str(port)]
        with RunningRack("1x1"), subprocess.Popen(command, stdout=subprocess.DEVNULL) as server:
            try:
                page, seen = asyncio.run(first_screen(port))
            finally:
                server.send_signal(signal.SIGINT)
    assert "accel-top" in page
    assert b"Actions" not in seen

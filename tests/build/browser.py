# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A headless Chromium, driven through its DevTools protocol."""

from __future__ import annotations

import asyncio
import base64
import itertools
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp

from tests.build.waiting import until

_COMMAND = (
    "chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
    "--no-first-run", "--disable-extensions", "--disable-background-networking",
    "--remote-debugging-port=0", "--window-size=1280,720",
)  # fmt: skip
"""No sandbox: it does not work as root, and only our own page is shown."""


_BINARY = 2
"""Opcode of a WebSocket frame (RFC 6455)."""


class Page:
    """One page."""

    def __init__(self, socket: aiohttp.ClientWebSocketResponse) -> None:
        self._socket = socket
        self._ids = itertools.count(1)
        self.received = ""
        """What the page's websockets got, as text."""

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the protocol; events that come meanwhile are looked at."""
        number = next(self._ids)
        await self._socket.send_json({"id": number, "method": method, "params": params})
        while True:
            message = await self._socket.receive_json(timeout=30)
            if message.get("method") == "Network.webSocketFrameReceived":
                self._receive(message["params"]["response"])
            if message.get("id") == number:
                assert "error" not in message, message
                result: dict[str, Any] = message["result"]
                return result

    def _receive(self, frame: dict[str, Any]) -> None:
        data = frame["payloadData"]
        if frame["opcode"] == _BINARY:
            data = base64.b64decode(data).decode("utf-8", "replace")
        self.received += data

    async def until(self, words: str) -> None:
        """Wait until the page got that text."""
        for _ in range(300):
            if words in self.received:
                return
            await asyncio.sleep(0.1)
            await self.value("0")  # events come with answers
        raise AssertionError(f"{words!r} never came: {self.received[-2000:]!r}")

    async def value(self, expression: str) -> Any:
        """What an expression of JavaScript is."""
        told = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return told["result"].get("value")

    async def press(self, key: str) -> None:
        """Press and release a key that writes a character."""
        await self.call("Input.dispatchKeyEvent", type="keyDown", text=key, key=key)
        await self.call("Input.dispatchKeyEvent", type="keyUp", key=key)


@contextmanager
def chromium(folder: Path) -> Iterator[int]:
    """A browser that keeps its files in `folder`; the port of its DevTools."""
    with subprocess.Popen(
        [*_COMMAND, f"--user-data-dir={folder}", "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    ) as process:  # fmt: skip
        told = folder / "DevToolsActivePort"
        try:
            assert until(lambda: told.exists() and told.read_text() != "", 60)
            yield int(told.read_text().split()[0])
        finally:
            process.kill()


@asynccontextmanager
async def page_of(port: int, url: str) -> AsyncIterator[Page]:
    """The page of a browser that has DevTools there, gone to `url`."""
    async with aiohttp.ClientSession() as session:
        async with session.get(f"http://127.0.0.1:{port}/json") as answer:
            tabs = await answer.json()
        where = next(tab["webSocketDebuggerUrl"] for tab in tabs if tab["type"] == "page")
        async with session.ws_connect(where, max_msg_size=0) as sock:
            page = Page(sock)
            await page.call("Network.enable")
            await page.call("Page.enable")
            await page.call("Page.navigate", url=url)
            yield page

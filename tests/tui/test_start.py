# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What accel-top does before its first frame, and what it leaves for later."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys

import pytest

from tests.build.samples import rack, steady
from tests.build.top import HandApp

LATER = (
    "email", "yaml", "pyaccel.device", "pyaccel.spec.regs", "diag.topo.sources.file",
    "diag.tui.dialogs", "diag.tui.help", "diag.tui.replay", "diag.tui.recording",
)  # fmt: skip
"""Slow to import; the first frame of a rack needs none of them."""


@pytest.mark.parametrize("module", ["diag.topo.sources", "diag.tui.app"])
def test_what_the_first_frame_does_not_show_is_imported_later(module: str) -> None:
    """In a fresh interpreter, with what `accel-top` itself imports."""
    program = f"import sys, diag.tui.cli, {module}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True)
    assert not set(LATER) & set(done.stdout.decode().split())


def test_garbage_is_collected_from_the_first_frame_on() -> None:
    """It is off while the application starts, when nothing is garbage yet."""

    async def run() -> None:
        gc.disable()
        async with HandApp(steady(rack(), 1)).run_test() as pilot:
            await pilot.pause()
            assert gc.isenabled()

    try:
        asyncio.run(run())
    finally:
        gc.enable()
        gc.unfreeze()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How the views look, as pictures. After a wanted change: pytest tests/tui --snapshot-update.

Pictures depend on the version of Textual, which pyproject.toml pins.
"""

from __future__ import annotations

import pytest
from textual.pilot import Pilot

from tests.build.samples import sample, troubled, with_endpoint
from tests.build.top import HandApp, ticks

SMALL, LARGE = (80, 24), (200, 60)
VIEWS = {
    "tree": ["down", "down", "down"],
    "detail": ["down", "down", "down", "enter"],
    "links": ["3"],
    "events": ["4"],
    "findings": ["5"],
    "help": ["question_mark"],
}


def app(name: str) -> HandApp:
    """A rack at work in which something happens."""
    before = troubled(name)
    after = with_endpoint(before, 2, generation=1, client_pid=99)
    return HandApp([sample(step, after if step > 20 else before) for step in range(40)])


def told(keys: list[str], theme: str = "axl-dark"):
    """Half a minute of samples, then some keys."""

    async def run(pilot: Pilot[None]) -> None:
        shown = pilot.app
        assert isinstance(shown, HandApp)
        shown.theme = theme
        await ticks(shown, pilot, 30)
        for key in keys:
            await pilot.press(key)
        await pilot.pause()

    return run


@pytest.mark.parametrize("size", [SMALL, LARGE], ids=["80x24", "200x60"])
@pytest.mark.parametrize("view", VIEWS)
def test_a_view_looks_as_it_should(snap_compare, view: str, size: tuple[int, int]) -> None:
    """Every view in a small and in a large terminal."""
    rack = "8x8" if size == LARGE else "2x2"
    assert snap_compare(app(rack), terminal_size=size, run_before=told(VIEWS[view]))


@pytest.mark.parametrize("theme", ["axl-light", "axl-mono"])
def test_a_theme_looks_as_it_should(snap_compare, theme: str) -> None:
    """Light, and without colours: what is bad is bold, underlined and in capitals."""
    assert snap_compare(app("2x2"), terminal_size=(120, 30), run_before=told([], theme))

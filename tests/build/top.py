# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top without a thread and without clocks: a test says when the next sample comes."""

from __future__ import annotations

from collections.abc import Iterable

from textual.pilot import Pilot

from diag.topo.sampling import Sample
from diag.tui.app import TopApp
from diag.tui.collector import Collector, Tell
from diag.tui.cost import CostMeter
from diag.tui.header import Cost
from tests.build.samples import Script


class HandCollector(Collector):
    """Collects when `tick` is called."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        super().__init__(Script(*samples), 1.0)
        self.tell: Tell | None = None

    def start(self, tell: Tell) -> None:
        """Remember whom to tell, and take the first sample."""
        self.tell = tell
        self.tick()

    def tick(self) -> None:
        """One sample."""
        assert self.tell is not None
        self.tell(self.step())


class FixedCost(CostMeter):
    """Costs nothing that changes from run to run."""

    def look(self) -> Cost:
        """Always the same."""
        return Cost(1.5, 48_000_000, 2.5)


class HandApp(TopApp):
    """The application over a HandCollector."""

    def __init__(self, samples: Iterable[Sample], **options: object) -> None:
        self.hand = HandCollector(samples)
        super().__init__(self.hand, **options)
        self._meter = FixedCost()
        self.animation_level = "none"


def screen_lines(app: TopApp) -> list[str]:
    """What is on the screen, line by line."""
    return [strip.text.rstrip() for strip in app.screen._compositor.render_strips()]


async def ticks(app: HandApp, pilot: Pilot[None], count: int = 1) -> list[str]:
    """Take that many samples and return what is on the screen then."""
    for _ in range(count):
        app.hand.tick()
        await pilot.pause()
    return screen_lines(app)

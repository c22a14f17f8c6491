# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Takes samples in a thread of its own, so that no device can hold up the screen."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

from diag.topo.sampling import Sample, Sampler
from diag.tui.picture import Painter, Picture

Tell = Callable[[Picture | Exception], None]
"""Gets each picture; an exception is a fault of ours, and the last thing that it gets."""


class Keeper(Protocol):
    """Takes every sample, as a recording does."""

    def add(self, sample: Sample) -> None:
        """The next sample."""


class Collector:
    """Samples at a steady rhythm; a slow answer delays the next one and nothing else.

    Args:
        sampler: what to ask; it never fails and never blocks for long (see Follower).
        interval_s: from one request to the next.
        keeper: gets every sample.
    """

    def __init__(
        self, sampler: Sampler, interval_s: float = 1.0, keeper: Keeper | None = None
    ) -> None:
        self.name = sampler.name
        self.painter = Painter()
        self.interval_s = interval_s
        self._sampler = sampler
        self._keeper = keeper
        self._stop = threading.Event()
        self._soon = threading.Event()
        self._thread: threading.Thread | None = None

    def start(self, tell: Tell) -> None:
        """Begin; `tell` is called in the collector's thread."""
        self._thread = threading.Thread(
            target=self._run, args=(tell,), name="collector", daemon=True
        )
        self._thread.start()

    def stop(self) -> None:
        """End; a request that is under way is not waited for."""
        self._stop.set()
        self._soon.set()

    def hurry(self) -> None:
        """Take the next sample at once."""
        self._soon.set()

    def step(self) -> Picture:
        """One sample."""
        sample = self._sampler.sample()
        if self._keeper is not None:
            self._keeper.add(sample)
        return self.painter.add(sample)

    def _run(self, tell: Tell) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            try:
                told: Picture | Exception = self.step()
            except Exception as error:  # noqa: BLE001 - raised again in the main thread
                told = error
            if self._stop.is_set():
                return
            tell(told)
            if isinstance(told, Exception):
                return
            # Intervals that were missed are not made up for.
            due = max(due + self.interval_s, time.monotonic())
            self._soon.wait(max(0.0, due - time.monotonic()))
            self._soon.clear()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples that always come, and in time, whatever becomes of the source."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

from diag.topo.presence import Presence
from diag.topo.protocol import SourceError
from diag.topo.sampling import Sample, Sampler

PATIENCE_S: Final = 1.0
"""How long one sample may take before everything is shown as stale."""
FIRST_PATIENCE_S: Final = 5.0
"""The first one reads more, and there is nothing yet that could be shown in its place."""


class Follower:
    """A Sampler that neither fails nor waits for longer than its patience.

    A source that gives no answer in time makes everything *stale*, one that fails makes it
    *gone*, and what has left the tree stays in it as *gone* (see `Presence`). One thread does
    the asking; while it waits for a late answer nothing else is asked.

    Args:
        sampler: who is asked.
        patience_s: how long an answer may take.
        first_patience_s: how long until the first one.
    """

    def __init__(
        self,
        sampler: Sampler,
        patience_s: float = PATIENCE_S,
        first_patience_s: float = FIRST_PATIENCE_S,
    ) -> None:
        self.name = sampler.name
        self._sampler = sampler
        self._patience_s = patience_s
        self._next_patience_s = first_patience_s
        self._presence = Presence(sampler.name)
        self._asking: _Asking | None = None

    def sample(self) -> Sample:
        """The rack as it is now, or why that is not known."""
        asking = self._asking or _Asking(self._sampler.sample)
        patience_s, self._next_patience_s = self._next_patience_s, self._patience_s
        if not asking.done.wait(patience_s):
            self._asking = asking
            reason = f"{self.name}: no answer for {asking.age_s():.1f} s"
            return self._presence.silent(reason, time.monotonic_ns(), time.time_ns())
        self._asking = None
        try:
            return self._presence.answered(asking.answer())
        except SourceError as error:
            return self._presence.failed(str(error), time.monotonic_ns(), time.time_ns())


class _Asking:
    """One question, asked by a thread that may be left behind.

    Args:
        ask: what to call.
    """

    def __init__(self, ask: Callable[[], Sample]) -> None:
        self.done = threading.Event()
        self._sample: Sample | None = None
        self._error: Exception | None = None
        self._ask = ask
        self._since = time.monotonic()
        threading.Thread(target=self._run, name="accel-sample", daemon=True).start()

    def age_s(self) -> float:
        """How long ago it was asked."""
        return time.monotonic() - self._since

    def answer(self) -> Sample:
        """What was said, once it is `done`; raises what the question raised."""
        if self._sample is None:
            raise self._error or SourceError("no answer")
        return self._sample

    def _run(self) -> None:
        try:
            self._sample = self._ask()
        except Exception as error:  # noqa: BLE001 - raised again where somebody can see it
            self._error = error
        self.done.set()

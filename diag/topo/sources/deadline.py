# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Work that may hang, done by threads that can be left behind."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

_THREADS: Final = 8
_HELP_AFTER_S: Final = 0.05
"""One thread is quickest at what answers at once; what takes longer gets another one each time."""


def run_all(jobs: Sequence[Callable[[], None]], patience_s: float) -> None:
    """Run jobs, several at once where they are slow; give up when none has ended for that long.

    What is still at work then is left behind, since a system call cannot be interrupted: a job
    must not be given again while it runs.
    """
    if not jobs:
        return
    work = _Work(jobs)
    work.start_thread()
    ended, quiet_since = 0, time.monotonic()
    while not work.all_ended.wait(min(_HELP_AFTER_S, patience_s)):
        now = time.monotonic()
        if work.ended_count() > ended:
            ended, quiet_since = work.ended_count(), now
        elif now - quiet_since >= patience_s:
            work.give_up()
            return
        work.start_thread()


class _Work:
    """Jobs and the threads that share them; both deques are safe to use from any thread."""

    def __init__(self, jobs: Sequence[Callable[[], None]]) -> None:
        self.all_ended = threading.Event()
        self._waiting = deque(jobs)
        self._ended: deque[None] = deque()
        self._count = len(jobs)
        self._threads = 0

    def ended_count(self) -> int:
        """Jobs that are over."""
        return len(self._ended)

    def give_up(self) -> None:
        """Begin nothing more."""
        self._waiting.clear()

    def start_thread(self) -> None:
        """One more, if there is anything left for it to do."""
        if self._waiting and self._threads < _THREADS:
            self._threads += 1
            threading.Thread(target=self._run, name="accel-ask", daemon=True).start()

    def _run(self) -> None:
        while True:
            try:
                job = self._waiting.popleft()
            except IndexError:
                return
            try:
                job()
            finally:
                self._ended.append(None)
                if len(self._ended) == self._count:
                    self.all_ended.set()

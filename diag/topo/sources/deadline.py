# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Work that may hang, done by threads that can be left behind."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from typing import Final

_THREADS: Final = 8


def run_all(jobs: Sequence[Callable[[], None]], patience_s: float) -> None:
    """Run jobs, several at once; give up when none has ended for that long.

    What is still at work then is left behind, since a system call cannot be interrupted: a job
    must not be given again while it runs.
    """
    waiting: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
    done: queue.SimpleQueue[None] = queue.SimpleQueue()
    for job in jobs:
        waiting.put(job)

    def work() -> None:
        while True:
            try:
                job = waiting.get_nowait()
            except queue.Empty:
                return
            try:
                job()
            finally:
                done.put(None)

    for _ in range(min(_THREADS, len(jobs))):
        threading.Thread(target=work, name="accel-ask", daemon=True).start()
    for _ in jobs:
        try:
            done.get(timeout=patience_s)
        except queue.Empty:
            return

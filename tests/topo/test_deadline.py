# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Jobs that hang, and jobs that are merely slow."""

from __future__ import annotations

import threading

from diag.topo.sources.deadline import run_all


def test_slow_jobs_get_more_threads() -> None:
    """Three that wait for each other end, which one thread could not do."""
    barrier = threading.Barrier(3, timeout=30)
    ended: list[int] = []
    run_all([lambda: ended.append(barrier.wait())] * 3, 60)
    assert sorted(ended) == [0, 1, 2]


def test_nothing_is_begun_after_giving_up() -> None:
    """What hangs is left behind; when it ends at last, the rest is not run behind our back."""
    go, begun = threading.Event(), []
    run_all([lambda: go.wait(60) and None] * 9 + [lambda: begun.append("late")] * 3, 0.6)
    go.set()
    for thread in threading.enumerate():
        if thread.name == "accel-ask":
            thread.join(60)
    assert begun == []


def test_no_jobs_take_no_thread() -> None:
    """Nor any time."""
    before = threading.active_count()
    run_all([], 60)
    assert threading.active_count() == before

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What tells a file of completions and of what happens to its endpoint."""

from __future__ import annotations

import os
import signal
import threading
import time
from typing import Any

from tests.linux.checks.common import holding, is_told, open_at, queue_stats, unbound
from tests.linux.results import Results
from tests.linux.session import Work, copy, nop

QUEUE_EVENT_FD = 1
NO_INTERRUPT = 2


def events(bdf: str) -> dict[str, Any]:
    """An eventfd of a queue: told when a command ends, not before, and when it is reset."""
    event = os.eventfd(0)
    work = Work(open_at(bdf), flags=QUEUE_EVENT_FD, event_fd=event)
    shown = Results(work)
    early = is_told(event, 0)
    sequence, release = holding(work)
    waiting = is_told(event, 0.3)
    release()
    ended = is_told(event)
    # Told after it can be seen: no wait has looked for it.
    visible = shown.of(sequence) is not None
    holding(work)
    work.accel.do("queue_reset", queue_id=work.queue)
    return {
        "early": early,
        "waiting": waiting,
        "ended": ended,
        "visible": visible,
        "reset": is_told(event),
        "bad": work.accel.attempt(
            "queue_create", context_id=work.context, flags=QUEUE_EVENT_FD, event_fd=999
        )[0],
    }


def quiet(bdf: str) -> dict[str, Any]:
    """Batches without an interrupt: they end when somebody waits, or with a later one."""
    work = Work(open_at(bdf), slots_log2=4)
    shown = Results(work)
    alone, _ = work.wait(work.submit(nop() * 4, flags=NO_INTERRUPT))
    before = queue_stats(work)
    work.submit(nop() * 2, flags=NO_INTERRUPT)
    together, _ = work.wait(work.submit(nop() * 2))
    # Far more than the ring holds: who waits for room is woken by one per half ring.
    for _ in range(16):
        work.submit(nop() * 4, flags=NO_INTERRUPT)
    full, made = work.wait(work.submit(nop(), flags=NO_INTERRUPT))
    return {
        "waits": [alone, together, full],
        "interrupts": before["interrupts"],
        "missed": queue_stats(work)["missed_interrupts"],
        "ended": [made.ended_sequence, shown.head().ended_sequence],
    }


def missed_interrupt(bdf: str) -> dict[str, Any]:
    """A command whose interrupt a fault swallows while a waiter sleeps."""
    work = Work(open_at(bdf))
    sequence, release = holding(work)
    timer = threading.Timer(0.5, release)
    timer.start()
    status, _ = work.wait(sequence)
    timer.join()
    return {"status": status, "missed": queue_stats(work)["missed_interrupts"]}


def notified(bdf: str) -> dict[str, Any]:
    """What an eventfd of a file is told of; the newest one counts, -1 ends it."""
    accel = open_at(bdf)
    old, new = os.eventfd(0), os.eventfd(0)
    accel.do("notify", event_fd=old)
    accel.do("notify", event_fd=new)
    early = is_told(new, 0)
    work = Work(open_at(bdf))
    work.run(copy(1 << 47, 1 << 46, 64))
    error = is_told(new)
    accel.do("reset", kind=1)
    reset = is_told(new)
    accel.do("notify", event_fd=-1)
    accel.do("reset", kind=1)
    ended = is_told(new, 0)
    accel.do("notify", event_fd=new)
    with unbound(bdf):
        removed = is_told(new)
    return {
        "early": early,
        "error": error,
        "reset": reset,
        "ended": ended,
        "removed": removed,
        "old": is_told(old, 0),
    }


def signals(bdf: str) -> dict[str, Any]:
    """A wait under a rain of signals: restarted to its deadline, or cut short with EINTR."""
    work = Work(open_at(bdf))
    sequence, release = holding(work)
    signal.signal(signal.SIGALRM, lambda *_: None)
    signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
    signal.siginterrupt(signal.SIGALRM, False)
    before = time.monotonic()
    restarted = work.wait(sequence, timeout_s=1.0)[0]
    whole = time.monotonic() - before >= 1.0
    signal.siginterrupt(signal.SIGALRM, True)
    interrupted = work.wait(sequence)[0]
    signal.setitimer(signal.ITIMER_REAL, 0)
    release()
    return {
        "restarted": restarted,
        "whole": whole,
        "interrupted": interrupted,
        "after": work.wait(sequence)[0],
    }


CHECKS = (events, quiet, missed_interrupt, notified, signals)

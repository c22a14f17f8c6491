# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The event loop: readers, edges, pauses and timers."""

from __future__ import annotations

import os
import select
from collections.abc import Iterator
from typing import Any

import pytest

from diag.model import loop as loop_module
from diag.model.loop import Loop


@pytest.fixture
def loop() -> Iterator[Loop]:
    """A loop."""
    made = Loop()
    yield made
    made.close()


@pytest.fixture
def event() -> Iterator[int]:
    """A non-blocking eventfd."""
    fd = os.eventfd(0, os.EFD_NONBLOCK)
    yield fd
    os.close(fd)


def turn(loop: Loop, delay_ns: int = 2_000_000) -> None:
    """Run the loop for a moment."""
    loop.call_later(delay_ns, loop.stop)
    loop.run()


def test_an_edge_is_told_once_and_a_level_again(loop: Loop, event: int) -> None:
    """An eventfd that nobody reads rings once per write with `edge`, for ever without."""
    calls: list[str] = []
    other = os.dup(event)
    loop.add_reader(event, lambda: calls.append("edge"), edge=True)
    loop.add_reader(other, lambda: calls.append("level"))
    os.eventfd_write(event, 1)
    turn(loop)
    assert calls.count("edge") == 1
    assert calls.count("level") > 1
    loop.remove_reader(other)
    os.close(other)
    os.eventfd_write(event, 1)
    turn(loop)
    assert calls.count("edge") == 2


def test_a_paused_reader_is_quiet_until_its_time(loop: Loop, event: int) -> None:
    """What is readable during a pause is told after it; a reader removed meanwhile is not."""
    calls: list[int] = []

    def told() -> None:
        calls.append(os.eventfd_read(event))

    loop.add_reader(event, told)
    os.eventfd_write(event, 7)
    loop.pause_reader(event, 4_000_000)
    turn(loop, 1_000_000)
    assert calls == []
    turn(loop, 8_000_000)
    assert calls == [7]
    loop.pause_reader(event, 1_000_000)
    loop.remove_reader(event)
    os.eventfd_write(event, 1)
    turn(loop)
    assert calls == [7]


def test_timers_run_in_order_and_not_when_cancelled(loop: Loop) -> None:
    """By due time, equal ones as they were made."""
    calls: list[str] = []
    loop.call_later(300_000, lambda: calls.append("late"))
    loop.call_later(0, lambda: calls.append("first"))
    loop.call_later(0, lambda: calls.append("second"))
    loop.call_later(100_000, lambda: calls.append("never")).cancel()
    turn(loop)
    assert calls == ["first", "second", "late"]


def test_a_short_timer_is_waited_for_in_microseconds(
    loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Epoll alone would make a millisecond of 200 microseconds."""
    asked: list[float] = []
    real = select.select

    def noted(*lists: Any) -> Any:
        asked.append(lists[3])
        return real(*lists)

    monkeypatch.setattr(loop_module.select, "select", noted)
    turn(loop, 200_000)
    assert asked
    assert all(0 < seconds <= 200e-6 for seconds in asked)


def test_a_reader_ends_the_wait_for_a_timer(loop: Loop, event: int) -> None:
    """A timer that is far away does not delay a descriptor."""
    loop.add_reader(event, loop.stop)
    timer = loop.call_later(3_600_000_000_000, loop.stop)
    os.eventfd_write(event, 1)
    loop.run()
    assert timer.callback is not None


class CountedEpoll:
    """Stands for the epoll descriptor: finds what it is told to, and counts the looks."""

    def __init__(self, found: list[tuple[int, int]]) -> None:
        self.found = found
        self.looks = 0

    def poll(self, _timeout_s: float) -> list[tuple[int, int]]:
        """One look."""
        self.looks += 1
        return self.found


def looks_before_sleeping(found: list[tuple[int, int]], doorbells: int, rung: bool = True) -> int:
    """How often a loop looks on before it sleeps, for so many doorbells."""
    epoll = CountedEpoll(found)
    loop = Loop()
    loop.close()
    loop._epoll = epoll
    loop._running = True
    for _ in range(doorbells):
        loop._rung = rung
        loop._linger()
    return epoll.looks


def test_loop_without_doorbells_sleeps_at_once() -> None:
    """Looking on before sleeping is for doorbells only: an idle loop costs nothing."""
    assert looks_before_sleeping([], 100, rung=False) == 0


def test_doorbells_that_come_soon_are_always_waited_for() -> None:
    """While the next doorbell comes within the time, the loop does not sleep."""
    assert looks_before_sleeping([(3, 1)], 100) == 100


def test_doorbells_that_come_late_are_rarely_waited_for(monkeypatch) -> None:
    """Lingering that does not pay stops, and is tried again only every 32 doorbells."""
    monkeypatch.setattr(loop_module, "_LINGER_NS", 0)

    assert looks_before_sleeping([], 1 + 64) == 3


def test_loop_lingers_after_an_edge_only(loop: Loop, event: int) -> None:
    """A level-triggered descriptor does not make the loop look on; a doorbell does."""
    seen: list[bool] = []
    loop.add_reader(event, lambda: (os.eventfd_read(event), loop.stop()))
    os.eventfd_write(event, 1)
    loop.run()
    seen.append(loop._rung)
    loop.remove_reader(event)
    loop.add_reader(event, loop.stop, edge=True)
    os.eventfd_write(event, 1)
    loop.run()
    seen.append(loop._rung)

    assert seen == [False, True]

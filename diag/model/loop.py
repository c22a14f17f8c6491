# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A small event loop: file descriptors and timers, one thread.

asyncio is not used on this path because its per-wake cost is a large part of the
round trip of a nop (measured in docs/notes/embedded-latency.md).
"""

from __future__ import annotations

import heapq
import itertools
import os
import select
import time
from collections.abc import Callable
from typing import Final

_SELECT_FDS: Final = 1024
"""Descriptors that select takes (FD_SETSIZE)."""
_LINGER_NS: Final = 100_000
"""Longer than a host takes to answer a completion with the next doorbell."""
_LINGER_CREDIT: Final = 8
"""How many doorbells in time pay for a late one (which costs two)."""
_LINGER_PROBE: Final = 32
"""Without credit, every so many doorbells it is tried again."""


class Timer:
    """A callback due at `due_ns`; `cancel()` makes it never run."""

    __slots__ = ("callback", "due_ns")

    def __init__(self, due_ns: int, callback: Callable[[], None]) -> None:
        self.due_ns = due_ns
        self.callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        """Never run the callback; harmless after it ran."""
        self.callback = None


class Loop:
    """Waits for readable descriptors and due timers, and calls their callbacks."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._readers: dict[int, Callable[[], None]] = {}
        self._timers: list[tuple[int, int, Timer]] = []
        self._order = itertools.count()
        self._running = False
        self._edges: set[int] = set()
        self._rung = False
        self._credit = 1
        self._slept = 0

    def add_reader(self, fd: int, callback: Callable[[], None], *, edge: bool = False) -> None:
        """Call `callback` whenever `fd` is readable or hung up.

        With `edge` only when it became readable or more arrived, which every write to an
        eventfd does: it need not be read then.
        """
        self._readers[fd] = callback
        self._epoll.register(fd, select.EPOLLIN | (select.EPOLLET if edge else 0))
        if edge:
            self._edges.add(fd)

    def remove_reader(self, fd: int) -> None:
        """Forget `fd`; to be called before the descriptor is closed."""
        if self._readers.pop(fd, None) is not None:
            self._epoll.unregister(fd)
            self._edges.discard(fd)

    def pause_reader(self, fd: int, delay_ns: int) -> None:
        """Do not look at a level-triggered `fd` for a while: what it announces must wait."""
        callback = self._readers[fd]
        self._epoll.modify(fd, 0)

        def resume() -> None:
            if self._readers.get(fd) is callback:
                self._epoll.modify(fd, select.EPOLLIN)

        self.call_later(delay_ns, resume)

    def call_later(self, delay_ns: int, callback: Callable[[], None]) -> Timer:
        """Call `callback` once, at the earliest `delay_ns` from now."""
        timer = Timer(time.monotonic_ns() + delay_ns, callback)
        heapq.heappush(self._timers, (timer.due_ns, next(self._order), timer))
        return timer

    def run(self) -> None:
        """Serve until `stop()`."""
        self._running = True
        readers = self._readers
        poll = self._epoll.poll
        while self._running:
            for fd, _ in self._linger() or poll(self._wait_s()):
                if fd in self._edges:
                    self._rung = True
                # A callback may have removed a descriptor that is later in this batch.
                callback = readers.get(fd)
                if callback is not None:
                    callback()
            if self._timers:
                self._run_timers()

    def stop(self) -> None:
        """Leave `run()` after the current callback."""
        self._running = False

    def close(self) -> None:
        """Give the epoll descriptor back."""
        self._epoll.close()

    def _linger(self) -> list[tuple[int, int]]:
        """Look for the next doorbell for a moment before sleeping, while that pays.

        Waking a sleeper on an idle processor costs more than a nop does. Only after a
        doorbell, only while the last ones came soon; an idle loop sleeps at once.
        """
        if not self._rung or self._timers or not self._running:
            return []
        self._rung = False
        if self._credit <= 0:
            self._slept += 1
            if self._slept < _LINGER_PROBE:
                return []
            self._slept = 0
        end_ns = time.monotonic_ns() + _LINGER_NS
        while True:
            ready = self._epoll.poll(0)
            if ready:
                self._credit = min(self._credit + 1, _LINGER_CREDIT)
                return ready
            if time.monotonic_ns() >= end_ns:
                self._credit = max(self._credit - 2, 0)
                return []
            # The one who rings may be waiting for this very processor.
            os.sched_yield()

    def _wait_s(self) -> float:
        if not self._running:
            return 0
        while self._timers and self._timers[0][2].callback is None:
            heapq.heappop(self._timers)
        if not self._timers:
            return -1
        left_s = (self._timers[0][0] - time.monotonic_ns()) / 1e9
        if left_s <= 0:
            return 0
        if self._epoll.fileno() >= _SELECT_FDS:
            return left_s
        # epoll waits in whole milliseconds, select in microseconds, and also for an epoll.
        select.select([self._epoll], [], [], left_s)
        return 0

    def _run_timers(self) -> None:
        now = time.monotonic_ns()
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            callback, timer.callback = timer.callback, None
            if callback is not None:
                callback()

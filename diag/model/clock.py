# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The device clock: 100 MHz nominal, with its own drift, in ticks since power-on."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

FREQUENCY_HZ: Final = 100_000_000
"""Nominal frequency, as CLOCK.FREQUENCY reports it."""
_BILLION: Final = 1_000_000_000
_SCALE: Final = _BILLION * (_BILLION // FREQUENCY_HZ)


class DeviceClock:
    """Converts CLOCK_MONOTONIC to device ticks.

    Args:
        offset_ppm: how much faster than nominal the oscillator runs, in parts per million.
        now_ns: CLOCK_MONOTONIC; tests give their own.
    """

    __slots__ = ("_numerator", "_start_ns", "now_ns")

    def __init__(
        self, offset_ppm: float = 0.0, now_ns: Callable[[], int] = time.monotonic_ns
    ) -> None:
        # Integers throughout: a float would lose single ticks after some months of uptime.
        self._numerator = _BILLION + round(offset_ppm * 1000)
        self.now_ns = now_ns
        self._start_ns = now_ns()

    def ticks(self) -> int:
        """Ticks since power-on."""
        return (self.now_ns() - self._start_ns) * self._numerator // _SCALE

    def ticks_at(self, monotonic_ns: int) -> int:
        """Ticks at a CLOCK_MONOTONIC time that is not before power-on."""
        return (monotonic_ns - self._start_ns) * self._numerator // _SCALE

    def spans(self, first_ns: int, second_ns: int, third_ns: int) -> tuple[int, int, int]:
        """Ticks at the first time, and from there to the second and to the third."""
        start, numerator = self._start_ns, self._numerator
        first = (first_ns - start) * numerator // _SCALE
        return (
            first,
            (second_ns - start) * numerator // _SCALE - first,
            (third_ns - start) * numerator // _SCALE - first,
        )

    def elapsed_ns(self) -> int:
        """Host nanoseconds since power-on."""
        return self.now_ns() - self._start_ns

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Telemetry: sampled when read, so that an idle endpoint does no work.

Temperature and power follow utilisation with the time constant of a heat sink, from a
base that differs a little between cards (by seed).
"""

from __future__ import annotations

import math
import random
from typing import Final

from diag.model.clock import DeviceClock

IDLE_MILLICELSIUS: Final = 40_000
LOAD_MILLICELSIUS: Final = 35_000
IDLE_MILLIWATT: Final = 12_000
LOAD_MILLIWATT: Final = 63_000
CLOCK_KHZ: Final = 1_000_000
HEARTBEAT_NS: Final = 100_000_000
_SPREAD: Final = 0.03
_BUCKET_NS: Final = 100_000_000
_BUCKETS: Final = 10
_HEAT_TIME_CONSTANT_NS: Final = 8e9


class Utilisation:
    """Busy time over the last second, in ten buckets."""

    def __init__(self) -> None:
        self._busy_ns = [0] * _BUCKETS
        self._newest = 0

    def add(self, begin_ns: int, end_ns: int) -> None:
        """The engine was busy from `begin_ns` to `end_ns`; times never go back."""
        while begin_ns < end_ns:
            bucket = begin_ns // _BUCKET_NS
            stop = min(end_ns, (bucket + 1) * _BUCKET_NS)
            self._advance(bucket)
            self._busy_ns[bucket % _BUCKETS] += stop - begin_ns
            begin_ns = max(stop, end_ns - _BUCKETS * _BUCKET_NS)

    def permille(self, now_ns: int) -> int:
        """Share of the last second, in 1/1000."""
        self._advance(now_ns // _BUCKET_NS)
        window_ns = (_BUCKETS - 1) * _BUCKET_NS + now_ns % _BUCKET_NS
        return min(1000, sum(self._busy_ns) * 1000 // window_ns)

    def _advance(self, bucket: int) -> None:
        for empty in range(max(self._newest + 1, bucket - _BUCKETS + 1), bucket + 1):
            self._busy_ns[empty % _BUCKETS] = 0
        self._newest = max(self._newest, bucket)


class Sensors:
    """Values of the telemetry block that come from no counter.

    Args:
        clock: device clock; its CLOCK_MONOTONIC is used.
        seed: which card this is; equal seeds give equal values at equal load.
    """

    def __init__(self, clock: DeviceClock, seed: int) -> None:
        self._clock = clock
        self._scale = 1 + random.Random(seed).uniform(-_SPREAD, _SPREAD)  # noqa: S311 - no secret
        self._heat = 0.0
        self._heat_ns = clock.now_ns()
        self.utilisation = Utilisation()
        self.heartbeat_stopped: int | None = None
        """What HEARTBEAT stays at, None while the firmware lives."""

    def load_permille(self) -> int:
        """UTILISATION."""
        return self.utilisation.permille(self._clock.now_ns())

    def millicelsius(self) -> int:
        """TEMPERATURE."""
        self._warm()
        return round(IDLE_MILLICELSIUS * self._scale + LOAD_MILLICELSIUS * self._heat)

    def milliwatt(self) -> int:
        """POWER: follows the load at once, and leakage follows heat."""
        self._warm()
        load = 0.9 * self.load_permille() / 1000 + 0.1 * self._heat
        return round(IDLE_MILLIWATT * self._scale + LOAD_MILLIWATT * load)

    def heartbeat(self) -> int:
        """HEARTBEAT."""
        if self.heartbeat_stopped is not None:
            return self.heartbeat_stopped
        return self._clock.elapsed_ns() // HEARTBEAT_NS & 0xFFFFFFFF

    def _warm(self) -> None:
        now = self._clock.now_ns()
        share = 1 - math.exp((self._heat_ns - now) / _HEAT_TIME_CONSTANT_NS)
        self._heat += (self.load_permille() / 1000 - self._heat) * share
        self._heat_ns = now

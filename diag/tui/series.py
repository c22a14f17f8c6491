# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What endpoints did over time: rates between samples, and the last minutes of each. Pure."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from diag.topo.sampling import Queue, Sample, Telemetry
from diag.tui.latencies import Captured

KEPT: Final = 300
"""Samples that a sparkline can look back."""

COUNTERS: Final = {
    "h2d": "bytes_host_to_device",
    "d2h": "bytes_device_to_host",
    "d2d": "bytes_device_to_device",
    "p2p": "bytes_peer",
    "commands": "commands_finished_count",
}
"""Rates by name, and the counter that each comes from."""

GAUGES: Final = {
    "util": "utilisation_permille",
    "temp": "temperature_millicelsius",
    "power": "power_milliwatt",
}
"""Readings that have a history, by name."""

PENDING: Final = "pending"
NAMES: Final = (*COUNTERS, *GAUGES, PENDING)

Values = Mapping[str, float | None]


@dataclass(frozen=True, slots=True)
class _Last:
    """What a rate is computed from."""

    time_ns: int
    telemetry: Telemetry
    completions: Mapping[int, int | None]
    """By number of the queue."""


class Series:
    """The newest values of one figure; unknown ones are kept as unknown."""

    __slots__ = ("_next", "_values")

    def __init__(self, kept: int = KEPT) -> None:
        self._values = array("f", [math.nan]) * kept
        self._next = 0

    def add(self, value: float | None) -> None:
        """The next value; the oldest is forgotten."""
        self._values[self._next] = math.nan if value is None else value
        self._next = (self._next + 1) % len(self._values)

    def newest(self, count: int) -> list[float | None]:
        """At most that many values, oldest first."""
        ordered = [*self._values[self._next :], *self._values[: self._next]]
        return [None if math.isnan(value) else value for value in ordered[-count:]]


class History:
    """Rates and series of every endpoint of a rack, by its identity or bus address."""

    def __init__(self, kept: int = KEPT) -> None:
        self._kept = kept
        self._last: dict[str, _Last] = {}
        self._series: dict[str, dict[str, Series]] = {}
        self._queue_rates: dict[str, dict[int, float | None]] = {}
        self.captured: Captured | None = None
        """What the last capture from the screen told."""

    def add(self, sample: Sample) -> dict[int, Values]:
        """The values of a sample by endpoint number; rates are None without an earlier one."""
        return {
            endpoint.n: self._add(endpoint.key, sample, endpoint.n)
            for endpoint in sample.rack.endpoints
        }

    def newest(self, name: str, figure: str, count: int) -> list[float | None]:
        """The series of a figure of the endpoint of that name."""
        series = self._series.get(name, {}).get(figure)
        return [] if series is None else series.newest(count)

    def queue_rates(self, name: str) -> Mapping[int, float | None]:
        """Completions per second by queue of the endpoint of that name, in the newest sample."""
        return self._queue_rates.get(name, {})

    def _add(self, name: str, sample: Sample, n: int) -> Values:
        readings = sample.readings.get(n)
        telemetry = Telemetry() if readings is None else readings.telemetry
        queues = () if readings is None or readings.queues is None else readings.queues
        completions = {queue.number: queue.completions_count for queue in queues}
        now, before = _Last(sample.time_ns, telemetry, completions), self._last.get(name)
        values: dict[str, float | None] = _rates(before, now)
        self._queue_rates[name] = _queue_rates(before, now)
        for gauge, member in GAUGES.items():
            values[gauge] = getattr(telemetry, member)
        values[PENDING] = _pending(None if readings is None else readings.queues)
        self._last[name] = now
        series = self._series.setdefault(name, {})
        for figure, value in values.items():
            if figure not in series:
                series[figure] = Series(self._kept)
            series[figure].add(value)
        return values


def _pending(queues: Iterable[Queue] | None) -> int | None:
    if queues is None:
        return None
    counts = [queue.pending_slots for queue in queues]
    return None if None in counts else sum(count for count in counts if count is not None)


def _rates(before: _Last | None, now: _Last) -> dict[str, float | None]:
    if before is None:
        return dict.fromkeys(COUNTERS)
    ns = now.time_ns - before.time_ns
    return {
        name: _rate(getattr(before.telemetry, member), getattr(now.telemetry, member), ns)
        for name, member in COUNTERS.items()
    }


def _queue_rates(before: _Last | None, now: _Last) -> dict[int, float | None]:
    """A queue that was made anew counts from zero: like a counter that went back."""
    if before is None:
        return dict.fromkeys(now.completions)
    ns = now.time_ns - before.time_ns
    return {
        number: _rate(before.completions.get(number), count, ns)
        for number, count in now.completions.items()
    }


def _rate(old: int | None, new: int | None, ns: int) -> float | None:
    """Per second; None where there is nothing to compare with, or the counter went back."""
    if old is None or new is None or new < old or ns <= 0:
        return None
    return (new - old) * 1e9 / ns

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples of racks that nobody runs, with a clock that only goes on when it is told to."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from functools import cache
from typing import Any

from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import Placement
from diag.model.rack.spec import load_rack
from diag.topo.model import Aer, Rack
from diag.topo.sampling import Queue, Readings, Sample, Telemetry
from diag.topo.sources.rack import ports_of, rack_of

WALL_NS = 1_767_225_600_000_000_000
"""Midnight before 2026 began, UTC."""
BYTES_A_STEP = 40_000_000


@cache
def _placement(name: str) -> Placement:
    return enumerate_rack(load_rack(name))


def row(n: int, **changes: Any) -> dict[str, Any]:
    """What a healthy endpoint says of itself."""
    return {
        "n": n,
        "state": "online",
        "reason": None,
        "generation": 0,
        "address": {"state": "committed", "reason": None, "generation": 1},
        "client_pid": None,
        "aer": {"correctable": 0, "nonfatal": 0, "fatal": 0},
        **changes,
    }


def rack(name: str = "2x2", **changes: dict[str, Any]) -> Rack:
    """A shipped rack, everything online; `ep1={"state": "gone"}` changes an endpoint's row."""
    placement = _placement(name)
    rows = {e.n: row(e.n, **changes.get(f"ep{e.n}", {})) for e in placement.endpoints}
    made = rack_of(f"rack:{name}", placement, ports_of(placement), rows, None)
    return dataclasses.replace(made, name=name)


def readings(n: int, step: int) -> Readings:
    """A busy endpoint after so many steps; each is a little different."""
    moved = step * BYTES_A_STEP * (n + 1)
    return Readings(
        telemetry=Telemetry(
            temperature_millicelsius=41_000 + 900 * n + 100 * (step % 7),
            power_milliwatt=20_000 + 500 * n,
            clock_khz=1_000_000,
            utilisation_permille=min(1000, 100 * (n % 8) + 30 * (step % 5)),
            memory_corrected_count=0,
            memory_uncorrected_count=0,
            bytes_host_to_device=moved,
            bytes_device_to_host=moved // 2,
            bytes_device_to_device=moved // 4,
            bytes_peer=0,
            heartbeat_count=10 * step,
            commands_finished_count=step * 1500 * (n + 1),
        ),
        queues=(Queue(0, "ready", 256, n % 5, step * 100, step * 90, step * 40),),
        reset_cause="power_on",
    )


def sample(step: int, made: Rack | None = None, **changes: Any) -> Sample:
    """The sample of second `step`."""
    made = made or rack()
    base = Sample(
        time_ns=(step + 1) * 1_000_000_000,
        wall_ns=WALL_NS + step * 1_000_000_000,
        rack=made,
        readings={
            e.n: readings(e.n, step) for e in made.endpoints if e.health in {"online", "wedged"}
        },
    )
    return dataclasses.replace(base, **changes)


def with_endpoint(made: Rack, n: int, **changes: Any) -> Rack:
    """The rack with one endpoint changed."""
    return dataclasses.replace(
        made,
        endpoints=tuple(dataclasses.replace(e, **changes) if e.n == n else e
                        for e in made.endpoints),
    )  # fmt: skip


def with_port_errors(made: Rack, bdf: str, aer: Aer) -> Rack:
    """The rack with other counters at one port."""
    ports = tuple(dataclasses.replace(p, aer=aer) if p.bdf == bdf else p for p in made.ports)
    return dataclasses.replace(made, ports=ports)


def troubled(name: str = "2x2") -> Rack:
    """A rack with one of everything that can be seen: errors, a slow link, a dead endpoint."""
    made = rack(
        name,
        ep0={"client_pid": 4711, "aer": {"correctable": 12, "nonfatal": 0, "fatal": 0}},
        ep1={"state": "wedged", "reason": "an uncorrected error stopped the device",
             "aer": {"correctable": 3, "nonfatal": 1, "fatal": 0}},
        ep3={"state": "gone", "reason": "surprise link-down", "generation": None, "address": None,
             "aer": None},
    )  # fmt: skip
    slow = next(p for p in made.ports if p.kind == "downstream")
    link = dataclasses.replace(slow.link, speed=2, width=8)
    ports = tuple(dataclasses.replace(p, link=link) if p is slow else p for p in made.ports)
    return dataclasses.replace(made, ports=ports)


class Script:
    """A sampler that plays samples one by one and then repeats the last, later each time."""

    name = "rack:script"

    def __init__(self, *samples: Sample) -> None:
        self._samples = iter(samples)
        self._last: Sample | None = None

    def sample(self) -> Sample:
        """The next one."""
        following = next(self._samples, None)
        if following is None:
            assert self._last is not None
            second = 1_000_000_000
            following = dataclasses.replace(
                self._last,
                time_ns=self._last.time_ns + second,
                wall_ns=self._last.wall_ns + second,
            )
        self._last = following
        return following


def steady(made: Rack, count: int) -> Iterator[Sample]:
    """That many samples of one rack at work."""
    return (sample(step, made) for step in range(count))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What changes while a rack works: one sample of it, and who takes samples. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from diag.topo.model import Rack


@dataclass(frozen=True, slots=True)
class Telemetry:
    """The telemetry of an endpoint; None where it cannot be known.

    Names that end in _count and those of bytes are counters since power-on, the others are
    readings of this moment.
    """

    temperature_millicelsius: int | None = None
    power_milliwatt: int | None = None
    clock_khz: int | None = None
    utilisation_permille: int | None = None
    memory_corrected_count: int | None = None
    memory_uncorrected_count: int | None = None
    bytes_host_to_device: int | None = None
    bytes_device_to_host: int | None = None
    bytes_device_to_device: int | None = None
    bytes_peer: int | None = None
    heartbeat_count: int | None = None
    commands_finished_count: int | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    """A queue in use: slots of its ring, those that wait for the device, and what it did."""

    number: int
    state: str
    slots: int
    pending_slots: int | None
    fetched_slots: int | None
    completions_count: int | None
    interrupts_count: int | None
    in_flight: int | None = None
    """Commands that have not ended."""


@dataclass(frozen=True, slots=True)
class Client:
    """An open file of an endpoint: who has it, and what that has used since it was opened."""

    pid: int
    name: str | None
    """Of the program; it chose that itself."""
    id: int | None = None
    """The driver's number of the open file."""
    queues: int | None = None
    busy_ns: int | None = None
    """Sum over its queues of the time in which commands were at work."""
    commands_submitted_count: int | None = None
    commands_completed_count: int | None = None
    commands_failed_count: int | None = None
    bytes_submitted: int | None = None
    device_memory_bytes: int | None = None
    host_memory_bytes: int | None = None
    peer_memory_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Recovery:
    """A step of the driver's recovery: what happened, what was done, and the state after it."""

    step: int
    time_ns: int
    event: str
    queue: int
    action: str
    state: str
    generation: int


@dataclass(frozen=True, slots=True)
class Readings:
    """One endpoint at the time of a sample; None where something cannot be seen.

    `unavailable` says why, by the names of members and of those of `telemetry`.
    """

    telemetry: Telemetry = Telemetry()
    queues: tuple[Queue, ...] | None = None
    reset_cause: str | None = None
    clients: tuple[Client, ...] | None = None
    recoveries: tuple[Recovery, ...] | None = None
    """The last ones, oldest first."""
    unavailable: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Sample:
    """A rack at one moment.

    Args:
        time_ns: CLOCK_MONOTONIC when the answer had come: differences are rates' divisors.
        wall_ns: what the clock on the wall said; it may jump.
        rack: the tree and its state.
        readings: by endpoint number; none for an endpoint that did not answer.
        state: live, or stale: no answer in time, or gone: the source is not there.
        reason: why it is not live.
    """

    time_ns: int
    wall_ns: int
    rack: Rack
    readings: Mapping[int, Readings]
    state: Literal["live", "stale", "gone"] = "live"
    reason: str | None = None


class Sampler(Protocol):
    """Takes one sample after the other.

    Every call returns or fails within a few seconds, whatever the devices do; after a failure
    the next call tries again, so that a rack that restarts is found again.
    """

    name: str
    """What the user would write after --source."""

    def sample(self) -> Sample:
        """The rack as it is now; SourceError if there is none."""

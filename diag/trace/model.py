# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What every event source speaks of: endpoints, losses, batches."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol

import pyarrow as pa

from diag.printable import printable


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One row of a capture's endpoint table; `row` is what `event.endpoint` holds."""

    row: int
    serial: int | None
    """Board serial, None if unknown."""
    index: int | None
    """Endpoint index on the card."""
    bdf: str | None
    """Where it sat when the recording began; a locator, not an identity."""
    name: str

    def to_json(self) -> dict[str, Any]:
        """For capture metadata and reports; the serial as text: it needs 64 bits."""
        serial = None if self.serial is None else f"{self.serial:#018x}"
        return {
            "row": self.row,
            "serial": serial,
            "index": self.index,
            "bdf": self.bdf,
            "name": self.name,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Endpoint:
        """Inverse of `to_json`; ValueError, KeyError or TypeError for anything else."""
        row, index, bdf = data["row"], data["index"], data["bdf"]
        if not isinstance(row, int) or not 0 <= row < MAX_ENDPOINTS:
            raise ValueError(f"endpoint row {row!r} is outside 0..{MAX_ENDPOINTS - 1}")
        if not isinstance(index, int | None) or not isinstance(bdf, str | None):
            raise TypeError("endpoint index or bdf has the wrong type")
        serial = None if data["serial"] is None else int(str(data["serial"])[:18], 16)
        place = None if bdf is None else printable(bdf)
        return cls(row, serial, index, place, printable(str(data["name"])))


MAX_ENDPOINTS = 4096
"""Rows an endpoint table may have: sixteen times the largest rack that is supported."""


@dataclass(frozen=True, slots=True)
class Loss:
    """Events that one ring dropped since the recording began (a running total)."""

    ring: str
    endpoint: int
    pid: int
    dropped_count: int
    time_ns: int
    """CLOCK_MONOTONIC when the count was read."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A source that broke its contract and was left alone."""

    ring: str
    reason: str
    time_ns: int


@dataclass(frozen=True, slots=True)
class Poll:
    """What a source had to say since the last poll."""

    batches: tuple[pa.RecordBatch, ...] = ()
    """Events in the schema of `diag.trace.schema`."""
    losses: tuple[Loss, ...] = ()
    """Only the rings whose count changed."""
    refused: tuple[Refused, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    """Endpoints seen for the first time."""
    pressure: float = 0.0
    """Fill of the fullest ring, 0 to 1: how soon to poll again."""

    @property
    def event_count(self) -> int:
        """Events in all batches."""
        return sum(batch.num_rows for batch in self.batches)


class EventSource(Protocol):
    """Where events come from: live rings, a capture file, later the kernel or ETW."""

    def poll(self) -> Poll:
        """Everything new since the last call; never blocks; an empty Poll is normal."""

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoint table so far, by row."""

    def close(self) -> None:
        """Let go of everything; a second call does nothing."""


@dataclass(frozen=True, slots=True)
class RecorderCost:
    """What recording itself cost, and how it ended."""

    events: int
    bytes: int
    """Size of the capture without its last note."""
    cpu_ns: int
    """User and system time of the recorder process."""
    wall_ns: int
    polls: int
    end_ns: int
    """CLOCK_MONOTONIC when the recording ended."""
    exit_status: int | None
    """Of the recorded command; None if there was none."""
    reason: str


@dataclass(slots=True)
class LossTable:
    """Latest loss per ring, and the rings that were refused."""

    by_ring: dict[str, Loss] = field(default_factory=dict)
    refused: list[Refused] = field(default_factory=list)

    def add(self, losses: tuple[Loss, ...], refused: tuple[Refused, ...]) -> None:
        """Take over what a poll or a batch note says."""
        for loss in losses:
            self.by_ring[loss.ring] = loss
        self.refused.extend(refused)

    @property
    def dropped_count(self) -> int:
        """Events that found no room in their ring."""
        return sum(loss.dropped_count for loss in self.by_ring.values())

    def endpoints_with_loss(self) -> set[int]:
        """Rows of the endpoints that lost at least one event."""
        return {loss.endpoint for loss in self.by_ring.values() if loss.dropped_count}

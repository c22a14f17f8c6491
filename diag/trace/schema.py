# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The Arrow schema of captures, made from the event format, and the notes that ride along.

docs/reference/capture.md describes the file; this module is its only implementation.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import IntEnum
from typing import Any, Final

import numpy as np
import pyarrow as pa

from diag.printable import printable
from diag.trace.errors import CaptureError
from diag.trace.model import Endpoint, Loss, RecorderCost, Refused
from pyaccel.spec import formats

FORMAT_VERSION: Final = 1
"""Raised when a reader of the older version would misread a newer file."""
KEY_CAPTURE: Final = b"axl.capture"
"""Schema metadata: JSON, class CaptureInfo. Its presence is the file's magic."""
KEY_NOTE: Final = b"axl.note"
"""Batch metadata: JSON, class Note."""

EVENT_NUMPY: Final = np.dtype(formats.EVENT_DTYPE)
EVENT_COLUMNS: Final = tuple(
    name for name in (EVENT_NUMPY.names or ()) if not name.startswith("reserved")
)
EVENT_ROW_BYTES: Final = sum(EVENT_NUMPY[name].itemsize for name in EVENT_COLUMNS)
ENUMS: Final[dict[str, type[IntEnum]]] = {
    "stage": formats.Stage,
    "origin": formats.Origin,
    "opcode": formats.Opcode,
    "direction": formats.Direction,
    "status": formats.Status,
}
"""Columns that hold a code, and the enum that names it."""


def event_schema(metadata: dict[bytes, bytes] | None = None) -> pa.Schema:
    """One non-nullable column per field of `struct event`, reserved ones left out."""
    fields = [
        pa.field(name, pa.from_numpy_dtype(EVENT_NUMPY[name]), nullable=False)
        for name in EVENT_COLUMNS
    ]
    return pa.schema(fields, metadata=metadata)


def to_batch(events: np.ndarray[Any, Any]) -> pa.RecordBatch:
    """Columns of an array of EVENT_NUMPY records."""
    arrays = [pa.array(np.ascontiguousarray(events[name])) for name in EVENT_COLUMNS]
    return pa.RecordBatch.from_arrays(arrays, schema=event_schema())


def code_name(column: str, code: int) -> str:
    """Lower-case name of a code, or `column_N` for one that this version does not know."""
    try:
        return ENUMS[column](code).name.lower()
    except ValueError:
        return f"{column}_{code}"


@dataclass(frozen=True, slots=True)
class CaptureInfo:
    """What is known when a recording begins."""

    endpoints: tuple[Endpoint, ...]
    rack: str | None
    host: str
    start_ns: int
    """CLOCK_MONOTONIC."""
    realtime_offset_ns: int
    """Add to a time stamp to get CLOCK_REALTIME."""
    command: tuple[str, ...] | None
    tool: str
    clock: str = "CLOCK_MONOTONIC"
    version: int = FORMAT_VERSION

    def to_metadata(self) -> dict[bytes, bytes]:
        """Schema metadata of the file."""
        data = asdict(self) | {"endpoints": [row.to_json() for row in self.endpoints]}
        return {KEY_CAPTURE: json.dumps(data).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes] | None) -> CaptureInfo:
        """CaptureError if the metadata is not ours, of a future version, or malformed."""
        raw = (metadata or {}).get(KEY_CAPTURE)
        if raw is None:
            raise CaptureError(
                "an Arrow stream, but not an accel-trace capture (no axl.capture metadata)",
                advice="Give a file written by `accel-trace record -o FILE`.",
            )
        data = _json_object(raw, "schema metadata axl.capture")
        _check_version(data.get("version"))
        try:
            return cls._from_json(data)
        except (KeyError, TypeError, ValueError) as error:
            raise CaptureError(f"schema metadata axl.capture is malformed: {error!r}") from None

    @classmethod
    def _from_json(cls, data: dict[str, Any]) -> CaptureInfo:
        command = data["command"]
        return cls(
            endpoints=tuple(Endpoint.from_json(row) for row in data["endpoints"]),
            rack=None if data["rack"] is None else printable(str(data["rack"])),
            host=printable(str(data["host"])),
            start_ns=_int64(data["start_ns"]),
            realtime_offset_ns=_int64(data["realtime_offset_ns"]),
            command=None if command is None else tuple(str(word) for word in command),
            tool=printable(str(data["tool"])),
            clock=printable(str(data["clock"])),
        )


@dataclass(frozen=True, slots=True)
class Note:
    """What rides along with a batch: losses, refusals, new endpoints, and the end."""

    losses: tuple[Loss, ...] = ()
    refused: tuple[Refused, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    end: RecorderCost | None = None

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to write down."""
        return not (self.losses or self.refused or self.endpoints or self.end)

    def to_metadata(self) -> dict[bytes, bytes] | None:
        """Batch metadata, None for an empty note."""
        if self.is_empty:
            return None
        data = {
            "losses": [asdict(loss) for loss in self.losses],
            "refused": [asdict(item) for item in self.refused],
            "endpoints": [row.to_json() for row in self.endpoints],
            "end": None if self.end is None else asdict(self.end),
        }
        return {KEY_NOTE: json.dumps(data).encode()}

    @classmethod
    def from_metadata(cls, metadata: dict[bytes, bytes]) -> Note:
        """CaptureError if the note is malformed; an empty note if there is none."""
        raw = metadata.get(KEY_NOTE)
        if raw is None:
            return cls()
        data = _json_object(raw, "batch metadata axl.note")
        try:
            return cls(
                losses=tuple(_loss(item) for item in data.get("losses", ())),
                refused=tuple(_refused(item) for item in data.get("refused", ())),
                endpoints=tuple(Endpoint.from_json(row) for row in data.get("endpoints", ())),
                end=_cost(data.get("end")),
            )
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise CaptureError(f"batch metadata axl.note is malformed: {error!r}") from None


def _refused(item: dict[str, Any]) -> Refused:
    ring, reason = printable(str(item["ring"])), printable(str(item["reason"]))
    return Refused(ring, reason, _int64(item["time_ns"]))


def _int64(value: object) -> int:
    """A whole number of 64 bits; ValueError or TypeError for anything else that JSON can hold."""
    if type(value) is not int:
        raise TypeError(f"{value!r} is no whole number")
    if not -(1 << 63) <= value < 1 << 63:
        raise ValueError(f"{value} does not fit 64 bits")
    return value


def _loss(item: dict[str, Any]) -> Loss:
    numbers = [_int64(item[key]) for key in ("endpoint", "pid", "dropped_count", "time_ns")]
    if min(numbers) < 0 or numbers[0] >= 1 << 32:
        raise ValueError(f"loss record out of range: {item}")
    return Loss(printable(str(item["ring"])), *numbers)


def _cost(item: dict[str, Any] | None) -> RecorderCost | None:
    if item is None:
        return None
    numbers = {
        key: _int64(item[key])
        for key in ("events", "bytes", "cpu_ns", "wall_ns", "polls", "end_ns")
    }
    status = item["exit_status"]
    exit_status = None if status is None else _int64(status)
    reason = printable(str(item["reason"]))
    return RecorderCost(**numbers, exit_status=exit_status, reason=reason)


def _json_object(raw: bytes, where: str) -> dict[str, Any]:
    try:
        data = json.loads(raw)
    except (ValueError, RecursionError) as error:
        raise CaptureError(f"{where} is not JSON: {error}") from None
    if not isinstance(data, dict):
        raise CaptureError(f"{where} is not a JSON object")
    return data


def _check_version(version: object) -> None:
    if not isinstance(version, int) or isinstance(version, bool) or version < 1:
        raise CaptureError(f"capture format version {version!r} is not a positive number")
    if version > FORMAT_VERSION:
        raise CaptureError(
            f"capture format version {version} is newer than {FORMAT_VERSION}, the newest known",
            advice="Read it with the accel-trace that wrote it, or a newer one.",
        )

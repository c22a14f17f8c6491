# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples as records and back. Pure.

A file begins with MAGIC and holds records, one for each sample::

    kind   1 byte   K: keyframe, D: difference to the record before
    length 4 bytes  of the payload, little-endian as everything here
    check  4 bytes  CRC-32 of the payload
    wall   8 bytes  clock on the wall, ns since 1970, signed
    payload         a piece of a deflate stream that ends with a sync flush

A keyframe begins a new stream: a reader can start there, and what is broken before it does
not matter. The text in the stream is JSON: a keyframe holds the whole sample, a difference
only what the numbers have grown by. The tree is in keyframes alone, so that whoever looks for
a change of state reads those and no others.
"""

from __future__ import annotations

import json
import struct
import zlib
from dataclasses import dataclass
from typing import Any, Final

from diag.topo.document import DocumentError, from_document, to_document
from diag.topo.model import Rack
from diag.topo.sampling import Sample
from diag.tui.recording.numbers import Row, Tail, checked, join, split

MAGIC: Final = b"AXLTOP\x00\x01"
HEAD: Final = struct.Struct("<cIIq")
KEY: Final = b"K"
DIFFERENCE: Final = b"D"
MAX_PAYLOAD_BYTES: Final = 8 << 20
MAX_TEXT_BYTES: Final = 32 << 20
_U64: Final = 1 << 64
_STATES: Final = ("live", "stale", "gone")


class RecordError(ValueError):
    """A record that is none; the message says why."""


@dataclass(frozen=True, slots=True)
class Head:
    """What stands before a payload."""

    kind: bytes
    length: int
    check: int
    wall_ns: int


def parse_head(data: bytes) -> Head:
    """The head of a record."""
    head = Head(*HEAD.unpack(data))
    if head.kind not in {KEY, DIFFERENCE} or head.length > MAX_PAYLOAD_BYTES:
        raise RecordError(f"no record begins here (kind {head.kind!r}, {head.length} bytes)")
    return head


class Encoder:
    """Makes records of samples."""

    def __init__(self) -> None:
        self._deflate = zlib.compressobj(6)
        self._rack: Rack | None = None
        self._state: object = None
        self._time_ns = self._wall_ns = 0
        self._rows: dict[int, Row] = {}
        self._tails: dict[int, Tail] = {}

    def record(self, sample: Sample) -> bytes:
        """The record of the next sample, head included."""
        parts = {n: split(readings) for n, readings in sample.readings.items()}
        rows = {n: row for n, (row, _) in parts.items()}
        tails = {n: tail for n, (_, tail) in parts.items()}
        state = (sample.state, sample.reason)
        value: Any
        if self._fits(sample, rows, tails, state):
            kind, value = DIFFERENCE, self._difference(sample, rows)
        else:
            kind, value = KEY, _whole(sample, rows, tails)
            self._deflate = zlib.compressobj(6)
        self._rack, self._rows, self._tails, self._state = sample.rack, rows, tails, state
        self._time_ns, self._wall_ns = sample.time_ns, sample.wall_ns
        payload = self._deflate.compress(json.dumps(value, separators=(",", ":")).encode("ascii"))
        payload += self._deflate.flush(zlib.Z_SYNC_FLUSH)
        return HEAD.pack(kind, len(payload), zlib.crc32(payload), sample.wall_ns) + payload

    def _fits(
        self, sample: Sample, rows: dict[int, Row], tails: dict[int, Tail], state: object
    ) -> bool:
        """Whether the difference to the sample before is one of numbers alone."""
        return (
            sample.rack == self._rack
            and state == self._state
            and tails == self._tails
            and rows.keys() == self._rows.keys()
            and all(_shape(rows[n]) == _shape(self._rows[n]) for n in rows)
        )

    def _difference(self, sample: Sample, rows: dict[int, Row]) -> list[Any]:
        grown = [
            [
                0 if new is None or old is None else new - old
                for new, old in zip(row, self._rows[n], strict=True)
            ]
            for n, row in rows.items()
        ]
        return [sample.time_ns - self._time_ns, sample.wall_ns - self._wall_ns, grown]


class Decoder:
    """Makes samples of payloads. Begin with a keyframe.

    Args:
        source: what the samples say that they are from.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._inflate: Any = None
        self._sample: Sample | None = None
        self._rows: dict[int, Row] = {}
        self._tails: dict[int, Tail] = {}

    def sample(self, head: Head, payload: bytes) -> Sample:
        """The sample of the next record; RecordError if it is none."""
        if head.kind == KEY:
            self._inflate = zlib.decompressobj()
        elif self._sample is None:
            raise RecordError("a difference without a keyframe before it")
        value = self._json(payload)
        try:
            self._sample = self._key(value) if head.kind == KEY else self._grown(value)
        except (TypeError, KeyError, ValueError, AttributeError) as error:
            raise RecordError(f"a record that does not hold a sample: {error}") from None
        return self._sample

    def _json(self, payload: bytes) -> Any:
        try:
            text = self._inflate.decompress(payload, MAX_TEXT_BYTES)
            if self._inflate.unconsumed_tail:
                raise RecordError(f"a record of more than {MAX_TEXT_BYTES} bytes")
            return json.loads(text)
        except (zlib.error, ValueError, RecursionError) as error:
            raise RecordError(f"a record that cannot be unpacked: {str(error)[:120]}") from None

    def _key(self, value: dict[str, Any]) -> Sample:
        try:
            rack = from_document(json.dumps(value["topology"]), self._source)
        except DocumentError as error:
            raise RecordError(f"topology: {error}") from None
        state, reason = value["state"], value["reason"]
        if state not in _STATES or not isinstance(reason, str | None):
            raise RecordError("state or reason: of the wrong kind")
        self._rows = {int(n): checked(row) for n, row in value["rows"].items()}
        self._tails = {n: value["tails"][str(n)] for n in self._rows}
        readings = {n: join(row, self._tails[n]) for n, row in self._rows.items()}
        time_ns, wall_ns = value["time_ns"], value["wall_ns"]
        _whole_numbers(time_ns, wall_ns)
        return Sample(time_ns, wall_ns, rack, readings, state, reason)

    def _grown(self, value: list[Any]) -> Sample:
        assert self._sample is not None
        before = self._sample
        passed_ns, wall_ns, grown = value
        _whole_numbers(passed_ns, wall_ns)
        rows: dict[int, Row] = {}
        for (n, row), steps in zip(self._rows.items(), grown, strict=True):
            _whole_numbers(*steps)
            pairs = zip(row, steps, strict=True)
            rows[n] = checked([None if old is None else old + step for old, step in pairs])
        self._rows = rows
        readings = {n: join(row, self._tails[n]) for n, row in rows.items()}
        return Sample(
            before.time_ns + passed_ns,
            before.wall_ns + wall_ns,
            before.rack,
            readings,
            before.state,
            before.reason,
        )


def _whole(sample: Sample, rows: dict[int, Row], tails: dict[int, Tail]) -> dict[str, Any]:
    # Findings follow from the rest.
    topology = {**to_document(sample.rack), "findings": []}
    return {
        "time_ns": sample.time_ns,
        "wall_ns": sample.wall_ns,
        "state": sample.state,
        "reason": sample.reason,
        "topology": topology,
        "rows": rows,
        "tails": tails,
    }


def _shape(row: Row) -> tuple[bool, ...]:
    return tuple(value is None for value in row)


def _whole_numbers(*values: object) -> None:
    for value in values:
        if type(value) is not int or not -_U64 < value < _U64:
            raise RecordError(f"a number that is none: {str(value)[:40]}")

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Reads a recording: an index of its heads, then samples from any place on."""

from __future__ import annotations

import os
import zlib
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from diag.topo.findings import find
from diag.topo.protocol import SourceError, SourceUsageError
from diag.topo.sampling import Sample
from diag.tui.recording.codec import HEAD, KEY, MAGIC, Decoder, Head, RecordError, parse_head

MAX_RECORDS: Final = 4_000_000


@dataclass(frozen=True, slots=True)
class Place:
    """Where a record's payload is."""

    offset: int
    head: Head


class Reader:
    """A recording, possibly from a stranger or cut short by a crash.

    Args:
        path: of the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.problem: str | None = None
        """Why the file ends before its end."""
        try:
            # A FIFO that nobody writes must not hold the tool up.
            self._file: BinaryIO = open(path, "rb", opener=_at_once)  # noqa: SIM115
            magic = self._file.read(len(MAGIC))
        except OSError as error:
            raise SourceUsageError(f"{path}: {error.strerror}") from None
        self._check(magic)
        self._places = list(self._scan())
        self._walls = [place.head.wall_ns for place in self._places]
        if not self._places:
            raise SourceError(f"{path}: holds no sample ({self.problem or 'it is empty'})")

    def __len__(self) -> int:
        """How many samples it holds."""
        return len(self._places)

    def wall_ns(self, index: int) -> int:
        """When a sample was taken."""
        return self._walls[index]

    def at(self, wall_ns: int) -> int:
        """The sample that was the newest at that time; the first one if it was later."""
        return max(0, bisect_right(self._walls, wall_ns) - 1)

    def samples(self, index: int = 0) -> Iterator[tuple[int, Sample]]:
        """Samples from that one on, up to the first that cannot be read."""
        first = index
        while first > 0 and self._places[first].head.kind != KEY:
            first -= 1
        decoder = Decoder(f"file:{self.path}")
        for at in range(first, len(self._places)):
            try:
                sample = decoder.sample(self._places[at].head, self._payload(at))
            except RecordError as error:
                self.problem = f"sample {at + 1} of {len(self)}: {error}"
                return
            if at >= index:
                yield at, sample

    def next_finding(self, index: int) -> int | None:
        """The next sample in which something is wrong that was not in the one before it."""
        known = _wrong(next(self.samples(index), (0, None))[1])
        for at in range(index + 1, len(self._places)):
            if self._places[at].head.kind != KEY:
                continue
            now = _wrong(next(self.samples(at), (0, None))[1])
            if now - known:
                return at
            known = now
        return None

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _check(self, magic: bytes) -> None:
        if magic[:-1] != MAGIC[:-1]:
            raise SourceError(f"{self.path}: is no recording of accel-top (make one: --record)")
        if magic != MAGIC:
            raise SourceError(
                f"{self.path}: a recording of version {magic[-1]}, this accel-top reads version"
                f" {MAGIC[-1]}: use a newer one"
            )

    def _scan(self) -> Iterator[Place]:
        size = os.fstat(self._file.fileno()).st_size
        offset = len(MAGIC)
        for number in range(MAX_RECORDS):
            self._file.seek(offset)
            data = self._file.read(HEAD.size)
            if not data:
                return
            if len(data) < HEAD.size:
                self.problem = f"ends within record {number + 1}"
                return
            try:
                head = parse_head(data)
            except RecordError as error:
                self.problem = f"record {number + 1} at byte {offset}: {error}"
                return
            offset += HEAD.size
            if offset + head.length > size:
                self.problem = f"ends within record {number + 1}"
                return
            yield Place(offset, head)
            offset += head.length
        self.problem = f"only the first {MAX_RECORDS} samples are shown"

    def _payload(self, index: int) -> bytes:
        place = self._places[index]
        self._file.seek(place.offset)
        payload = self._file.read(place.head.length)
        if len(payload) != place.head.length or zlib.crc32(payload) != place.head.check:
            raise RecordError(f"checksum wrong at byte {place.offset}")
        return payload


def _wrong(sample: Sample | None) -> set[tuple[str, str]]:
    if sample is None or sample.state != "live":
        return set()
    found = find(sample.rack)
    return {(each.rule, each.subject) for each in found if each.severity != "note"}


def _at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC)

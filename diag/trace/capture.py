# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Capture files on disk: the shells around the schema and the decoder.

docs/reference/capture.md draws the layout.
"""

from __future__ import annotations

import io
import mmap
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pyarrow as pa

from diag.trace.decode.capture import CapturedBatch, CaptureDecoder, CaptureEnd
from diag.trace.errors import CaptureError, UsageError
from diag.trace.model import Endpoint, LossTable, Poll, RecorderCost
from diag.trace.schema import CaptureInfo, Note, event_schema

BACKUP_SUFFIX: Final = ".old"


class _WholeWrites(io.RawIOBase):
    """A file whose `write` writes everything or raises.

    Unbuffered files may write a part on a full disk and only say so in their result, which
    pyarrow does not look at.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
        self.byte_count = 0

    def writable(self) -> bool:
        """For pyarrow."""
        return True

    def write(self, data: Any) -> int:
        """Write all of `data`; OSError if that cannot be done."""
        rest = memoryview(data).cast("B")
        size = len(rest)
        while rest:
            written = os.write(self._fd, rest)
            self.byte_count += written
            rest = rest[written:]
        return size

    def close(self) -> None:
        """Close the file; a second call does nothing."""
        if not self.closed:
            os.close(self._fd)
        super().close()


class CaptureWriter:
    """Writes a capture batch by batch; what `write` returned from survives our crash.

    Each batch goes to the kernel whole before `write` returns. It is not synced to the disk: a
    power failure may cost the last seconds.
    """

    def __init__(self, path: Path, info: CaptureInfo) -> None:
        """Open `path`; an older file of that name is kept as `path`.old."""
        self.path = path
        self.event_count = 0
        try:
            _keep_older(path)
            self._file = _WholeWrites(path)
        except OSError as error:
            raise UsageError(
                f"cannot be written: {error.strerror}",
                where=str(path),
                advice="Name a file in a folder that exists and is yours with -o FILE.",
            ) from None
        self._stream = pa.ipc.new_stream(self._file, event_schema(info.to_metadata()))
        # The stream writes its schema with the first batch; a capture without events needs it too.
        self.write(event_schema().empty_table().to_batches(), Note())

    @property
    def byte_count(self) -> int:
        """Size of the file."""
        return self._file.byte_count

    def write(self, batches: list[pa.RecordBatch], note: Note) -> None:
        """Append the events as one batch, and the note with it."""
        table = pa.Table.from_batches(batches, schema=event_schema()).combine_chunks()
        whole = table.to_batches() or [_empty_batch()]
        for batch in whole[:-1]:
            self._stream.write_batch(batch)
        self._stream.write_batch(whole[-1], custom_metadata=note.to_metadata())
        self.event_count += table.num_rows

    def finish(self, end: RecorderCost) -> None:
        """Say the last word and close."""
        self.write([], Note(end=end))
        self.close()

    def close(self) -> None:
        """Close without a last word: the file reads as cut short."""
        self._stream.close()
        self._file.close()


def _keep_older(path: Path) -> None:
    """Rename an older capture; a folder or a device of that name stays what it is."""
    if path.is_file():
        path.replace(path.with_name(path.name + BACKUP_SUFFIX))
    elif path.exists():
        raise UsageError("is no file", where=str(path), advice="Name a file with -o FILE.")


@dataclass(slots=True)
class Capture:
    """A capture in memory: batches that point into the mapped file, and what goes with them."""

    path: Path
    info: CaptureInfo
    batches: list[pa.RecordBatch]
    losses: LossTable
    endpoints: list[Endpoint]
    end: CaptureEnd
    cost: RecorderCost | None = None
    file_bytes: int = 0

    @property
    def event_count(self) -> int:
        """Events in all batches."""
        return sum(batch.num_rows for batch in self.batches)

    def endpoint_name(self, row: int) -> str:
        """Name of an endpoint, or of its row if the table has none."""
        return self.endpoints[row].name if row < len(self.endpoints) else f"endpoint {row}"

    def warnings(self) -> list[str]:
        """What a reader must know before trusting a number; each one line."""
        found = []
        if self.end.damage is not None:
            found.append(f"the file is damaged {self.end.damage}; events behind that are not shown")
        elif not self.end.complete:
            found.append(
                "the recording was cut short: everything up to the last whole batch is here "
                f"({self.event_count} events; {self.end.leftover_bytes} bytes of a broken batch)"
            )
        if self.losses.dropped_count:
            found.append(f"{self.losses.dropped_count} events were lost in full rings")
        found.extend(f"ring {item.ring} was refused: {item.reason}" for item in self.losses.refused)
        return found


def read_capture(path: Path) -> Capture:
    """Map and decode a capture; CaptureError says what is wrong with it, and where."""
    data = _map(path)
    decoder = CaptureDecoder()
    try:
        found = decoder.feed(data)
        end = decoder.close()
    except CaptureError as error:
        raise CaptureError(error.what, where=str(path), advice=error.advice) from None
    if decoder.info is None:
        raise CaptureError("no schema", where=str(path))
    capture = Capture(path, decoder.info, [], LossTable(), list(decoder.info.endpoints), end)
    capture.file_bytes = len(data)
    for item in found:
        _take(capture, item)
    return capture


def _take(capture: Capture, item: CapturedBatch) -> None:
    if item.events.num_rows:
        capture.batches.append(item.events)
    capture.losses.add(item.note.losses, item.note.refused)
    capture.endpoints.extend(item.note.endpoints)
    capture.cost = item.note.end or capture.cost


def _map(path: Path) -> memoryview:
    try:
        # A FIFO that nobody writes must not hold the tool up.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC), "rb") as file:
            info = os.fstat(file.fileno())
            if not stat.S_ISREG(info.st_mode):
                # A pipe has no size and cannot be mapped.
                raise UsageError("is no file", where=str(path), advice="Save it to a file first.")
            if info.st_size == 0:
                return memoryview(b"")
            return memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    except OSError as error:
        raise UsageError(
            f"cannot be read: {error.strerror}",
            where=str(path),
            advice="Name a capture made by `accel-trace record -o FILE`.",
        ) from None
    except ValueError as error:
        raise UsageError(f"cannot be mapped: {error}", where=str(path)) from None


@dataclass(slots=True)
class CaptureSource:
    """EventSource over a capture file: one batch per poll, then empty polls."""

    capture: Capture
    _rest: Iterator[pa.RecordBatch] = field(init=False)
    _said: bool = field(default=False, init=False)

    def __post_init__(self) -> None:
        """Start at the first batch."""
        self._rest = iter(self.capture.batches)

    @property
    def at_end(self) -> bool:
        """True once every batch was handed out."""
        return self._said

    def poll(self) -> Poll:
        """The next batch; the losses come with the last."""
        batch = next(self._rest, None)
        if batch is not None:
            return Poll(batches=(batch,))
        if self._said:
            return Poll()
        self._said = True
        losses = self.capture.losses
        return Poll(losses=tuple(losses.by_ring.values()), refused=tuple(losses.refused))

    def endpoints(self) -> tuple[Endpoint, ...]:
        """The endpoint table."""
        return tuple(self.capture.endpoints)

    def close(self) -> None:
        """Nothing to release: batches keep the file mapped as long as they live."""


def _empty_batch() -> pa.RecordBatch:
    schema = event_schema()
    return pa.RecordBatch.from_arrays([pa.array([], field.type) for field in schema], schema=schema)

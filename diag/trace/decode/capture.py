# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Decoder of capture files: an Arrow IPC stream in, batches and notes out.

One message, as Arrow's "Encapsulated message format" has it:

    offset  bytes
    0       4      ff ff ff ff
    4       4      M, bytes of metadata (little-endian, padded to 8); 0 ends the stream
    8       M      FlatBuffer `Message`: kind, body size, custom metadata (our notes)
    8+M     B      body: one buffer per column

The first message is the schema, all others are record batches.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import pyarrow as pa

from diag.trace.decode.flat import FlatTable
from diag.trace.errors import CaptureError
from diag.trace.schema import EVENT_ROW_BYTES, CaptureInfo, Note, event_schema
from pyaccel.spec.types import Buffer

CONTINUATION: Final = 0xFFFFFFFF
PREFIX_BYTES: Final = 8
MAX_METADATA_BYTES: Final = 16 << 20
MAX_BODY_BYTES: Final = 1 << 30
KIND_SCHEMA: Final = 1
KIND_BATCH: Final = 3
# Field numbers of Arrow's Message, RecordBatch, KeyValue, Schema and Field tables.
MESSAGE_KIND, MESSAGE_HEADER, MESSAGE_BODY_BYTES, MESSAGE_METADATA = 1, 2, 3, 4
BATCH_LENGTH, BATCH_COMPRESSION = 0, 3
PAIR_KEY, PAIR_VALUE = 0, 1
SCHEMA_FIELDS, SCHEMA_METADATA = 1, 2
FIELD_CHILDREN, FIELD_METADATA = 5, 6


@dataclass(frozen=True, slots=True)
class CapturedBatch:
    """One record batch with the note that it carries."""

    events: pa.RecordBatch
    note: Note


@dataclass(frozen=True, slots=True)
class CaptureEnd:
    """How the bytes ended."""

    complete: bool
    """True if the recorder said its last word: nothing is missing at the end."""
    leftover_bytes: int
    """Bytes after the last whole batch."""
    damage: str | None
    """Why decoding stopped early, None if it did not."""


@dataclass(frozen=True, slots=True)
class _Frame:
    kind: int
    table: FlatTable
    whole: memoryview


class CaptureDecoder:
    """Feed it a capture in pieces of any size; it returns each batch as it becomes whole.

    Batches may refer to the bytes that were fed, which must stay unchanged. Only a wrong
    beginning raises (CaptureError): after the schema, damage ends the decoding and is told by
    `close()`, so that what came before it stays readable.
    """

    def __init__(self) -> None:
        self.info: CaptureInfo | None = None
        """Known once the schema message was fed."""
        self._pending = memoryview(b"")
        self._offset = 0
        self._ended = False
        self._said_end = False
        self._damage: str | None = None

    def feed(self, data: Buffer) -> list[CapturedBatch]:
        """Decode what `data` completes; CaptureError if this is no capture."""
        view = memoryview(data)
        self._pending = memoryview(bytes(self._pending) + data) if self._pending else view
        batches: list[CapturedBatch] = []
        while not self._ended and self._damage is None:
            try:
                batch = self._next()
            # ValueError: FlatError, and names that pyarrow finds not to be UTF-8.
            except (CaptureError, ValueError, pa.ArrowException, OSError) as error:
                self._fail(error)
                break
            if batch is None:
                break
            batches.extend(batch)
        return batches

    def close(self) -> CaptureEnd:
        """Say how it ended; CaptureError if not even the schema was there."""
        if self.info is None:
            raise _not_a_capture(f"only {len(self._pending)} bytes, no whole schema message")
        return CaptureEnd(
            complete=self._said_end and self._damage is None,
            leftover_bytes=len(self._pending),
            damage=self._damage,
        )

    def _fail(self, error: Exception) -> None:
        if self.info is not None:
            self._damage = f"at byte {self._offset}: {error}"
        elif isinstance(error, CaptureError):
            raise error
        else:
            raise _not_a_capture(str(error)) from None

    def _next(self) -> list[CapturedBatch] | None:
        frame = self._frame()
        if frame is None:
            return None
        found = self._accept(frame)
        self._pending = self._pending[len(frame.whole) :]
        self._offset += len(frame.whole)
        return found

    def _frame(self) -> _Frame | None:
        """The next whole message, None until there is one."""
        if len(self._pending) < PREFIX_BYTES:
            return None
        marker, metadata_bytes = struct.unpack_from("<II", self._pending)
        if marker != CONTINUATION:
            raise _not_a_capture(f"the marker is {marker:#010x}, not {CONTINUATION:#010x}")
        if metadata_bytes == 0:
            self._ended = True
            self._pending = self._pending[PREFIX_BYTES:]
            return None
        if metadata_bytes > MAX_METADATA_BYTES:
            raise CaptureError(f"a message claims {metadata_bytes} bytes of metadata")
        body_at = PREFIX_BYTES + metadata_bytes
        if len(self._pending) < body_at:
            return None
        table = FlatTable.root(self._pending[PREFIX_BYTES:body_at])
        body_bytes = table.scalar(MESSAGE_BODY_BYTES, "q", 0)
        if not 0 <= body_bytes <= MAX_BODY_BYTES:
            raise CaptureError(f"a message claims {body_bytes} bytes of body")
        if len(self._pending) < body_at + body_bytes:
            return None
        kind = table.scalar(MESSAGE_KIND, "B", 0)
        return _Frame(kind, table, self._pending[: body_at + body_bytes])

    def _accept(self, frame: _Frame) -> list[CapturedBatch]:
        pairs = _pairs(frame.table)
        if frame.kind == KIND_SCHEMA:
            _check_schema(frame.table)
        message = pa.ipc.read_message(pa.py_buffer(frame.whole))
        if self.info is None:
            self.info = _read_schema(frame, message)
            return []
        if frame.kind != KIND_BATCH:
            raise CaptureError(f"message of kind {frame.kind} where a record batch belongs")
        note = Note.from_metadata(pairs)
        events = _read_batch(frame, message)
        self._said_end = self._said_end or note.end is not None
        return [CapturedBatch(events, note)]


def _check_schema(message: FlatTable) -> None:
    """Refuse what makes Arrow copy one string many times over: a small file for much memory."""
    schema = message.table(MESSAGE_HEADER)
    if schema is None:
        raise CaptureError("a schema message without a schema")
    schema.tables(SCHEMA_METADATA)
    for column in schema.tables(SCHEMA_FIELDS):
        if column.tables(FIELD_CHILDREN) or column.tables(FIELD_METADATA):
            raise CaptureError("a column with children or metadata; capture format 1 has none")


def _read_schema(frame: _Frame, message: pa.ipc.Message) -> CaptureInfo:
    if frame.kind != KIND_SCHEMA:
        raise _not_a_capture(f"it begins with a message of kind {frame.kind}, not a schema")
    schema = pa.ipc.read_schema(message)
    info = CaptureInfo.from_metadata(schema.metadata)
    if not schema.remove_metadata().equals(event_schema()):
        wanted, got = set(event_schema()), set(schema.remove_metadata())
        difference = ", ".join(sorted(f"{f.name}: {f.type}" for f in wanted ^ got)) or "order"
        raise CaptureError(
            f"the columns are not those of capture format {info.version} ({difference})",
            advice="The file was changed by another tool; use the original capture.",
        )
    return info


def _read_batch(frame: _Frame, message: pa.ipc.Message) -> pa.RecordBatch:
    header = frame.table.table(MESSAGE_HEADER)
    if header is None:
        raise CaptureError("a record batch without a header")
    # Compression is no part of the format, and a way to make a small file ask for much memory.
    if header.table(BATCH_COMPRESSION) is not None:
        raise CaptureError("a compressed record batch; capture format 1 has none")
    rows = header.scalar(BATCH_LENGTH, "q", 0)
    if not 0 <= rows * EVENT_ROW_BYTES <= len(frame.whole):
        raise CaptureError(f"a batch of {len(frame.whole)} bytes claims {rows} events")
    batch = pa.ipc.read_record_batch(message, event_schema())
    batch.validate(full=True)
    if any(column.null_count for column in batch.columns):
        raise CaptureError("a batch holds null values")
    return batch


def _pairs(message: FlatTable) -> dict[bytes, bytes]:
    return {pair.text(PAIR_KEY): pair.text(PAIR_VALUE) for pair in message.tables(MESSAGE_METADATA)}


def _not_a_capture(detail: str) -> CaptureError:
    return CaptureError(
        f"not an accel-trace capture: {detail}",
        advice="Captures are Arrow IPC streams written by `accel-trace record -o FILE`.",
    )

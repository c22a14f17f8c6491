# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Captures for other tools: CSV, Parquet, and Chrome trace JSON (Perfetto opens it)."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final, TextIO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from diag.trace.capture import Capture
from diag.trace.commands import Commands, match
from diag.trace.errors import UsageError
from diag.trace.findings import CommandRow, row_of
from diag.trace.schema import ENUMS, EVENT_COLUMNS, code_name, event_schema


def export(capture: Capture, kind: str, output: Path) -> int:
    """Write `output`; returns the rows or trace events in it. UsageError for an unknown kind."""
    writer = WRITERS.get(kind)
    if writer is None:
        raise UsageError(
            f"unknown format {kind!r}", where="--to", advice="One of: " + ", ".join(WRITERS)
        )
    if not output.name or (output.exists() and not output.is_file()):
        raise UsageError("is no file", where=str(output), advice="Name a file with -o FILE.")
    partial = output.with_name(output.name + ".part")
    try:
        count = writer(capture, partial)
        partial.replace(output)
    except OSError as error:
        # pyarrow puts the name and more into the error's text; errno says all that is needed.
        reason = os.strerror(error.errno) if error.errno else str(error)
        raise UsageError(f"cannot be written: {reason}", where=str(output)) from None
    finally:
        partial.unlink(missing_ok=True)
    return count


def named_table(batch: pa.RecordBatch, capture: Capture) -> pa.RecordBatch:
    """A batch with names in place of codes (dictionary-encoded: small, and sorted by code)."""
    arrays, names = [], []
    for name in EVENT_COLUMNS:
        column = batch.column(name)
        if name in ENUMS:
            column = _with_names(column, partial(code_name, name))
        elif name == "endpoint":
            column = _with_names(column, capture.endpoint_name)
        arrays.append(column)
        names.append(name)
    return pa.RecordBatch.from_arrays(arrays, names=names)


def _with_names(column: pa.Array, name_of: Callable[[int], str]) -> pa.Array:
    encoded = column.dictionary_encode()
    names = pa.array([name_of(code) for code in encoded.dictionary.to_pylist()], pa.string())
    return pa.DictionaryArray.from_arrays(encoded.indices, names)


def _batches(capture: Capture) -> Iterator[pa.RecordBatch]:
    for batch in capture.batches:
        yield named_table(batch, capture)


def _schema(capture: Capture) -> pa.Schema:
    empty = pa.RecordBatch.from_arrays(
        [pa.array([], field.type) for field in event_schema()], names=list(EVENT_COLUMNS)
    )
    # The endpoint table, clock and so on travel along where the format has room for them.
    return named_table(empty, capture).schema.with_metadata(capture.info.to_metadata())


def _write_csv(capture: Capture, path: Path) -> int:
    schema = _schema(capture)
    plain = pa.schema([pa.field(f.name, _plain(f.type)) for f in schema])
    with pyarrow.csv.CSVWriter(path, plain) as writer:
        for batch in _batches(capture):
            writer.write_batch(batch.cast(plain))
    return capture.event_count


def _plain(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _write_parquet(capture: Capture, path: Path) -> int:
    schema = _schema(capture)
    with pyarrow.parquet.ParquetWriter(path, schema, compression="zstd") as writer:
        for batch in _batches(capture):
            writer.write_batch(batch.cast(schema))
    return capture.event_count


def _write_chrome(capture: Capture, path: Path) -> int:
    commands, _ = match(capture.batches)
    count = 0
    with path.open("w", encoding="utf-8") as file:
        file.write('{"displayTimeUnit":"ns","metadata":')
        json.dump({"tool": capture.info.tool, "clock": capture.info.clock}, file)
        file.write(',"traceEvents":[\n')
        for item in _chrome_events(capture, commands):
            _write_item(file, item, first=count == 0)
            count += 1
        file.write("\n]}\n")
    return count


def _write_item(file: TextIO, item: dict[str, Any], *, first: bool) -> None:
    if not first:
        file.write(",\n")
    file.write(json.dumps(item, separators=(",", ":")))


def _chrome_events(capture: Capture, commands: Commands) -> Iterator[dict[str, Any]]:
    """Endpoints are processes, queues threads; commands overlap, so they are async slices.

    What the engine executes does not overlap within a queue: it becomes ordinary slices.
    """
    for endpoint in capture.endpoints:
        name = f"{endpoint.name} {endpoint.bdf or ''}".strip()
        yield {"ph": "M", "name": "process_name", "pid": endpoint.row, "args": {"name": name}}
    for endpoint, queue in sorted(
        {*zip(commands.endpoint.tolist(), commands.queue.tolist(), strict=True)}
    ):
        yield {
            "ph": "M", "name": "thread_name", "pid": endpoint, "tid": queue,
            "args": {"name": f"queue {queue}"},
        }  # fmt: skip
    for at in range(len(commands)):
        yield from _chrome_command(row_of(commands, at), at)


def _chrome_command(row: CommandRow, number: int) -> Iterator[dict[str, Any]]:
    opcode = "command" if row.opcode is None else code_name("opcode", row.opcode)
    base = {"pid": row.endpoint, "tid": row.queue, "cat": "command", "id": number}
    args = {
        "sequence": row.sequence,
        "process": row.pid,
        "bytes": row.bytes,
        "status": None if row.status is None else code_name("status", row.status),
    }
    seen = [(stage, time) for stage, time in row.stamps_ns.items() if time is not None]
    first, last = seen[0][1], max(time for _, time in seen)
    yield base | {"ph": "b", "name": opcode, "ts": first / 1e3, "args": args}
    for stage, time in seen[1:-1]:
        yield base | {"ph": "n", "name": stage, "ts": time / 1e3}
    yield base | {"ph": "e", "name": opcode, "ts": last / 1e3}
    start, finish = row.stamps_ns["start"], row.stamps_ns["finish"]
    if start is not None and finish is not None:
        yield {
            "ph": "X", "name": opcode, "cat": "execute", "pid": row.endpoint, "tid": row.queue,
            "ts": start / 1e3, "dur": max(finish - start, 0) / 1e3, "args": args,
        }  # fmt: skip


WRITERS: Final[dict[str, Callable[[Capture, Path], int]]] = {
    "csv": _write_csv,
    "parquet": _write_parquet,
    "chrome": _write_chrome,
}

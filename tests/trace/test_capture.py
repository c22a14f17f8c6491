# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Capture files: what goes in comes out, cut or damaged files give what is whole."""

from __future__ import annotations

import json
import math
import os
import struct

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.trace.capture import CaptureSource, CaptureWriter, read_capture
from diag.trace.decode.capture import CaptureDecoder
from diag.trace.errors import CaptureError, UsageError
from diag.trace.model import Endpoint, Loss, RecorderCost, Refused
from diag.trace.schema import (
    EVENT_COLUMNS,
    KEY_CAPTURE,
    CaptureInfo,
    Note,
    event_schema,
    to_batch,
)
from tests.build.events import SERIAL, command

INFO = CaptureInfo(
    endpoints=(Endpoint(0, SERIAL, 0, "0000:05:00.0", "card:0x00a0c00000000001/0"),),
    rack="1x1",
    host="lab",
    start_ns=1000,
    realtime_offset_ns=5,
    command=("true", "a b"),
    tool="test",
)
COST = RecorderCost(
    events=21, bytes=1, cpu_ns=2, wall_ns=3, polls=4, end_ns=5000, exit_status=0, reason="test"
)


def write(path, *, finish=True, batches=3):
    """A capture of `batches` commands, seven events a batch."""
    writer = CaptureWriter(path, INFO)
    for number in range(batches):
        loss = Loss("1-0.ring", 0, 7, number, 9) if number else None
        note = Note(losses=(loss,) if loss else ())
        writer.write([to_batch(command(number + 1, 1000 * (number + 1)))], note)
    if finish:
        writer.finish(COST)
    else:
        writer.close()
    return path.read_bytes()


@pytest.fixture
def path(tmp_path):
    """Where the capture goes."""
    return tmp_path / "run.axt"


def feed(data, size=None):
    """Decode bytes in pieces of `size`."""
    decoder = CaptureDecoder()
    size = size or max(len(data), 1)
    found = []
    for start in range(0, len(data), size):
        found += decoder.feed(data[start : start + size])
    return found, decoder


def test_everything_comes_back(path):
    """Header, events, losses and the last word survive the file."""
    write(path)
    capture = read_capture(path)
    assert capture.info == INFO
    assert capture.cost == COST
    assert capture.end.complete
    assert capture.warnings() == ["2 events were lost in full rings"]
    times = [t for batch in capture.batches for t in batch.column("time_ns").to_pylist()]
    wanted = np.concatenate([command(n, 1000 * n) for n in (1, 2, 3)])
    assert times == wanted["time_ns"].tolist()


def test_any_arrow_reader_opens_it(path):
    """The file is a plain Arrow stream whose columns are the fields of struct event."""
    write(path)
    table = pa.ipc.open_stream(path.read_bytes()).read_all()
    assert table.column_names == list(EVENT_COLUMNS)
    assert table.num_rows == 21
    assert json.loads(table.schema.metadata[KEY_CAPTURE])["version"] == 1


def test_capture_without_events_is_complete(path):
    """Nothing happened is a result, too."""
    write(path, batches=0)
    capture = read_capture(path)
    assert (capture.event_count, capture.end.complete) == (0, True)


def test_cost_of_a_capture_cut_short_is_unknown(path):
    """Without the last word the recording counts as cut short, even at a batch border."""
    write(path, finish=False)
    capture = read_capture(path)
    assert capture.event_count == 21
    assert capture.cost is None
    assert "cut short" in " ".join(capture.warnings())


@given(cut=st.integers(0, 10**6), size=st.integers(1, 4000))
@settings(deadline=None)
def test_file_cut_anywhere_gives_its_whole_batches(tmp_path_factory, cut, size):
    """Any prefix, fed in pieces of any size, gives whole batches or a clear error."""
    data = write(tmp_path_factory.mktemp("cut") / "run.axt")
    cut %= len(data)
    found, decoder = feed(data[:cut], size)
    if decoder.info is None:
        with pytest.raises(CaptureError, match="not an accel-trace capture"):
            decoder.close()
        return
    rows = sum(item.events.num_rows for item in found)
    assert rows in (0, 7, 14, 21)
    whole, _ = feed(data)
    assert [item.events for item in found] == [item.events for item in whole[: len(found)]]
    end = decoder.close()
    assert end.damage is None
    assert end.complete == any(item.note.end for item in found)


@given(position=st.integers(0, 10**6), value=st.integers(0, 255))
@settings(deadline=None, max_examples=400)
def test_damaged_byte_never_crashes_the_decoder(tmp_path_factory, position, value):
    """Whatever one byte becomes, the decoder returns batches or says what is wrong."""
    data = bytearray(write(tmp_path_factory.mktemp("damage") / "run.axt"))
    data[position % len(data)] = value
    try:
        found, decoder = feed(bytes(data))
        decoder.close()
    except CaptureError:
        return
    assert all(item.events.num_columns == len(EVENT_COLUMNS) for item in found)


@given(st.binary(max_size=300))
def test_garbage_is_no_capture(data):
    """Random bytes give one kind of error."""
    with pytest.raises(CaptureError):
        feed(data)[1].close()


def test_damage_in_the_middle_keeps_what_came_before(path):
    """A broken message ends the reading; the batches before it stay."""
    data = bytearray(write(path))
    found, _ = feed(bytes(data))
    third = data.rfind(struct.pack("<q", 3000))
    marker = data.rfind(b"\xff\xff\xff\xff", 0, third)
    data[marker] = 0
    path.write_bytes(data)
    capture = read_capture(path)
    assert capture.event_count == 14
    assert "marker" in (capture.end.damage or "")
    assert "damaged" in capture.warnings()[0]
    assert len(found) == 5


def stream(schema, batches=(), **options):
    """Bytes of an Arrow stream."""
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, schema, **options) as writer:
        for batch in batches:
            writer.write_batch(batch)
    return sink.getvalue().to_pybytes()


def metadata(**changes):
    """Schema metadata with some values changed."""
    data = json.loads(INFO.to_metadata()[KEY_CAPTURE])
    return {KEY_CAPTURE: json.dumps(data | changes).encode()}


REFUSED = {
    "foreign stream": (stream(pa.schema([("a", pa.int8())])), "no axl.capture metadata"),
    "future version": (stream(event_schema(metadata(version=2))), "version 2 is newer than 1"),
    "version is text": (stream(event_schema(metadata(version="1"))), "not a positive number"),
    "no version": (stream(event_schema(metadata(version=None))), "not a positive number"),
    "no endpoints": (stream(event_schema(metadata(endpoints=7))), "malformed"),
    "endpoint row": (
        stream(event_schema(metadata(endpoints=[INFO.endpoints[0].to_json() | {"row": -1}]))),
        "malformed",
    ),
    "endless clock": (stream(event_schema(metadata(start_ns=math.inf))), "malformed"),
    "half a nanosecond": (stream(event_schema(metadata(start_ns=1.5))), "no whole number"),
    "clock of 200 bits": (stream(event_schema(metadata(start_ns=1 << 200))), "malformed"),
    "many pairs": (
        stream(event_schema({b"%d" % n: b"x" for n in range(100)} | INFO.to_metadata())),
        "a vector of 101 tables",
    ),
    "column metadata": (
        stream(pa.schema([pa.field("time_ns", pa.uint64(), metadata={"a": "b"})])),
        "children or metadata",
    ),
    "nested column": (stream(pa.schema([("a", pa.list_(pa.int8()))])), "children or metadata"),
    "not JSON": (stream(event_schema({KEY_CAPTURE: b"{"})), "not JSON"),
    "deep JSON": (stream(event_schema({KEY_CAPTURE: b"[" * 100_000})), "not JSON"),
    "wrong columns": (
        stream(pa.schema([("time_ns", pa.uint64())], metadata=INFO.to_metadata())),
        "columns are not those of capture format 1",
    ),
    "absurd metadata size": (struct.pack("<II", 0xFFFFFFFF, 0x7FFFFFFF), "2147483647 bytes"),
    "other magic": (b"PK\x03\x04" + bytes(60), "not an accel-trace capture"),
    "empty": (b"", "only 0 bytes"),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_hostile_beginning_is_refused_with_file_and_reason(path, kind):
    """The error names the file and what is wrong with it."""
    data, message = REFUSED[kind]
    path.write_bytes(data)
    with pytest.raises(CaptureError, match=message) as caught:
        read_capture(path)
    assert str(path) in str(caught.value)


def test_compressed_batch_is_damage(path):
    """A small file must not be able to ask for much memory."""
    batch = to_batch(command(1, 1))
    options = pa.ipc.IpcWriteOptions(compression="zstd")
    path.write_bytes(stream(event_schema(INFO.to_metadata()), [batch], options=options))
    assert "compressed" in (read_capture(path).end.damage or "")


def test_note_with_nonsense_is_damage(path):
    """Notes are checked like everything else."""
    writer = CaptureWriter(path, INFO)
    bad = Note(refused=(Refused("r", "x", 1),)).to_metadata() or {}
    bad = {key: value.replace(b'"time_ns": 1', b'"time_ns": "x"') for key, value in bad.items()}
    writer._stream.write_batch(to_batch(command(1, 1)), custom_metadata=bad)
    writer.close()
    capture = read_capture(path)
    assert capture.event_count == 0
    assert "axl.note" in (capture.end.damage or "")


def test_older_file_is_kept_aside(path):
    """Recording again to the same name does not destroy the older capture."""
    first = write(path)
    write(path, batches=1)
    assert path.with_name("run.axt.old").read_bytes() == first


def test_what_is_no_file_is_never_renamed(tmp_path):
    """A folder, a FIFO or a device of that name stays what it is: -o /dev/null as root, too."""
    os.mkfifo(tmp_path / "fifo")
    for name in (".", "fifo"):
        with pytest.raises(UsageError, match="is no file"):
            CaptureWriter(tmp_path / name, INFO)
        with pytest.raises(UsageError):
            read_capture(tmp_path / name)
    assert [entry.name for entry in tmp_path.iterdir()] == ["fifo"]


def test_unwritable_and_missing_files_are_usage_errors(tmp_path):
    """The error says which file."""
    with pytest.raises(UsageError, match="nowhere"):
        CaptureWriter(tmp_path / "nowhere" / "x.axt", INFO)
    with pytest.raises(UsageError, match=r"missing\.axt"):
        read_capture(tmp_path / "missing.axt")
    with pytest.raises(UsageError):
        read_capture(tmp_path)


def test_capture_source_replays_batches_then_losses(path):
    """A capture speaks the same protocol as live rings."""
    write(path)
    source = CaptureSource(read_capture(path))
    polls = [source.poll() for _ in range(5)]
    assert [poll.event_count for poll in polls] == [7, 7, 7, 0, 0]
    assert [loss.dropped_count for loss in polls[3].losses] == [2]
    assert source.at_end

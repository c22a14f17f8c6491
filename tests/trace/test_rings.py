# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The ring source: real files, several writers, hostile neighbours, a writer that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from diag.trace.model import Endpoint
from diag.trace.rings import RingSource
from pyaccel.spec.formats import EVENT_BYTES, EVENT_RING_HEADER_BYTES, Stage
from tests.build.events import SERIAL, RingWriter, event, ring_header

ENDPOINTS = tuple(Endpoint(row, SERIAL, row, None, f"ep{row}") for row in range(2))


def submits(count, start=0, **fields):
    """`count` events with consecutive sequence numbers."""
    rows = [event(Stage.SUBMIT, n + 1, n, **fields) for n in range(start, start + count)]
    return np.concatenate(rows)


def sequences(poll):
    """Sequence numbers of all events of a poll."""
    return [n for batch in poll.batches for n in batch.column("sequence").to_pylist()]


@pytest.fixture
def folder(tmp_path):
    """An empty events folder."""
    path = tmp_path / "events"
    path.mkdir()
    return path


def test_23_events_in_are_23_events_out(folder):
    """No event is lost or doubled, over several polls and a wrap of the ring."""
    source = RingSource(folder, ENDPOINTS)
    ring = RingWriter(folder / "1-0.ring", 16)
    got = []
    for start, count in ((0, 5), (5, 16), (21, 2)):
        assert ring.write(submits(count, start)) == count
        got += sequences(source.poll())
    assert got == list(range(23))
    assert sequences(source.poll()) == []


def test_overflow_is_counted_exactly(folder):
    """Events beyond the capacity are lost, and the loss names ring, endpoint and number."""
    source = RingSource(folder, ENDPOINTS)
    ring = RingWriter(folder / "1-0.ring", 16, endpoint_index=1)
    ring.write(submits(23))
    poll = source.poll()
    assert poll.event_count == 16
    assert [(loss.ring, loss.endpoint, loss.dropped_count) for loss in poll.losses] == [
        ("1-0.ring", 1, 7)
    ]
    assert source.poll().losses == ()


def test_several_writers_and_endpoints_stay_apart(folder):
    """Each ring's events carry the row of its endpoint."""
    source = RingSource(folder, ENDPOINTS)
    for number, index in ((1, 0), (2, 1), (3, 1)):
        RingWriter(folder / f"{number}-0.ring", endpoint_index=index).write(submits(number))
    rows = [row for b in source.poll().batches for row in b.column("endpoint").to_pylist()]
    assert sorted(rows) == [0, 1, 1, 1, 1, 1]


def test_unknown_endpoint_gets_a_row_of_its_own(folder):
    """A ring of an endpoint that the topology does not list is kept, under its serial."""
    source = RingSource(folder, ENDPOINTS)
    RingWriter(folder / "1-0.ring", board_serial=0xABC, endpoint_index=5).write(submits(1))
    poll = source.poll()
    assert [(row.row, row.serial, row.index) for row in poll.endpoints] == [(2, 0xABC, 5)]
    assert poll.batches[0].column("endpoint").to_pylist() == [2]
    assert len(source.endpoints()) == 3


def test_events_before_the_recording_are_skipped(folder):
    """A ring that existed before gives only what is written afterwards."""
    ring = RingWriter(folder / "1-0.ring", 4)
    ring.write(submits(6))
    source = RingSource(folder, ENDPOINTS)
    assert sequences(source.poll()) == []
    ring.write(submits(1, 77))
    poll = source.poll()
    assert sequences(poll) == [77]
    assert poll.losses == ()


HOSTILE = {
    "magic": ring_header(16, magic=1).ljust(2048, b"\0"),
    "version": ring_header(16, version=9).ljust(2048, b"\0"),
    "capacity": ring_header(1 << 50).ljust(2048, b"\0"),
    "truncated": ring_header(64),
    "text": b"no ring at all, just text" * 20,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_ring_is_refused_and_hurts_nobody(folder, kind):
    """A bad ring is reported once with its reason; its neighbour loses nothing."""
    source = RingSource(folder, ENDPOINTS)
    (folder / "6-6.ring").write_bytes(HOSTILE[kind])
    RingWriter(folder / "1-0.ring").write(submits(3))
    poll = source.poll()
    assert sequences(poll) == [0, 1, 2]
    assert [item.ring for item in poll.refused] == ["6-6.ring"]
    assert poll.refused[0].reason
    assert source.poll().refused == ()


def test_special_files_are_refused_without_blocking(folder):
    """A FIFO or a link under a ring's name neither blocks nor is followed."""
    source = RingSource(folder, ENDPOINTS)
    os.mkfifo(folder / "1-0.ring")
    (folder / "2-0.ring").symlink_to("/dev/zero")
    assert {item.ring for item in source.poll().refused} == {"1-0.ring", "2-0.ring"}


def test_ring_without_magic_yet_is_taken_once_it_has_one(folder):
    """The magic is written last: until then the ring is neither read nor refused."""
    source = RingSource(folder, ENDPOINTS)
    ring = RingWriter(folder / "1-0.ring")
    ring.write(submits(2))
    magic = int(ring.header.magic[0])
    ring.header.magic[0] = 0
    poll = source.poll()
    assert (sequences(poll), poll.refused) == ([], ())
    ring.header.magic[0] = magic
    assert sequences(source.poll()) == [0, 1]


def test_ring_finished_just_after_it_was_read_is_not_refused(folder, monkeypatch):
    """A header read before its magic was written counts as unfinished, whatever is there now."""
    source = RingSource(folder, ENDPOINTS)
    RingWriter(folder / "1-0.ring").write(submits(2))
    real = os.pread
    monkeypatch.setattr(os, "pread", lambda *_: bytes(128))
    assert source.poll().refused == ()
    monkeypatch.setattr(os, "pread", real)
    assert sequences(source.poll()) == [0, 1]


def test_head_that_goes_back_ends_the_ring_only(folder):
    """A ring that breaks its contract later is dropped with what was read before kept."""
    source = RingSource(folder, ENDPOINTS)
    bad, good = RingWriter(folder / "1-0.ring"), RingWriter(folder / "2-0.ring")
    bad.write(submits(5))
    assert sequences(source.poll()) == [0, 1, 2, 3, 4]
    bad.header.head[0] = 2
    good.write(submits(1))
    poll = source.poll()
    assert sequences(poll) == [0]
    assert "head" in poll.refused[0].reason


def test_file_truncated_while_open_ends_the_ring_only(folder):
    """Truncation is an error message, not a SIGBUS."""
    source = RingSource(folder, ENDPOINTS)
    RingWriter(folder / "1-0.ring").write(submits(5))
    source.poll()
    path = folder / "2-0.ring"
    size = EVENT_RING_HEADER_BYTES + 64 * EVENT_BYTES
    path.write_bytes(ring_header(64).ljust(size, b"\0"))
    source.poll()
    os.truncate(path, 100)
    poll = source.poll()
    assert [(item.ring, item.reason) for item in poll.refused] == [
        ("2-0.ring", "the file was truncated")
    ]


def test_closed_ring_is_drained_and_removed(folder):
    """A finished writer's events are taken first, then its file goes."""
    source = RingSource(folder, ENDPOINTS)
    ring = RingWriter(folder / "1-0.ring")
    ring.write(submits(4))
    ring.close()
    assert sequences(source.poll()) == [0, 1, 2, 3]
    assert list(folder.iterdir()) == []


def test_name_used_again_keeps_the_older_loss(folder):
    """A free name is taken again by libaxl: the losses of both rings count."""
    source = RingSource(folder, ENDPOINTS)
    found = []
    for extra in (2, 3):
        ring = RingWriter(folder / "1-0.ring", 4)
        ring.write(submits(4 + extra))
        ring.close()
        found += source.poll().losses
    assert [(loss.ring, loss.dropped_count) for loss in found] == [
        ("1-0.ring", 2),
        ("1-0.ring#2", 3),
    ]


def test_close_removes_rings_of_dead_writers_only(folder):
    """What a killed process left is cleaned up; a living one goes on writing."""
    dead = subprocess.Popen(["true"])
    dead.wait()
    source = RingSource(folder, ENDPOINTS)
    RingWriter(folder / "1-0.ring", pid=dead.pid).write(submits(1))
    RingWriter(folder / "2-0.ring").write(submits(1))
    assert source.poll().event_count == 2
    source.close()
    assert [path.name for path in folder.iterdir()] == ["2-0.ring"]


WRITER = """
import sys
from pathlib import Path
from tests.build.events import RingWriter, event
ring = RingWriter(Path(sys.argv[1]), 256)
sequence = 0
while True:
    sequence += ring.write(event(0, sequence + 1, sequence))
"""


def test_writer_killed_in_the_middle_loses_nothing_it_wrote(folder):
    """After SIGKILL every event up to the writer's head comes out, in order, none torn."""
    root = Path(__file__).parents[2]
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(folder / "1-0.ring")],
        cwd=root,
    )
    source = RingSource(folder, ENDPOINTS)
    got = []
    try:
        while len(got) < 1000:
            got += sequences(source.poll())
    finally:
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    got += sequences(source.poll())
    header = np.fromfile(folder / "1-0.ring", "<u8", count=16)
    head = int(header[8])
    assert head >= 1000
    assert got == list(range(head))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Recordings: what was written reads back, cut short or broken, and strangers' files are safe."""

from __future__ import annotations

import asyncio
import dataclasses
import errno
import json
import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.topo.protocol import SourceError, SourceUsageError
from diag.topo.sampling import Sample
from diag.tui.app import TopApp
from diag.tui.recording.codec import HEAD, KEY, MAGIC, Decoder, Encoder, RecordError, parse_head
from diag.tui.recording.reader import Reader
from diag.tui.recording.writer import Writer
from diag.tui.replay import Player
from tests.build.samples import rack, sample, steady, troubled, with_endpoint
from tests.build.top import screen_lines


def written(path: Path, samples) -> Path:
    """A recording of some samples."""
    writer = Writer(path)
    for each in samples:
        writer.add(each)
    writer.close()
    assert writer.problem is None
    return path


def read(path: Path) -> list[Sample]:
    """All samples, as if they came from their first source."""
    return [same(each) for _, each in Reader(path).samples()]


def same(each: Sample) -> Sample:
    """The sample without the name of its source, which is the file when it is read."""
    return dataclasses.replace(each, rack=dataclasses.replace(each.rack, source=""))


def story() -> list[Sample]:
    """A rack that works, has trouble, falls silent and comes back."""
    silent = dataclasses.replace(sample(5), state="stale", reason="no answer", readings={})
    return [
        *steady(rack(), 3), sample(3, troubled()), sample(4, troubled()), silent,
        *(sample(step) for step in range(6, 9)),
    ]  # fmt: skip


def test_samples_read_back_as_they_were(tmp_path: Path) -> None:
    """Tree, state, readings and times."""
    samples = story()
    assert read(written(tmp_path / "a.axs", samples)) == [same(each) for each in samples]


numbers = st.none() | st.integers(-(1 << 40), (1 << 63))


@given(st.lists(st.tuples(numbers, numbers, st.integers(0, 4)), min_size=1, max_size=12))
def test_any_numbers_read_back(rows) -> None:
    """Unknown ones, jumps in both directions, queues that come and go."""
    encoder, decoder = Encoder(), Decoder("x")
    for step, (temperature, moved, queues) in enumerate(rows):
        made = sample(step)
        now = made.readings[0]
        telemetry = dataclasses.replace(
            now.telemetry, temperature_millicelsius=temperature, bytes_peer=moved
        )
        changed = dataclasses.replace(
            now, telemetry=telemetry, queues=(now.queues or ()) * queues or None
        )
        made = dataclasses.replace(made, readings={**made.readings, 0: changed})
        record = encoder.record(made)
        head = parse_head(record[: HEAD.size])
        assert same(decoder.sample(head, record[HEAD.size :])) == same(made)


def test_a_recording_that_was_cut_anywhere_is_readable_up_to_there(tmp_path: Path) -> None:
    """A crash loses at most the record that it was in."""
    whole = written(tmp_path / "a.axs", story())
    data = whole.read_bytes()
    expected = read(whole)
    first_end = len(MAGIC) + len(Encoder().record(story()[0]))
    for cut in range(len(MAGIC), len(data), 97):
        part = tmp_path / "cut.axs"
        part.write_bytes(data[:cut])
        if cut < first_end:
            with pytest.raises(SourceError, match="holds no sample"):
                Reader(part)
            continue
        reader = Reader(part)
        found = [same(each) for _, each in reader.samples()]
        assert found == expected[: len(found)]
        last = reader._places[-1]
        assert (reader.problem is None) == (cut == last.offset + last.head.length)


@given(st.integers(8, 1 << 20), st.integers(1, 255))
def test_broken_bytes_never_get_into_a_sample(at: int, flip: int) -> None:
    """Whatever byte is wrong: an explanation, and the samples before it."""
    data = bytearray(_data())
    data[at % (len(data) - len(MAGIC)) + len(MAGIC)] ^= flip
    good = [same(each) for each in story()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "broken.axs"
        path.write_bytes(data)
        try:
            found = [each for _, each in Reader(path).samples()]
        except SourceError:
            return
    # The clock of a head has no checksum; it places a sample in time and is no part of it.
    assert [same(each) for each in found] == good[: len(found)]


_CACHE: list[bytes] = []


def _data() -> bytes:
    if not _CACHE:
        encoder = Encoder()
        _CACHE.append(MAGIC + b"".join(encoder.record(each) for each in story()))
    return _CACHE[0]


def forged(value: object, kind: bytes = KEY) -> bytes:
    """A record with a right checksum around anything."""
    deflate = zlib.compressobj()
    payload = deflate.compress(json.dumps(value).encode()) + deflate.flush(zlib.Z_SYNC_FLUSH)
    return HEAD.pack(kind, len(payload), zlib.crc32(payload), 0) + payload


@pytest.mark.parametrize(
    "value",
    [
        None, [], {}, 7, {"time_ns": 1}, [[[[]]]],
        {"time_ns": "x", "wall_ns": 1, "state": "live", "reason": None, "topology": {},
         "rows": {}, "tails": {}},
    ],
)  # fmt: skip
def test_a_forged_record_is_refused(value: object) -> None:
    """JSON of any other form is no sample."""
    record = forged(value)
    with pytest.raises(RecordError):
        Decoder("x").sample(parse_head(record[: HEAD.size]), record[HEAD.size :])


def test_a_record_that_unpacks_to_too_much_is_refused(tmp_path: Path) -> None:
    """A small file must not fill the memory."""
    deflate = zlib.compressobj(9)
    payload = deflate.compress(b" " * (40 << 20)) + deflate.flush(zlib.Z_SYNC_FLUSH)
    head = HEAD.pack(KEY, len(payload), zlib.crc32(payload), 0)
    with pytest.raises(RecordError, match="more than"):
        Decoder("x").sample(parse_head(head), payload)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "no recording of accel-top"),
        (b"something else", "no recording of accel-top"),
        (MAGIC[:-1] + b"\x07", "version 7, this accel-top reads version 1"),
        (MAGIC, "holds no sample"),
        (MAGIC + b"Q" * 40, "no record begins here"),
    ],
)
def test_other_files_are_explained(tmp_path: Path, data: bytes, words: str) -> None:
    """What it is not, and what to do."""
    path = tmp_path / "other"
    path.write_bytes(data)
    with pytest.raises(SourceError, match=words):
        Reader(path)


def test_an_old_recording_is_never_overwritten(tmp_path: Path) -> None:
    """Another name is asked for."""
    written(tmp_path / "a.axs", [sample(0)])
    with pytest.raises(SourceUsageError, match="is there already"):
        Writer(tmp_path / "a.axs")


def test_a_full_disk_ends_the_recording_and_not_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is there stays readable, and the reason is kept."""
    writer = Writer(tmp_path / "a.axs")
    writer.add(sample(0))

    def full(_fd: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        writer.add(sample(1))
    writer.add(sample(2))
    writer.close()
    assert "No space left" in (writer.problem or "")
    assert len(read(tmp_path / "a.axs")) == 1


def test_a_day_of_64_endpoints_stays_small() -> None:
    """Every figure of every endpoint moves, and a day at 1 Hz is still below 200 MB."""
    encoder = Encoder()
    made = rack("8x8")
    size = sum(len(encoder.record(jittered(step, made))) for step in range(120))
    assert size / 120 * 86400 < 200e6


def jittered(step: int, made) -> Sample:
    """A sample whose numbers no difference coding can guess."""
    base = sample(step, made)
    readings = {}
    for n, each in base.readings.items():
        noise = zlib.crc32(f"{step}/{n}".encode())
        telemetry = dataclasses.replace(
            each.telemetry,
            temperature_millicelsius=40_000 + noise % 3000,
            power_milliwatt=20_000 + noise // 7 % 9000,
            utilisation_permille=noise % 1000,
            bytes_host_to_device=step * 10_000_000_000 + noise,
            bytes_device_to_host=step * 5_000_000_000 + noise // 3,
            commands_finished_count=step * 50_000 + noise % 20_000,
        )
        readings[n] = dataclasses.replace(each, telemetry=telemetry)
    return dataclasses.replace(base, readings=readings)


def test_seeking_by_time_and_to_the_next_finding(tmp_path: Path) -> None:
    """A finding is new when the sample before did not have it."""
    before, after = rack(), with_endpoint(rack(), 2, health="wedged")
    samples = [sample(step, after if 10 <= step < 15 or step >= 18 else before)
               for step in range(25)]  # fmt: skip
    reader = Reader(written(tmp_path / "a.axs", samples))
    assert reader.at(samples[7].wall_ns + 1) == 7
    assert reader.at(0) == 0
    assert reader.next_finding(0) == 10
    assert reader.next_finding(10) == 18
    assert reader.next_finding(18) is None


def test_a_recording_plays_in_the_same_screen(tmp_path: Path) -> None:
    """Stop, seek, next finding; the rates there are those of then."""
    after = with_endpoint(rack(), 2, health="wedged", health_reason="boom")
    samples = [sample(step, after if step >= 90 else rack()) for step in range(120)]
    player = Player(Reader(written(tmp_path / "a.axs", samples)))

    player.toggle()  # a busy machine may take longer than a second to start the application

    async def show() -> None:
        app = TopApp(player, readonly=True)
        async with app.run_test(size=(160, 30)) as pilot:
            await pilot.pause()
            await pilot.press("right_square_bracket")
            await pilot.pause()
            lines = screen_lines(app)
            assert "replay 61/120 stopped" in lines[0]
            assert "00:01:00" in lines[0]
            assert any("120M" in line and "ep2" in line for line in lines)
            await pilot.press("F")
            await pilot.pause()
            lines = screen_lines(app)
            assert "replay 91/120" in lines[0]
            assert any("WEDGED" in line for line in lines)
            await pilot.press("comma")
            await pilot.pause()
            lines = screen_lines(app)
            assert "replay 90/120" in lines[0]
            assert not any("WEDGED" in line for line in lines)
            await pilot.press("space")
            assert player.playing

    asyncio.run(show())

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The event ring and the USDT probes of libaxl."""

from __future__ import annotations

import re
import struct
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from axl_binding import Axl

from diag.model.rack.launch import RunningRack
from pyaccel.spec.formats import EVENT_RING_MAGIC, Event, EventRingHeader, Origin, Stage
from tests.build import commands as cmd


@pytest.fixture
def recording(rack: RunningRack) -> Iterator[Path]:
    """The rack's folder while its clients record events."""
    folder = rack.directory.path
    enable = rack.directory.events_enable
    with enable.open("r+b") as file:
        file.write(struct.pack("<I", 1))
        file.flush()
        yield folder / "events"
        file.seek(0)
        file.write(bytes(4))


def read_ring(path: Path) -> tuple[EventRingHeader, list[Event]]:
    """Header and records of a ring nobody has read from."""
    raw = path.read_bytes()
    header = EventRingHeader.unpack_from(raw)
    records = [Event.unpack_from(raw, at) for at in range(128, 128 + 64 * header.head, 64)]
    return header, records


def rings(folder: Path) -> set[Path]:
    """Ring files that are there."""
    return set(folder.glob("*.ring")) if folder.exists() else set()


def test_23_nops_are_23_of_each_stage(axl: Axl, recording: Path) -> None:
    """Every stage of every command is in the ring once, in order, and nothing is dropped."""
    before = rings(recording)
    with axl.open("rack:u2x2#0") as device:
        queue = device.queue(device.context())
        for _ in range(23):
            queue.run(cmd.nop())
    (path,) = rings(recording) - before
    header, events = read_ring(path)
    assert (header.magic, header.version, header.dropped, header.closed) == (
        EVENT_RING_MAGIC,
        1,
        0,
        1,
    )
    count = Counter(event.stage for event in events)
    for stage in (Stage.SUBMIT, Stage.DOORBELL, Stage.FETCH, Stage.START, Stage.FINISH):
        assert count[stage] == 23, Stage(stage).name
    assert (count[Stage.COMPLETE], count[Stage.WAKE]) == (23, 23)
    assert sum(event.value for event in events if event.stage == Stage.IRQ) == 23
    assert count[Stage.QUEUE_CREATE] == count[Stage.QUEUE_DESTROY] == 1
    for sequence in range(1, 24):
        own = [e for e in events if e.sequence == sequence and e.stage != Stage.DOORBELL]
        assert [e.stage for e in own] == [0, 2, 3, 4, 5, 7]
        assert all(e.origin == Origin.RECONSTRUCTED for e in own if e.stage in (2, 3, 4))
        assert all(e.origin == Origin.LIBRARY for e in own if e.stage not in (2, 3, 4))
    assert {e.pid for e in events} == {header.pid}


def test_maps_and_resets_are_recorded(axl: Axl, recording: Path) -> None:
    """Mapping, unmapping and resets are events with size, address and kind."""
    before = rings(recording)
    with axl.open("rack:u2x2#0") as device:
        buffer = device.buffer(device.context(), 1 << 20)
        va = device.lib.axl_buffer_va(buffer)
        device.destroy_newest()
        axl.check(device.lib.axl_device_reset(device.c, 1))
    (path,) = rings(recording) - before
    events = read_ring(path)[1]
    maps = [e for e in events if e.stage in (Stage.DMA_MAP, Stage.DMA_UNMAP)]
    assert [(e.stage, e.bytes, e.address) for e in maps] == [
        (Stage.DMA_MAP, 1 << 20, va),
        (Stage.DMA_UNMAP, 1 << 20, va),
    ]
    resets = [(e.stage, e.value, e.status) for e in events if 20 <= e.stage <= 21]
    assert resets == [(Stage.RESET_BEGIN, 1, 0), (Stage.RESET_END, 1, 0)]


RECORDS = 262144
BATCHES = 110


def test_full_ring_drops_and_counts(axl: Axl, recording: Path) -> None:
    """What does not fit is counted exactly; what was there stays."""
    before = rings(recording)
    with axl.open("rack:u2x2#0") as device:
        queue = device.queue(device.context())
        for _ in range(BATCHES):
            queue.run(cmd.nop() * 512)
    (path,) = rings(recording) - before
    header, events = read_ring(path)
    assert len(events) == header.capacity == RECORDS
    # Per batch one doorbell and one wake; per command submit, fetch, start, finish, complete.
    interrupts = header.head + header.dropped - BATCHES * (512 * 5 + 2) - 2
    assert 0 <= interrupts <= BATCHES


def test_ring_takes_memory_as_it_fills(axl: Axl, recording: Path) -> None:
    """The file has its full length at once, and memory for 1 MiB of records at a time."""
    before = rings(recording)
    with axl.open("rack:u2x2#0") as device:
        queue = device.queue(device.context())
        queue.run(cmd.nop())
        (path,) = rings(recording) - before
        first = path.stat()
        for _ in range(10):
            queue.run(cmd.nop() * 512)
        second = path.stat()
    assert first.st_size == second.st_size == 128 + 64 * RECORDS
    assert 1 << 20 <= first.st_blocks * 512 < 2 << 20
    assert 2 << 20 <= second.st_blocks * 512 < 3 << 20


def run_recorded(driver: Path, rack: RunningRack, *shell: str) -> bytes:
    """Output of the thread test under a shell line that ends with "$@", while recording."""
    (rack.directory.path / "events").mkdir(exist_ok=True)
    with rack.directory.events_enable.open("r+b") as file:
        file.write(struct.pack("<I", 1))
    command = [*shell, "sh", driver, "threads", f"rack:{rack.directory.name}#0"]
    done = subprocess.run(command, capture_output=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, b"")
    return done.stdout


def test_full_file_system_loses_events_and_counts_them(built: Path, runtime: Path) -> None:
    """A ring that gets no more memory drops and counts: no SIGBUS, and the program goes on."""
    with RunningRack("1x1", "usmall") as rack:
        events = rack.directory.path / "events"
        line = f'mount -t tmpfs -o size=1536k t {events} && "$@" >/dev/null; cat {events}/*'
        if subprocess.run(["unshare", "-rm", "true"], check=False).returncode:
            pytest.skip("no right to mount a small file system")
        raw = run_recorded(built / "tests/userlib/driver", rack, "unshare", "-rm", "sh", "-c", line)
    header = EventRingHeader.unpack_from(raw)
    assert (header.head, header.closed) == (16384, 1)
    assert header.dropped > 3192


def test_no_room_for_a_ring_hinders_nobody(built: Path, runtime: Path) -> None:
    """A process that may not write a file of that size works on, and leaves no stump behind."""
    with RunningRack("1x1", "unone") as rack:
        # Enough for 16 MiB of shared memory, not for a ring with its header.
        line = 'ulimit -f 32768; trap "" XFSZ; exec "$@"'
        out = run_recorded(built / "tests/userlib/driver", rack, "sh", "-c", line)
        assert out.startswith(b"done=3192 ")
        assert not rings(rack.directory.path / "events")


def test_nothing_is_recorded_when_nobody_asks(axl: Axl, rack: RunningRack) -> None:
    """Without events.enable no ring file comes into being."""
    folder = rack.directory.path / "events"
    before = rings(folder)
    with axl.open("rack:u2x2#0") as device:
        device.queue(device.context()).run(cmd.nop())
    assert rings(folder) == before


def test_probes_are_one_per_stage(built: Path) -> None:
    """The library's SystemTap notes list the stages of the schema, each with five arguments."""
    library = built / "userlib/libaxl.so"
    notes = subprocess.run(
        ["readelf", "-n", library], capture_output=True, text=True, check=True
    ).stdout
    found = re.findall(
        r"Provider: libaxl\s+Name: (\w+)\s+Location.*Semaphore: (0x\w+)\s+Arg.*: (.*)", notes
    )
    assert sorted(name for name, _, _ in found) == sorted(s.name.lower() for s in Stage)
    assert len({semaphore for _, semaphore, _ in found}) == 1
    assert all(len(re.findall(r"\d@", arguments)) == 5 for _, _, arguments in found)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""`accel-trace record` as a program: real processes, signals and files."""

from __future__ import annotations

import errno
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from diag.trace import capture as capture_module
from diag.trace.capture import read_capture
from diag.trace.errors import TraceError
from diag.trace.record import record_rack
from diag.trace.recorder import Child

ROOT = Path(__file__).parents[2]

# What libaxl does: watch the switch, make a ring at the first event, write, close.
CLIENT = """
import mmap, os, sys, time
from pathlib import Path
import numpy as np
from tests.build.events import RingWriter, command
rack, count, status = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
with (rack / "events.enable").open("rb") as file:
    switch = mmap.mmap(file.fileno(), 4096, access=mmap.ACCESS_READ)
while not int.from_bytes(switch[:4], "little"):
    time.sleep(0.001)
ring = RingWriter(rack / "events" / f"{os.getpid()}-0.ring", 1024)
for number in range(1, count + 1):
    ring.write(command(number, time.monotonic_ns(), pid=os.getpid()))
ring.close()
sys.exit(status)
"""


def client(rack, count=23, status=0):
    """Command line of a client that writes `count` commands, seven events each."""
    return [sys.executable, "-c", CLIENT, str(rack.path), str(count), str(status)]


def start(rack, *args, **options):
    """The recorder as a process; the source is given unless the caller gives one."""
    source = [] if "--source" in args else ["--source", f"rack:{rack.path}"]
    return subprocess.Popen(
        [sys.executable, "-m", "diag.trace.cli", "record", *source, *args],
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )


def finish(process):
    """Exit status and standard error."""
    error = process.communicate()[1]
    return process.returncode, error


def word(rack):
    """The first word of the switch."""
    return int.from_bytes(rack.events_enable.read_bytes()[:4], "little")


def wait_until_recording(rack, process):
    """Return once the recorder has turned the switch on."""
    while word(rack) != process.pid:
        assert process.poll() is None, process.communicate()[1]
        select.select([], [], [], 0.01)


@pytest.fixture
def output(tmp_path):
    """Where the capture goes."""
    return tmp_path / "run.axt"


def test_command_is_recorded_completely(rack, output):
    """23 commands of a process that starts, writes and ends: every event, none lost."""
    status, error = finish(start(rack, "-o", str(output), "--", *client(rack)))
    assert status == 0, error
    capture = read_capture(output)
    assert capture.event_count == 23 * 7
    assert capture.warnings() == []
    assert capture.info.command == tuple(client(rack))
    assert capture.endpoints[0].bdf == "0000:01:00.0"
    assert (capture.cost.exit_status, capture.cost.events) == (0, 23 * 7)
    assert word(rack) == 0
    assert list(rack.events.iterdir()) == []


def test_exit_status_of_the_command_is_passed_through(rack, output):
    """A failing program fails the recording, and the capture is there all the same."""
    status, _ = finish(start(rack, "-o", str(output), "--", *client(rack, status=7)))
    assert status == 7
    assert read_capture(output).cost.exit_status == 7


def test_command_killed_by_a_signal_gives_128_plus_its_number(rack, output):
    """As shells have it."""
    status, _ = finish(start(rack, "-o", str(output), "--", "sh", "-c", "kill -9 $$"))
    assert status == 137


def test_command_that_does_not_exist_is_a_usage_error(rack, output):
    """The error names it, and the switch is off again."""
    status, error = finish(start(rack, "-o", str(output), "--", "/no/such/program"))
    assert status == 2
    assert "/no/such/program" in error
    assert word(rack) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_finalises_the_capture(rack, output, number):
    """Ctrl-C ends the recording cleanly: status 0, last word written, switch off."""
    process = start(rack, "-o", str(output))
    wait_until_recording(rack, process)
    subprocess.run(client(rack), cwd=ROOT, check=True)
    process.send_signal(number)
    status, error = finish(process)
    assert status == 0, error
    capture = read_capture(output)
    assert capture.end.complete
    assert capture.event_count == 23 * 7
    assert word(rack) == 0


def test_recorder_killed_leaves_a_readable_capture_and_the_next_one_works(rack, output):
    """SIGKILL costs the last word only; the next recorder repairs the switch."""
    process = start(rack, "-o", str(output))
    wait_until_recording(rack, process)
    process.kill()
    finish(process)
    capture = read_capture(output)
    assert not capture.end.complete
    assert word(rack) == process.pid
    status, error = finish(start(rack, "-o", str(output), "--", *client(rack)))
    assert status == 0, error
    assert word(rack) == 0


def test_switch_set_by_hand_stays_set(rack, output):
    """The word is restored to what somebody chose."""
    rack.events_enable.write_bytes((1).to_bytes(4096, "little"))
    status, _ = finish(start(rack, "-o", str(output), "--duration", "0"))
    assert status == 0
    assert word(rack) == 1


def test_second_recorder_is_refused_with_who_holds_the_rack(rack, output, tmp_path):
    """Status 1, the holder's pid and file; the first recording never notices."""
    first = start(rack, "-o", str(output))
    wait_until_recording(rack, first)
    status, error = finish(start(rack, "-o", str(tmp_path / "second.axt")))
    assert status == 1
    assert f"process {first.pid}, which writes {output}" in error
    assert not (tmp_path / "second.axt").exists()
    first.send_signal(signal.SIGINT)
    assert finish(first)[0] == 0


def test_auto_takes_the_rack_that_is_up(rack, output):
    """With one rack up nothing needs to be named."""
    process = start(rack, "--source", "auto", "-o", str(output), "--", "true", pass_fds=())
    status, error = finish(process)
    assert status == 0, error
    assert read_capture(output).info.rack == "1x2"


@pytest.mark.parametrize(
    ("arguments", "expected", "message"),
    [
        (["--source", "rack:nobody"], 1, "no rack is up there"),
        (["--source", "rack:/nowhere/at/all"], 1, "no rack is up there"),
        (["--source", "kernel"], 2, "kernel driver"),
        (["--source", "tape"], 2, "no source"),
        (["--duration", "1", "--", "true"], 2, "exclude each other"),
    ],
)
def test_wrong_usage_is_status_2_and_a_missing_rack_1(rack, output, arguments, expected, message):
    """What, where, and what to do; nothing is recorded."""
    status, error = finish(start(rack, "-o", str(output), *arguments))
    assert status == expected
    assert message in error
    assert not output.exists()


def test_misspelled_command_leaves_the_older_capture(rack, output):
    """Status 2, and nothing was renamed or written."""
    output.write_bytes(b"older")
    status, error = finish(start(rack, "-o", str(output), "--", "no-such-program"))
    assert (status, output.read_bytes()) == (2, b"older")
    assert "no-such-program: no such program" in error


def test_rack_without_topology_or_with_a_bad_one_is_an_error(rack, output):
    """A damaged runtime folder is named."""
    rack.topology.write_text("axl-topology 1\nnonsense\n")
    status, error = finish(start(rack, "-o", str(output)))
    assert status == 1
    assert str(rack.topology) in error


def test_full_disk_stops_the_recording_but_not_the_command(rack, output, tmp_path, monkeypatch):
    """The command's end is awaited; what was written before stays readable."""
    real_write, real_start, started = os.write, Child.start, []

    def write(fd, data):
        if started:
            raise OSError(errno.ENOSPC, "No space left on device")
        return real_write(fd, data[:100])  # a short write, as on a disk that is nearly full

    def start_child(command):
        started.append(command)
        return real_start(command)

    monkeypatch.setattr(capture_module.os, "write", write)
    monkeypatch.setattr(Child, "start", start_child)
    done = tmp_path / "done"
    with pytest.raises(TraceError, match="No space left") as caught:
        record_rack(f"rack:{rack.path}", output, ["sh", "-c", f"sleep 0.2; touch {done}"], None)
    assert done.exists()
    assert read_capture(output).event_count == 0
    assert "ended with status 0" in str(caught.value)
    assert word(rack) == 0

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples of a machine, from folders that look like its sysfs and procfs."""

from __future__ import annotations

import dataclasses
import os
import shutil
import threading
import time
from pathlib import Path

import pytest

import pyaccel
from diag.topo.sampling import Client, Sample, Telemetry
from diag.topo.sources import attributes
from diag.topo.sources.clients import SEARCH_EVERY_S, Clients
from diag.topo.sources.kernel_sampler import ASLEEP, MAY_SLEEP, KernelSampler
from diag.topo.sources.library_telemetry import NO_ANSWER, LibraryTelemetry
from tests.build.sysfs import Sysfs

PORT, EP, OTHER = "0000:00:01.0", "0000:05:00.0", "0000:05:00.1"
IDENTITY = "card:0x00a0c00000000001/0"
SEEN = pyaccel.Telemetry(41_000, 12_000, None, 7, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
FDINFO = "drm-driver:\taxl\ndrm-client-id:\t{id}\ndrm-pdev:\t{bdf}\naxl-queues:\t2\n"


class Device:
    """An endpoint as the library opens it."""

    def __init__(self, uri: str) -> None:
        self.uri = uri
        self.closed = False
        self.error: pyaccel.AxlError | None = None
        self.hold: threading.Event | None = None

    def telemetry(self) -> pyaccel.Telemetry:
        """Numbers, or what is wrong."""
        if self.hold is not None:
            self.hold.wait(60)
        if self.error is not None:
            raise self.error
        return SEEN

    def close(self) -> None:
        """Remember that."""
        self.closed = True


class Library:
    """Opens endpoints and remembers them."""

    def __init__(self) -> None:
        self.opened: list[Device] = []

    def open(self, uri: str) -> Device:
        """A new one."""
        self.opened.append(Device(uri))
        return self.opened[-1]


@pytest.fixture
def machine(tmp_path: Path) -> Sysfs:
    """One endpoint of ours below a root port."""
    made = Sysfs(tmp_path / "sys")
    made.bridge(PORT, None, (5, 5))
    made.endpoint(EP, PORT)
    made.attribute(EP, "power/control", "on")
    (made.devices / EP / "hwmon/hwmon3").mkdir(parents=True)
    made.attribute(EP, "hwmon/hwmon3/temp1_input", "39356")
    made.attribute(EP, "hwmon/hwmon3/power1_input", "11807999")
    return made


@pytest.fixture
def library() -> Library:
    """The library."""
    return Library()


@pytest.fixture
def sampler(machine: Sysfs, library: Library, tmp_path: Path) -> KernelSampler:
    """Nobody has anything open."""
    (tmp_path / "proc").mkdir()
    return KernelSampler(machine.root, tmp_path / "proc", LibraryTelemetry(library.open))


def only(sample: Sample) -> tuple[Telemetry, dict[str, str]]:
    """Telemetry of the endpoint and what is not known of it."""
    assert set(sample.readings) == {0}
    return sample.readings[0].telemetry, dict(sample.readings[0].unavailable)


def test_a_sample_has_what_the_library_tells(sampler: KernelSampler, library: Library) -> None:
    """Opened once by identity, asked each time; a sensor that does not work says so."""
    telemetry, reasons = only(sampler.sample())
    assert dataclasses.astuple(telemetry) == (
        41_000, 12_000, None, 7, 1, 2, 5, 6, 7, 8, 3, 4,
    )  # fmt: skip
    assert reasons["clock_khz"] == "the sensor does not work"
    assert reasons["queues"] == "debugfs, for root: queues: No such file or directory"
    sampler.sample()
    assert [device.uri for device in library.opened] == [f"kernel#{IDENTITY}"]


@pytest.mark.parametrize(("status", "reason"), [("suspended", ASLEEP), ("active", MAY_SLEEP)])
def test_an_endpoint_that_may_sleep_is_not_kept_awake(
    sampler: KernelSampler, machine: Sysfs, library: Library, status: str, reason: str
) -> None:
    """Its sensors are read from hwmon, which wakes nobody."""
    machine.attribute(EP, "power/control", "auto")
    machine.attribute(EP, "power/runtime_status", status)
    telemetry, reasons = only(sampler.sample())
    assert (telemetry.temperature_millicelsius, telemetry.power_milliwatt) == (39356, 11807)
    assert telemetry.bytes_peer is None
    assert reasons["bytes_peer"] == reason
    assert library.opened == []


def test_peers_are_read_again_only_after_a_reset(sampler: KernelSampler, machine: Sysfs) -> None:
    """Reading them wakes an endpoint; what else changes is seen each time."""
    assert len(sampler.sample().rack.endpoints[0].peers or ()) == 2
    machine.attribute(EP, "axl/peers", "card:0x00a0c00000000002/1 0000:06:00.0 reachable")
    machine.attribute(EP, "axl/state", "wedged")
    second = sampler.sample().rack.endpoints[0]
    assert (second.health, len(second.peers or ())) == ("wedged", 2)
    machine.attribute(EP, "axl/generation", "3")
    assert len(sampler.sample().rack.endpoints[0].peers or ()) == 1


def test_what_reads_as_before_is_not_made_again(sampler: KernelSampler, machine: Sysfs) -> None:
    """The same objects; a counter, a link's other end or a reset makes new ones of the two ends."""
    first = sampler.sample().rack
    same = sampler.sample().rack
    assert same.ports[0] is first.ports[0]
    assert same.endpoints[0] is first.endpoints[0]
    machine.attribute(EP, "current_link_width", "8")
    narrow = sampler.sample().rack
    assert (narrow.endpoints[0].link.width, narrow.endpoints[0].link.max_width) == (8, None)
    assert narrow.ports[0].unavailable["link"].startswith("the ends disagree")
    machine.attribute(PORT, "current_link_width", "8")
    agreed = sampler.sample().rack
    assert [each.link.max_width for each in (*agreed.ports, *agreed.endpoints)] == [16, 16]
    machine.attribute(EP, "msi_irqs/40", "msi")
    machine.attribute(EP, "axl/generation", "9")
    assert sampler.sample().rack.endpoints[0].irq == "msi"


def test_sensors_are_read_where_the_library_may_not(
    sampler: KernelSampler, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hwmon is for everybody; where the library answers nobody reads it."""
    asked: list[str] = []
    real = attributes._read
    monkeypatch.setattr(attributes, "_read", lambda path: asked.append(path) or real(path))
    sampler.sample()
    assert not [path for path in asked if "hwmon" in path]
    library.opened[0].error = pyaccel.PermissionDeniedError("no")
    assert only(sampler.sample())[0].temperature_millicelsius == 39356


def test_what_is_plugged_in_and_out_is_seen(sampler: KernelSampler, machine: Sysfs) -> None:
    """Also a device that took another's place under the same address."""
    sampler.sample()
    machine.endpoint(OTHER, PORT, endpoint_index="1")
    assert [each.index for each in sampler.sample().rack.endpoints] == [0, 1]
    unplug(machine, OTHER)
    machine.endpoint(OTHER, PORT, endpoint_index="2")
    assert [each.index for each in sampler.sample().rack.endpoints] == [0, 2]
    unplug(machine, OTHER)
    assert [each.index for each in sampler.sample().rack.endpoints] == [0]


def unplug(machine: Sysfs, bdf: str) -> None:
    """Its folder and the links to it are gone; kept until then, so that no inode is used again."""
    folder = (machine.devices / bdf).resolve()
    folder.rename(machine.root / f"removed-{time.monotonic_ns()}")
    (machine.devices / bdf).unlink()
    (machine.root / "bus/pci/drivers/axl" / bdf).unlink()


def test_an_endpoint_that_was_reset_is_opened_again(
    sampler: KernelSampler, library: Library
) -> None:
    """The old handle is closed, and its error is the reason until then."""
    sampler.sample()
    library.opened[0].error = pyaccel.StaleHandleError("reset in between")
    telemetry, reasons = only(sampler.sample())
    assert telemetry.bytes_peer is None
    assert "reset in between" in reasons["bytes_peer"]
    assert library.opened[0].closed
    assert only(sampler.sample())[0].bytes_peer == SEEN.bytes_peer


def test_a_driver_that_hangs_costs_one_thread_and_no_more(
    sampler: KernelSampler, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its values are unknown, it is not asked again meanwhile, and it is back when it answers."""
    monkeypatch.setattr("diag.topo.sources.kernel_sampler.PATIENCE_S", 0.05)
    sampler.sample()
    before = threading.active_count()
    library.opened[0].hold = go = threading.Event()
    try:
        for _ in range(4):
            telemetry, reasons = only(sampler.sample())
            assert (telemetry.bytes_peer, reasons["bytes_peer"]) == (None, NO_ANSWER)
        assert threading.active_count() <= before + 1
    finally:
        library.opened[0].hold = None
        go.set()
    while only(sampler.sample())[0].bytes_peer is None:
        pass


def test_an_attribute_that_hangs_is_not_asked_again(
    sampler: KernelSampler, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The value of before is not shown for it; others of the machine are."""
    assert sampler.sample().rack.endpoints[0].health == "online"
    go, real = threading.Event(), attributes._read
    asked = []

    def slow(path: str) -> str:
        if path.endswith("axl/state"):
            asked.append(path)
            go.wait(60)
        return real(path)

    monkeypatch.setattr(attributes, "_read", slow)
    try:
        samples = [sampler.sample() for _ in range(3)]
    finally:
        go.set()
    assert [each.rack.endpoints[0].health for each in samples] == ["stale"] * 3
    assert len(asked) == 1
    assert samples[-1].readings == {}
    while sampler.sample().rack.endpoints[0].health != "online":
        pass


def process(proc: Path, pid: int, *files: tuple[int, str]) -> None:
    """A process with open files of an endpoint: (client, bus address)."""
    (proc / str(pid) / "fd").mkdir(parents=True)
    (proc / str(pid) / "fdinfo").mkdir()
    (proc / str(pid) / "comm").write_text("train\x1b[2J\n")
    for fd, (number, bdf) in enumerate(files):
        (proc / str(pid) / "fd" / str(fd)).symlink_to("/dev/accel/accel0")
        (proc / str(pid) / "fdinfo" / str(fd)).write_text(FDINFO.format(id=number, bdf=bdf))


def test_clients_are_named_and_counted_once(sampler: KernelSampler, tmp_path: Path) -> None:
    """A descriptor that was duplicated is the same client; other files are none."""
    process(tmp_path / "proc", 1000001, (7, EP), (7, EP), (9, EP))
    process(tmp_path / "proc", 1000002, (8, OTHER))
    (tmp_path / "proc/1000002/fd/9").symlink_to("/dev/null")
    clients = sampler.sample().readings[0].clients
    assert clients == (
        Client(1000001, "train\x1b[2J", id=7, queues=2),
        Client(1000001, "train\x1b[2J", id=9, queues=2),
    )


def test_processes_are_searched_now_and_then(tmp_path: Path) -> None:
    """Those that are known are read each time, and are gone at once when they end."""
    now = [0.0]
    clients = Clients(tmp_path, lambda: now[0])
    process(tmp_path, 1000001, (7, EP))
    assert len(clients.read()[EP]) == 1
    process(tmp_path, 1000002, (8, EP))
    assert len(clients.read()[EP]) == 1
    now[0] += SEARCH_EVERY_S
    assert len(clients.read()[EP]) == 2
    shutil.rmtree(tmp_path / "1000001")
    assert [each.pid for each in clients.read()[EP]] == [1000002]


def test_processes_that_may_not_be_looked_at_are_told(
    sampler: KernelSampler, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The list is not all there is, and what to do is said."""
    process(tmp_path / "proc", 1000001, (7, EP))

    real = os.readlink

    def refuse(path: str) -> str:
        if "proc/1000001" in str(path):
            raise PermissionError(path)
        return real(path)

    monkeypatch.setattr(os, "readlink", refuse)
    reasons = only(sampler.sample())[1]
    assert "1 processes of others" in reasons["clients"]
    assert "CAP_SYS_PTRACE" in reasons["clients"]


def test_debugfs_tells_queues_and_recoveries(sampler: KernelSampler, machine: Sysfs) -> None:
    """Where it may be read."""
    folder = machine.root / "kernel/debug/accel" / EP
    folder.mkdir(parents=True)
    (folder / "queues").write_text("queue=2 slots=64 closed=0 sq_head=1 sq_tail=4 in_flight=3\n")
    (folder / "recoveries").write_text("")
    readings = sampler.sample().readings[0]
    assert [(each.number, each.pending_slots) for each in readings.queues or ()] == [(2, 3)]
    assert readings.recoveries == ()

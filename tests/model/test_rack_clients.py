# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Clients of a rack's endpoints: what one does must not reach the others."""

from __future__ import annotations

import errno
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.model.bus import Region
from diag.model.rack.launch import RunningRack
from diag.model.rack.topology_file import parse_topology
from diag.model.tlp_file import decode
from diag.model.vfio_user.client import ServerError, VfioUserClient
from pyaccel.spec import regs
from pyaccel.spec.formats import TlpKind
from tests.build.racks import runtime_directory

HOLD_AND_WRITE = """
import sys
from diag.model.bus import Region
from diag.model.tlp_file import decode
from diag.model.vfio_user.client import VfioUserClient
client = VfioUserClient(sys.argv[1])
client.write(Region.BAR2, 4096, b"secret")
print("ready", flush=True)
sys.stdin.read()
"""


@pytest.fixture(scope="module")
def rack() -> Iterator[RunningRack]:
    """A 2x2 rack in a runtime directory of its own."""
    with runtime_directory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(folder))
        with RunningRack("2x2", name="clients") as running:
            yield running


def connect(rack: RunningRack, number: int) -> VfioUserClient:
    """A client of an endpoint, once the one before it is gone."""
    for _ in range(500):
        try:
            return VfioUserClient(rack.directory.socket(f"ep{number}.sock"))
        except ServerError as error:
            if error.code != errno.EBUSY:
                raise
            time.sleep(0.01)
    raise AssertionError("the endpoint stays busy")


def generation(client: VfioUserClient) -> int:
    """CTRL.GENERATION."""
    (value,) = struct.unpack("<I", client.read(Region.BAR0, regs.CTRL_GENERATION.at(), 4))
    return int(value)


def bar(client: VfioUserClient, number: int) -> int:
    """A 64-bit BAR as configuration space has it."""
    (value,) = struct.unpack("<Q", client.read(Region.CONFIG, 0x10 + 4 * number, 8))
    return int(value) & ~0xF


def read_for_ever(client: VfioUserClient) -> None:
    """Read a register until that fails."""
    while True:
        client.read(Region.BAR0, 0, 4)


def test_a_client_finds_what_firmware_set_up(rack: RunningRack) -> None:
    """BARs hold the addresses of the topology file; memory decode and bus mastering are on."""
    placed = parse_topology(rack.directory.topology.read_text()).endpoints[0]
    with connect(rack, 0) as client:
        assert (bar(client, 0), bar(client, 2)) == (placed.bar0, placed.bar2)
        (command,) = struct.unpack("<H", client.read(Region.CONFIG, 4, 2))
        assert command & 0x6 == 0x6


def test_who_names_the_process_that_holds_an_endpoint(rack: RunningRack) -> None:
    """The pid of the client is known while it is connected."""
    with connect(rack, 1) as client, rack.client() as control:
        assert generation(client) >= 0
        assert control.call("who")["endpoints"][1]["pid"] == os.getpid()


def test_a_second_client_is_refused_and_the_first_unhurt(rack: RunningRack) -> None:
    """One client per endpoint: the next one gets EBUSY."""
    with connect(rack, 0) as first:
        with pytest.raises(ServerError) as caught:
            VfioUserClient(rack.directory.socket("ep0.sock"))
        assert caught.value.code == errno.EBUSY
        assert first.read(Region.BAR0, 0, 4) == b"AXL1"


def test_a_killed_client_is_followed_by_a_clean_endpoint(rack: RunningRack) -> None:
    """Its successor finds zero memory, BARs in place and a new generation; siblings stay."""
    path = rack.directory.socket("ep0.sock")
    with connect(rack, 1) as sibling, connect(rack, 0) as before:
        sibling_generation, first = generation(sibling), generation(before)
        address = bar(before, 2)
        before.close()
        with subprocess.Popen(
            [sys.executable, "-c", HOLD_AND_WRITE, str(path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=Path(__file__).resolve().parents[2],
        ) as victim:
            assert victim.stdout is not None
            assert victim.stdout.readline() == b"ready\n"
            victim.send_signal(signal.SIGKILL)
        with connect(rack, 0) as after:
            assert after.read(Region.BAR2, 4096, 6) == bytes(6)
            assert bar(after, 2) == address
            assert generation(after) == first + 2
        assert generation(sibling) == sibling_generation


def test_an_flr_by_configuration_write_keeps_the_place(rack: RunningRack) -> None:
    """Initiate Function Level Reset is followed by firmware's step."""
    with connect(rack, 2) as client:
        before, address = generation(client), bar(client, 2)
        devctl = 0x70 + 8
        client.write(Region.CONFIG, devctl, struct.pack("<H", 0x8000))
        assert generation(client) == before + 1
        assert bar(client, 2) == address


def test_a_tap_records_what_clients_do(rack: RunningRack, tmp_path: Path) -> None:
    """Register reads of two cards are in one file, each with its endpoint, none twice."""
    path = tmp_path / "run.axltlp"
    with connect(rack, 0) as first, connect(rack, 2) as second, rack.client() as control:
        control.call("tap.start", path=str(path))
        for client in (first, second):
            assert client.read(Region.BAR0, 0, 4) == b"AXL1"
        summary = control.call("tap.stop")
        assert first.read(Region.BAR0, 0, 4) == b"AXL1"
    about, records = decode(path.read_bytes())
    assert summary["records"] == len(records) == 4
    assert about["dropped"] == 0
    reads = records[records["kind"] == TlpKind.MRD]
    assert sorted(reads["endpoint"].tolist()) == [0, 2]
    bdfs = [endpoint["bdf"] for endpoint in about["endpoints"]]
    assert bdfs == [e.bdf for e in parse_topology(rack.directory.topology.read_text()).endpoints]


def test_a_restarted_card_has_empty_memory(rack: RunningRack) -> None:
    """Device memory does not survive the power cycle of a card."""
    with connect(rack, 3) as client:
        client.write(Region.BAR2, 0, b"secret")
        with rack.client() as control:
            control.call("card.restart", card=1)
    with connect(rack, 3) as client:
        assert client.read(Region.BAR2, 0, 6) == bytes(6)


def test_a_client_of_a_killed_card_notices_and_the_other_does_not(rack: RunningRack) -> None:
    """The connection ends with the worker; connections of other cards live on."""
    with connect(rack, 0) as lost, connect(rack, 2) as kept, rack.client() as control:
        control.call("card.kill", card=0)
        with pytest.raises(OSError):
            read_for_ever(lost)
        assert kept.read(Region.BAR0, 0, 4) == b"AXL1"
        control.call("card.restart", card=0)

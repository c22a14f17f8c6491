# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A server that breaks the protocol gets an error with a reason: no crash, no hang, no leak."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from axl_binding import Axl, AxlError
from conftest import program
from hostile_server import MEMORY_BYTES, TOPOLOGY, Builder, Reply, hostile_rack, memfd

from diag.model.vfio_user.protocol import Command
from pyaccel.spec import regs
from tests.build import commands as cmd
from tests.build.racks import runtime_directory

GONE = {errno.ENODEV, errno.EPROTO, errno.ETIMEDOUT}


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name that does not exist yet."""
    with runtime_directory() as base:
        yield base / "bad"


def region(size: int, flags: int = 7, index: int = 2, offset: int = 0) -> bytes:
    """REGION_INFO of BAR2."""
    return struct.pack("<IIIIQQ", 32, flags, index, 0, size, offset)


def unsealed(size: int) -> int:
    """A memfd that its owner can shrink at any time."""
    fd = os.memfd_create("unsealed", 0)
    os.ftruncate(fd, size)
    return fd


OK_VERSION = struct.pack("<HH", 0, 0)
SHADOW = struct.pack("<IIII", 64, 0, 0, 1) + struct.pack(
    "<QQIIIIQQ", 0x10000, 0x10000, 9, 2, 0, 9, 0, 0
)
LIES: dict[str, tuple[Command, Builder, str]] = {
    "version reply too short": (Command.VERSION, lambda _: Reply(b"\0"), "too short"),
    "version without NUL": (Command.VERSION, lambda _: Reply(OK_VERSION + b"{}"), "NUL"),
    "another version": (Command.VERSION, lambda _: Reply(b"\1\0\0\0"), "unknown protocol version"),
    "version garbage": (
        Command.VERSION,
        lambda _: Reply(b"\xff" * 300),
        "unknown protocol version",
    ),
    "wrong id": (Command.VERSION, lambda _: Reply(OK_VERSION, id_offset=1), "another message"),
    "wrong command": (Command.VERSION, lambda _: Reply(OK_VERSION, command=5), "another command"),
    "no reply bit": (Command.VERSION, lambda _: Reply(OK_VERSION, flags=0), "no reply"),
    "error without errno": (Command.VERSION, lambda _: Reply(flags=0x21), "without an error"),
    "size below header": (
        Command.VERSION,
        lambda _: Reply(OK_VERSION, size=3),
        "impossible length",
    ),
    "size huge": (Command.VERSION, lambda _: Reply(OK_VERSION, size=1 << 31), "impossible length"),
    "info too short": (Command.DEVICE_GET_INFO, lambda _: Reply(b"1234"), "no PCI device"),
    "info no regions": (
        Command.DEVICE_GET_INFO,
        lambda _: Reply(struct.pack("<IIII", 16, 3, 1, 0)),
        "no PCI device",
    ),
    "region of another index": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES, index=5)),
        "another region",
    ),
    "region bigger than its file": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES * 2), [memfd(MEMORY_BYTES)]),
        "smaller than announced",
    ),
    "region offset outside its file": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES, offset=1 << 63), [memfd(MEMORY_BYTES)]),
        "smaller than announced",
    ),
    "region that may shrink": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES), [unsealed(MEMORY_BYTES)]),
        "may shrink",
    ),
    "region that is no memfd": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES), [os.open("/dev/null", os.O_RDWR)]),
        "no memfd",
    ),
    "region without descriptor": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES)),
        "cannot be mapped",
    ),
    "region smaller than promised": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(4096), [memfd(4096)]),
        "cannot be mapped, or is smaller",
    ),
    "too many descriptors": (
        Command.DEVICE_GET_REGION_INFO,
        lambda _: Reply(region(MEMORY_BYTES), [os.dup(0) for _ in range(40)]),
        "too many descriptors",
    ),
    "doorbells without descriptors": (
        Command.DEVICE_GET_REGION_IO_FDS,
        lambda _: Reply(SHADOW),
        "without its descriptors",
    ),
    "doorbell list cut short": (
        Command.DEVICE_GET_REGION_IO_FDS,
        lambda _: Reply(struct.pack("<IIII", 64, 0, 0, 99)),
        "cut short",
    ),
    "no interrupts": (
        Command.DEVICE_GET_IRQ_INFO,
        lambda p: Reply(struct.pack("<IIII", 16, 1, struct.unpack_from("<III", p)[2], 0)),
        "neither MSI-X nor MSI",
    ),
    "short register read": (Command.REGION_READ, lambda p: Reply(p[:16]), "another length"),
    "register read of another count": (
        Command.REGION_READ,
        lambda p: Reply(p[:12] + struct.pack("<I", 77) + bytes(struct.unpack_from("<QII", p)[2])),
        "another length",
    ),
}


def open_fds() -> int:
    """How many descriptors this process has."""
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lie_is_a_protocol_error_with_a_reason(axl: Axl, place: Path, lie: str) -> None:
    """Each violation ends opening with EPROTO and says what was wrong; no descriptor stays."""
    command, builder, reason = LIES[lie]
    with hostile_rack(place, {command: builder}) as server:
        before = open_fds()
        with pytest.raises(AxlError, match=reason) as failed:
            axl.open(f"rack:{place}#0")
        assert failed.value.code == errno.EPROTO
        assert server.clients == 1
    assert open_fds() <= before


@pytest.mark.parametrize("lie", sorted(LIES))
def test_lie_under_asan(asan: Path, place: Path, lie: str) -> None:
    """The same with AddressSanitizer, LeakSanitizer and UndefinedBehaviorSanitizer."""
    command, builder, reason = LIES[lie]
    with hostile_rack(place, {command: builder}):
        done = subprocess.run(
            [program(asan, "driver"), "open", f"rack:{place}#0"],
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert reason in done.stdout


@pytest.mark.parametrize("cut", [0, 1, 15, 16, 17, 19])
def test_closing_in_the_middle_of_a_message(axl: Axl, place: Path, cut: int) -> None:
    """A connection that ends within a header or a payload is ENODEV."""
    overrides = {Command.VERSION: lambda _: Reply(OK_VERSION, cut=cut)}
    with hostile_rack(place, overrides), pytest.raises(AxlError) as failed:
        axl.open(f"rack:{place}#0")
    assert failed.value.code == errno.ENODEV


@pytest.mark.parametrize("command", [Command.VERSION, Command.REGION_READ, Command.DMA_MAP])
def test_silence_ends_at_the_deadline(
    axl: Axl, place: Path, monkeypatch: pytest.MonkeyPatch, command: Command
) -> None:
    """A server that never answers costs one deadline, not more."""
    monkeypatch.setenv("AXL_RACK_TIMEOUT_MS", "50")
    with (
        hostile_rack(place, {command: lambda _: Reply(silent=True)}),
        pytest.raises(AxlError) as failed,
        axl.open(f"rack:{place}#0") as device,
    ):
        device.context()
    assert failed.value.code in {errno.ETIMEDOUT, errno.ENODEV, errno.ENOMEM}


def test_error_replies_keep_the_connection(axl: Axl, place: Path) -> None:
    """An errno of the server is passed on; it is no violation."""
    refused = {Command.DMA_MAP: lambda _: Reply(error=errno.EPERM)}
    with hostile_rack(place, refused), axl.open(f"rack:{place}#0") as device:
        for _ in range(2):
            with pytest.raises(AxlError) as failed:
                device.context()
            assert failed.value.code == errno.ENOMEM
        assert device.info().state == 0


def test_lie_while_in_use_makes_the_device_gone(axl: Axl, place: Path) -> None:
    """After a violation every call fails at once, and closing still works."""
    with hostile_rack(place) as server, axl.open(f"rack:{place}#0") as device:
        server.builders[Command.REGION_READ] = lambda _: Reply(b"nonsense")
        for call in (device.context, device.context):
            with pytest.raises(AxlError) as failed:
                call()
            assert failed.value.code in GONE
        assert -device.lib.axl_device_check(device.c) == errno.EPROTO
        assert device.info().state == 3


def test_rejected_address_is_stale(axl: Axl, place: Path) -> None:
    """An endpoint that rejects its address is not used; the reason is named."""

    def reject(payload: bytes) -> Reply:
        server.put(regs.ADDR_STATUS, 0x12)
        return Reply(payload[:16])

    with hostile_rack(place, {Command.REGION_WRITE: reject}) as server:
        with pytest.raises(AxlError, match="bdf_mismatch") as failed:
            axl.open(f"rack:{place}#0")
        assert failed.value.code == errno.ESTALE


def test_endpoint_with_another_serial_is_not_used(axl: Axl, place: Path) -> None:
    """Who answers must be who the topology file names."""
    with hostile_rack(place) as server:
        server.put(regs.IDENT_BOARD_SERIAL, 0x9999)
        with pytest.raises(AxlError, match="not where the rack says") as failed:
            axl.open(f"rack:{place}#0")
        assert failed.value.code == errno.ESTALE


BAD_TOPOLOGY = {
    "empty": "",
    "cut": TOPOLOGY[:-1],
    "version": TOPOLOGY.replace("axl-topology 1", "axl-topology 2"),
    "unknown line": TOPOLOGY + "switch bdf=0000:02:00.0\n",
    "no rack": "\n".join(line for line in TOPOLOGY.split("\n") if "rack name" not in line),
    "socket elsewhere": TOPOLOGY.replace("ep0.sock", "../ep0.sock"),
    "serial text": TOPOLOGY.replace(f"{0x1234:#018x}", "0xzz"),
    "serial too long": TOPOLOGY.replace(f"{0x1234:#018x}", "0x1" + "0" * 17),
    "path to nowhere": TOPOLOGY.replace("path=0000:00:01.0", "path=0000:00:02.0"),
    "path endless": TOPOLOGY.replace(
        "path=0000:00:01.0", "path=" + ",".join(["0000:00:01.0"] * 17)
    ),
    "key twice": TOPOLOGY.replace("index=0", "index=0 index=1"),
    "word": TOPOLOGY.replace("index=0", "index"),
    "device 32": TOPOLOGY.replace("bdf=0000:01:00.0", "bdf=0000:01:20.0"),
    "NUL": TOPOLOGY.replace("index=0", "index=\0"),
}


@pytest.mark.parametrize("name", sorted(BAD_TOPOLOGY))
def test_bad_topology_file_is_refused(axl: Axl, place: Path, name: str) -> None:
    """A topology file that breaks the format is EPROTO, with its line where there is one."""
    with hostile_rack(place, topology=BAD_TOPOLOGY[name]):
        with pytest.raises(AxlError, match="topology file") as failed:
            axl.open(f"rack:{place}#0")
        assert failed.value.code == errno.EPROTO


def test_unknown_keys_of_the_topology_file_are_ignored(axl: Axl, place: Path) -> None:
    """A newer rack may say more."""
    newer = TOPOLOGY.replace("index=0", "colour=red index=0")
    with hostile_rack(place, topology=newer), axl.open(f"rack:{place}#0") as device:
        assert device.info().endpoint.board_serial == 0x1234


def test_folder_that_others_may_write_is_refused(axl: Axl, place: Path) -> None:
    """Whoever can write there could serve a socket of his own."""
    with hostile_rack(place):
        place.chmod(0o777)
        with pytest.raises(AxlError, match="others can write") as failed:
            axl.open(f"rack:{place}#0")
        assert failed.value.code == errno.EACCES


def test_deaf_queue_times_out_and_dies_with_the_server(axl: Axl, place: Path) -> None:
    """Without shadow doorbells they go by message; a dead server ends the wait."""

    def start(payload: bytes) -> Reply:
        offset = struct.unpack_from("<Q", payload)[0]
        if offset == regs.QUEUE_CONTROL.at(0):
            server.put_at(regs.QUEUE_STATUS.at(0), 1)
        return server.write(payload)

    with (
        hostile_rack(place, {Command.REGION_WRITE: start}) as server,
        axl.open(f"rack:{place}#0") as device,
    ):
        queue = device.queue(device.context())
        last = queue.submit(cmd.nop())
        with pytest.raises(AxlError) as failed:
            queue.wait(last, 0.05)
        assert failed.value.code == errno.ETIMEDOUT
        server.hang_up()
        with pytest.raises(AxlError) as failed:
            queue.wait(last)
        assert failed.value.code == errno.ENODEV


def shadow_from(offset: int) -> Builder:
    """Shadow doorbells of 64 KiB that begin at `offset` of BAR0."""
    sub = struct.pack("<QQIIIIQQ", offset, 0x10000, 0, 2, 0, 1, 0, 0)
    payload = struct.pack("<IIII", 64, 0, 0, 1) + sub
    return lambda _: Reply(payload, [os.eventfd(0), memfd(0x10000)])


@pytest.mark.parametrize("offset", [0xFFF1, 0x10004, 0x10001, 0x11000, 0x20000, (1 << 64) - 0x1000])
def test_doorbell_outside_the_shadow_is_rung_by_message(axl: Axl, place: Path, offset: int) -> None:
    """Shadow pages that begin behind a doorbell, or askew, are not written for it."""
    rung: list[tuple[int, int]] = []

    def write(payload: bytes) -> Reply:
        at = struct.unpack_from("<Q", payload)[0]
        if at == regs.QUEUE_CONTROL.at(0):
            server.put_at(regs.QUEUE_STATUS.at(0), 1)
        if at == regs.DOORBELL_SQ_TAIL.at(0):
            rung.append((at, payload[16]))
            return Reply(payload[:16])
        return server.write(payload)

    overrides = {
        Command.DEVICE_GET_REGION_IO_FDS: shadow_from(offset),
        Command.REGION_WRITE: write,
    }
    with (
        hostile_rack(place, overrides) as server,
        axl.open(f"rack:{place}#0") as device,
    ):
        device.queue(device.context()).submit(cmd.nop())
    assert rung == [(regs.DOORBELL_SQ_TAIL.at(0), 1)]


def test_queue_that_neither_starts_nor_stops_costs_a_reset(axl: Axl, place: Path) -> None:
    """Rings that the device may still use are not freed before the function was reset."""
    resets: list[bytes] = []

    def write(payload: bytes) -> Reply:
        at, region = struct.unpack_from("<QI", payload)
        if region == 0 and at == regs.QUEUE_CONTROL.at(0):
            server.put_at(regs.QUEUE_STATUS.at(0), 3)
        return server.write(payload)

    def reset(payload: bytes) -> Reply:
        resets.append(payload)
        server.put_at(regs.QUEUE_STATUS.at(0), 0)
        return Reply()

    overrides = {Command.REGION_WRITE: write, Command.DEVICE_RESET: reset}
    with (
        hostile_rack(place, overrides) as server,
        axl.open(f"rack:{place}#0") as device,
    ):
        context = device.context()
        with pytest.raises(AxlError, match="starting a queue") as failed:
            device.queue(context)
        assert failed.value.code == errno.EIO
        assert resets
        assert device.info().state == 2  # wedged: GENERATION did not move

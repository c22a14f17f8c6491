# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Every vfio-user request over a real socket: what works and one refusal per rule."""

from __future__ import annotations

import errno
import os
import struct
from pathlib import Path

import pytest

from diag.model.bus import BusError, IrqKind, Region
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.client import ServerError, VfioUserClient
from diag.model.vfio_user.protocol import Command, RegionFlag
from tests.build.vfio_user import (
    BAR2_BYTES,
    RecordingFunction,
    Served,
    access,
    eventfd,
    memfd,
    serving,
)

EINVAL = errno.EINVAL


def test_device_info(client: VfioUserClient) -> None:
    """The device is PCI, can be reset, and has 9 regions and 5 interrupt kinds."""
    assert client.device_info() == (3, 9, 5)


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<IIII", 15, 0, 0, 0),
        struct.pack("<IIII", 16, 1, 0, 0),
        struct.pack("<IIII", 16, 0, 0, 1),
        struct.pack("<IIIII", 16, 0, 0, 0, 0),
    ],
)
def test_bad_device_info(client: VfioUserClient, payload: bytes) -> None:
    """DEVICE_GET_INFO with a wrong size, a small argsz or a non-zero field is EINVAL."""
    client.request(Command.DEVICE_GET_INFO, payload, expect=EINVAL)


def test_mappable_region_comes_with_its_descriptor(client: VfioUserClient) -> None:
    """BAR2 has the MMAP flag and the memfd behind it; other regions have neither."""
    info = client.region_info(Region.BAR2)
    assert info.flags == RegionFlag.READ | RegionFlag.WRITE | RegionFlag.MMAP
    assert (info.size, info.offset) == (BAR2_BYTES, 0)
    assert info.fd is not None
    assert os.fstat(info.fd).st_size == BAR2_BYTES
    os.close(info.fd)
    assert client.region_info(Region.CONFIG) == (3, 4096, 0, None)
    assert client.region_info(Region.BAR4) == (1, 0x1000, 0, None)
    assert client.region_info(Region.VGA) == (0, 0, 0, None)


def test_region_without_room_for_descriptors_is_not_mappable(served: Served) -> None:
    """A client that takes no descriptors is not told of mappable memory."""
    with served.client(negotiate=False) as client:
        client.negotiate(version.Capabilities(max_msg_fds=0))
        assert client.region_info(Region.BAR2) == (3, BAR2_BYTES, 0, None)
        assert client.shadow_doorbells() is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<IIIIQQ", 31, 0, 0, 0, 0, 0),
        struct.pack("<IIIIQQ", 32, 0, 9, 0, 0, 0),
        struct.pack("<IIIIQQ", 32, 0, 0xFFFFFFFF, 0, 0, 0),
        struct.pack("<IIIIQQ", 32, 4, 0, 0, 0, 0),
        struct.pack("<IIIIQQ", 32, 0, 0, 1, 0, 0),
        struct.pack("<IIIIQQ", 32, 0, 0, 0, 1, 0),
        struct.pack("<IIIIQQ", 32, 0, 0, 0, 0, 1),
    ],
)
def test_bad_region_info(client: VfioUserClient, payload: bytes) -> None:
    """DEVICE_GET_REGION_INFO of no region, with a small argsz or junk is EINVAL."""
    client.request(Command.DEVICE_GET_REGION_INFO, payload, expect=EINVAL)


def test_shadow_doorbells_ring_the_function(served: Served, client: VfioUserClient) -> None:
    """The sub-region of BAR0 names an eventfd and a memory; the eventfd rings the function."""
    shadow = client.shadow_doorbells()
    assert shadow is not None
    assert (shadow.offset, shadow.size, shadow.memory_offset) == (0x10000, 0x10000, 0)
    assert os.fstat(shadow.memory_fd).st_size == 0x10000
    os.pwrite(shadow.memory_fd, b"tail", 0x40)
    assert os.pread(served.function.shadow_fd, 4, 0x40) == b"tail"
    os.eventfd_write(shadow.event_fd, 1)
    served.settle(lambda: "doorbell" in served.function.calls)
    os.close(shadow.event_fd)
    os.close(shadow.memory_fd)


def test_region_io_fds_says_how_much_room_it_needs(client: VfioUserClient) -> None:
    """With too small an argsz the reply tells the size and brings no descriptors."""
    payload = wire.REGION_IO_FDS.pack(16, 0, Region.BAR0, 0)
    data, fds = client.exchange(Command.DEVICE_GET_REGION_IO_FDS, payload)
    assert wire.REGION_IO_FDS.unpack(data) == (64, 0, Region.BAR0, 1)
    assert fds == []


@pytest.mark.parametrize("region", [r for r in Region if r is not Region.BAR0])
def test_other_regions_have_no_io_fds(client: VfioUserClient, region: Region) -> None:
    """Only BAR0 has sub-regions with descriptors."""
    payload = wire.REGION_IO_FDS.pack(64, 0, region, 0)
    data, fds = client.exchange(Command.DEVICE_GET_REGION_IO_FDS, payload)
    assert wire.REGION_IO_FDS.unpack(data) == (16, 0, region, 0)
    assert fds == []


def test_function_without_shadow_has_no_io_fds(tmp_path: Path) -> None:
    """A function without shadow doorbells offers no sub-region."""
    function = RecordingFunction(shadow=False)
    with serving(tmp_path / "s", function) as served, served.client() as client:
        assert client.shadow_doorbells() is None


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<IIII", 15, 0, 0, 0),
        struct.pack("<IIII", 64, 1, 0, 0),
        struct.pack("<IIII", 64, 0, 9, 0),
        struct.pack("<IIII", 64, 0, 0, 1),
    ],
)
def test_bad_region_io_fds(client: VfioUserClient, payload: bytes) -> None:
    """DEVICE_GET_REGION_IO_FDS with a small argsz, flags, a count or no region is EINVAL."""
    client.request(Command.DEVICE_GET_REGION_IO_FDS, payload, expect=EINVAL)


@pytest.mark.parametrize(
    ("kind", "answer"),
    [
        (IrqKind.INTX, (7, 1)),
        (IrqKind.MSI, (3, 8)),
        (IrqKind.MSIX, (3, 17)),
        (IrqKind.ERR, (1, 1)),
        (IrqKind.REQ, (1, 1)),
    ],
)
def test_irq_info(client: VfioUserClient, kind: IrqKind, answer: tuple[int, int]) -> None:
    """Counts are the function's, ERR and REQ always exist; INTx masks itself, those two never."""
    assert client.irq_info(kind) == answer


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<IIII", 15, 0, 0, 0),
        struct.pack("<IIII", 16, 1, 0, 0),
        struct.pack("<IIII", 16, 0, 5, 0),
        struct.pack("<IIII", 16, 0, 0, 1),
    ],
)
def test_bad_irq_info(client: VfioUserClient, payload: bytes) -> None:
    """DEVICE_GET_IRQ_INFO with a small argsz, junk or no such kind is EINVAL."""
    client.request(Command.DEVICE_GET_IRQ_INFO, payload, expect=EINVAL)


def test_region_read_and_write(client: VfioUserClient) -> None:
    """What is written to a region is read back, up to its last byte."""
    client.write(Region.BAR0, 0x1FFFC, b"last")
    assert client.read(Region.BAR0, 0x1FFF8, 8) == b"\0\0\0\0last"
    client.write(Region.CONFIG, 0, b"\x01")
    assert client.read(Region.CONFIG, 0, 4096)[0] == 1
    assert len(client.read(Region.BAR2, 0, BAR2_BYTES)) == BAR2_BYTES


@pytest.mark.parametrize(
    ("region", "offset", "count"),
    [
        (Region.BAR0, 0, 0),
        (Region.BAR0, 0x20000, 1),
        (Region.BAR0, 0x1FFFD, 4),
        (Region.BAR0, (1 << 64) - 1, 4),
        (Region.BAR2, 0, BAR2_BYTES + 1),
        (Region.BAR1, 0, 1),
        (9, 0, 1),
        (0xFFFFFFFF, 0, 1),
    ],
)
def test_read_outside_a_region(
    client: VfioUserClient, region: int, offset: int, count: int
) -> None:
    """Reads of nothing, outside the region, above the limit or of no region are EINVAL."""
    client.request(Command.REGION_READ, access(region, offset, count), expect=EINVAL)


@pytest.mark.parametrize(
    ("region", "offset", "count", "data"),
    [
        (Region.BAR0, 0, 4, b"abc"),
        (Region.BAR0, 0, 2, b"abc"),
        (Region.BAR0, 0, 0, b""),
        (Region.BAR0, 0x1FFFF, 2, b"ab"),
        (Region.BAR4, 0, 4, b"abcd"),
        (9, 0, 1, b"a"),
    ],
)
def test_bad_region_write(
    client: VfioUserClient, region: int, offset: int, count: int, data: bytes
) -> None:
    """Writes of another size than said, outside, or to a read-only region are EINVAL."""
    payload = access(region, offset, count, data)
    client.request(Command.REGION_WRITE, payload, expect=EINVAL)


def test_read_is_limited_by_the_client(served: Served) -> None:
    """A client is never sent more than the max_data_xfer_size it named."""
    with served.client(negotiate=False) as client:
        client.negotiate(version.Capabilities(max_data_xfer_size=16))
        assert len(client.read(Region.BAR0, 0, 16)) == 16
        client.request(Command.REGION_READ, access(Region.BAR0, 0, 17), expect=EINVAL)


def test_write_multi(client: VfioUserClient) -> None:
    """All writes of a REGION_WRITE_MULTI are done, in order."""
    writes = [(Region.BAR0, 0, b"abcd"), (Region.CONFIG, 8, b"x"), (Region.BAR0, 2, b"12345678")]
    assert client.write_multi(writes) == 3
    assert client.read(Region.BAR0, 0, 10) == b"ab12345678"
    assert client.read(Region.CONFIG, 8, 1) == b"x"


ONE = wire.MULTI_WRITE.pack(0, 0, 4, b"abcd")


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        struct.pack("<Q", 0),
        struct.pack("<Q", 1),
        struct.pack("<Q", 2) + ONE,
        struct.pack("<Q", 1) + ONE + ONE,
        struct.pack("<Q", 1 << 63) + ONE,
        struct.pack("<Q", wire.MAX_WRITES + 1) + ONE * (wire.MAX_WRITES + 1),
        struct.pack("<Q", 1) + wire.MULTI_WRITE.pack(0, 0, 9, b"abcd"),
        struct.pack("<Q", 1) + wire.MULTI_WRITE.pack(0, 0, 0, b"abcd"),
        struct.pack("<Q", 1) + wire.MULTI_WRITE.pack(0x20000, 0, 4, b"abcd"),
        struct.pack("<Q", 1) + wire.MULTI_WRITE.pack(0, 4, 4, b"abcd"),
        struct.pack("<Q", 2) + ONE + wire.MULTI_WRITE.pack(0, 9, 4, b"abcd"),
    ],
)
def test_bad_write_multi_does_nothing(client: VfioUserClient, payload: bytes) -> None:
    """One bad write among several refuses all of them."""
    client.request(Command.REGION_WRITE_MULTI, payload, expect=EINVAL)
    assert client.read(Region.BAR0, 0, 4) == bytes(4)


def test_write_multi_must_be_negotiated(served: Served) -> None:
    """REGION_WRITE_MULTI without write_multiple is EOPNOTSUPP."""
    with served.client(negotiate=False) as client:
        client.negotiate(version.Capabilities())
        payload = struct.pack("<Q", 1) + ONE
        client.request(Command.REGION_WRITE_MULTI, payload, expect=errno.EOPNOTSUPP)


def test_reset_is_a_secondary_bus_reset(served: Served, client: VfioUserClient) -> None:
    """DEVICE_RESET reaches the function; with a payload it is EINVAL."""
    client.reset()
    assert served.call(lambda: served.function.calls[-1]) == "reset SECONDARY_BUS"
    client.request(Command.DEVICE_RESET, b"x", expect=EINVAL)


def test_reset_needs_the_flag(tmp_path: Path) -> None:
    """A function without reset says so and refuses DEVICE_RESET."""
    function = RecordingFunction()
    function.spec.pci_reset = False
    with serving(tmp_path / "s", function) as served, served.client() as client:
        assert client.device_info()[0] == 2
        client.request(Command.DEVICE_RESET, expect=errno.EOPNOTSUPP)


@pytest.mark.parametrize(
    ("command", "code"),
    [
        (0, EINVAL),
        (Command.VERSION, EINVAL),
        (Command.DMA_READ, EINVAL),
        (Command.DMA_WRITE, EINVAL),
        (14, EINVAL),
        (16, errno.EOPNOTSUPP),
        (17, errno.EOPNOTSUPP),
        (18, errno.EOPNOTSUPP),
        (19, EINVAL),
        (0xFFFF, EINVAL),
    ],
)
def test_commands_that_are_not_served(client: VfioUserClient, command: int, code: int) -> None:
    """Unknown commands, a second VERSION and optional features are refused; the client stays."""
    client.request(command, wire.VERSION.pack(0, 0), expect=code)
    assert client.device_info()[1] == 9


def test_unknown_header_flags_are_refused(client: VfioUserClient) -> None:
    """A command with unknown flags or the error bit is EINVAL, and the stream goes on."""
    for flags in (wire.ERROR, 0x40, 0x80000000):
        client.send(Command.DEVICE_RESET, flags=flags)
        assert client.receive()[2] == EINVAL
    assert client.device_info()[1] == 9


def test_descriptors_with_other_commands_are_refused(client: VfioUserClient) -> None:
    """Only DMA_MAP and DEVICE_SET_IRQS take descriptors."""
    fd = eventfd()
    client.request(Command.DEVICE_RESET, b"", [fd], expect=EINVAL)
    client.request(Command.REGION_READ, access(0, 0, 4), [fd], expect=EINVAL)
    os.close(fd)


def test_too_many_descriptors_are_refused(client: VfioUserClient) -> None:
    """More descriptors than max_msg_fds refuse the request; none of them stays open."""
    fds = [memfd(4096) for _ in range(wire.MAX_MESSAGE_FDS + 1)]
    payload = wire.DMA_MAP.pack(32, 3, 0, 0x1000, 0x1000)
    client.request(Command.DMA_MAP, payload, fds, expect=EINVAL)
    for fd in fds:
        os.close(fd)
    assert client.device_info()[1] == 9


def test_no_reply_means_no_reply(client: VfioUserClient) -> None:
    """A request with No_reply is carried out and not answered, even when it is refused."""
    client.send(Command.REGION_WRITE, access(0, 0, 4, b"abcd"), flags=wire.NO_REPLY)
    client.send(Command.REGION_WRITE, access(9, 0, 4, b"abcd"), flags=wire.NO_REPLY)
    assert client.read(Region.BAR0, 0, 4) == b"abcd"


def test_failing_function_is_an_error_reply(served: Served, client: VfioUserClient) -> None:
    """An exception of the function becomes EIO or EFAULT and ends nothing."""
    served.function.fail = ZeroDivisionError("bug")
    client.request(Command.REGION_READ, access(0, 0, 4), expect=errno.EIO)
    served.function.fail = BusError(0x1000, 4, "nothing there")
    client.request(Command.REGION_WRITE, access(0, 0, 4, b"abcd"), expect=errno.EFAULT)
    assert client.read(Region.BAR0, 0, 4) == bytes(4)


def test_client_reports_refusals(client: VfioUserClient) -> None:
    """The client raises ServerError with the errno when it was not expected."""
    with pytest.raises(ServerError, match="EINVAL") as caught:
        client.read(9, 0, 1)
    assert caught.value.code == EINVAL

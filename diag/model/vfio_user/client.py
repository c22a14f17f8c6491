# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A small blocking vfio-user client: drives a server from tests and tools.

`request()` sends exactly what it is given, right or wrong, and checks the outcome; the
other methods build the usual payloads on it.
"""

from __future__ import annotations

import errno as errno_names
import socket
import struct
from array import array
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from diag.model.bus import IrqKind, Region
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.descriptors import close_all, received
from diag.model.vfio_user.protocol import Command, IrqSetFlag, MapFlag
from pyaccel.spec.types import Buffer

DEFAULT_TIMEOUT_S = 10.0
READ_WRITE = MapFlag.READ | MapFlag.WRITE


class ServerError(Exception):
    """The server refused a request with `code`."""

    def __init__(self, command: int, code: int) -> None:
        name = errno_names.errorcode.get(code, str(code))
        super().__init__(f"command {command} was refused: {name}")
        self.code = code


class UnexpectedReplyError(Exception):
    """The server's answer breaks the protocol or differs from what was expected."""


class RegionInfo(NamedTuple):
    """Answer to DEVICE_GET_REGION_INFO; `fd` is the caller's."""

    flags: int
    size: int
    offset: int
    fd: int | None


class SubRegion(NamedTuple):
    """One sub-region of DEVICE_GET_REGION_IO_FDS; the descriptors are the caller's."""

    offset: int
    size: int
    event_fd: int
    memory_fd: int
    memory_offset: int


class VfioUserClient:
    """A connection to a vfio-user server. Not thread-safe.

    Args:
        path: socket of the server.
        timeout_s: how long to wait for any reply.
        negotiate: agree on version 0.0 at once; tests of the negotiation do it by hand.
    """

    def __init__(
        self, path: str | Path, *, timeout_s: float = DEFAULT_TIMEOUT_S, negotiate: bool = True
    ) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        self.server = version.Capabilities()
        """What the server offered."""
        self._next_id = 0
        try:
            # A non-blocking connect fails at once when the server's backlog is full.
            limit = struct.pack("ll", int(timeout_s), int(timeout_s % 1 * 1e6))
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, limit)
            self.socket.connect(str(path))
            self.socket.settimeout(timeout_s)
            if negotiate:
                self.negotiate()
        except BaseException:
            self.socket.close()
            raise

    def __enter__(self) -> Self:
        """The client itself."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        where: TracebackType | None,
    ) -> None:
        """Disconnect."""
        self.close()

    def close(self) -> None:
        """Disconnect."""
        self.socket.close()

    def send(
        self, command: int, payload: Buffer = b"", fds: Sequence[int] = (), flags: int = 0
    ) -> int:
        """Send a request and return its message id; nothing is awaited."""
        self._next_id = (self._next_id + 1) & 0xFFFF
        data = wire.encode_request(self._next_id, command, payload, flags)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
        sent = self.socket.sendmsg([data], rights)
        if sent < len(data):
            self.socket.sendall(data[sent:])
        return self._next_id

    def receive(self) -> tuple[int, int, int, bytes, list[int]]:
        """The next reply: message id, command, errno (0 is success), payload, descriptors."""
        fds: list[int] = []
        head = self._read(wire.HEADER_BYTES, fds)
        message_id, command, size, flags, code = wire.HEADER.unpack(head)
        if flags & wire.TYPE_MASK != wire.TYPE_REPLY or size < wire.HEADER_BYTES:
            raise UnexpectedReplyError(f"reply with flags {flags:#x} and size {size}")
        payload = self._read(size - wire.HEADER_BYTES, fds)
        return message_id, command, code if flags & wire.ERROR else 0, payload, fds

    def exchange(
        self, command: int, payload: Buffer = b"", fds: Sequence[int] = ()
    ) -> tuple[bytes, list[int]]:
        """Send a request; payload and descriptors of its reply. ServerError if refused."""
        sent = self.send(command, payload, fds)
        message_id, answered, code, data, came = self.receive()
        if (message_id, answered) != (sent, command):
            close_all(came)
            raise UnexpectedReplyError(f"reply {message_id}/{answered} to {sent}/{command}")
        if code:
            close_all(came)
            raise ServerError(command, code)
        return data, came

    def request(
        self, command: int, payload: Buffer = b"", fds: Sequence[int] = (), expect: int = 0
    ) -> bytes:
        """Send a request and check that its errno is `expect`; the reply's payload."""
        try:
            data, came = self.exchange(command, payload, fds)
        except ServerError as error:
            if error.code != expect:
                raise
            return b""
        close_all(came)
        if expect:
            wanted = errno_names.errorcode.get(expect, str(expect))
            raise UnexpectedReplyError(f"command {command} succeeded, expected {wanted}")
        return data

    def negotiate(self, capabilities: version.Capabilities | None = None) -> None:
        """Agree on the version; ServerError(EBUSY) if somebody else is being served."""
        offer = capabilities or version.Capabilities(
            max_msg_fds=wire.MAX_MESSAGE_FDS, write_multiple=True
        )
        payload, fds = self.exchange(Command.VERSION, version.encode(offer))
        close_all(fds)
        self.server = version.parse(payload)

    def dma_map(
        self,
        address: int,
        size: int,
        fd: int | None = None,
        offset: int = 0,
        flags: int = READ_WRITE,
    ) -> None:
        """Share memory (or, without `fd`, tell of a window) at a bus address."""
        payload = wire.DMA_MAP.pack(wire.DMA_MAP.size, flags, offset, address, size)
        self.request(Command.DMA_MAP, payload, [] if fd is None else [fd])

    def dma_unmap(self, address: int, size: int, flags: int = 0) -> None:
        """Take memory back."""
        payload = wire.DMA_UNMAP.pack(wire.DMA_UNMAP.size, flags, address, size)
        self.request(Command.DMA_UNMAP, payload)

    def device_info(self) -> tuple[int, int, int]:
        """Flags, number of regions, number of interrupt kinds."""
        payload = wire.DEVICE_INFO.pack(wire.DEVICE_INFO.size, 0, 0, 0)
        _, flags, regions, irqs = wire.DEVICE_INFO.unpack(
            self.request(Command.DEVICE_GET_INFO, payload)
        )
        return flags, regions, irqs

    def region_info(self, region: Region | int) -> RegionInfo:
        """Flags, size and descriptor of a region."""
        payload = wire.REGION_INFO.pack(wire.REGION_INFO.size, 0, region, 0, 0, 0)
        data, fds = self.exchange(Command.DEVICE_GET_REGION_INFO, payload)
        _, flags, _, _, size, offset = wire.REGION_INFO.unpack(data)
        return RegionInfo(flags, size, offset, fds[0] if fds else None)

    def shadow_doorbells(self) -> SubRegion | None:
        """The shadow ioeventfd of BAR0, None if the server has none."""
        size = wire.REGION_IO_FDS.size + wire.SUB_REGION.size
        payload = wire.REGION_IO_FDS.pack(size, 0, Region.BAR0, 0)
        data, fds = self.exchange(Command.DEVICE_GET_REGION_IO_FDS, payload)
        if len(data) < size or len(fds) < 2:
            close_all(fds)
            return None
        fields = wire.SUB_REGION.unpack_from(data, wire.REGION_IO_FDS.size)
        offset, length, event, _, _, memory, memory_offset, _ = fields
        return SubRegion(offset, length, fds[event], fds[memory], memory_offset)

    def irq_info(self, kind: IrqKind | int) -> tuple[int, int]:
        """Flags and count of an interrupt kind."""
        payload = wire.IRQ_INFO.pack(wire.IRQ_INFO.size, 0, kind, 0)
        _, flags, _, count = wire.IRQ_INFO.unpack(
            self.request(Command.DEVICE_GET_IRQ_INFO, payload)
        )
        return flags, count

    def set_irqs(
        self,
        kind: IrqKind | int,
        flags: int,
        vectors: range,
        fds: Sequence[int] = (),
        data: bytes = b"",
    ) -> None:
        """DEVICE_SET_IRQS for `vectors`; an empty range with NONE and TRIGGER disables all."""
        size = wire.IRQ_SET.size + len(data)
        payload = wire.IRQ_SET.pack(size, flags, kind, vectors.start, len(vectors)) + data
        self.request(Command.DEVICE_SET_IRQS, payload, fds)

    def assign_eventfds(self, kind: IrqKind | int, fds: Sequence[int], start: int = 0) -> None:
        """Let interrupts of a kind go to eventfds."""
        flags = IrqSetFlag.DATA_EVENTFD | IrqSetFlag.ACTION_TRIGGER
        for first in range(0, len(fds), wire.MAX_MESSAGE_FDS):
            part = fds[first : first + wire.MAX_MESSAGE_FDS]
            vectors = range(start + first, start + first + len(part))
            self.set_irqs(kind, flags, vectors, part)

    def read(self, region: Region | int, offset: int, count: int) -> bytes:
        """Read a region."""
        layout = wire.REGION_ACCESS
        return self.request(Command.REGION_READ, layout.pack(offset, region, count))[layout.size :]

    def write(self, region: Region | int, offset: int, data: bytes) -> None:
        """Write a region."""
        payload = wire.REGION_ACCESS.pack(offset, region, len(data)) + data
        self.request(Command.REGION_WRITE, payload)

    def write_multi(self, writes: Sequence[tuple[int, int, bytes]]) -> int:
        """Several writes of at most 8 bytes, (region, offset, data); how many were done."""
        body = b"".join(
            wire.MULTI_WRITE.pack(offset, region, len(data), data)
            for region, offset, data in writes
        )
        payload = wire.WRITE_COUNT.pack(len(writes)) + body
        reply = self.request(Command.REGION_WRITE_MULTI, payload)
        return int(wire.WRITE_COUNT.unpack(reply)[0])

    def reset(self) -> None:
        """DEVICE_RESET."""
        self.request(Command.DEVICE_RESET)

    def _read(self, count: int, fds: list[int]) -> bytes:
        """Exactly `count` bytes; the descriptors that come with them are added to `fds`."""
        data = bytearray()
        room = socket.CMSG_SPACE(wire.MAX_MESSAGE_FDS * array("i").itemsize)
        while len(data) < count:
            got, ancillary, _, _ = self.socket.recvmsg(
                count - len(data), room, socket.MSG_CMSG_CLOEXEC
            )
            fds += received(ancillary)
            if not got:
                raise ConnectionResetError("the server closed the connection")
            data += got
        return bytes(data)

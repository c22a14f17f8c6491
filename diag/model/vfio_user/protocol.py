# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""vfio-user messages: bytes in, requests out; no I/O.

The wire format is that of the vfio-user specification (QEMU docs/interop/vfio-user.rst)
and, for shadow ioeventfds, of libvfio-user. All numbers are little-endian. A message::

    offset  bytes  content
    0       2      message id, echoed in the reply
    2       2      command (enum Command)
    4       4      size of the whole message, header included
    8       4      bits 3:0 type (0 command, 1 reply), 4 no reply wanted, 5 error
    12      4      errno of an error reply
    16      ...    payload
"""

from __future__ import annotations

import errno
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag
from typing import Final

from pyaccel.spec.types import Buffer

HEADER: Final = struct.Struct("<HHIII")
HEADER_BYTES: Final = HEADER.size
TYPE_MASK: Final = 0xF
TYPE_COMMAND: Final = 0
TYPE_REPLY: Final = 1
NO_REPLY: Final = 0x10
ERROR: Final = 0x20
KNOWN_FLAGS: Final = TYPE_MASK | NO_REPLY | ERROR

VERSION_MAJOR: Final = 0
VERSION_MINOR: Final = 0
"""QEMU refuses anything but 0.0."""
MAX_DATA_BYTES: Final = 1 << 20
"""Most bytes of one region access."""
MAX_MESSAGE_BYTES: Final = MAX_DATA_BYTES + 4096
MAX_MESSAGE_FDS: Final = 16
"""Descriptors of one message; the kernel closes what exceeds the buffer for them."""
MAX_VERSION_BYTES: Final = 4096
MAX_WRITES: Final = 1024
"""Most writes of one REGION_WRITE_MULTI."""

VERSION: Final = struct.Struct("<HH")
DMA_MAP: Final = struct.Struct("<IIQQQ")
DMA_UNMAP: Final = struct.Struct("<IIQQ")
DEVICE_INFO: Final = struct.Struct("<IIII")
REGION_INFO: Final = struct.Struct("<IIIIQQ")
REGION_IO_FDS: Final = struct.Struct("<IIII")
SUB_REGION: Final = struct.Struct("<QQIIIIQQ")
IRQ_INFO: Final = struct.Struct("<IIII")
IRQ_SET: Final = struct.Struct("<IIIII")
REGION_ACCESS: Final = struct.Struct("<QII")
WRITE_COUNT: Final = struct.Struct("<Q")
MULTI_WRITE: Final = struct.Struct("<QII8s")

IO_FD_SHADOW: Final = 2
"""Sub-region type: eventfd plus shared memory that shadows the region."""


class Command(IntEnum):
    """Message numbers."""

    VERSION = 1
    DMA_MAP = 2
    DMA_UNMAP = 3
    DEVICE_GET_INFO = 4
    DEVICE_GET_REGION_INFO = 5
    DEVICE_GET_REGION_IO_FDS = 6
    DEVICE_GET_IRQ_INFO = 7
    DEVICE_SET_IRQS = 8
    REGION_READ = 9
    REGION_WRITE = 10
    DMA_READ = 11
    DMA_WRITE = 12
    DEVICE_RESET = 13
    REGION_WRITE_MULTI = 15
    DEVICE_FEATURE = 16


class MapFlag(IntFlag):
    """Flags of DMA_MAP."""

    READ = 1
    WRITE = 2


UNMAP_ALL: Final = 2
"""Flag of DMA_UNMAP: drop every mapping; address and size are 0."""


class DeviceFlag(IntFlag):
    """Flags of DEVICE_GET_INFO."""

    RESET = 1
    PCI = 2


class RegionFlag(IntFlag):
    """Flags of DEVICE_GET_REGION_INFO."""

    READ = 1
    WRITE = 2
    MMAP = 4


class IrqFlag(IntFlag):
    """Flags of DEVICE_GET_IRQ_INFO."""

    EVENTFD = 1
    MASKABLE = 2
    AUTOMASKED = 4
    NORESIZE = 8


class IrqSetFlag(IntFlag):
    """Flags of DEVICE_SET_IRQS: one DATA and one ACTION."""

    DATA_NONE = 1
    DATA_BOOL = 2
    DATA_EVENTFD = 4
    ACTION_MASK = 8
    ACTION_UNMASK = 16
    ACTION_TRIGGER = 32


DATA_FLAGS: Final = IrqSetFlag.DATA_NONE | IrqSetFlag.DATA_BOOL | IrqSetFlag.DATA_EVENTFD
ACTION_FLAGS: Final = IrqSetFlag.ACTION_MASK | IrqSetFlag.ACTION_UNMASK | IrqSetFlag.ACTION_TRIGGER


class RequestError(Exception):
    """A request that is refused: its errno becomes the error reply."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{errno.errorcode.get(code, code)}: {reason}")
        self.code = code


class FramingError(Exception):
    """The byte stream is not one of messages any more: the connection must end."""

    def __init__(self, reason: str, request: Request | None = None) -> None:
        super().__init__(reason)
        self.request = request
        """The offending message, to reply to it; None if that makes no sense."""


@dataclass(slots=True)
class Request:
    """One message as received. Whoever holds it closes `fds`, or takes them."""

    message_id: int
    command: int
    flags: int
    payload: bytes
    fds: list[int]

    @property
    def wants_reply(self) -> bool:
        """Whether the sender wants an answer."""
        return not self.flags & NO_REPLY

    def take_fds(self) -> list[int]:
        """The descriptors, which the caller must close from now on."""
        fds, self.fds = self.fds, []
        return fds


class RequestDecoder:
    """Cuts a byte stream into requests, one at a time.

    The reader asks `wanted` and feeds at most so many bytes. That is what ties descriptors
    to messages: a stream socket may glue the bytes of a message without descriptors to the
    next one with some, but never hands out bytes beyond what was asked for.
    """

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._fds: list[int] = []
        self._size = HEADER_BYTES

    @property
    def wanted(self) -> int:
        """Bytes until the next decision: the rest of a header or of a message; never 0."""
        return self._size - len(self._buffer)

    @property
    def is_idle(self) -> bool:
        """Whether the stream stands between two messages."""
        return not self._buffer

    def feed(self, data: Buffer, fds: list[int]) -> Request | None:
        """Take bytes and the descriptors that came with them, which are owned from here on.

        Returns:
            The request that these bytes complete, else None.

        Raises:
            FramingError: the stream cannot be followed; `drop()` what is left.
        """
        self._fds += fds
        self._buffer += data
        assert len(self._buffer) <= self._size, "fed more than wanted"
        if len(self._buffer) == HEADER_BYTES == self._size:
            self._size = self._check_header()
        if len(self._buffer) < self._size:
            return None
        message_id, command, _, flags, _ = HEADER.unpack_from(self._buffer)
        request = Request(message_id, command, flags, bytes(self._buffer[HEADER_BYTES:]), self._fds)
        self._fds = []
        self._buffer.clear()
        self._size = HEADER_BYTES
        return request

    def drop(self) -> list[int]:
        """Forget a message that never came to its end; its descriptors are the caller's."""
        fds, self._fds = self._fds, []
        self._buffer.clear()
        self._size = HEADER_BYTES
        return fds

    def _check_header(self) -> int:
        message_id, command, size, flags, _ = HEADER.unpack_from(self._buffer)
        if flags & TYPE_MASK != TYPE_COMMAND:
            # Replies answer requests of the server, and this server sends none.
            raise FramingError(f"message type {flags & TYPE_MASK} is not a command")
        if not HEADER_BYTES <= size <= MAX_MESSAGE_BYTES:
            reason = f"message size {size} is not {HEADER_BYTES}..{MAX_MESSAGE_BYTES}"
            raise FramingError(reason, Request(message_id, command, flags, b"", []))
        return int(size)


def encode_request(
    message_id: int, command: int, payload: Buffer = b"", flags: int = TYPE_COMMAND
) -> bytes:
    """The bytes of a command message."""
    size = HEADER_BYTES + len(memoryview(payload))
    return HEADER.pack(message_id, command, size, flags, 0) + bytes(payload)


def encode_reply(request: Request, payload: Buffer = b"") -> bytes:
    """The bytes of a successful reply."""
    size = HEADER_BYTES + len(memoryview(payload))
    return HEADER.pack(request.message_id, request.command, size, TYPE_REPLY, 0) + bytes(payload)


def encode_error(request: Request, code: int) -> bytes:
    """The bytes of an error reply: the header alone."""
    flags = TYPE_REPLY | ERROR
    return HEADER.pack(request.message_id, request.command, HEADER_BYTES, flags, code)


def unpack(layout: struct.Struct, payload: bytes, *, exact: bool = True) -> tuple[int, ...]:
    """The fields of a payload; RequestError(EINVAL) if its size is wrong."""
    if len(payload) < layout.size or (exact and len(payload) != layout.size):
        raise RequestError(errno.EINVAL, f"payload of {len(payload)} bytes, not {layout.size}")
    return layout.unpack_from(payload)

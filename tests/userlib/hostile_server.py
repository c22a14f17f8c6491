# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A vfio-user server that misbehaves in one way, and a rack folder around it.

Up to the bad message it answers like an endpoint, from a table of reply builders that a
test overrides.
"""

from __future__ import annotations

import array
import fcntl
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from diag.model.vfio_user import protocol as wire
from pyaccel.spec import regs
from pyaccel.spec.formats import MAGIC, PCI_DEVICE_ID, PCI_VENDOR_ID

SERIAL = 0x1234
MEMORY_BYTES = 1 << 20
TOPOLOGY = f"""\
axl-topology 1
rack name=bad generation=1
port bdf=0000:00:01.0 kind=root parent=- secondary=01 subordinate=01 speed=4 width=16 \
max_speed=4 max_width=16 slot=1
endpoint n=0 bdf=0000:01:00.0 parent=0000:00:01.0 serial={SERIAL:#018x} index=0 count=1 card=0 \
slot=1 speed=4 width=16 max_speed=4 max_width=16 path=0000:00:01.0 bar0=0x4000000000 \
bar2=0x4010000000 bar2_bytes={MEMORY_BYTES:#x} bar4=0x4000100000 irq=msix socket=ep0.sock
"""


@dataclass
class Reply:
    """One reply; None for a number means the right one."""

    payload: bytes = b""
    fds: list[int] = field(default_factory=list)
    error: int = 0
    id_offset: int = 0
    command: int | None = None
    size: int | None = None
    flags: int | None = None
    cut: int | None = None
    """Send only this many bytes, then close."""
    silent: bool = False


Builder = Callable[[bytes], Reply]


def memfd(size: int) -> int:
    """Sealed shared memory."""
    fd = os.memfd_create("hostile", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, size)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    return fd


class HostileServer:
    """Serves one connection after another until closed."""

    def __init__(self, path: Path, overrides: dict[wire.Command, Builder]) -> None:
        self.bar0 = bytearray(0x20000)
        self.config = bytearray(4096)
        struct.pack_into("<HHH", self.config, 0, PCI_VENDOR_ID, PCI_DEVICE_ID, 6)
        self.put(regs.IDENT_MAGIC, MAGIC)
        self.put(regs.IDENT_SPEC_VERSION, 1)
        self.put(regs.IDENT_BOARD_SERIAL, SERIAL)
        self.put(regs.IDENT_ENDPOINT, 0x100)
        self.put(regs.IDENT_LIMITS, 0x400E10)
        self.put(regs.IDENT_PEER_LIMIT, 64)
        self.put(regs.IDENT_MEMORY_BYTES, MEMORY_BYTES)
        self.put(regs.CTRL_STATUS, 1)
        self.put(regs.CLOCK_FREQUENCY, 100_000_000)
        self.builders: dict[int, Builder] = {
            wire.Command.VERSION: lambda _: Reply(struct.pack("<HH", 0, 0)),
            wire.Command.DEVICE_GET_INFO: lambda _: Reply(struct.pack("<IIII", 16, 3, 9, 5)),
            wire.Command.DEVICE_GET_REGION_INFO: self.region_info,
            wire.Command.DEVICE_GET_REGION_IO_FDS: lambda _: Reply(error=95),
            wire.Command.DEVICE_GET_IRQ_INFO: lambda p: Reply(
                struct.pack("<IIII", 16, 1, struct.unpack_from("<III", p)[2], 17)
            ),
            wire.Command.REGION_READ: self.read,
            wire.Command.REGION_WRITE: self.write,
        } | overrides
        self.clients = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(str(path))
        self._socket.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def put(self, register: regs.Register, value: int) -> None:
        """Set a register."""
        at = register.at()
        self.bar0[at : at + register.width // 8] = value.to_bytes(register.width // 8, "little")

    def put_at(self, offset: int, value: int) -> None:
        """Set 32 bits of BAR0."""
        struct.pack_into("<I", self.bar0, offset, value)

    def hang_up(self) -> None:
        """End the connection that is served now."""
        self._client.shutdown(socket.SHUT_RDWR)

    def region_info(self, payload: bytes) -> Reply:
        """BAR2 is a mapping, the others are not."""
        index = struct.unpack_from("<III", payload)[2]
        mapped = index == 2
        head = struct.pack("<IIIIQQ", 32, 7 if mapped else 3, index, 0, MEMORY_BYTES, 0)
        return Reply(head, [memfd(MEMORY_BYTES)] if mapped else [])

    def read(self, payload: bytes) -> Reply:
        """Plain memory behind BAR0 and configuration space."""
        offset, region, count = struct.unpack_from("<QII", payload)
        memory = self.bar0 if region == 0 else self.config
        return Reply(payload[:16] + bytes(memory[offset : offset + count]))

    def write(self, payload: bytes) -> Reply:
        """Registers keep what is written; a commit works."""
        offset, region, count = struct.unpack_from("<QII", payload)
        memory = self.bar0 if region == 0 else self.config
        memory[offset : offset + count] = payload[16 : 16 + count]
        if region == 0 and offset == regs.ADDR_COMMIT.at():
            self.put(regs.ADDR_STATUS, payload[16])
        return Reply(payload[:16])

    def close(self) -> None:
        """Stop serving."""
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join(10)

    def _serve(self) -> None:
        while True:
            try:
                client, _ = self._socket.accept()
            except OSError:
                return
            self.clients += 1
            self._client = client
            with client:
                while self._answer(client):
                    pass

    def _answer(self, client: socket.socket) -> bool:
        try:
            head = client.recv(16, socket.MSG_WAITALL)
            if len(head) < 16:
                return False
            number, command, size, _, _ = struct.unpack("<HHIII", head)
            payload = client.recv(size - 16, socket.MSG_WAITALL) if size > 16 else b""
            builder = self.builders.get(command, lambda _: Reply())
            return self._send(client, number, command, builder(payload))
        except OSError:
            return False

    def _send(self, client: socket.socket, number: int, command: int, reply: Reply) -> bool:
        if reply.silent:
            return True
        size = 16 + len(reply.payload) if reply.size is None else reply.size
        flags = (0x21 if reply.error else 1) if reply.flags is None else reply.flags
        answered = command if reply.command is None else reply.command
        head = struct.pack(
            "<HHIII", (number + reply.id_offset) & 0xFFFF, answered, size, flags, reply.error
        )
        data = (head + reply.payload)[: reply.cut]
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", reply.fds))]
        client.sendmsg([data], rights if reply.fds else [])
        for fd in reply.fds:
            os.close(fd)
        return reply.cut is None


@contextmanager
def hostile_rack(
    folder: Path, overrides: dict[wire.Command, Builder] | None = None, topology: str = TOPOLOGY
) -> Iterator[HostileServer]:
    """A rack folder `folder` that looks alive, with one endpoint behind a hostile server."""
    folder.mkdir(mode=0o700)
    (folder / "topology").write_text(topology)
    with (folder / "pid").open("w") as pid:
        fcntl.flock(pid, fcntl.LOCK_EX)
        server = HostileServer(folder / "ep0.sock", overrides or {})
        try:
            yield server
        finally:
            server.close()

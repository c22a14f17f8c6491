# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fuzz target: bytes become a hostile vfio-user client on a real socket.

`run_one(data)` lets the bytes choose what a client sends (raw bytes, half-right messages,
descriptors of several kinds) and what the function does meanwhile (interrupts, DMA), then
drops the connection and checks that nothing is left: no descriptor, no view, no client.

Run for longer with `python -m tests.fuzz.vfio_user_target -max_total_time=600 CORPUS`
(libFuzzer options; needs atheris).
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import socket
import struct
import sys
from array import array
from collections.abc import Callable
from typing import Final

from diag.model.bus import BusError, IrqKind, Region
from diag.model.loop import Loop
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user import version
from diag.model.vfio_user.protocol import Command
from diag.model.vfio_user.server import Connection
from diag.model.vfio_user.session import Session
from tests.build.vfio_user import RecordingFunction, eventfd, memfd

MAX_STEPS: Final = 40
BASE: Final = 0x1_0000_0000
VALUES: Final = (
    0,
    1,
    2,
    4,
    16,
    17,
    32,
    0x1000,
    0x1001,
    0x20000,
    BASE,
    BASE + 0x1000,
    0x7FFFFFFF,
    0x80000000,
    0xFFFFFFFF,
    0xFFFFFFFFFFFFF000,
    0xFFFFFFFFFFFFFFFF,
)
LAYOUTS: Final[dict[int, str]] = {
    Command.DMA_MAP: "<IIQQQ",
    Command.DMA_UNMAP: "<IIQQ",
    Command.DEVICE_GET_INFO: "<IIII",
    Command.DEVICE_GET_REGION_INFO: "<IIIIQQ",
    Command.DEVICE_GET_REGION_IO_FDS: "<IIII",
    Command.DEVICE_GET_IRQ_INFO: "<IIII",
    Command.DEVICE_SET_IRQS: "<IIIII",
    Command.REGION_READ: "<QII",
    Command.REGION_WRITE: "<QII",
    Command.REGION_WRITE_MULTI: "<QQIIQ",
}


class Choices:
    """Decisions read from the input; zeros when it is used up."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    @property
    def is_empty(self) -> bool:
        """Whether everything was decided."""
        return self._at >= len(self._data)

    def number(self, size: int = 1) -> int:
        """A number of `size` bytes."""
        return int.from_bytes(self.take(size), "little")

    def take(self, size: int) -> bytes:
        """At most `size` bytes."""
        taken = self._data[self._at : self._at + size]
        self._at += size
        return taken

    def value(self, bits: int) -> int:
        """A number that is often an interesting one."""
        pick = self.number()
        chosen = VALUES[pick % len(VALUES)] if pick < 200 else self.number(bits // 8)
        return chosen & ((1 << bits) - 1)


class Client:
    """The hostile side of a socket pair and the server's connection on the other."""

    def __init__(self) -> None:
        self.function = RecordingFunction()
        self.loop = Loop()
        self.session = Session(self.function)
        self.socket, theirs = socket.socketpair()
        self.socket.setblocking(False)
        self.connection = Connection(
            self.loop,
            theirs,
            lambda request, lost: self.session.handle(request, fds_lost=lost),
            self.session.close,
        )

    def send(self, data: bytes, fds: list[int]) -> None:
        """Send what fits and let the server work on it; replies are read and thrown away."""
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", fds))] if fds else []
        with contextlib.suppress(OSError):
            if data:
                self.socket.sendmsg([data], rights)
        self.turn()

    def turn(self) -> None:
        """One round of the server's loop, then read its replies."""
        self.loop.call_later(0, self.loop.stop)
        self.loop.run()
        room = socket.CMSG_SPACE(wire.MAX_MESSAGE_FDS * array("i").itemsize)
        with contextlib.suppress(OSError):
            while True:
                data, ancillary, _, _ = self.socket.recvmsg(1 << 16, room, 0)
                for _, _, raw in ancillary:
                    for fd in array("i", raw):
                        os.close(fd)
                if not data:
                    return

    def close(self) -> None:
        """Hang up; the server must notice by itself."""
        self.socket.close()
        for _ in range(1000):
            if not self.connection.is_open:
                break
            self.loop.call_later(0, self.loop.stop)
            self.loop.run()
        assert not self.connection.is_open, "the server did not notice that its client left"
        assert not self.session.is_attached
        assert not self.session.retained_views
        self.loop.close()
        self.function.close()


def negotiate(client: Client, _: Choices) -> None:
    """A good VERSION."""
    offer = version.Capabilities(max_msg_fds=16, write_multiple=True)
    client.send(wire.encode_request(1, Command.VERSION, version.encode(offer)), [])


def raw(client: Client, choices: Choices) -> None:
    """Any bytes."""
    client.send(choices.take(choices.number()), [])


def message(client: Client, choices: Choices) -> None:
    """A message with fields that are often right."""
    command = choices.number() % 20
    layout = LAYOUTS.get(command, "<I")
    codes = [code for code in layout if code in "IQ"]
    fields = [choices.value(32 if code == "I" else 64) for code in codes]
    if choices.number() & 1:
        fields[0] = struct.calcsize(layout)
    payload = struct.pack(layout, *fields) + choices.take(choices.number() % 24)
    flags = wire.NO_REPLY if choices.number() % 8 == 7 else 0
    fds = descriptors(choices)
    client.send(wire.encode_request(choices.number(2), command, payload, flags), fds)
    for fd in fds:
        os.close(fd)


def descriptors(choices: Choices) -> list[int]:
    """Descriptors of a few kinds, usually none."""
    kinds: list[Callable[[], int]] = [
        eventfd,
        lambda: memfd(0x10000),
        lambda: memfd(0x1000, os.MFD_CLOEXEC),
        lambda: os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC),
    ]
    count = choices.number() % 64
    return [kinds[choices.number() % len(kinds)]() for _ in range(count if count < 19 else 0)]


def map_memory(client: Client, choices: Choices) -> None:
    """A good DMA_MAP at one of a few places."""
    fd = memfd(0x4000)
    if choices.number() & 1:
        fcntl.fcntl(fd, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
    address = BASE + 0x1000 * (choices.number() % 8)
    payload = wire.DMA_MAP.pack(32, 3, 0, address, 0x1000 * (1 + choices.number() % 4))
    client.send(wire.encode_request(2, Command.DMA_MAP, payload), [fd])
    with contextlib.suppress(OSError):
        os.ftruncate(fd, 0)
    os.close(fd)


def assign(client: Client, choices: Choices) -> None:
    """Eventfds for some vectors."""
    count = 1 + choices.number() % 16
    fds = [eventfd() for _ in range(count)]
    kind = (IrqKind.INTX, IrqKind.MSI, IrqKind.MSIX)[choices.number() % 3]
    payload = wire.IRQ_SET.pack(20, 0x24, kind, choices.number() % 4, count)
    client.send(wire.encode_request(3, Command.DEVICE_SET_IRQS, payload), fds)
    for fd in fds:
        os.close(fd)


def device_works(client: Client, choices: Choices) -> None:
    """The function raises an interrupt and does DMA with whatever is mapped now."""
    bus = client.function.bus
    if bus is None:
        return
    bus.raise_interrupt(choices.number() % 20)
    try:
        view = bus.dma_view(BASE + 0x800 * (choices.number() % 32), 0x800, write=True)
    except BusError:
        return
    view[:] = b"\xa5" * len(view)
    if client.function.held is not None:
        client.function.held.release()
    client.function.held = view


def access(client: Client, choices: Choices) -> None:
    """A good access of BAR0."""
    payload = wire.REGION_ACCESS.pack(choices.number(2), Region.BAR0, 4) + choices.take(4)
    client.send(wire.encode_request(4, Command.REGION_WRITE, payload), [])


STEPS: Final = (negotiate, message, message, message, raw, map_memory, assign, device_works, access)


def run_one(data: bytes) -> None:
    """One hostile client from its connection to its end; AssertionError if anything is left."""
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208 only the number counts
    choices = Choices(data)
    client = Client()
    if choices.number() & 3:
        negotiate(client, choices)
    for _ in range(MAX_STEPS):
        if choices.is_empty:
            break
        STEPS[choices.number() % len(STEPS)](client, choices)
    client.close()
    after = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    assert after == before, f"{after - before} descriptors are left"


def main() -> None:
    """Let libFuzzer drive `run_one`."""
    import atheris  # noqa: PLC0415 optional, and instruments what is loaded

    logging.disable(logging.CRITICAL)
    for name in ("protocol", "dma_map", "irqs", "session", "server", "version"):
        module = sys.modules[f"diag.model.vfio_user.{name}"]
        for holder in [module, *vars(module).values()]:
            if isinstance(holder, type) and holder.__module__ == module.__name__:
                instrument(atheris, holder)
        instrument(atheris, module)
    atheris.Setup(sys.argv, run_one)
    atheris.Fuzz()


def instrument(atheris: object, holder: object) -> None:
    """Count coverage of the plain functions of a module or class."""
    for name, value in list(vars(holder).items()):
        if type(value) is type(instrument) and value.__module__.startswith("diag.model.vfio_user"):
            setattr(holder, name, atheris.instrument_func(value))  # type: ignore[attr-defined]


if __name__ == "__main__":
    main()

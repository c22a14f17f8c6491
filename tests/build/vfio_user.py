# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""vfio-user pieces for tests: a recording function, a server in a thread, payloads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from diag.model.bus import (
    FunctionSpec,
    HostBus,
    IrqKind,
    Region,
    RegionSpec,
    ResetKind,
    ShadowDoorbells,
)
from diag.model.loop import Loop
from diag.model.vfio_user import protocol as wire
from diag.model.vfio_user.client import VfioUserClient
from diag.model.vfio_user.server import ServerOptions, VfioUserServer

T = TypeVar("T")
BAR2_BYTES = 1 << 20
WAIT_S = 10.0


def memfd(size: int, flags: int = os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING) -> int:
    """Anonymous shared memory that may be sealed."""
    fd = os.memfd_create("test", flags)
    os.ftruncate(fd, size)
    return fd


def eventfd(value: int = 0) -> int:
    """A non-blocking eventfd."""
    return os.eventfd(value, os.EFD_CLOEXEC | os.EFD_NONBLOCK)


class RecordingFunction:
    """A PCI function with plain memory behind its regions; remembers what was asked of it."""

    def __init__(self, *, shadow: bool = True, irqs: dict[IrqKind, int] | None = None) -> None:
        self.memory_fd = memfd(BAR2_BYTES)
        self.shadow_fd = memfd(0x10000)
        self.spec = FunctionSpec(
            name="recording",
            regions={
                Region.BAR0: RegionSpec(0x20000),
                Region.BAR2: RegionSpec(BAR2_BYTES, fd=self.memory_fd),
                Region.BAR4: RegionSpec(0x1000, writable=False),
                Region.CONFIG: RegionSpec(4096),
            },
            irq_counts=irqs or {IrqKind.INTX: 1, IrqKind.MSI: 8, IrqKind.MSIX: 17},
        )
        if shadow:
            self.spec.shadow_doorbells = ShadowDoorbells(0x10000, 0x10000, self.shadow_fd)
        self.bytes = {region: bytearray(spec.size) for region, spec in self.spec.regions.items()}
        self.calls: list[str] = []
        self.bus: HostBus | None = None
        self.fail: Exception | None = None
        """Raised by the next call of any method."""
        self.held: memoryview | None = None
        """A view that the function keeps until it must let go."""

    def attach(self, bus: HostBus) -> None:
        """A client came."""
        self._maybe_fail()
        self.bus = bus
        self.calls.append("attach")

    def detach(self) -> None:
        """The client went."""
        self._let_go()
        self._maybe_fail()
        self.bus = None
        self.calls.append("detach")

    def dma_changed(self) -> None:
        """Let go of memory."""
        self._let_go()
        self._maybe_fail()
        self.calls.append("dma_changed")

    def region_read(self, region: Region, offset: int, length: int) -> bytes:
        """Bytes of the plain memory."""
        self._maybe_fail()
        return bytes(self.bytes[region][offset : offset + length])

    def region_write(self, region: Region, offset: int, data: bytes) -> None:
        """Store into the plain memory."""
        self._maybe_fail()
        self.bytes[region][offset : offset + len(data)] = data

    def reset(self, kind: ResetKind) -> None:
        """Remember the kind."""
        self._maybe_fail()
        self.calls.append(f"reset {kind.name}")

    def doorbell(self) -> None:
        """Remember the ring."""
        self._maybe_fail()
        self.calls.append("doorbell")

    def close(self) -> None:
        """Give the descriptors back."""
        for fd in (self.memory_fd, self.shadow_fd):
            os.close(fd)

    def _let_go(self) -> None:
        """Release the view that is held."""
        if self.held is not None:
            self.held.release()
            self.held = None

    def _maybe_fail(self) -> None:
        """Raise `fail` once."""
        error, self.fail = self.fail, None
        if error is not None:
            raise error


class Served:
    """A server that runs in a thread of its own, and the function behind it."""

    def __init__(self, path: Path, function: RecordingFunction, options: ServerOptions) -> None:
        self.path = path
        self.function = function
        self.loop = Loop()
        self.server = VfioUserServer(path, function, self.loop, options)
        self._wake = eventfd()
        self._jobs: list[Callable[[], None]] = []
        self.loop.add_reader(self._wake, self._run_jobs)
        self._thread = threading.Thread(target=self.loop.run, daemon=True)
        self._thread.start()

    def client(self, *, negotiate: bool = True) -> VfioUserClient:
        """A new client of the server."""
        return VfioUserClient(self.path, negotiate=negotiate)

    def call(self, job: Callable[[], T]) -> T:
        """Run `job` in the server's thread; its result or exception."""
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(job())
            except Exception as error:  # noqa: BLE001 handed to the caller
                result.set_exception(error)

        self._jobs.append(run)
        os.eventfd_write(self._wake, 1)
        return result.result(WAIT_S)

    def settle(self, condition: Callable[[], bool]) -> None:
        """Wait until `condition`, asked in the server's thread, holds."""
        limit = threading.Event()
        for _ in range(2000):
            if self.call(condition):
                return
            limit.wait(0.005)
        raise TimeoutError("the condition never came true")

    def close(self) -> None:
        """Stop the thread and close the server."""
        self._jobs.append(self.loop.stop)
        os.eventfd_write(self._wake, 1)
        self._thread.join(WAIT_S)
        assert not self._thread.is_alive(), "the server's loop hangs"
        self.server.close()
        self.loop.remove_reader(self._wake)
        os.close(self._wake)
        self.loop.close()
        self.function.close()

    def _run_jobs(self) -> None:
        """Everything that `call` has put into the queue."""
        os.eventfd_read(self._wake)
        while self._jobs:
            self._jobs.pop(0)()


@contextmanager
def serving(
    path: Path, function: RecordingFunction | None = None, options: ServerOptions | None = None
) -> Iterator[Served]:
    """A server in a thread, closed at the end."""
    served = Served(path, function or RecordingFunction(), options or ServerOptions())
    try:
        yield served
    finally:
        served.close()


def irq_set(kind: int, flags: int, start: int, count: int, data: bytes = b"") -> bytes:
    """Payload of DEVICE_SET_IRQS."""
    return wire.IRQ_SET.pack(wire.IRQ_SET.size + len(data), flags, kind, start, count) + data


def dma_map(address: int, size: int, flags: int = 3, offset: int = 0, argsz: int = 32) -> bytes:
    """Payload of DMA_MAP."""
    return wire.DMA_MAP.pack(argsz, flags, offset, address, size)


def dma_unmap(address: int, size: int, flags: int = 0, argsz: int = 24) -> bytes:
    """Payload of DMA_UNMAP."""
    return wire.DMA_UNMAP.pack(argsz, flags, address, size)


def access(region: int, offset: int, count: int, data: bytes = b"") -> bytes:
    """Payload of REGION_READ and REGION_WRITE."""
    return wire.REGION_ACCESS.pack(offset, region, count) + data


def open_fds() -> set[str]:
    """Open descriptors of this process and what they are."""
    found = set()
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 Path.iterdir sorts nothing out here
        try:
            target = str(Path(f"/proc/self/fd/{name}").readlink())
        except OSError:
            continue
        if not target.startswith("/proc"):
            found.add(f"{name} {target}")
    return found

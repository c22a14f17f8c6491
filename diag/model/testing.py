# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""An in-process host: memory, page tables and a queue driver for one endpoint.

Drives an `Endpoint` without sockets and processes, for unit tests and experiments:

    host = FakeHost(1 << 24)
    endpoint = plug(host)
    driver = Driver(host, endpoint)
    queue = driver.queue(0)
    completion = queue.run(command)
"""

from __future__ import annotations

import itertools
import time
from dataclasses import dataclass, field
from typing import Final

from diag.model.bus import BusError, Region
from diag.model.endpoint import Endpoint, EndpointConfig
from diag.model.fabric import Fabric
from diag.model.loop import Loop
from pyaccel.spec import regs
from pyaccel.spec.formats import (
    COMPLETION_BYTES,
    LARGE_PAGE_SHIFT,
    PTE_ADDRESS_MASK,
    PTE_LEAF_MASK,
    PTE_SPACE_SHIFT,
    PTE_VALID_MASK,
    PTE_WRITABLE_MASK,
    SLOT_BYTES,
    Completion,
    CompletionFlag,
    Space,
)
from pyaccel.spec.types import Register

HOST_BASE: Final = 0x1_0000_0000
"""Bus address of the first byte of a FakeHost's memory."""
BAR_BASE: Final = 0x40_0000_0000
_PAGE: Final = 4096
_M32: Final = 0xFFFFFFFF


class FakeHost:
    """Host memory at HOST_BASE, with a page allocator and counted interrupts (a HostBus).

    Args:
        size: bytes of memory.
        split: bytes of each DMA mapping; a view never crosses one. 0: a single mapping.
    """

    def __init__(self, size: int = 1 << 22, split: int = 0) -> None:
        self.memory = bytearray(size)
        self.interrupts: list[int] = []
        self.writable = True
        self._view = memoryview(self.memory)
        self._split = split or size
        self._next = 0

    def dma_view(self, address: int, length: int, *, write: bool) -> memoryview:
        """Part of the memory, or BusError."""
        start = address - HOST_BASE
        end = start + length
        if start < 0 or end > len(self.memory) or (write and not self.writable):
            raise BusError(address, length, "not mapped")
        if start // self._split != (end - 1) // self._split:
            raise BusError(address, length, "crosses two mappings")
        return self._view[start:end]

    def dma_views(self, address: int, length: int, *, write: bool) -> list[memoryview]:
        """Part of the memory, a piece for each mapping, or BusError."""
        ends = range(address - (address - HOST_BASE) % self._split, address + length, self._split)
        cuts = [address, *ends[1:], address + length]
        return [self.dma_view(a, b - a, write=write) for a, b in itertools.pairwise(cuts)]

    def dma_contains(self, address: int, length: int) -> bool:
        """Whether `dma_view` would give the range."""
        return address >= HOST_BASE and address + length <= HOST_BASE + len(self.memory)

    def raise_interrupt(self, vector: int) -> bool:
        """Note the interrupt."""
        self.interrupts.append(vector)
        return True

    def alloc(self, size: int) -> int:
        """Bus address of fresh zeroed pages; MemoryError when there are none."""
        at = self._next
        self._next += (size + _PAGE - 1) & -_PAGE
        if self._next > len(self.memory):
            raise MemoryError(f"{size} bytes do not fit any more")
        return HOST_BASE + at

    def at(self, address: int, size: int) -> memoryview:
        """The bytes at a bus address, as the host sees them."""
        return self._view[address - HOST_BASE : address - HOST_BASE + size]


class PageTable:
    """A device page table in a FakeHost's memory."""

    def __init__(self, host: FakeHost) -> None:
        self.host = host
        self.root = host.alloc(_PAGE)

    def map(  # noqa: PLR0913 - a mapping has that many properties
        self,
        va: int,
        address: int,
        size: int,
        *,
        space: Space = Space.HOST,
        writable: bool = True,
        large: bool = False,
    ) -> None:
        """Map `size` bytes (whole pages) at `va` to consecutive addresses."""
        flags = PTE_VALID_MASK | PTE_LEAF_MASK | space << PTE_SPACE_SHIFT
        flags |= PTE_WRITABLE_MASK if writable else 0
        step = 1 << LARGE_PAGE_SHIFT if large else _PAGE
        for offset in range(0, size, step):
            self.put(va + offset, (address + offset) | flags, large=large)

    def unmap(self, va: int, size: int) -> None:
        """Make small pages invalid."""
        for offset in range(0, size, _PAGE):
            self.put(va + offset, 0)

    def put(self, va: int, entry: int, *, large: bool = False) -> None:
        """Write the raw leaf entry of `va`, making the tables above it."""
        table = self.root
        last = LARGE_PAGE_SHIFT if large else 12
        for shift in range(39, last, -9):
            words = self.host.at(table, _PAGE).cast("Q")
            index = va >> shift & 511
            if not words[index] & PTE_VALID_MASK:
                words[index] = self.host.alloc(_PAGE) | PTE_VALID_MASK
            table = words[index] & PTE_ADDRESS_MASK
        self.host.at(table, _PAGE).cast("Q")[va >> last & 511] = entry


def plug(
    host: FakeHost,
    config: EndpointConfig | None = None,
    *,
    fabric: Fabric | None = None,
    loop: Loop | None = None,
) -> Endpoint:
    """An endpoint in the state that firmware leaves, attached to `host`.

    Endpoints that shall reach each other share `fabric` and `loop`.
    """
    config = config or EndpointConfig()
    fabric = fabric or Fabric([config.memory_bytes] * (config.n + 1))
    endpoint = Endpoint(config, loop or Loop(), fabric)
    boot(endpoint)
    endpoint.attach(host)
    return endpoint


def boot(endpoint: Endpoint) -> None:
    """What firmware does: place, BARs, memory decode and bus mastering."""
    n = endpoint.config.n
    endpoint.capture_place(n + 1, 0)
    space = endpoint.config_space
    base = BAR_BASE + (n << 36)
    space.assign_bar(2, base)
    space.assign_bar(0, base + (1 << 35))
    space.assign_bar(4, base + (1 << 35) + (1 << 20))
    endpoint.region_write(Region.CONFIG, 4, (6).to_bytes(2, "little"))


class Driver:
    """Registers, contexts and queues of one endpoint, from the host's side."""

    def __init__(self, host: FakeHost, endpoint: Endpoint) -> None:
        self.host = host
        self.endpoint = endpoint
        self.write(regs.CTRL_CONTROL, 1)

    def read(self, register: Register, *indices: int) -> int:
        """Read a register in one access of its width."""
        data = self.endpoint.region_read(Region.BAR0, register.at(*indices), register.width // 8)
        return int.from_bytes(data, "little")

    def write(self, register: Register, value: int, *indices: int) -> None:
        """Write a register in one access of its width."""
        data = value.to_bytes(register.width // 8, "little")
        self.endpoint.region_write(Region.BAR0, register.at(*indices), data)

    def context(self, number: int = 0) -> PageTable:
        """Enable a context with an empty page table."""
        table = PageTable(self.host)
        self.write(regs.CONTEXT_ROOT, table.root, number)
        self.write(regs.CONTEXT_CONTROL, 1, number)
        return table

    def queue(self, number: int = 0, *, sq_log2: int = 6, cq_log2: int = 6) -> DriverQueue:
        """Enable a queue with interrupts on vector 1 + number."""
        queue = DriverQueue(self, number, sq_log2, cq_log2)
        self.write(regs.QUEUE_SQ_BASE, queue.sq_base, number)
        self.write(regs.QUEUE_CQ_BASE, queue.cq_base, number)
        self.write(regs.QUEUE_SIZE, sq_log2 | cq_log2 << 8, number)
        self.write(regs.QUEUE_INTERRUPT, (1 + number) | 1 << 8, number)
        self.write(regs.QUEUE_CONTROL, 1, number)
        return queue


@dataclass
class DriverQueue:
    """The host's end of a queue pair."""

    driver: Driver
    number: int
    sq_log2: int
    cq_log2: int
    sq_base: int = field(init=False)
    cq_base: int = field(init=False)
    tail: int = 0
    head: int = 0

    def __post_init__(self) -> None:
        """Allocate the rings."""
        host = self.driver.host
        self.sq_base = host.alloc(SLOT_BYTES << self.sq_log2)
        self.cq_base = host.alloc(COMPLETION_BYTES << self.cq_log2)

    def put(self, command: bytes) -> None:
        """Write a command's slots into the ring; the device does not know yet."""
        mask = (1 << self.sq_log2) - 1
        for start in range(0, len(command), SLOT_BYTES):
            slot = self.driver.host.at(self.sq_base + (self.tail & mask) * SLOT_BYTES, SLOT_BYTES)
            slot[:] = command[start : start + SLOT_BYTES]
            self.tail = (self.tail + 1) & _M32

    def ring(self) -> None:
        """Write the submission doorbell, as a kernel driver does."""
        self.driver.write(regs.DOORBELL_SQ_TAIL, self.tail, self.number)

    def ring_shadow(self) -> None:
        """Store the doorbell in shared memory and call the endpoint, as libaxl does."""
        endpoint = self.driver.endpoint
        endpoint.engine.doorbells[self.number * 1024] = self.tail
        endpoint.doorbell()

    def poll(self) -> Completion | None:
        """The next completion, None if there is none yet; acknowledges it."""
        mask = (1 << self.cq_log2) - 1
        at = self.cq_base + (self.head & mask) * COMPLETION_BYTES
        completion = Completion.unpack_from(self.driver.host.at(at, COMPLETION_BYTES))
        phase = not self.head >> self.cq_log2 & 1
        if bool(completion.flags & CompletionFlag.PHASE) != phase:
            return None
        self.head = (self.head + 1) & _M32
        self.driver.write(regs.DOORBELL_CQ_HEAD, self.head, self.number)
        return completion

    def wait(self, timeout_s: float = 5.0) -> Completion:
        """The next completion, running the endpoint's loop; TimeoutError."""
        deadline = time.monotonic() + timeout_s
        while (completion := self.poll()) is None:
            if time.monotonic() > deadline:
                raise TimeoutError(f"queue {self.number}: no completion after {timeout_s} s")
            step(self.driver.endpoint)
        return completion

    def run(self, command: bytes) -> Completion:
        """Submit one command and wait for it."""
        self.put(command)
        self.ring()
        return self.wait()


def step(endpoint: Endpoint, delay_ns: int = 1_000_000) -> None:
    """Run the endpoint's loop until `delay_ns` from now."""
    endpoint.loop.call_later(delay_ns, endpoint.loop.stop)
    endpoint.loop.run()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The command engine: queues, contexts and the loop that serves them.

An idle engine has no timer and is never called. Work comes from doorbells; while a queue
waits for something that nobody announces (a fence word in host memory, room in a
completion ring) a short timer looks again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, NamedTuple, Protocol

from diag.model.clock import DeviceClock
from diag.model.commands import Commands
from diag.model.dma import Dma, Segment
from diag.model.errors import ErrorBlock, Header
from diag.model.loop import Loop, Timer
from diag.model.page_table import Context
from diag.model.queue import Completed, Queue, Words
from diag.model.tensor import TensorCommands
from diag.model.traffic import Traffic
from pyaccel.spec.formats import MAX_CONTEXTS, MAX_QUEUES, CommandFlag, Opcode
from pyaccel.spec.regs import QueueState

if TYPE_CHECKING:
    from diag.model.tlp import TlpTap

SLICE_NS: Final = 1_000_000
"""After this long the other endpoints of the process get their turn. One command can take
longer: it is never interrupted."""
_RECHECK_MIN_NS: Final = 50_000
_RECHECK_MAX_NS: Final = 1_000_000

_LEAST_LIMIT: Final = 1 << 20
"""Elements of one operand that are always allowed; else as many as memory has bytes."""

Handler = Callable[[Queue, int, Header], int]


class Hooks(Protocol):
    """What faults and the tap do to commands; the engine has none while all are off."""

    def fetched(self, queue: Queue, header: Header, at: int) -> bool:
        """A command was fetched; True if the queue hangs before it."""

    def finished(self, queue: Queue, completed: Completed) -> Completed | None:
        """A command ended: what to complete it with, None if no completion is due now."""

    def copied(self, queue: Queue, header: Header, target: list[Segment]) -> None:
        """A COPY wrote its target."""

    def written(self, queue: Queue, words: Words) -> Words:
        """A completion is about to be written: what to write."""

    def keeps_queue(self, queue: Queue) -> bool:
        """Whether the queue ignores that it is reset."""

    def loses_interrupt(self, queue: Queue) -> bool:
        """Whether the interrupt about to be raised is lost."""


class Ports(NamedTuple):
    """What the engine reaches outside of itself."""

    loop: Loop
    """Event loop of the worker."""
    doorbells: memoryview
    """The doorbell pages as 32-bit words, shared with the host."""
    interrupt: Callable[[int], None]
    """Signals a vector."""
    notify: Callable[[], None]
    """Tells the other endpoints of the process that a fence was signalled."""


class _Halted:
    """Why no queue of a halted device goes on."""

    def release(self, _now_ns: int) -> bool:
        """Never."""
        return False

    def due_ns(self) -> int | None:
        """Nothing to wait for."""
        return None


HALTED: Final = _Halted()


class Engine:
    """Executes commands of one endpoint.

    Args:
        clock: device clock.
        dma: way to memory.
        errors: error block.
        ports: the rest of the endpoint.
    """

    def __init__(self, clock: DeviceClock, dma: Dma, errors: ErrorBlock, ports: Ports) -> None:
        self.clock = clock
        self.dma = dma
        self.errors = errors
        self.loop, self.doorbells, self.interrupt, self.signalled = ports
        self.contexts = [Context(dma) for _ in range(MAX_CONTEXTS)]
        self.queues = [Queue(self, number) for number in range(MAX_QUEUES)]
        self.commands = Commands(self)
        self.handlers = _handlers(self)
        self.refused_flags = _refused_flags()
        self.hooks: Hooks | None = None
        self.tap: TlpTap | None = None
        self.traffic = Traffic()
        self.progress = 0
        self.internal_errors = 0
        self.most_elements = max(_LEAST_LIMIT, dma.memory_bytes)
        self.running = False
        self.on_busy: Callable[[int, int], None] = _ignore
        self._ready: list[Queue] = []
        self._again: Timer | None = None
        self._recheck_ns = _RECHECK_MIN_NS

    def set_running(self, running: bool) -> None:
        """Whether queues may fetch (CTRL.CONTROL.ENABLE, bus master, link, client)."""
        self.running = running
        self.kick()

    def queues_changed(self) -> None:
        """A queue was enabled, halted or reset."""
        self._ready = [queue for queue in self.queues if queue.state == QueueState.READY]
        self.kick()

    def kick(self) -> None:
        """Serve the queues soon, from the loop."""
        if self.running and self._ready:
            self._schedule(0)

    def doorbell(self) -> None:
        """A doorbell was rung."""
        self._recheck_ns = _RECHECK_MIN_NS
        self.serve()

    def ring(self, offset: int, data: bytes) -> None:
        """A doorbell was written through BAR0: keep it where the shadow doorbells are."""
        queue, register = divmod(offset, 4096)
        if len(data) != 4 or register not in (0, 4):
            return
        self.doorbells[queue * 1024 + register // 4] = int.from_bytes(data, "little")
        self.doorbell()

    def recheck(self) -> None:
        """A fence was signalled in this process: see whether a queue waits for it."""
        if any(queue.hold is not None for queue in self._ready):
            self.kick()

    def drop_views(self) -> None:
        """Forget every view of host memory before returning."""
        for context in self.contexts:
            context.invalidate()
        self.dma.peers_used = False
        for queue in self.queues:
            queue.drop_views()

    def reset_queue(self, number: int) -> None:
        """Queue reset: DISABLED, nothing left of its work."""
        queue = self.queues[number]
        if self.hooks is not None and self.hooks.keeps_queue(queue):
            return
        queue.reset()
        self.queues_changed()

    def reset(self) -> None:
        """All queues and contexts back to power-on; counters stay."""
        for queue in self.queues:
            queue.reset()
        for context in self.contexts:
            context.reset()
        self.running = False
        self._ready = []
        self._cancel()

    def halt(self) -> None:
        """Stop behind the command that is being executed; only `reset()` ends that."""
        for queue in self.queues:
            queue.hold = HALTED

    def serve(self) -> None:
        """Run the queues in turn until they are empty or the time slice is over."""
        if not self.running or not self._ready:
            return
        now_ns = self.clock.now_ns
        begin = now_ns()
        end = begin + SLICE_NS
        if self.dma.peers_moved():
            # Cached translations of peer pages may lead to memory that is gone.
            for context in self.contexts:
                context.invalidate()
        pending = self._ready
        while pending:
            pending = [queue for queue in pending if queue.run()]
            if now_ns() >= end:
                break
        self.on_busy(begin, now_ns())
        self._after_pass(more=bool(pending))

    def _after_pass(self, *, more: bool) -> None:
        if any(queue.state != QueueState.READY for queue in self._ready):
            self._ready = [queue for queue in self._ready if queue.state == QueueState.READY]
        if more:
            self._schedule(0)
            return
        dues = [due for queue in self._ready if (due := queue.waiting_until()) is not None]
        if not dues:
            self._recheck_ns = _RECHECK_MIN_NS
            return
        soonest = min(dues)
        delay = self._recheck_ns if soonest == 0 else max(0, soonest - self.clock.now_ns())
        self._recheck_ns = min(2 * self._recheck_ns, _RECHECK_MAX_NS)
        self._schedule(delay)

    def _schedule(self, delay_ns: int) -> None:
        """One timer at most: the sooner one stays."""
        if self._again is not None:
            if self._again.due_ns <= self.clock.now_ns() + delay_ns:
                return
            self._again.cancel()
        self._again = self.loop.call_later(delay_ns, self._timer)

    def _timer(self) -> None:
        self._again = None
        self.serve()

    def _cancel(self) -> None:
        if self._again is not None:
            self._again.cancel()
            self._again = None
        self._recheck_ns = _RECHECK_MIN_NS


def _ignore(_begin_ns: int, _end_ns: int) -> None:
    """Nobody measures how busy the engine is."""


def _handlers(engine: Engine) -> list[Handler]:
    commands = engine.commands
    handlers: list[Handler] = [commands.unknown] * 256
    handlers[Opcode.NOP] = commands.nop
    handlers[Opcode.COPY] = commands.copy
    handlers[Opcode.FENCE_WAIT] = commands.fence_wait
    handlers[Opcode.FENCE_SIGNAL] = commands.fence_signal
    handlers[Opcode.TIMESTAMP] = commands.timestamp
    for opcode, handler in TensorCommands(engine).handlers().items():
        handlers[opcode] = handler
    return handlers


def _refused_flags() -> list[int]:
    """For each opcode the header flags that it does not take."""
    # Ints, because ~ of an IntFlag keeps known bits only.
    refused = [0xFF & ~int(CommandFlag.INTERRUPT)] * 256
    refused[Opcode.COPY] &= ~int(CommandFlag.CHECKSUM)
    return refused

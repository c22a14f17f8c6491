# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A queue pair: fetches commands, has them executed, writes completions.

`run` is the hot path of the reference device: it is written out in one loop, with what
never changes during a pass in local names. Everything rare is a method beside it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Final, Protocol

from diag.model.errors import Header
from diag.model.loop import Timer
from diag.model.ring import FetchedRing, ScatteredWords
from diag.model.status import CONTEXT_FAULTS, ERROR_CODES, CommandError
from pyaccel.spec.formats import (
    CMD_HEADER_STRUCT,
    COMPLETION_BYTES,
    DELTA_SATURATED,
    MAX_COMMAND_SLOTS,
    MAX_CONTEXTS,
    MAX_RING_LOG2,
    MIN_RING_LOG2,
    SLOT_BYTES,
    CommandFlag,
    CompletionFlag,
    Status,
)
from pyaccel.spec.regs import ErrorCode, QueueState

if TYPE_CHECKING:
    from diag.model.engine import Engine

_LOG = logging.getLogger(__name__)
_M32: Final = 0xFFFFFFFF
_INTERRUPT: Final = int(CommandFlag.INTERRUPT)
_PHASE: Final = int(CompletionFlag.PHASE) << 56
_PAGE_MASK: Final = 0xFFF
_DOORBELL_WORDS: Final = 1024
"""32-bit words between the doorbells of two queues."""
BATCH: Final = 64
"""Commands of one queue before the next queue gets its turn."""


Completed = tuple[Header, int, int, int, int, int]
"""A command that ended: header, CLOCK_MONOTONIC in ns when fetched, started and finished, the
completion's result, and its status | flags << 24 (without PHASE). A plain tuple because one
is made for every command."""

Words = tuple[int, int, int, int]
"""A completion as it lies in the ring: sequence, fetch time, deltas, and the word with result,
status, queue and flags."""

BLOCKED: Final = -1
"""What a handler returns when its command holds the queue (it has set `Queue.hold`)."""


class Hold(Protocol):
    """Why a queue does not go on."""

    def release(self, now_ns: int) -> bool:
        """True once the queue may go on; the hold has then posted what it held back."""

    def due_ns(self) -> int | None:
        """When to look again; 0 for soon, None for only after a doorbell or a reset."""


class Queue:
    """One queue pair of an endpoint; see QUEUE[n] and DOORBELL[n] in the register reference."""

    __slots__ = (
        "_cq",
        "_engine",
        "_fetched",
        "_last_wanted",
        "_timer",
        "_unraised",
        "coalesce_count",
        "coalesce_us",
        "cq_base",
        "cq_full",
        "cq_head",
        "cq_log2",
        "cq_tail",
        "head",
        "hold",
        "interrupt_enabled",
        "interrupts",
        "number",
        "ring",
        "sq_base",
        "sq_log2",
        "sq_mask",
        "state",
        "vector",
    )

    def __init__(self, engine: Engine, number: int) -> None:
        self._engine = engine
        self.number = number
        self._timer: Timer | None = None
        self.reset()

    def reset(self) -> None:
        """Drop all work and all ring pointers; DISABLED."""
        self.ring: memoryview | None = None
        """View of the submission ring while the queue runs."""
        self._fetched: FetchedRing | None = None
        """What `ring` is a view of when the host's ring is no single piece."""
        self._cq: memoryview | ScatteredWords | None = None
        self.state = QueueState.DISABLED
        self.head = self.cq_tail = self.cq_head = 0
        self.sq_base = self.cq_base = 0
        self.sq_log2 = self.cq_log2 = self.sq_mask = 0
        self.hold: Hold | None = None
        self.cq_full = False
        self.vector = 0
        self.interrupt_enabled = False
        self.interrupts = 0
        self.coalesce_count = 0
        self.coalesce_us = 0
        self._unraised = 0
        self._cancel_timer()
        base = self.number * _DOORBELL_WORDS
        self._engine.doorbells[base] = self._engine.doorbells[base + 1] = 0

    @property
    def slots(self) -> int:
        """Slots of the submission ring."""
        return 1 << self.sq_log2

    @property
    def published(self) -> int:
        """Slots between the host's tail and ours; more than there are if its tail is wrong."""
        tail: int = self._engine.doorbells[self.number * _DOORBELL_WORDS]
        return (tail - self.head) & _M32

    def enable(self) -> bool:
        """DISABLED to READY; False, with the reason recorded, if the rings cannot be right."""
        sizes_fit = all(
            MIN_RING_LOG2 <= log2 <= MAX_RING_LOG2 for log2 in (self.sq_log2, self.cq_log2)
        )
        self.sq_mask = self.slots - 1
        aligned = not (self.sq_base | self.cq_base) & _PAGE_MASK
        if not (sizes_fit and aligned and self._map()):
            self._engine.errors.record(
                ErrorCode.RING_INVALID, queue=self.number, address=self.sq_base
            )
            return False
        self.state = QueueState.READY
        return True

    def drop_views(self) -> None:
        """Forget every view of host memory; the next pass takes new ones."""
        self.ring = self._fetched = self._cq = None

    def waiting_until(self) -> int | None:
        """When to look at the queue again: 0 soon, None not before a doorbell."""
        if self.hold is not None:
            return self.hold.due_ns()
        return 0 if self.cq_full else None

    def run(self) -> bool:
        """Execute up to BATCH commands; True if there may be more to do at once."""
        if self.hold is not None and not self._release():
            return False
        if self.state != QueueState.READY:
            return False
        if self.ring is None and not self._map():
            self._halt(self.sq_base)
            return False
        available = self._available()
        if self._fetched is not None:
            self._fetched.fetch(self.head + available & _M32)
        more = available > 0 and self._run_batch(available, min(self._room(), BATCH))
        if self._unraised:
            self._settle_interrupts()
        return more

    def _release(self) -> bool:
        """Ask the hold; what it posts may hold the queue again, for another reason."""
        hold = self.hold
        assert hold is not None
        if not hold.release(self._engine.clock.now_ns()):
            return False
        if self.hold is hold:
            self.hold = None
        return self.hold is None

    def _run_batch(self, available: int, budget: int) -> bool:
        """The hot loop: at most `available` slots and `budget` commands."""
        engine, ring, mask, head = self._engine, self.ring, self.sq_mask, self.head
        assert ring is not None
        handlers, refused, now_ns = engine.handlers, engine.refused_flags, engine.clock.now_ns
        unpack, post, refuse = CMD_HEADER_STRUCT.unpack_from, self.post, engine.commands.bad_header
        more = budget > 0
        while budget and available:
            fetched = now_ns()
            at = (head & mask) << 6
            header = unpack(ring, at)
            opcode, flags, slots = header[:3]
            if slots != 1 and (slots > available or not 0 < slots <= MAX_COMMAND_SLOTS):
                self._refuse_slots(header, fetched)
                return False
            if engine.hooks is not None and engine.hooks.fetched(self, header, at):
                return False
            self.head = head = (head + slots) & _M32
            available -= slots
            budget -= 1
            handler = refuse if header[6] or flags & refused[opcode] else handlers[opcode]
            started = now_ns()
            try:
                result = handler(self, at, header)
            except Exception as error:  # noqa: BLE001 - contained in the command that failed
                self._fail(header, error, fetched, started)
            else:
                if result >= 0:
                    post((header, fetched, started, now_ns(), result, 0))
            if self.hold is not None:
                return False
        return more

    def post(self, completed: Completed) -> None:
        """Finish a command: progress, then completion and interrupt unless a fault says no."""
        engine = self._engine
        engine.progress += 1
        if engine.hooks is not None:
            changed = engine.hooks.finished(self, completed)
            if changed is None:
                return
            completed = changed
        self.complete(completed)

    def complete(self, completed: Completed) -> None:
        """Write the completion of a finished command and ask for its interrupt."""
        header, fetched_ns, started_ns, finished_ns, result, status_flags = completed
        fetched, start, finish = self._engine.clock.spans(fetched_ns, started_ns, finished_ns)
        if finish >= DELTA_SATURATED:
            finish = DELTA_SATURATED
            start = min(start, DELTA_SATURATED)
        self.write_completion(
            header[7],
            fetched,
            start | finish << 32,
            result | status_flags << 32 | self.number << 48,
        )
        if header[1] & _INTERRUPT and self.interrupt_enabled:
            self._unraised += 1
            if self._unraised >= self.coalesce_count:
                self.raise_interrupt()

    def write_completion(self, sequence: int, fetched: int, deltas: int, last: int) -> None:
        """Put one completion into the ring; `last` is its last 8 bytes without the phase."""
        hooks = self._engine.hooks
        if not self.cq_tail >> self.cq_log2 & 1:
            last |= _PHASE
        if hooks is not None:
            sequence, fetched, deltas, last = hooks.written(self, (sequence, fetched, deltas, last))
        cq = self._cq
        if cq is None:  # the mapping went away while the command was held
            if not self._map():
                self._halt(self.cq_base)
                return
            cq = self._cq
            assert cq is not None
        tail = self.cq_tail
        at = (tail & ((1 << self.cq_log2) - 1)) << 2
        cq[at] = sequence
        cq[at + 1] = fetched
        cq[at + 2] = deltas
        # The phase becomes visible last: one aligned 8-byte store, ordered on x86 and made
        # atomic by memoryview writing the native item size in one go.
        cq[at + 3] = last
        self.cq_tail = (tail + 1) & _M32
        if self._engine.tap is not None:
            offset = at << 3
            self._engine.tap.dma_write(self.cq_base + offset, COMPLETION_BYTES)

    def raise_interrupt(self) -> None:
        """Signal the queue's vector for all that was not signalled yet."""
        self._unraised = 0
        self._cancel_timer()
        self.interrupts = (self.interrupts + 1) & _M32
        hooks = self._engine.hooks
        if hooks is None or not hooks.loses_interrupt(self):
            self._engine.interrupt(self.vector)

    def _available(self) -> int:
        """Slots that the host has published and that were not fetched yet."""
        available = self.published
        if available > self.slots:
            self._halt(self.sq_base)
            return 0
        return available

    def _room(self) -> int:
        """Completions that can be written now; 0 also if the host's head cannot be right."""
        size = 1 << self.cq_log2
        used = (self.cq_tail - self.cq_head) & _M32
        if used + BATCH > size:
            head = self._engine.doorbells[self.number * _DOORBELL_WORDS + 1]
            used = (self.cq_tail - head) & _M32
            if used > size:
                self._halt(self.cq_base)  # consumed what was never written
                return 0
            self.cq_head = head
        self.cq_full = used >= size
        return size - used

    def _map(self) -> bool:
        """Take views of both rings; False if the host does not offer them."""
        dma = self._engine.dma
        try:
            ring = dma.host_pieces(self.sq_base, self.slots * SLOT_BYTES, write=False)
            size = COMPLETION_BYTES << self.cq_log2
            completions = dma.host_pieces(self.cq_base, size, write=True)
        except CommandError:
            return False
        self._fetched = FetchedRing(ring, self.head) if len(ring) > 1 else None
        self.ring = self._fetched.slots if self._fetched is not None else ring[0]
        one = len(completions) == 1
        self._cq = completions[0].cast("Q") if one else ScatteredWords(completions)
        return True

    def _halt(self, address: int) -> None:
        self.state = QueueState.HALTED
        self._engine.errors.record(ErrorCode.RING_INVALID, queue=self.number, address=address)

    def _refuse_slots(self, header: Header, fetched_ns: int) -> None:
        """A slot count that cannot be right: where the next command starts is unknown."""
        error = CommandError(Status.INVALID_FIELD, f"{header[2]} slots")
        self.head = (self.head + 1) & _M32
        self._fail(header, error, fetched_ns, fetched_ns)
        self.state = QueueState.HALTED

    def _fail(self, header: Header, error: Exception, fetched_ns: int, started_ns: int) -> None:
        result, flags = self.failure(header, error)
        now_ns = self._engine.clock.now_ns()
        self.post((header, fetched_ns, started_ns, now_ns, result, flags))

    def failure(self, header: Header, error: Exception) -> tuple[int, int]:
        """Account for a failed command; gives (result, status_flags) of its completion."""
        engine = self._engine
        if not isinstance(error, CommandError):
            engine.internal_errors += 1
            if engine.internal_errors & (engine.internal_errors - 1) == 0:
                # Powers of two only, so that a flood of bad commands does not fill a disk.
                _LOG.error("queue=%d opcode=%d failed", self.number, header[0], exc_info=error)
            error = CommandError(Status.INTERNAL, str(error))
        context = header[4]
        if error.status in CONTEXT_FAULTS and context < MAX_CONTEXTS:
            engine.contexts[context].faulted = True
        code = ERROR_CODES.get(error.status)
        recorded = code is not None and engine.errors.record(
            code, queue=self.number, header=header, address=error.address
        )
        flags = CompletionFlag.ERROR_RECORDED << 24 if recorded else 0
        return error.result & _M32, error.status | flags

    def _settle_interrupts(self) -> None:
        """The batch at hand is done and some completions are not signalled yet."""
        if self.coalesce_us == 0:
            self.raise_interrupt()
        elif self._timer is None:
            delay = self.coalesce_us * 1000
            self._timer = self._engine.loop.call_later(delay, self._coalescing_ended)

    def _coalescing_ended(self) -> None:
        self._timer = None
        if self._unraised and self.state != QueueState.DISABLED:
            self.raise_interrupt()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

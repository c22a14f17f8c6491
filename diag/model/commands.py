# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Commands that move bytes or order work: nop, copy, fences, timestamp.

A handler gets the queue, the byte offset of slot 0 in the ring and the unpacked header; it
reads each field of the slot once (the ring belongs to the host, which may change it at any
time), raises CommandError, and returns the completion's result.
"""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING, Final, NamedTuple

from diag.model.dma import Segment
from diag.model.errors import Header
from diag.model.queue import BLOCKED, Queue
from diag.model.status import CommandError
from diag.model.traffic import account_copy, account_read, account_write
from pyaccel.spec.formats import (
    CMD_COPY_STRUCT,
    CMD_FENCE_STRUCT,
    MAX_CONTEXTS,
    CommandFlag,
    Space,
    Status,
)

if TYPE_CHECKING:
    from diag.model.engine import Engine
    from diag.model.page_table import Context

BODY: Final = 16
"""The part of slot 0 after the header."""


class Fence(NamedTuple):
    """A decoded cmd_fence."""

    va: int
    value: int
    timeout_us: int


def invalid(reason: str) -> CommandError:
    """A field that is out of range or reserved and not zero."""
    return CommandError(Status.INVALID_FIELD, reason)


def ring_of(queue: Queue) -> memoryview:
    """The ring a command is being read from."""
    assert queue.ring is not None
    return queue.ring


class Commands:
    """Handlers of the linear commands, bound to one engine."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._contexts = engine.contexts

    def context(self, number: int) -> Context:
        """The context a command names; CommandError if it cannot be used."""
        if number >= MAX_CONTEXTS or not self._contexts[number].enabled:
            raise CommandError(Status.INVALID_CONTEXT, f"context {number} is not enabled")
        found = self._contexts[number]
        if found.faulted:
            raise CommandError(Status.CONTEXT_FAULTED, f"context {number} has faulted")
        return found

    def unknown(self, _queue: Queue, _at: int, header: Header) -> int:
        """An opcode that does not exist."""
        raise CommandError(Status.INVALID_OPCODE, f"opcode {header[0]}")

    def bad_header(self, _queue: Queue, _at: int, header: Header) -> int:
        """A header with flags that its opcode does not take, or with reserved bits."""
        raise invalid(f"flags {header[1]:#x} or reserved byte {header[6]:#x} of the header")

    def nop(self, _queue: Queue, _at: int, header: Header) -> int:
        """NOP: needs no enabled context, because it names no address."""
        _, _, slots, op, context, dtype, _, _ = header
        if slots != 1 or op or dtype:
            raise invalid("a NOP is one slot without op and dtype")
        if context >= MAX_CONTEXTS:
            raise CommandError(Status.INVALID_CONTEXT, f"context {context} does not exist")
        if self._contexts[context].faulted:
            raise CommandError(Status.CONTEXT_FAULTED, f"context {context} has faulted")
        return 0

    def copy(self, queue: Queue, at: int, header: Header) -> int:
        """COPY: as if through a buffer, whatever overlaps."""
        _, flags, slots, op, number, dtype, _, _ = header
        fields = CMD_COPY_STRUCT.unpack_from(ring_of(queue), at + BODY)
        source_va, target_va, length, *reserved = fields
        if slots != 1 or op or dtype or any(reserved):
            raise invalid("a COPY is one slot without op and dtype, reserved fields zero")
        context = self.context(number)
        if not length:
            return 0
        source = context.segments(source_va, length, False)
        target = context.segments(target_va, length, True)
        engine = self._engine
        if engine.dma.watch is not None:
            engine.dma.watch.reading(source)
            engine.dma.watch.writing(target)
        checksum = _crc32(source) if flags & CommandFlag.CHECKSUM else 0
        copy_segments(source, target)
        account_copy(engine.traffic, source, target)
        if engine.hooks is not None:
            engine.hooks.copied(queue, header, target)
        return checksum

    def _fence(self, queue: Queue, at: int, header: Header) -> Fence:
        _, _, slots, op, _, dtype, _, _ = header
        fields = CMD_FENCE_STRUCT.unpack_from(ring_of(queue), at + BODY)
        va, value, timeout_us, reserved0, *reserved = fields
        if slots != 1 or op or dtype or reserved0 or any(reserved):
            raise invalid("a fence command is one slot without op and dtype, reserved fields zero")
        if va % 8:
            raise invalid(f"fence word at {va:#x} is not 8-byte aligned")
        return Fence(va, value, timeout_us)

    def _word(self, number: int, va: int, *, write: bool) -> memoryview:
        segments = self.context(number).segments(va, 8, write)
        engine = self._engine
        if engine.dma.watch is not None:
            watch = engine.dma.watch
            (watch.writing if write else watch.reading)(segments)
        account = account_write if write else account_read
        account(engine.traffic, segments)
        return segments[0].view.cast("Q")

    def read_fence(self, number: int, va: int) -> int:
        """The fence word at `va` of a context as it is now."""
        word: int = self._word(number, va, write=False)[0]
        return word

    def fence_wait(self, queue: Queue, at: int, header: Header) -> int:
        """FENCE_WAIT: done at once, or holds the queue."""
        fence = self._fence(queue, at, header)
        if self.read_fence(header[4], fence.va) >= fence.value:
            return 0
        queue.hold = FenceHold(self._engine, queue, header, fence)
        return BLOCKED

    def fence_signal(self, queue: Queue, at: int, header: Header) -> int:
        """FENCE_SIGNAL: earlier commands are done, because a queue executes in order."""
        va, value, timeout_us = self._fence(queue, at, header)
        if timeout_us:
            raise invalid("FENCE_SIGNAL has no timeout")
        word = self._word(header[4], va, write=True)
        word[0] = max(word[0], value)
        self._engine.signalled()
        return 0

    def timestamp(self, queue: Queue, at: int, header: Header) -> int:
        """TIMESTAMP: the device clock, written to memory."""
        va, value, timeout_us = self._fence(queue, at, header)
        if value or timeout_us:
            raise invalid("TIMESTAMP takes neither value nor timeout")
        self._word(header[4], va, write=True)[0] = self._engine.clock.ticks()
        return 0


class FenceHold:
    """A queue in FENCE_WAIT."""

    def __init__(self, engine: Engine, queue: Queue, header: Header, fence: Fence) -> None:
        self._engine = engine
        self._queue = queue
        self._header = header
        self._fence = fence
        self._start_ns = engine.clock.now_ns()
        self._deadline_ns: float = math.inf
        if fence.timeout_us:
            self._deadline_ns = self._start_ns + fence.timeout_us * 1000

    def release(self, now_ns: int) -> bool:
        """True once the word is there, the time is over, or the word cannot be read."""
        va, value, _ = self._fence
        error: CommandError | None = None
        try:
            reached = self._engine.commands.read_fence(self._header[4], va) >= value
        except CommandError as unreadable:
            error = unreadable
        else:
            if not reached and now_ns < self._deadline_ns:
                return False
            if not reached:
                reason = f"word at {va:#x} stayed below {value:#x}"
                error = CommandError(Status.FENCE_TIMEOUT, reason)
        result, status_flags = (0, 0) if error is None else self._queue.failure(self._header, error)
        self._queue.hold = None
        start = self._start_ns
        self._queue.post((self._header, start, start, now_ns, result, status_flags))
        return True

    def due_ns(self) -> int | None:
        """Soon: host memory changes without telling."""
        return 0


def copy_segments(source: list[Segment], target: list[Segment]) -> None:
    """Move bytes between runs of the same total length."""
    if len(source) == 1 and len(target) == 1:
        target[0].view[:] = source[0].view  # memmove: overlap is right
        return
    # Fragments may overlap in any way: only a real buffer is right for all of them, but it
    # costs a second copy, which disjoint ranges need not pay.
    pieces = [segment.view for segment in source]
    if may_overlap(source, target):
        pieces = [memoryview(b"".join(pieces))]
    _scatter(pieces, [segment.view for segment in target])


def may_overlap(first: list[Segment], second: list[Segment]) -> bool:
    """Whether two lists of segments could share bytes; a peer may be the endpoint itself."""
    spans = _spans(first)
    for space, (low, high) in _spans(second).items():
        other = spans.get(space)
        if other is not None and low < other[1] and other[0] < high:
            return True
    both = {segment.space for segment in (*first, *second)}
    return Space.DEVICE in both and Space.PEER in both


def _spans(segments: list[Segment]) -> dict[int, tuple[int, int]]:
    spans: dict[int, tuple[int, int]] = {}
    for space, address, view in segments:
        low, high = spans.get(space, (address, 0))
        spans[space] = (min(low, address), max(high, address + view.nbytes))
    return spans


def _scatter(pieces: list[memoryview], targets: list[memoryview]) -> None:
    index = offset = 0
    for target in targets:
        done = 0
        while done < len(target):
            piece = pieces[index]
            step = min(len(target) - done, len(piece) - offset)
            target[done : done + step] = piece[offset : offset + step]
            done += step
            offset += step
            if offset == len(piece):
                index, offset = index + 1, 0


def _crc32(segments: list[Segment]) -> int:
    value = 0
    for segment in segments:
        value = zlib.crc32(segment.view, value)
    return value

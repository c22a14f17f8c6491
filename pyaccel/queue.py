# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A queue pair: batches in, results out."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import heapq
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from pyaccel import errors
from pyaccel._closing import Closing
from pyaccel._native import Handle, check, fail, ffi, lib
from pyaccel.batch import Batch
from pyaccel.commands import Commands
from pyaccel.fence import CommandResult, Fence, failure_of, make_result
from pyaccel.packing import NOP
from pyaccel.spec.formats import SLOT_BYTES, Status
from pyaccel.tensor import Memory

if TYPE_CHECKING:
    from pyaccel.device import Device

_SLICE_S: Final = 0.25
"""Longest stay inside libaxl: between slices signals, close() and device trouble are seen."""
_FAILURES_KEPT: Final = 1024
_RETIRE_ABOVE: Final = 32
_RESULT_BYTES: Final = ffi.sizeof("struct axl_result")


@dataclass(frozen=True, slots=True)
class QueueStats:
    """Counts since the queue was made."""

    submitted: int
    completed: int
    failed: int
    lost: int
    """Completions that never came."""
    malformed: int
    """Completions that made no sense and were refused."""
    doorbells: int
    interrupts: int
    bytes_submitted: int
    in_flight: int
    missed_interrupts: int
    """Waits that found completions only because they looked: no interrupt told of them."""


class Queue(Closing, Commands):
    """Runs commands in order. Made by Context.queue() or Device.queue().

    The command methods append to a batch of the calling thread; submit() sends it:

        queue.copy(y, x)
        queue.unary("relu", y, y)
        queue.submit().wait()

        with queue.batch() as batch:    # the same, submitted at the end
            queue.nop()
        batch.fence.wait()

    Threads may use one queue at once. Buffers of submitted commands live until those ended.
    """

    def __init__(self, device: Device, handle: Handle) -> None:
        self.device = device
        self._handle = handle
        with handle as queue:
            self.index = int(lib.axl_queue_index(queue))
        self._where = {"endpoint": device.id, "queue": self.index}
        self._local = threading.local()
        self._lock = threading.RLock()  # guards the six below; never held while waiting
        self._in_flight: list[tuple[int, int, tuple[Handle, ...]]] = []
        self._last = 0
        self._failures: dict[int, CommandResult] = {}  # the newest ones, for their own fences
        self._untold: set[int] = set()  # those of them that no wait has raised yet
        self._probes: set[int] = set()  # our own NOPs, whose end nobody asked about
        self._sleepers: dict[asyncio.AbstractEventLoop, set[asyncio.Future[None]]] = {}

    def append(self, command: bytes, *buffers: Memory) -> int:
        """Append one packed command to this thread's batch; its position there."""
        return self._current().append(command, *buffers)

    def _current(self) -> Batch:
        try:
            batch: Batch = self._local.batch
        except AttributeError:
            batch = self._local.batch = Batch(self)
        return batch

    def collect(self, batch: Batch | None) -> Batch | None:
        """Send this thread's commands to `batch` from now on; the one before."""
        before: Batch | None = getattr(self._local, "batch", None)
        self._local.batch = Batch(self) if batch is None else batch
        return before

    def batch(self) -> Batch:
        """An empty batch, to use in `with` or to fill and submit by hand."""
        return Batch(self)

    def submit(self, *, interrupt: bool = True, block: bool = True) -> Fence:
        """Submit what this thread has appended; see Batch.submit.

        With nothing appended: a fence for all that was submitted before.
        """
        return self._current().submit(interrupt=interrupt, block=block)

    def submit_commands(
        self,
        commands: Sequence[bytes],
        buffers: Iterable[Memory],
        *,
        interrupt: bool = True,
        block: bool = True,
    ) -> Fence:
        """Submit packed commands that use `buffers`, as one batch."""
        if not commands:
            return Fence(self, self._last + 1, self._last)
        data = b"".join(commands)
        handles = _pin_all(buffers)
        try:
            sequence = self._submit(data, interrupt=interrupt, block=block)
        except BaseException:
            _unpin_all(handles)
            raise
        with self._lock:
            self._last = max(self._last, sequence)
            heapq.heappush(self._in_flight, (sequence, id(handles), handles))
            crowded = len(self._in_flight) > _RETIRE_ABOVE
        if crowded:
            self.poll()
        return Fence(self, sequence - len(commands) + 1, sequence)

    def _submit(self, data: bytes, *, interrupt: bool, block: bool) -> int:
        """The sequence of the last command. Waits for room here, where signals are seen."""
        slots = ffi.from_buffer("struct axl_slot[]", data)
        count = len(data) // SLOT_BYTES
        flags = lib.AXL_SUBMIT_NONBLOCK | (0 if interrupt else lib.AXL_SUBMIT_NO_INTERRUPT)
        last = ffi.new("uint64_t *")
        while True:
            with self._handle as queue:
                code = lib.axl_queue_submit(queue, slots, count, flags, last)
            if code >= 0:
                return int(last[0])
            if code != -errno.EAGAIN or not block:
                fail("axl_queue_submit", code, **self._where)
            self._wait_for_room()

    def _wait_for_room(self) -> None:
        """Wait for the oldest batch, or a moment; DeviceGoneError and the like if stuck."""
        with self._lock:
            oldest = self._in_flight[0][0] if self._in_flight else self._last
        with contextlib.suppress(errors.CommandTimeoutError):
            self.wait(oldest, _SLICE_S)
            return
        self.device.check()

    def poll(self) -> int:
        """Take in what has completed, without waiting; the highest sequence that has ended."""
        with self._handle as queue:
            ended = int(lib.axl_queue_poll(queue))
        self._retire(ended)
        return ended

    def _retire(self, ended: int) -> None:
        """Let go of the buffers of finished batches."""
        finished: list[tuple[Handle, ...]] = []
        with self._lock:
            while self._in_flight and self._in_flight[0][0] <= ended:
                finished.append(heapq.heappop(self._in_flight)[2])
        for handles in finished:
            _unpin_all(handles)

    def wait(self, sequence: int, timeout: float | None = None) -> None:
        """Wait until commands up to `sequence` ended, well or not; see Fence.wait."""
        deadline = None if timeout is None else time.monotonic() + timeout
        probed = False
        while True:
            left = _SLICE_S if deadline is None else deadline - time.monotonic()
            code = self._wait_slice(sequence, min(left, _SLICE_S))
            if code != -errno.ETIMEDOUT:
                break
            if deadline is not None and left <= _SLICE_S:
                fail("axl_queue_wait", code, sequence=sequence, **self._where)
            probed = self._watch(probed=probed)
        self._ended(code, sequence)

    def _wait_slice(self, sequence: int, seconds: float) -> int:
        """Stay in libaxl for a moment; its result."""
        with self._handle as queue:
            return int(lib.axl_queue_wait(queue, sequence, max(0, int(seconds * 1e9))))

    def _watch(self, *, probed: bool) -> bool:
        """Raise if the endpoint is in trouble; whether the probe was sent.

        A queue whose last completion was lost looks hung. One NOP tells: if that completes,
        the gap before it names the lost command, and the wait ends with that error.
        """
        try:
            self.device.check()
        except errors.QueueHungError:
            if probed or not self._answers_probe():
                raise
            return True
        return probed

    def _answers_probe(self) -> bool:
        try:
            probe = self._submit(NOP, interrupt=True, block=False)
        except errors.QueueFullError:
            return False
        self._probes.add(probe)
        return self._wait_slice(probe, _SLICE_S) != -errno.ETIMEDOUT

    def _ended(self, code: int, sequence: int) -> None:
        """After a wait: release buffers, remember failures, raise what is no command's fault."""
        if code in (0, -errno.EIO, -errno.ECANCELED):
            self._retire(sequence)
        if code:
            self._collect_failures()
        if code not in (0, -errno.EIO, -errno.ECANCELED):
            fail("axl_queue_wait", code, sequence=sequence, **self._where)

    def _collect_failures(self) -> None:
        """Move failed commands from libaxl to where each fence finds its own.

        libaxl hands out only the first one; the others are in its results.
        """
        raw = ffi.new("struct axl_result *")
        with self._handle as queue, self._lock:
            while lib.axl_queue_take_error(queue, raw, _RESULT_BYTES) == 0:
                first = int(raw.sequence)
                self._remember(raw)
                ended = int(lib.axl_queue_poll(queue))
                for sequence in range(max(first + 1, ended - _FAILURES_KEPT), ended + 1):
                    code = lib.axl_queue_result(queue, sequence, raw, _RESULT_BYTES)
                    if code == 0 and raw.status != Status.OK:
                        self._remember(raw)

    def _remember(self, raw: Any) -> None:
        """Keep one failed command."""
        result = make_result(raw)
        if result.sequence in self._probes:
            return
        if result.sequence not in self._failures:
            self._untold.add(result.sequence)
        self._failures[result.sequence] = result
        while len(self._failures) > _FAILURES_KEPT:
            oldest = next(iter(self._failures))
            del self._failures[oldest]
            self._untold.discard(oldest)

    def raise_failure(self, first: int, last: int) -> None:
        """Raise the first failure of first..last (every time), or an older one (once)."""
        if not self._failures:
            return
        with self._lock:
            own = [sequence for sequence in self._failures if first <= sequence <= last]
            older = [sequence for sequence in self._untold if sequence < first]
            if not own and not older:
                return
            chosen = self._failures[min(own or older)]
            self._untold = {sequence for sequence in self._untold if sequence > last}
        raise failure_of(chosen, self.device.id, self.index)

    def result(self, sequence: int) -> CommandResult:
        """How a command ended. QueueFullError: not yet; LookupError: too long ago."""
        raw = ffi.new("struct axl_result *")
        with self._handle as queue:
            code = lib.axl_queue_result(queue, sequence, raw, _RESULT_BYTES)
        if code == -errno.ENOENT:
            raise LookupError(f"{self!r} does not remember sequence {sequence}")
        check("axl_queue_result", code, sequence=sequence, **self._where)
        return make_result(raw)

    def stats(self) -> QueueStats:
        """Counts since the queue was made."""
        raw = ffi.new("struct axl_queue_stats *")
        with self._handle as queue:
            code = lib.axl_queue_stats(queue, raw, ffi.sizeof(raw[0]))
        check("axl_queue_stats", code, **self._where)
        return QueueStats(**{name: int(getattr(raw, name)) for name in QueueStats.__slots__})

    def reset(self) -> None:
        """End everything in flight with CommandAbortedError and start again."""
        with self._handle as queue:
            check("axl_queue_reset", lib.axl_queue_reset(queue), **self._where)
        self._collect_failures()
        self.poll()

    @property
    def fd(self) -> int:
        """Descriptor that becomes readable when poll() may have something; owned by the queue.

        Asked for only when somebody wants it: from then on every poll() empties it.
        """
        with self._handle as queue:
            return check("axl_queue_fd", lib.axl_queue_fd(queue), **self._where)

    async def wait_async(self, sequence: int) -> None:
        """Wait in asyncio until commands up to `sequence` ended; see Fence.__await__."""
        loop = asyncio.get_running_loop()
        fd = self.fd  # before the first poll: a completion in between makes it readable
        while self.poll() < sequence:
            future = loop.create_future()
            self._sleep(loop, fd, future)
            # Another thread may have taken the wake-up: look again before long.
            timer = loop.call_later(_SLICE_S, _wake, future)
            try:
                await future
            finally:
                timer.cancel()
                self._wake_up(loop, fd, future)
            if not future.cancelled() and self.poll() < sequence:
                self.device.check()
        with self._handle as queue:
            code = lib.axl_queue_wait(queue, sequence, 0)
        self._ended(code, sequence)

    def _sleep(
        self, loop: asyncio.AbstractEventLoop, fd: int, future: asyncio.Future[None]
    ) -> None:
        """Wake `future` when `fd`, the queue's descriptor, is readable."""
        sleepers = self._sleepers.setdefault(loop, set())
        if not sleepers:
            loop.add_reader(fd, self._on_readable, loop)
        sleepers.add(future)

    def _wake_up(
        self, loop: asyncio.AbstractEventLoop, fd: int, future: asyncio.Future[None]
    ) -> None:
        sleepers = self._sleepers.get(loop, set())
        sleepers.discard(future)
        if not sleepers:
            loop.remove_reader(fd)
            self._sleepers.pop(loop, None)

    def _on_readable(self, loop: asyncio.AbstractEventLoop) -> None:
        self.poll()
        for future in self._sleepers.get(loop, set()):
            _wake(future)

    @property
    def closed(self) -> bool:
        """Whether close() was called."""
        return self._handle.closed

    def close(self) -> None:
        """Stop the queue; work in flight is given up."""
        self._handle.close()
        if self._handle.destroyed:
            self._retire(2**64)

    def __del__(self) -> None:
        """Stop the queue before its last buffers are let go."""
        if hasattr(self, "_in_flight"):
            self.close()

    def __repr__(self) -> str:
        """For people."""
        return f"Queue({self.index} of {self.device.id})"


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _pin_all(buffers: Iterable[Memory]) -> tuple[Handle, ...]:
    """Keep the memory of every buffer; ClosedError (and nothing kept) if one is closed."""
    pinned: list[Handle] = []
    try:
        for buffer in buffers:
            handle: Any = getattr(buffer, "handle", None)
            if handle is not None:
                handle.pin()
                pinned.append(handle)
    except errors.AxlError:
        _unpin_all(pinned)
        raise
    return tuple(pinned)


def _unpin_all(handles: Iterable[Handle]) -> None:
    for handle in handles:
        handle.unpin()

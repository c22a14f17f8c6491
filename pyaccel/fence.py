# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The end of a batch: ask, wait, read how each command went."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pyaccel import errors
from pyaccel.info import opcode_name
from pyaccel.spec.formats import Status

if TYPE_CHECKING:
    from pyaccel.queue import Queue

_ERROR_OF_STATUS: dict[int, type[errors.CommandError]] = {
    Status.LOST: errors.CommandLostError,
    Status.ABORTED: errors.CommandAbortedError,
    Status.CONTEXT_FAULTED: errors.ContextFaultedError,
}
_ADVICE_OF_STATUS: dict[int, str] = {
    Status.PAGE_FAULT: ". An address is not mapped in the context: was its buffer closed?"
    " Context.recover() allows commands again",
    Status.PROTECTION_FAULT: ". Context.recover() allows commands again",
    Status.INDEX_OUT_OF_RANGE: ". `result` is the first bad index",
    Status.ADDRESS_STALE: ". The device address is not committed: accel-info tells why",
    Status.FENCE_TIMEOUT: ". Nobody signalled the word in time",
}


@dataclass(frozen=True, slots=True)
class CommandResult:
    """How one command ended. Times are CLOCK_MONOTONIC; None if the device gave none."""

    sequence: int
    opcode: str
    status: Status | int
    result: int
    submit_ns: int
    fetch_ns: int | None
    start_ns: int | None
    finish_ns: int | None
    complete_ns: int | None

    @property
    def duration_ns(self) -> int | None:
        """Time of execution in the device."""
        if self.start_ns is None or self.finish_ns is None:
            return None
        return self.finish_ns - self.start_ns

    @property
    def status_name(self) -> str:
        """The status in lower case, "status 77" for an unknown one."""
        return self.status.name.lower() if isinstance(self.status, Status) else str(self.status)


def make_result(raw: Any) -> CommandResult:
    """CommandResult from struct axl_result."""
    timed = bool(raw.timing_valid)
    known = raw.status in Status._value2member_map_
    return CommandResult(
        sequence=raw.sequence,
        opcode=opcode_name(raw.opcode),
        status=Status(raw.status) if known else int(raw.status),
        result=raw.result,
        submit_ns=raw.submit_ns,
        fetch_ns=(raw.fetch_ns or None) if timed else None,
        start_ns=raw.start_ns if timed else None,
        finish_ns=raw.finish_ns if timed else None,
        complete_ns=raw.complete_ns or None,
    )


def failure_of(result: CommandResult, endpoint: str, queue: int) -> errors.CommandError:
    """The exception for a command that did not end well."""
    kind = _ERROR_OF_STATUS.get(result.status, errors.CommandError)
    return kind(
        f"queue {queue} sequence {result.sequence}: {result.opcode} ended with"
        f" {result.status_name} (result {result.result:#x})"
        f"{_ADVICE_OF_STATUS.get(result.status, '')}",
        endpoint=endpoint,
        queue=queue,
        sequence=result.sequence,
        opcode=result.opcode,
        status=result.status_name,
        result=result.result,
    )


class Fence:
    """The commands of one submit, numbered `first`..`sequence`."""

    __slots__ = ("first", "queue", "sequence")

    def __init__(self, queue: Queue, first: int, sequence: int) -> None:
        self.queue = queue
        self.first = first
        self.sequence = sequence

    @property
    def done(self) -> bool:
        """Whether all have ended, well or not."""
        return self.queue.poll() >= self.sequence

    def wait(self, timeout: float | None = None) -> None:
        """Wait until all have ended; `timeout` in seconds, None for as long as it takes.

        Without a limit the endpoint's progress is watched, so that a dead device ends the
        wait with an error.

        Raises:
            CommandError: the first of these commands that failed, or an earlier one that
                nobody asked about; CommandLostError and CommandAbortedError are kinds of it.
            CommandTimeoutError: not yet; one may wait again.
            QueueHungError: no progress.
            FirmwareStoppedError: the heartbeat stands still.
            DeviceGoneError: the endpoint is away.
        """
        self.queue.wait(self.sequence, timeout)
        self.queue.raise_failure(self.first, self.sequence)

    def result(self, position: int = -1) -> CommandResult:
        """How one command ended, by its position in the batch; waits for it.

        Does not raise for a command that failed: look at `status`. LookupError if that is
        too long ago (a queue remembers as many as its ring has slots).
        """
        count = self.sequence - self.first + 1
        if not -count <= position < count:
            raise IndexError(f"position {position} of a batch of {count}")
        sequence = self.first + position % count
        self.queue.wait(sequence, None)
        return self.queue.result(sequence)

    def __await__(self) -> Generator[Any, None, None]:
        """Wait in asyncio, through the queue's descriptor; errors as in wait()."""
        yield from self.queue.wait_async(self.sequence).__await__()
        self.queue.raise_failure(self.first, self.sequence)

    def __repr__(self) -> str:
        """For people."""
        return f"Fence(queue={self.queue.index}, sequences={self.first}..{self.sequence})"

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Commands that go to the device together."""

from __future__ import annotations

from types import TracebackType
from typing import TYPE_CHECKING, Self

from pyaccel import errors
from pyaccel.commands import Commands
from pyaccel.spec.formats import SLOT_BYTES
from pyaccel.tensor import Memory

if TYPE_CHECKING:
    from pyaccel.fence import Fence
    from pyaccel.queue import Queue


class Batch(Commands):
    """Commands for one queue, submitted as one: all or nothing, one doorbell, one interrupt.

    As a context manager it submits at the end (and discards on an exception); inside, the
    thread's calls on the queue itself append here too. Not shared between threads; `fence`
    is that of the last submit.
    """

    def __init__(self, queue: Queue) -> None:
        self._queue = queue
        self._commands: list[bytes] = []
        self._buffers: set[Memory] = set()
        self._outer: Batch | None = None
        self._fence: Fence | None = None

    @property
    def fence(self) -> Fence:
        """Fence of the last submit. InvalidArgumentError before the first one."""
        if self._fence is None:
            raise errors.InvalidArgumentError("this batch was not submitted yet: it has no fence")
        return self._fence

    def append(self, command: bytes, *buffers: Memory) -> int:
        """Append one packed command that uses `buffers`; its position.

        The buffers are kept until the command has ended. ValueError if the bytes are not
        as many slots as the command's header says.
        """
        if len(command) < SLOT_BYTES or len(command) != command[2] * SLOT_BYTES:
            raise ValueError(f"{len(command)} bytes are not as many slots as the header says")
        self._buffers.update(buffers)
        self._commands.append(command)
        return len(self._commands) - 1

    def __len__(self) -> int:
        """Commands that wait to be submitted."""
        return len(self._commands)

    def clear(self) -> None:
        """Forget them."""
        self._commands = []
        self._buffers = set()

    def submit(self, *, interrupt: bool = True, block: bool = True) -> Fence:
        """Hand the commands to the device; the batch is empty afterwards.

        Args:
            interrupt: False if nobody will wait for this batch itself.
            block: False raises QueueFullError instead of waiting for room in the ring; then
                the commands stay.

        Raises:
            BatchTooLargeError: more slots than the ring has.
            StaleHandleError: the endpoint was reset since the queue was made.
            ClosedError: a buffer or the queue was closed.
        """
        try:
            fence = self._queue.submit_commands(
                self._commands, self._buffers, interrupt=interrupt, block=block
            )
        except errors.QueueFullError:
            raise
        except BaseException:
            self.clear()
            raise
        self.clear()
        self._fence = fence
        return fence

    def __enter__(self) -> Self:
        """Collect what this thread calls on the queue."""
        self._outer = self._queue.collect(self)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Submit, or discard after an exception."""
        self._queue.collect(self._outer)
        self._outer = None
        if kind is None:
            self.submit()
        else:
            self.clear()

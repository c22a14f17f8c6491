# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What can go wrong: one tree of exceptions, each carrying its data as attributes."""

from __future__ import annotations

from typing import ClassVar


class AxlError(Exception):
    """Base of everything that pyaccel raises about a device.

    Attributes that do not apply are None: `errno` (positive), `endpoint` (its stable
    id), `queue`, `sequence`, `opcode` (a name), `status` (a name) and `result`.
    """

    advice: ClassVar[str] = ""
    """What to do; ends the message."""

    def __init__(
        self,
        message: str,
        *,
        errno: int | None = None,
        endpoint: str | None = None,
        queue: int | None = None,
        sequence: int | None = None,
        opcode: str | None = None,
        status: str | None = None,
        result: int | None = None,
    ) -> None:
        super().__init__(message)
        self.errno = errno
        self.endpoint = endpoint
        self.queue = queue
        self.sequence = sequence
        self.opcode = opcode
        self.status = status
        self.result = result

    def __str__(self) -> str:
        """Where, what, and what to do."""
        where = f"{self.endpoint}: " if self.endpoint else ""
        text = f"{where}{super().__str__()}"
        return f"{text}. {self.advice}" if self.advice else text


class NotBuiltError(AxlError, ImportError):
    """The compiled part of pyaccel is missing, or does not fit libaxl."""

    advice = "Build it: pip install -e . in the checkout (it compiles libaxl too)"


class DeviceNotFoundError(AxlError, LookupError):
    """No such endpoint, or no driver and no rack at all."""

    advice = "See what is there: accel-info; start an embedded rack: accel-rack up 2x2"


class DeviceBusyError(AxlError):
    """Another process (or another Device of this one) holds the endpoint."""

    advice = "Close the other user, or open another endpoint: pyaccel.devices() lists them"


class PermissionDeniedError(AxlError, PermissionError):
    """The user may not do that with a device of the kernel driver; the message says who may."""


class DeviceGoneError(AxlError):
    """The endpoint vanished: it answers all-ones, or its server is away."""

    advice = "Close this Device; accel-info shows whether the endpoint came back"


class DeviceWedgedError(AxlError):
    """The endpoint failed and no reset has helped yet."""

    advice = "Try Device.reset('bus'); if that fails, restart the rack or the machine"


class VersionMismatchError(AxlError):
    """The endpoint speaks another version of the hardware contract."""

    advice = "Install the libaxl that matches the endpoint's firmware"


class AddressRejectedError(AxlError):
    """The endpoint is not where its device address says, so it is not used."""

    advice = "Rescan the rack (accel-info shows the reason), then open it again"


class QueueHungError(AxlError):
    """A queue has work and makes no progress."""

    advice = "Queue.reset() is the mildest way out, then Device.reset()"


class FirmwareStoppedError(AxlError):
    """The endpoint's heartbeat stands still."""

    advice = "Device.reset() restarts it; device memory is lost"


class StaleHandleError(AxlError):
    """The object was made before a reset of its endpoint."""

    advice = "Make contexts, buffers and queues again: device memory was lost in the reset"


class ClosedError(AxlError, ValueError):
    """The object, or the device below it, was closed."""


class ForkedProcessError(AxlError):
    """The object belongs to the parent process; a forked child cannot share it."""

    advice = "Open the device in the child, or start it with multiprocessing's 'spawn'"


class InvalidArgumentError(AxlError, ValueError):
    """libaxl refused an argument."""


class BatchTooLargeError(AxlError, ValueError):
    """A batch has more slots than the queue's ring can ever hold."""

    advice = "Split it, or create the queue with a larger slots_log2"


class OutOfMemoryError(AxlError, MemoryError):
    """No room for the buffer."""

    advice = "Close buffers that are no longer used; Device.memory_free tells what is left"


class PeerUnreachableError(AxlError):
    """No path between two endpoints for peer-to-peer."""

    advice = "Copy through host memory: a buffer with memory='host'"


class QueueUnavailableError(AxlError):
    """That queue pair is taken, or none is free."""

    advice = "Close a queue, or let the library choose (index=None)"


class QueueFullError(AxlError, BlockingIOError):
    """The ring has no room now and waiting was not wanted."""

    advice = "Wait for an earlier fence, then submit again"


class CommandError(AxlError):
    """A command ended with a status other than OK."""


class ContextFaultedError(CommandError):
    """A command was refused because an earlier one of its context faulted."""

    advice = "Find the first failed command, then Context.recover()"


class CommandLostError(CommandError):
    """A command's completion never came although a later one did."""

    advice = "The device may still be at it: Queue.reset(), then repeat the work. See accel-trace"


class CommandAbortedError(CommandError):
    """A reset gave up the command."""

    advice = "Submit the work again"


class CommandTimeoutError(AxlError, TimeoutError):
    """The fence is not reached yet. Nothing is lost and one may wait again."""

    advice = "Wait again, or ask Device.check() whether the endpoint makes progress"

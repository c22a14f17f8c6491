# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The fault catalogue: one class per fault.

To add a fault, add a class here, or in `fault_lies` when the device says what is not so:
`name`, a docstring that says what the host sees, `parameters` beyond the common ones, and
the hooks that it needs. It is then in `CATALOGUE`, in `accel-rack fault list` and in the
tests that go through all faults.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar, Final

from diag.model import fault_lies  # noqa: F401 - its faults are leaves of Fault as well
from diag.model.dma import Segment
from diag.model.errors import Header
from diag.model.fault_base import COMMON, Fault, Parameter
from diag.model.queue import Queue
from diag.model.status import CommandError
from pyaccel.spec import regs
from pyaccel.spec.formats import Opcode, Space, Status
from pyaccel.spec.regs import ErrorCode

INTERNAL_ERROR: Final = 22
"""Bit of Uncorrectable Internal Error in the AER status register (PCIe 6.0 s7.8.4.2)."""


class LostCompletion(Fault):
    """The command is executed, but its completion is never written."""

    name = "lost_completion"

    def finished(self, queue: Queue, header: Header) -> Header | None:
        """No completion."""
        return None if self.due(queue.number, header[0]) else header


class CorruptPayload(Fault):
    """A COPY writes wrong data: bits are flipped on the way, the checksum is of what was read."""

    name = "corrupt_payload"
    parameters = (Parameter("bits", "Bits flipped in each copy.", 1, 1, 65536),)
    opcodes = frozenset({int(Opcode.COPY)})

    def copied(self, queue: Queue, header: Header, target: list[Segment]) -> None:
        """Flip bits where the copy went."""
        if not self.due(queue.number, header[0]):
            return
        total = sum(len(segment.view) for segment in target)
        chosen = self.random.sample(range(8 * total), min(self.integer("bits"), 8 * total))
        for bit in chosen:
            offset = bit // 8
            for segment in target:
                if offset < len(segment.view):
                    segment.view[offset] ^= 1 << bit % 8
                    break
                offset -= len(segment.view)


class HungQueue(Fault):
    """The queue stops before a command, until a queue reset or until the fault is cleared.

    With `report_ms` the firmware notices and records QUEUE_HUNG; else the host must.
    """

    name = "hung_queue"
    parameters = (
        Parameter(
            "report_ms", "The device records QUEUE_HUNG so much later; 0 is never.", 0, 0, 60_000
        ),
    )

    def fetched(self, queue: Queue, header: Header) -> bool:
        """Hang."""
        if not self.due(queue.number, header[0]):
            return False
        report_ns = self.integer("report_ms") * 1_000_000
        if report_ns:
            head = queue.head
            self.endpoint.loop.call_later(report_ns, lambda: self._report(queue, header, head))
        return True

    def _report(self, queue: Queue, header: Header, head: int) -> None:
        """Record the hang, unless a reset or the end of the fault was faster."""
        hangs = queue.hold is not None and queue.head == head
        if hangs and self.endpoint.faults.is_active(self.number):
            self.endpoint.errors.record(ErrorCode.QUEUE_HUNG, queue=queue.number, header=header)


class HeartbeatStop(Fault):
    """HEARTBEAT does not advance any more; commands are still executed."""

    name = "heartbeat_stop"

    def start(self) -> None:
        """Freeze it at what it is."""
        self.endpoint.sensors.heartbeat_stopped = self.endpoint.sensors.heartbeat()
        self.fired = 1

    def stop(self) -> None:
        """It follows the clock again."""
        self.endpoint.sensors.heartbeat_stopped = None


class StuckReset(Fault):
    """The firmware does not come up after a reset: CTRL.STATUS.READY stays 0.

    Until the next reset that it lets pass, or until the fault is cleared; `count` 0 is every reset.
    """

    name = "stuck_reset"

    def was_reset(self) -> None:
        """Stay down."""
        if self.due(0, 0):
            self.endpoint.registers.update(regs.CTRL_STATUS, READY=0)

    def stop(self) -> None:
        """Come up."""
        self.endpoint.registers.update(regs.CTRL_STATUS, READY=1)


class LateCompletion(Fault):
    """The completion is written later; the queue's later commands wait behind it."""

    name = "late_completion"
    parameters = (
        Parameter(
            "distribution",
            "Shape of the latency.",
            "constant",
            choices=("constant", "uniform", "exponential"),
        ),
        Parameter("latency_us", "Constant, upper end of uniform, or mean.", 1000.0, 0, 60e6, "us"),
        Parameter("least_us", "Lower end; added to an exponential latency.", 0.0, 0, 60e6, "us"),
    )

    def delay_ns(self, queue: Queue, header: Header) -> int:
        """Draw a latency."""
        if not self.due(queue.number, header[0]):
            return 0
        least, latency = self.real("least_us"), self.real("latency_us")
        shape = self.values["distribution"]
        if shape == "uniform":
            latency = self.random.uniform(min(least, latency), latency)
        elif shape == "exponential":
            latency = least - latency * math.log(1 - self.random.random())
        return max(1, round(latency * 1000))


class LostInterrupt(Fault):
    """Completions are written, but an interrupt is not signalled."""

    name = "lost_interrupt"

    def loses_interrupt(self, queue: Queue) -> bool:
        """Swallow it."""
        return self.due(queue.number, int(self.values["opcode"] or 0))


class _BusFault(Fault):
    """Base of faults that hit a DMA request to the host or a peer."""

    status: ClassVar[Status]
    reads_only: ClassVar[bool] = True
    aer_bit: ClassVar[int | None] = None

    def accessing(self, queue: int, opcode: int, segments: list[Segment], *, write: bool) -> None:
        """End the command with the fault's status."""
        outside = [segment for segment in segments if segment.space != Space.DEVICE]
        if not outside or (write and self.reads_only) or not self.due(queue, opcode):
            return
        if self.aer_bit is not None:
            self.endpoint.config_space.record_uncorrectable(self.aer_bit, (0, 0, 0, 0))
        raise CommandError(self.status, f"injected {self.name}", address=outside[0].address)


class Poisoned(_BusFault):
    """A DMA read returns poisoned data: status POISONED, AER Poisoned TLP Received."""

    name = "poisoned"
    status = Status.POISONED
    aer_bit = 12


class UnsupportedRequest(_BusFault):
    """The fabric answers a DMA request with Unsupported Request.

    AER is the completer's: the endpoint only has Received Master Abort (PCIe 6.0 s7.5.1.1.4).
    """

    name = "unsupported_request"
    status = Status.UNSUPPORTED_REQUEST
    reads_only = False

    def accessing(self, queue: int, opcode: int, segments: list[Segment], *, write: bool) -> None:
        """Note a read's answer; a posted write has none, the fabric's error message stands in."""
        try:
            super().accessing(queue, opcode, segments, write=write)
        except CommandError:
            if not write:
                self.endpoint.config_space.record_master_abort()
            raise


class CompletionTimeout(_BusFault):
    """A DMA read gets no completion: AER Completion Timeout."""

    name = "completion_timeout"
    status = Status.COMPLETION_TIMEOUT
    aer_bit = 14


class _MemoryFault(Fault):
    """Base of faults that hit device memory."""

    register: ClassVar[Any]
    parameters: ClassVar[tuple[Parameter, ...]] = (
        Parameter("errors", "Errors counted each time.", 1, 1, 65536),
    )

    def accessing(self, queue: int, opcode: int, segments: list[Segment], *, write: bool) -> None:
        """Count the errors."""
        del write
        inside = [segment for segment in segments if segment.space == Space.DEVICE]
        if inside and self.due(queue, opcode):
            registers = self.endpoint.registers
            total = registers.get(self.register) + self.integer("errors")
            registers.set(self.register, min(total, 0xFFFFFFFF))
            self.hit(inside[0].address)

    def hit(self, address: int) -> None:
        """The error was counted."""


class MemoryCorrected(_MemoryFault):
    """Device memory corrects an error: only the counter shows it."""

    name = "memory_ce"
    register = regs.TELEMETRY_MEMORY_CORRECTED


class MemoryUncorrected(_MemoryFault):
    """Device memory reports an uncorrected error: the command ends with MEMORY_ERROR.

    If it is `fatal` the device also stops: AER Uncorrectable Internal Error, CTRL.STATUS.HALTED,
    and nothing is fetched until a function-level reset.
    """

    name = "memory_ue"
    register = regs.TELEMETRY_MEMORY_UNCORRECTED
    parameters = (
        *_MemoryFault.parameters,
        Parameter("fatal", "1: the device stops.", 0, 0, 1),
    )

    def hit(self, address: int) -> None:
        """Fail the command."""
        if self.integer("fatal"):
            self.endpoint.config_space.record_uncorrectable(INTERNAL_ERROR, (0, 0, 0, 0))
            self.endpoint.halt()
        raise CommandError(Status.MEMORY_ERROR, "injected memory_ue", address=address)


class LinkDown(Fault):
    """Surprise link-down: every read gives all-ones, nothing else happens any more.

    With `after` 0 the link goes down at once, else at a matching command. When it comes back
    (fault cleared, or after `duration_ms`) the function has had a hot reset (PCIe 6.0 s2.9.1).
    """

    name = "link_down"
    parameters = (
        Parameter("duration_ms", "Time until it comes back; 0 is until cleared.", 0, 0, 3_600_000),
    )

    def start(self) -> None:
        """Go down, or wait for the command."""
        if not self.integer("after"):
            self.fired = 1
            self._down()

    def fetched(self, queue: Queue, header: Header) -> bool:
        """Go down in front of the command."""
        if self.fired or not self.due(queue.number, header[0]):
            return False
        self._down()
        return True

    def stop(self) -> None:
        """Come back."""
        if self.fired:
            self.endpoint.retrain()

    def _down(self) -> None:
        endpoint, number = self.endpoint, self.number
        endpoint.lose_link()
        duration_ns = self.integer("duration_ms") * 1_000_000
        if duration_ns:
            endpoint.loop.call_later(duration_ns, lambda: endpoint.faults.clear(number))


def _leaves(kind: type[Fault]) -> list[type[Fault]]:
    below = [leaf for child in kind.__subclasses__() for leaf in _leaves(child)]
    return ([kind] if kind.name else []) + below


CATALOGUE: Final[dict[str, type[Fault]]] = {kind.name: kind for kind in _leaves(Fault)}
"""Every fault by name."""


def parameters_of(kind: type[Fault]) -> tuple[Parameter, ...]:
    """What `inject` takes for a fault."""
    return COMMON + kind.parameters

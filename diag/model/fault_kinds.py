# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The fault catalogue: one class per fault.

To add a fault, add a class here: `name`, a docstring that says what the host sees,
`parameters` beyond the common ones, and the hooks that it needs. It is then in
`CATALOGUE`, in `accel-aer list --faults` and in the tests that go through all faults.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from diag.model.dma import Segment
from diag.model.errors import Header
from diag.model.queue import Queue
from diag.model.status import CommandError
from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_QUEUES, Opcode, Space, Status
from pyaccel.spec.regs import ErrorCode

if TYPE_CHECKING:
    from diag.model.endpoint import Endpoint

Value = int | float | str | None


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a fault: a number in low..high, or one of `choices`."""

    name: str
    doc: str
    default: Value
    low: float = 0
    high: float = 0
    unit: str = ""
    choices: tuple[str, ...] = ()

    def check(self, value: Any) -> Value:
        """The value if it is allowed; ValueError names the parameter and what it may be."""
        if value is None and self.default is None:
            return None
        if self.choices:
            if value not in self.choices:
                raise ValueError(f"{self.name} must be one of {', '.join(self.choices)}")
            return str(value)
        whole = not isinstance(self.default, float)
        number = isinstance(value, int) or (not whole and isinstance(value, float))
        if isinstance(value, bool) or not number or not self.low <= value <= self.high:
            kind = "a whole number" if whole else "a number"
            unit = f" {self.unit}" if self.unit else ""
            text = f"{self.name} must be {kind} from {self.low:g} to {self.high:g}{unit}"
            raise ValueError(f"{text}, not {value!r}")
        return int(value) if whole else float(value)


_MANY: Final = 1 << 32
INTERNAL_ERROR: Final = 22
"""Bit of Uncorrectable Internal Error in the AER status register (PCIe 6.0 s7.8.4.2)."""
COMMON: Final = (
    Parameter("after", "Let this many matching events pass first.", 0, 0, _MANY),
    Parameter("count", "Fire this often at most; 0 is for ever.", 1, 0, _MANY),
    Parameter("probability", "Chance of each matching event.", 1.0, 0, 1),
    Parameter("queue", "Only this queue; none is every queue.", None, 0, MAX_QUEUES - 1),
    Parameter("opcode", "Only this opcode; none is every opcode.", None, 0, 255),
    Parameter("seed", "Makes chances repeatable; none takes the endpoint's.", None, 0, 2**63),
)


class Fault:
    """An injected fault. Hooks are called only while it is active."""

    name: ClassVar[str] = ""
    parameters: ClassVar[tuple[Parameter, ...]] = ()
    opcodes: ClassVar[frozenset[int] | None] = None
    """Opcodes that it can hit, None for all."""

    def __init__(self, endpoint: Endpoint, number: int, values: dict[str, Value]) -> None:
        self.endpoint = endpoint
        self.number = number
        self.values = values
        self.seen = 0
        self.fired = 0
        seed = values["seed"]
        self.random = random.Random(  # noqa: S311 - repeatable, not secret
            endpoint.config.seed * 1_000_003 + number if seed is None else int(seed)
        )

    def due(self, queue: int, opcode: int) -> bool:
        """Whether the fault fires for this event, which counts as seen if it matches."""
        values = self.values
        if self.opcodes is not None and opcode not in self.opcodes:
            return False
        if values["queue"] not in (None, queue) or values["opcode"] not in (None, opcode):
            return False
        self.seen += 1
        if self.seen <= self.integer("after") or (0 < self.integer("count") <= self.fired):
            return False
        if self.real("probability") < 1 and self.random.random() >= self.real("probability"):
            return False
        self.fired += 1
        return True

    def integer(self, name: str) -> int:
        """A parameter that is a whole number."""
        return int(self.values[name] or 0)

    def real(self, name: str) -> float:
        """A parameter that is a number."""
        return float(self.values[name] or 0)

    def start(self) -> None:
        """The fault was injected."""

    def stop(self) -> None:
        """The fault was cleared."""

    def fetched(self, queue: Queue, header: Header) -> bool:  # noqa: ARG002 - a hook
        """True: the queue hangs before this command."""
        return False

    def finished(self, queue: Queue, header: Header) -> Header | None:  # noqa: ARG002 - a hook
        """The header to complete with, None for no completion."""
        return header

    def delay_ns(self, queue: Queue, header: Header) -> int:  # noqa: ARG002 - a hook
        """How much later the completion is written."""
        return 0

    def copied(self, queue: Queue, header: Header, target: list[Segment]) -> None:
        """A COPY wrote its target."""

    def loses_interrupt(self, queue: Queue) -> bool:  # noqa: ARG002 - a hook
        """True: the interrupt is not signalled."""
        return False

    def accessing(self, queue: int, opcode: int, segments: list[Segment], *, write: bool) -> None:
        """A command will read or write; may raise CommandError."""


class LostCompletion(Fault):
    """The command is executed, but its completion is never written."""

    name = "lost_completion"

    def finished(self, queue: Queue, header: Header) -> Header | None:
        """No completion."""
        return None if self.due(queue.number, header[0]) else header


class WrongSequence(Fault):
    """The completion names another command."""

    name = "wrong_sequence"
    parameters = (Parameter("delta", "Added to the sequence number.", 1, -_MANY, _MANY),)

    def finished(self, queue: Queue, header: Header) -> Header | None:
        """Another sequence number."""
        if not self.due(queue.number, header[0]):
            return header
        sequence = (header[7] + self.integer("delta")) & 0xFFFFFFFFFFFFFFFF
        return (*header[:7], sequence)


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

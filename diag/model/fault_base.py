# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What every fault of the catalogue is made of: parameters, and hooks that do nothing."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from diag.model.dma import Segment
from diag.model.errors import Header
from diag.model.queue import Queue, Words
from pyaccel.spec.formats import MAX_QUEUES

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


MANY: Final = 1 << 32
"""Most of a parameter that counts."""
COMMON: Final = (
    Parameter("after", "Let this many matching events pass first.", 0, 0, MANY),
    Parameter("count", "Fire this often at most; 0 is for ever.", 1, 0, MANY),
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
        self.opcode = 0
        """Of the command whose completion `written` is called for."""
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

    def written(self, queue: Queue, words: Words) -> Words:  # noqa: ARG002 - a hook
        """What to write into the completion ring instead of `words`."""
        return words

    def keeps_queue(self, queue: Queue) -> bool:  # noqa: ARG002 - a hook
        """True: the reset of a queue does nothing."""
        return False

    def loses_interrupt(self, queue: Queue) -> bool:  # noqa: ARG002 - a hook
        """True: the interrupt is not signalled."""
        return False

    def accessing(self, queue: int, opcode: int, segments: list[Segment], *, write: bool) -> None:
        """A command will read or write; may raise CommandError."""

    def was_reset(self) -> None:
        """The whole function was reset."""

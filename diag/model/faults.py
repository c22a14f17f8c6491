# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Injected faults and the tap, as the engine sees them.

While no fault is active and no tap is on, the engine has no hooks and the DMA path no
watch: both cost nothing then.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final

from diag.model.dma import Segment
from diag.model.errors import Header
from diag.model.fault_base import Fault, Value
from diag.model.fault_kinds import CATALOGUE, LinkDown, parameters_of
from diag.model.queue import Completed, Queue, Words
from diag.model.status import CommandError
from pyaccel.spec.formats import SLOT_BYTES, Opcode, Space, Status

if TYPE_CHECKING:
    from diag.model.endpoint import Endpoint

LOG_RECORDS: Final = 256
"""Firings that `log` keeps; older ones are only counted."""
_TLP_STATUS: Final[dict[Status, int | None]] = {
    Status.UNSUPPORTED_REQUEST: 1,
    Status.COMPLETION_TIMEOUT: None,
}


class Faults:
    """Faults of one endpoint; implements `engine.Hooks` and `dma.Watch`."""

    def __init__(self, endpoint: Endpoint) -> None:
        self._endpoint = endpoint
        self._active: dict[int, Fault] = {}
        self._next = 1
        self._current: tuple[int, Header] = (0, (0,) * 8)
        self.log: deque[dict[str, Value]] = deque(maxlen=LOG_RECORDS)
        """What fired: time_ns, id, fault, queue, opcode, sequence."""
        self.fired = 0
        """Firings in all, those that fell out of `log` included."""

    def inject(self, name: str, **params: Any) -> int:
        """Activate a fault and give its id; ValueError says what is wrong with the request."""
        kind = CATALOGUE.get(name)
        if kind is None:
            raise ValueError(f"there is no fault {name!r}; known: {', '.join(sorted(CATALOGUE))}")
        known = parameters_of(kind)
        unknown = params.keys() - {parameter.name for parameter in known}
        if unknown:
            names = ", ".join(parameter.name for parameter in known)
            raise ValueError(f"{name} has no parameter {min(unknown)!r}; it takes {names}")
        values = {p.name: p.check(params.get(p.name, p.default)) for p in known}
        fault = kind(self._endpoint, self._next, values)
        self._next += 1
        self._active[fault.number] = fault
        before = fault.fired
        fault.start()
        self._note(fault, before)
        self.install()
        return fault.number

    def clear(self, fault_id: int | None = None) -> None:
        """Remove one fault, or all; an id that is not active is fine."""
        chosen = list(self._active) if fault_id is None else [fault_id]
        for number in chosen:
            fault = self._active.pop(number, None)
            if fault is not None:
                fault.stop()
        self.install()
        self._endpoint.engine.kick()

    def link_restored(self) -> None:
        """The link comes up: what took it down is over."""
        for number, fault in list(self._active.items()):
            if isinstance(fault, LinkDown) and fault.fired:
                del self._active[number]
        self.install()

    def was_reset(self) -> None:
        """The whole function was reset."""
        for fault in self._faults():
            before = fault.fired
            fault.was_reset()
            self._note(fault, before)

    def active(self) -> list[dict[str, Any]]:
        """Every active fault: id, fault, parameters, how often it was seen and fired."""
        return [
            {
                "id": number,
                "fault": fault.name,
                "parameters": dict(fault.values),
                "seen": fault.seen,
                "fired": fault.fired,
            }
            for number, fault in self._active.items()
        ]

    def is_active(self, fault_id: int) -> bool:
        """Whether the fault was injected and not cleared."""
        return fault_id in self._active

    def install(self) -> None:
        """Hook into the engine if there is a reason to."""
        engine = self._endpoint.engine
        needed = bool(self._active) or engine.tap is not None
        engine.hooks = self if needed else None
        engine.dma.watch = self if needed else None

    # -- engine.Hooks --------------------------------------------------------------------

    def fetched(self, queue: Queue, header: Header, at: int) -> bool:
        """A command was fetched; True if the queue hangs before it."""
        self._current = (queue.number, header)
        tap = self._endpoint.engine.tap
        if tap is not None:
            first = min(header[2] * SLOT_BYTES, queue.slots * SLOT_BYTES - at)
            tap.dma_read(queue.sq_base + at, first)
            tap.dma_read(queue.sq_base, header[2] * SLOT_BYTES - first)
        for fault in self._faults():
            before = fault.fired
            hangs = fault.fetched(queue, header)
            self._note(fault, before)
            if hangs:
                queue.hold = HungHold(self, fault.number)
                return True
        return False

    def finished(self, queue: Queue, completed: Completed) -> Completed | None:
        """A command ended: what to complete it with, None if not or not now."""
        self._current = (queue.number, completed[0])
        delay = 0
        for fault in self._faults():
            before = fault.fired
            header = fault.finished(queue, completed[0])
            if header is not None:
                delay += fault.delay_ns(queue, header)
            self._note(fault, before)
            if header is None:
                return None
            completed = (header, *completed[1:])
        if delay:
            queue.hold = LateHold(queue, completed, self._endpoint.clock.now_ns() + delay)
            return None
        return completed

    def copied(self, queue: Queue, header: Header, target: list[Segment]) -> None:
        """A COPY wrote its target."""
        for fault in self._faults():
            before = fault.fired
            fault.copied(queue, header, target)
            self._note(fault, before)

    def written(self, queue: Queue, words: Words) -> Words:
        """A completion is about to be written: what to write."""
        for fault in self._faults():
            before = fault.fired
            fault.opcode = self._current[1][0]
            words = fault.written(queue, words)
            self._note(fault, before)
        return words

    def keeps_queue(self, queue: Queue) -> bool:
        """Whether the queue ignores that it is reset."""
        kept = False
        for fault in self._faults():
            before = fault.fired
            kept = fault.keeps_queue(queue) or kept
            self._note(fault, before)
        return kept

    def loses_interrupt(self, queue: Queue) -> bool:
        """Whether the interrupt about to be raised is lost."""
        lost = False
        for fault in self._faults():
            before = fault.fired
            lost = fault.loses_interrupt(queue) or lost
            self._note(fault, before)
        return lost

    # -- dma.Watch -----------------------------------------------------------------------

    def reading(self, segments: list[Segment]) -> None:
        """A command will read; may raise CommandError."""
        self._access(segments, write=False)

    def writing(self, segments: list[Segment]) -> None:
        """A command will write; may raise CommandError."""
        self._access(segments, write=True)

    # ------------------------------------------------------------------------------------

    def _access(self, segments: list[Segment], *, write: bool) -> None:
        queue, header = self._current
        for fault in self._faults():
            before = fault.fired
            try:
                fault.accessing(queue, header[0], segments, write=write)
            except CommandError as error:
                self._tap(segments, write=write, status=_TLP_STATUS.get(error.status, 0))
                raise
            finally:
                self._note(fault, before)
        self._tap(segments, write=write, status=0)

    def _tap(self, segments: list[Segment], *, write: bool, status: int | None) -> None:
        tap = self._endpoint.engine.tap
        if tap is None:
            return
        for space, address, view in segments:
            if space == Space.DEVICE:
                continue
            if write:
                tap.dma_write(address, len(view))
            else:
                tap.dma_read(address, len(view), status)

    def _faults(self) -> list[Fault]:
        """A copy: a fault may clear itself while it fires."""
        return list(self._active.values())

    def _note(self, fault: Fault, before: int) -> None:
        """Log the fault if it fired since `before`."""
        if fault.fired == before:
            return
        self.fired += fault.fired - before
        queue, header = self._current
        self.log.append(
            {
                "time_ns": self._endpoint.clock.now_ns(),
                "id": fault.number,
                "fault": fault.name,
                "queue": queue,
                "opcode": header[0],
                "sequence": header[7],
            }
        )


class HungHold:
    """A queue that hangs until its fault is cleared; then the command is fetched again."""

    def __init__(self, faults: Faults, number: int) -> None:
        self._faults = faults
        self._number = number

    def release(self, _now_ns: int) -> bool:
        """True once the fault is cleared."""
        return not self._faults.is_active(self._number)

    def due_ns(self) -> int | None:
        """Nothing to wait for."""
        return None


class LateHold:
    """A completion that is written later."""

    def __init__(self, queue: Queue, completed: Completed, due_ns: int) -> None:
        self._queue = queue
        self._completed = completed
        self._due_ns = due_ns

    def release(self, now_ns: int) -> bool:
        """True once the completion was written."""
        if now_ns < self._due_ns:
            return False
        self._queue.hold = None
        self._queue.complete(self._completed)
        return True

    def due_ns(self) -> int | None:
        """When the completion is written."""
        return self._due_ns


def catalogue() -> list[dict[str, Any]]:
    """Every fault that can be injected, for lists and help texts."""
    return [
        {
            "name": name,
            "doc": kind.__doc__,
            "opcodes": None if kind.opcodes is None else [Opcode(o).name for o in kind.opcodes],
            "parameters": [
                {
                    "name": parameter.name,
                    "doc": parameter.doc,
                    "default": parameter.default,
                    "low": None if parameter.choices else parameter.low,
                    "high": None if parameter.choices else parameter.high,
                    "unit": parameter.unit or None,
                    "choices": list(parameter.choices) or None,
                }
                for parameter in parameters_of(kind)
            ],
        }
        for name, kind in sorted(CATALOGUE.items())
    ]

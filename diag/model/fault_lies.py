# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Faults of a device that lies: completions, registers and resets that are not what they say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from diag.model.errors import Header
from diag.model.fault_base import MANY, Fault, Parameter
from diag.model.queue import Queue, Words
from pyaccel.spec import regs
from pyaccel.spec.formats import CompletionFlag
from pyaccel.spec.regs import QueueState
from pyaccel.spec.types import Register

_M32: Final = (1 << 32) - 1
_M64: Final = (1 << 64) - 1
_PHASE: Final = int(CompletionFlag.PHASE) << 56
_STATUS, _QUEUE, _FLAGS = 32, 48, 56
"""Bits of the last word of a completion; the result is below them."""


class WrongSequence(Fault):
    """The completion names another command."""

    name = "wrong_sequence"
    parameters = (Parameter("delta", "Added to the sequence number.", 1, -MANY, MANY),)

    def finished(self, queue: Queue, header: Header) -> Header | None:
        """Another sequence number."""
        if not self.due(queue.number, header[0]):
            return header
        sequence = (header[7] + self.integer("delta")) & 0xFFFFFFFFFFFFFFFF
        return (*header[:7], sequence)


class CorruptCompletion(Fault):
    """A field of the completion is nonsense; its phase is right, so the host looks at it."""

    name = "corrupt_completion"
    parameters = (
        Parameter(
            "field",
            "What is wrong: all is random bits.",
            "status",
            choices=("status", "queue", "flags", "times", "all"),
        ),
    )

    def written(self, queue: Queue, words: Words) -> Words:
        """Spoil the field."""
        if not self.due(queue.number, self.opcode):
            return words
        sequence, fetched, deltas, last = words
        field = self.values["field"]
        if field == "times":
            return (sequence, _M64, _M32, last)  # begins at the end of time, ends before
        if field == "all":
            bits = self.random.getrandbits
            return (bits(64), bits(64), bits(64), bits(64) & ~_PHASE | last & _PHASE)
        wrong = {"status": 0xFFFF << _STATUS, "queue": 0xFF << _QUEUE, "flags": 0x7E << _FLAGS}
        return (sequence, fetched, deltas, last | wrong[str(field)])


class PhaseFlip(Fault):
    """The completion is written with the phase of the last lap: the host does not see it.

    Nor does it see the later ones, because it waits for this one.
    """

    name = "phase_flip"

    def written(self, queue: Queue, words: Words) -> Words:
        """Turn the bit over."""
        if not self.due(queue.number, self.opcode):
            return words
        return (*words[:3], words[3] ^ _PHASE)


class EndlessCompletions(Fault):
    """Completions that nobody asked for, again and again, past what the host has consumed.

    It starts behind a completion and repeats that, until the queue is reset or the fault
    cleared.
    """

    name = "endless_completions"
    parameters = (
        Parameter("burst", "How many each time.", 64, 1, 65536),
        Parameter("period_us", "Time between two bursts.", 1000, 100, 60_000_000, "us"),
    )

    _writing = False
    """Whether `written` is about one of our own."""

    def written(self, queue: Queue, words: Words) -> Words:
        """Begin behind it."""
        if not self._writing and self.due(queue.number, self.opcode):
            self._later(queue, words)
        return words

    def _later(self, queue: Queue, words: Words) -> None:
        period_ns = self.integer("period_us") * 1000
        self.endpoint.loop.call_later(period_ns, lambda: self._burst(queue, words))

    def _burst(self, queue: Queue, words: Words) -> None:
        if queue.state != QueueState.READY or not self.endpoint.faults.is_active(self.number):
            return
        self._writing = True
        for _ in range(self.integer("burst")):
            queue.write_completion(*words[:3], words[3] & ~_PHASE)
        self._writing = False
        queue.raise_interrupt()
        self._later(queue, words)


class StuckQueue(Fault):
    """A queue goes on with what it has although it was reset; only a function reset helps."""

    name = "stuck_queue"

    def keeps_queue(self, queue: Queue) -> bool:
        """Ignore the reset."""
        return self.due(queue.number, int(self.values["opcode"] or 0))


class _RegisterLie(Fault):
    """Base of faults that make registers read something else while they are active."""

    def lies(self) -> Mapping[Register, int]:
        """What is read instead, by register."""
        raise NotImplementedError

    def start(self) -> None:
        """Begin to lie."""
        for register, value in self.lies().items():
            self.endpoint.registers.lie(register, value)
        self.fired = 1

    def stop(self) -> None:
        """Tell the truth again."""
        for register in self.lies():
            self.endpoint.registers.lie(register, None)


class WildRingHead(_RegisterLie):
    """QUEUE.SQ_HEAD and QUEUE.CQ_TAIL of all queues read what cannot be."""

    name = "wild_ring_head"
    parameters = (Parameter("value", "What they read.", 0xDEAD_BEEF, 0, _M32),)

    def lies(self) -> Mapping[Register, int]:
        """Both pointers."""
        value = self.integer("value")
        return {regs.QUEUE_SQ_HEAD: value, regs.QUEUE_CQ_TAIL: value}


class HugeTelemetry(_RegisterLie):
    """Every sensor and counter is said to be valid and reads the most that it can hold."""

    name = "huge_telemetry"

    def lies(self) -> Mapping[Register, int]:
        """All of the block but the heartbeat, whose standstill is another fault."""
        block = {
            register: (1 << register.width) - 1
            for register in regs.REGISTERS
            if register.name.startswith("TELEMETRY.")
        }
        del block[regs.TELEMETRY_HEARTBEAT]
        return {**block, regs.TELEMETRY_TEMPERATURE: 0x7FFF_FFFF}


class AbsurdIdentity(_RegisterLie):
    """The identity block says what no endpoint of this kind is."""

    name = "absurd_identity"
    parameters = (
        Parameter(
            "what",
            "Which part.",
            "serial",
            choices=("magic", "version", "limits", "memory", "endpoint", "serial"),
        ),
    )

    def lies(self) -> Mapping[Register, int]:
        """One register."""
        return {
            "magic": {regs.IDENT_MAGIC: 0x4B4E_554A},
            "version": {regs.IDENT_SPEC_VERSION: 0x7FFF_FFFF},
            "limits": {regs.IDENT_LIMITS: _M32},
            "memory": {regs.IDENT_MEMORY_BYTES: 1 << 60},
            "endpoint": {regs.IDENT_ENDPOINT: regs.IDENT_ENDPOINT.make(INDEX=9, COUNT=3)},
            "serial": {regs.IDENT_BOARD_SERIAL: 0xBAD_5E7_1A1},
        }[str(self.values["what"])]

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The error block: it names the first error since it was cleared and counts the rest."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from diag.model.clock import DeviceClock
from diag.model.registers import RegisterFile
from pyaccel.spec import regs
from pyaccel.spec.regs import ErrorCode

Header = tuple[int, int, int, int, int, int, int, int]
"""cmd_header: opcode, flags, slots, op, context, dtype, reserved, sequence."""

_COUNT_MAX: Final = 0xFFFFFFFF


class ErrorBlock:
    """Keeps the ERROR registers and CTRL.STATUS.ERROR.

    Args:
        registers: where the block lives.
        clock: dates the record.
        on_first: called after an empty block received its record.
    """

    def __init__(
        self, registers: RegisterFile, clock: DeviceClock, on_first: Callable[[], None]
    ) -> None:
        self._registers = registers
        self._clock = clock
        self._on_first = on_first
        registers.on_write(regs.ERROR_STATUS, self._write_status)

    def record(
        self,
        code: ErrorCode,
        *,
        queue: int | None = None,
        header: Header | None = None,
        address: int | None = None,
    ) -> bool:
        """Record an error; True if it is the first.

        Args:
            code: what happened.
            queue: where, None if it is not of a queue.
            header: of the command, None if it is of the queue's rings.
            address: device virtual or bus address that failed.
        """
        registers = self._registers
        count = registers.get(regs.ERROR_COUNT)
        registers.set(regs.ERROR_COUNT, min(count + 1, _COUNT_MAX))
        if registers.get(regs.ERROR_STATUS):
            return False
        if queue is not None:
            opcode, _, _, _, context, _, _, sequence = header or (0,) * 8
            where = regs.ERROR_WHERE.make(QUEUE=queue, OPCODE=opcode, CONTEXT=context)
            registers.set(regs.ERROR_WHERE, where)
            registers.set(regs.ERROR_SEQUENCE, sequence)
        registers.set(regs.ERROR_ADDRESS, address or 0)
        registers.set(regs.ERROR_TIME, self._clock.ticks())
        status = regs.ERROR_STATUS.make(
            VALID=1, CODE=code, HAS_COMMAND=queue is not None, HAS_ADDRESS=address is not None
        )
        registers.set(regs.ERROR_STATUS, status)
        registers.update(regs.CTRL_STATUS, ERROR=1)
        self._on_first()
        return True

    def clear(self) -> None:
        """Empty the block."""
        for register in _BLOCK:
            self._registers.set(register, 0)
        self._registers.update(regs.CTRL_STATUS, ERROR=0)

    def _write_status(self, raw: int, _new: int) -> None:
        if raw & regs.ERROR_STATUS.field("VALID").mask:
            self.clear()


_BLOCK: Final = tuple(r for r in regs.REGISTERS if r.name.startswith("ERROR."))

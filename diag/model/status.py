# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""How a command fails, and which record of the error block follows from it."""

from __future__ import annotations

from typing import Final

from pyaccel.spec.formats import Status
from pyaccel.spec.regs import ErrorCode


class CommandError(Exception):
    """A command ends with `status`.

    Args:
        status: what the completion says.
        address: device virtual or bus address that failed, None if there is none.
        result: the completion's result field.
        reason: for the log; the wire carries only the status.
    """

    def __init__(
        self, status: Status, reason: str, *, address: int | None = None, result: int = 0
    ) -> None:
        super().__init__(f"{status.name}: {reason}")
        self.status = status
        self.address = address
        self.result = result


ERROR_CODES: Final[dict[Status, ErrorCode]] = {
    Status.INVALID_OPCODE: ErrorCode.COMMAND_INVALID,
    Status.INVALID_FIELD: ErrorCode.COMMAND_INVALID,
    Status.INVALID_CONTEXT: ErrorCode.COMMAND_INVALID,
    Status.UNSUPPORTED_DTYPE: ErrorCode.COMMAND_INVALID,
    Status.PAGE_FAULT: ErrorCode.PAGE_FAULT,
    Status.PROTECTION_FAULT: ErrorCode.PROTECTION_FAULT,
    Status.ADDRESS_STALE: ErrorCode.ADDRESS_STALE,
    Status.UNSUPPORTED_REQUEST: ErrorCode.DMA_UNSUPPORTED,
    Status.COMPLETION_TIMEOUT: ErrorCode.DMA_TIMEOUT,
    Status.POISONED: ErrorCode.DMA_POISONED,
    Status.MEMORY_ERROR: ErrorCode.MEMORY_UNCORRECTED,
    Status.INTERNAL: ErrorCode.FIRMWARE,
}
"""Statuses that go into the error block. The others are results of valid commands
(INDEX_OUT_OF_RANGE, FENCE_TIMEOUT) or follow from an error that is recorded already."""

CONTEXT_FAULTS: Final = frozenset({Status.PAGE_FAULT, Status.PROTECTION_FAULT})
"""Statuses that stop their context."""

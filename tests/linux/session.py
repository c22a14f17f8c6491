# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A context with buffers and a queue on one endpoint: what the checks in the guest work with."""

from __future__ import annotations

import mmap
import time
from dataclasses import dataclass
from typing import Any

from pyaccel.spec.formats import CmdCopy, CmdFence, CmdHeader, Opcode
from tests.linux.uapi import Accel

PAGE = 4096
DEVICE, HOST = 0, 1
TIMEOUT_S = 30.0


@dataclass(frozen=True, slots=True)
class Buffer:
    """A buffer: its GEM handle, device virtual address and bytes for the CPU."""

    handle: int
    va: int
    cpu: mmap.mmap


def nop() -> bytes:
    """One NOP."""
    return CmdHeader(opcode=Opcode.NOP, slots=1).pack().ljust(64, b"\0")


def copy(src: int, dst: int, length: int) -> bytes:
    """One linear copy between device virtual addresses."""
    return CmdHeader(opcode=Opcode.COPY, slots=1).pack() + CmdCopy(src, dst, length).pack()


def fence_wait(va: int, value: int) -> bytes:
    """Hold the queue until the word at `va` reaches `value`."""
    return CmdHeader(opcode=Opcode.FENCE_WAIT, slots=1).pack() + CmdFence(va, value).pack()


class Work:
    """One context and one queue of an open file."""

    def __init__(self, accel: Accel, **queue: Any) -> None:
        self.accel = accel
        self.context = accel.do("context_create").context_id
        made = accel.do("queue_create", context_id=self.context, **queue)
        self.queue, self.index = made.queue_id, made.queue_index
        self.results_at = (made.results_offset, made.results_bytes)

    def buffer(self, size: int, memory: int, flags: int = 0) -> Buffer:
        """A mapped buffer."""
        made = self.accel.do("bo_create", bytes=size, memory=memory)
        va = self.accel.do("bo_map", context_id=self.context, handle=made.handle, flags=flags).va
        return Buffer(made.handle, va, self.accel.memory(made.mmap_offset, made.bytes))

    def attempt(self, slots: bytes, **fields: Any) -> tuple[int, int]:
        """Submit; (0 or errno, sequence)."""
        address = self.accel.interface.ffi.from_buffer(slots)
        status, made = self.accel.attempt(
            "submit",
            queue_id=self.queue,
            slots=int(self.accel.interface.ffi.cast("uintptr_t", address)),
            slot_count=len(slots) // 64,
            **fields,
        )
        return status, made.sequence

    def submit(self, slots: bytes, **fields: Any) -> int:
        """Submit; the sequence of the last command."""
        status, sequence = self.attempt(slots, **fields)
        if status:
            raise OSError(status, "submit")
        return sequence

    def wait(self, sequence: int, timeout_s: float = TIMEOUT_S) -> tuple[int, Any]:
        """Wait for a sequence; (0 or errno, the structure)."""
        deadline = time.monotonic_ns() + int(timeout_s * 1e9)
        return self.accel.attempt(
            "wait", queue_id=self.queue, sequence=sequence, timeout_ns=deadline
        )

    def run(self, slots: bytes) -> int:
        """Submit and wait; the status of the first command that failed, 0 if none did."""
        status, made = self.wait(self.submit(slots))
        if status:
            raise OSError(status, "wait")
        return int(made.failed_status)

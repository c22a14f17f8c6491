# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Many commands, none lost: every endpoint, several queues of each, in batches."""

from __future__ import annotations

import random
from typing import Any

from tests.linux.checks.common import SEED, open_at
from tests.linux.session import DEVICE, HOST, PAGE, Buffer, Work, copy, nop

_QUEUES, _NOPS, _COPIES = 3, 190, 4


class _Stream:
    """One queue that copies pages through device memory, between many nops."""

    def __init__(self, work: Work, seed: int) -> None:
        self.work = work
        self.buffers: list[Buffer] = [
            work.buffer(_COPIES * PAGE, kind) for kind in (HOST, DEVICE, HOST)
        ]
        self._random = random.Random(seed)
        self._batch = nop() * _NOPS
        for index in range(_COPIES):
            there, memory, back = (buffer.va + index * PAGE for buffer in self.buffers)
            self._batch += copy(there, memory, PAGE) + copy(memory, back, PAGE)
        self.batch_commands = len(self._batch) // 64
        self.sequence = 0

    def send(self) -> None:
        """New data, one batch."""
        self.buffers[0].cpu[:] = self._random.randbytes(_COPIES * PAGE)
        self.sequence = self.work.submit(self._batch)

    def check(self) -> dict[str, int]:
        """Wait for the batch: what is wrong with it."""
        status, made = self.work.wait(self.sequence, timeout_s=300)
        return {
            "status": status,
            "missing": self.sequence - made.ended_sequence,
            "failed": made.failed_sequence,
            "wrong": int(self.buffers[2].cpu[:] != self.buffers[0].cpu[:]),
        }


def many(total: str, *bdfs: str) -> dict[str, Any]:
    """At least `total` commands, all queues busy at once: what was sent, counted and wrong."""
    files = [open_at(bdf) for bdf in bdfs]
    before = [accel.do("telemetry").progress for accel in files]
    works = [Work(accel) for accel in files for _ in range(_QUEUES)]
    streams = [_Stream(work, SEED + index) for index, work in enumerate(works)]
    sent, troubles = 0, []
    while sent < int(total):
        for stream in streams:
            stream.send()
            sent += stream.batch_commands
        for stream in streams:
            seen = stream.check()
            troubles += [seen] if any(seen.values()) else []
    after = [accel.do("telemetry").progress for accel in files]
    return {
        "sent": sent,
        "numbered": sum(stream.sequence for stream in streams),
        "finished": sum(after) - sum(before),
        "troubles": troubles[:10],
    }


CHECKS = (many,)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The queues of an endpoint as JSON: those that are in use."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from diag.model.queue import Queue
from pyaccel.spec.regs import QueueState


def describe_queues(queues: Iterable[Queue]) -> list[dict[str, Any]]:
    """One object per queue that is not DISABLED."""
    return [_row(queue) for queue in queues if queue.state != QueueState.DISABLED]


def _row(queue: Queue) -> dict[str, Any]:
    published = queue.published
    return {
        "queue": queue.number,
        "state": queue.state.name.lower(),
        "sq_slots": queue.slots,
        # A tail that cannot be right says nothing about how much is waiting.
        "sq_pending_slots": published if published <= queue.slots else None,
        "sq_fetched_slots": queue.head,
        "completions_count": queue.cq_tail,
        "interrupts_count": queue.interrupts,
    }

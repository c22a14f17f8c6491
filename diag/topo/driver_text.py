# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the axl driver prints in debugfs and fdinfo (docs/guide/driver.md). Pure.

Lines that make no sense are left out: who reads this may not have the driver's version.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from diag.topo.sampling import Client, Queue, Recovery

_PAIR: Final = re.compile(r"([a-z_]+)=([0-9a-z_]{1,40})(?: |$)")
_NUMBER: Final = re.compile(r"[0-9]{1,20}")
_SLOT_MASK: Final = 0xFFFF_FFFF
_MEMORIES: Final = {
    "device_memory_bytes": "drm-total-device",
    "host_memory_bytes": "drm-total-memory",
    "peer_memory_bytes": "drm-total-peer",
}
_COUNTS: Final = {
    "id": "drm-client-id",
    "queues": "axl-queues",
    "busy_ns": "drm-engine-compute",
    "commands_submitted_count": "axl-commands-submitted",
    "commands_completed_count": "axl-commands-completed",
    "commands_failed_count": "axl-commands-failed",
    "bytes_submitted": "axl-bytes-submitted",
}


def queues(text: str) -> tuple[Queue, ...]:
    """The queues of an endpoint, from debugfs `queues`."""
    return tuple(made for row in _rows(text) if (made := _queue(row)) is not None)


def recoveries(text: str) -> tuple[Recovery, ...]:
    """The last steps of recovery, from debugfs `recoveries`."""
    return tuple(made for row in _rows(text) if (made := _recovery(row)) is not None)


def fdinfo(text: str) -> dict[str, str]:
    """The keys of an fdinfo file with their values."""
    pairs = (line.partition(":") for line in text.splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def client(keys: dict[str, str], pid: int, name: str | None) -> Client:
    """A client from its fdinfo."""
    counts = {member: _amount(keys.get(key)) for member, key in _COUNTS.items()}
    memory = {member: _amount(keys.get(key)) for member, key in _MEMORIES.items()}
    return Client(pid=pid, name=name, **counts, **memory)


def _amount(text: str | None) -> int | None:
    """A number with the units that drm-usage-stats.rst allows: ns, KiB, MiB, or none."""
    number, _, unit = (text or "").partition(" ")
    shift = {"": 0, "ns": 0, "KiB": 10, "MiB": 20}.get(unit)
    if shift is None or not _NUMBER.fullmatch(number):
        return None
    return int(number) << shift


def _rows(text: str) -> Iterator[dict[str, str]]:
    return (dict(_PAIR.findall(line)) for line in text.splitlines())


def _number(row: dict[str, str], name: str) -> int | None:
    text = row.get(name, "")
    return int(text) if _NUMBER.fullmatch(text) else None


def _queue(row: dict[str, str]) -> Queue | None:
    number, slots = _number(row, "queue"), _number(row, "slots")
    if number is None or slots is None:
        return None
    head, tail = _number(row, "sq_head"), _number(row, "sq_tail")
    pending = None if head is None or tail is None else tail - head & _SLOT_MASK
    return Queue(
        number=number,
        state="closed" if row.get("closed") == "1" else "ready",
        slots=slots,
        pending_slots=pending,
        fetched_slots=head,
        completions_count=_number(row, "completed"),
        interrupts_count=None,
        in_flight=_number(row, "in_flight"),
    )


def _recovery(row: dict[str, str]) -> Recovery | None:
    step, time_ns = _number(row, "step"), _number(row, "time_ns")
    queue, generation = _number(row, "queue"), _number(row, "generation")
    words = [row.get(name) for name in ("event", "action", "state")]
    if step is None or time_ns is None or queue is None or generation is None:
        return None
    if words[0] is None or words[1] is None or words[2] is None:
        return None
    return Recovery(step, time_ns, words[0], queue, words[1], words[2], generation)

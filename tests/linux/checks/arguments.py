# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Arguments that cannot be right, and what runs out."""

from __future__ import annotations

import errno
import random
from typing import Any

from tests.linux.checks.common import SEED, open_at
from tests.linux.session import DEVICE, HOST, PAGE, Work, nop
from tests.linux.uapi import Accel, numbers


def limits(bdf: str) -> dict[str, Any]:
    """Every queue and context taken; then all given back by closing the file."""
    first = Work(open_at(bdf))
    info = first.accel.do("get_info")
    rest = [first.accel.attempt("queue_create", context_id=first.context)[0] for _ in range(16)]
    full = [first.accel.attempt("context_create")[0] for _ in range(info.context_count)]
    big = first.accel.attempt("bo_create", bytes=info.memory_bytes * 2, memory=DEVICE)[0]
    busy = first.accel.attempt("context_destroy", context_id=first.context)[0]
    first.accel.close()
    again = Work(open_at(bdf)).run(nop())
    return {"queues": rest, "contexts": full, "big": big, "busy": busy, "again": again}


def hostile(bdf: str) -> list[list[Any]]:
    """Arguments that cannot be right: [what, errno] each."""
    accel = open_at(bdf)
    work = Work(accel)
    context, queue = work.context, work.queue
    host = work.buffer(PAGE, HOST)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("get_info", {"flags": 1}),
        ("get_info", {"pad": 1}),
        ("telemetry", {"flags": 1 << 63}),
        ("error", {"pad": 1}),
        ("context_create", {"flags": 1}),
        ("context_destroy", {"context_id": context, "pad": 1}),
        ("context_state", {"context_id": context, "flags": 2}),
        ("bo_create", {"bytes": 0, "memory": HOST}),
        ("bo_create", {"bytes": PAGE, "memory": 3}),
        ("bo_create", {"bytes": PAGE, "memory": 2, "flags": 2, "user_address": PAGE}),
        ("bo_create", {"bytes": PAGE, "memory": 2**32 - 1}),
        ("bo_create", {"bytes": PAGE, "memory": HOST, "flags": 1}),
        ("bo_map", {"context_id": context, "handle": host.handle, "flags": 2}),
        ("bo_unmap", {"context_id": context, "va": host.va + 1}),
        ("queue_create", {"context_id": context, "slots_log2": 15}),
        ("queue_create", {"context_id": context, "slots_log2": 1}),
        ("queue_create", {"context_id": context, "coalesce_us": 1 << 16}),
        ("submit", {"queue_id": queue, "slot_count": 0}),
        ("submit", {"queue_id": queue, "slot_count": 1, "flags": 4}),
        ("submit", {"queue_id": queue, "slot_count": 1, "flags": 2, "out_sync": 1}),
        ("submit", {"queue_id": queue, "slot_count": 1, "in_sync_count": 65}),
        ("queue_create", {"context_id": context, "flags": 2}),
        ("queue_create", {"context_id": context, "event_fd": 1}),
        ("queue_create", {"context_id": context, "flags": 1, "event_fd": accel.fd}),
        ("queue_reset", {"queue_id": queue, "pad": 1}),
        ("notify", {"event_fd": -1, "flags": 1}),
        ("notify", {"event_fd": accel.fd}),
        ("bo_create", {"bytes": PAGE, "memory": HOST, "user_address": PAGE}),
        ("wait", {"queue_id": queue, "sequence": 1 << 40}),
        ("reset", {"kind": 0}),
        ("reset", {"kind": 3}),
    ]
    seen = [[f"{name} {fields}", accel.attempt(name, **fields)[0]] for name, fields in cases]
    seen.append(["malformed command", work.attempt(b"\xff" * 64)[0]])
    seen.append(["half a command", work.attempt(b"\x05\x00\x03".ljust(64, b"\0"))[0]])
    return seen


def not_found(bdf: str) -> list[list[Any]]:
    """Numbers and addresses of nothing: [what, errno] each."""
    accel = open_at(bdf)
    work = Work(accel)
    cases: list[tuple[str, dict[str, Any]]] = [
        ("context_destroy", {"context_id": 999}),
        ("context_state", {"context_id": 0}),
        ("bo_map", {"context_id": work.context, "handle": 999}),
        ("bo_unmap", {"context_id": work.context, "va": 1 << 41}),
        ("queue_create", {"context_id": 2**32 - 1}),
        ("queue_destroy", {"queue_id": 999}),
        ("submit", {"queue_id": 999, "slot_count": 1}),
        ("wait", {"queue_id": 0}),
        ("queue_reset", {"queue_id": 999}),
        ("queue_stats", {"queue_id": 999}),
    ]
    return [[f"{name} {fields}", accel.attempt(name, **fields)[0]] for name, fields in cases]


def _fuzzed(rng: random.Random, accel: Accel, name: str) -> tuple[int, bytearray]:
    """An ioctl with likely wrong fields, or with plain noise of any size: (request, bytes)."""
    if rng.random() < 0.3:
        size = rng.randrange(400)
        return accel.interface.request(name, size), bytearray(rng.randbytes(512))
    values = (0, 0, 0, 0, 1, 1, 2, 3, 6, PAGE, 1 << 20, 1 << 40, 2**31, 2**32 - 1, 2**64 - 1)
    data = bytearray()
    for size in accel.interface.field_sizes(name):
        value = rng.choice(values) & (1 << 8 * size) - 1
        data += value.to_bytes(size, "little")
    return accel.interface.request(name), data


def garbage(bdf: str) -> dict[str, Any]:
    """Wrong fields, noise and odd sizes into every ioctl while a neighbour works."""
    rng = random.Random(SEED)
    accel, neighbour = open_at(bdf), Work(open_at(bdf))
    names = [name for name in numbers() if name != "reset"]
    errors: dict[str, int] = {}
    for _ in range(4000):
        status = accel.raw(*_fuzzed(rng, accel, rng.choice(names)))
        text = errno.errorcode.get(status, "OK")
        errors[text] = errors.get(text, 0) + 1
    accel.close()
    return {"errors": errors, "neighbour": neighbour.run(nop())}


CHECKS = (limits, hostile, not_found, garbage)

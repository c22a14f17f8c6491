# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: what fdinfo says of each client."""

from __future__ import annotations

from pathlib import Path

from tests.linux.checks.common import open_at
from tests.linux.memory_kinds import anonymous, export, mapped_import, pin
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, nop

SIZE = 64 * PAGE


def fdinfo_of(fd: int) -> dict[str, str]:
    """What the kernel says of an open file, by key."""
    lines = Path(f"/proc/self/fdinfo/{fd}").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def client_usage(bdf: str, other: str) -> dict[str, dict[str, str]]:
    """A client works, a neighbour does nothing; memory of every kind, then queues go."""
    client, neighbour = Work(open_at(bdf)), Work(open_at(bdf))
    seen = {"before": fdinfo_of(client.accel.fd), "idle": fdinfo_of(neighbour.accel.fd)}
    device, host = client.buffer(SIZE, DEVICE), client.buffer(SIZE, HOST)
    for _ in range(3):
        client.run(copy(host.va, device.va, SIZE))
    client.run(copy(PAGE, device.va, PAGE))
    seen["worked"] = fdinfo_of(client.accel.fd)
    pinned = anonymous(PAGE)
    pin(client, pinned)
    export(client.accel, host.handle)
    owner = Work(open_at(other))
    mapped_import(client, export(owner.accel, owner.buffer(SIZE, DEVICE).handle))
    seen["memory"] = fdinfo_of(client.accel.fd)
    client.run(nop())
    client.accel.do("queue_destroy", queue_id=client.queue)
    client.accel.gem_close(device.handle)
    seen["destroyed"] = fdinfo_of(client.accel.fd)
    seen["neighbour"] = fdinfo_of(neighbour.accel.fd)
    neighbour.run(nop())
    seen["neighbour worked"] = fdinfo_of(neighbour.accel.fd)
    return seen


CHECKS = (client_usage,)

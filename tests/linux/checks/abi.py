# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The edges of every ioctl's structure: what is read, written, zeroed and refused."""

from __future__ import annotations

import os
from typing import Any

from tests.linux.arena import Arena, raw
from tests.linux.checks.common import open_at
from tests.linux.session import HOST, PAGE, Work, nop
from tests.linux.uapi import known_flags, numbers

_CANARY = 0x5A
_ASKING = {"get_info", "telemetry", "error", "queue_stats"}
"""Ioctls that ask: what they give out depends on nothing but the identifiers."""


class _Caller:
    """A file with one of each object, and for each ioctl fields that make it succeed."""

    def __init__(self, bdf: str) -> None:
        self.work = Work(open_at(bdf))
        self.interface = self.work.accel.interface
        self.arena = Arena(1)
        self._buffer = self.work.buffer(PAGE, HOST)
        self._batch = Arena(1)

    def fields(self, name: str) -> dict[str, Any]:
        """Arguments of a call that works; each call has objects of its own to destroy."""
        do, work = self.work.accel.do, self.work
        makers: dict[str, Any] = {
            "context_destroy": lambda: {"context_id": do("context_create").context_id},
            "context_state": lambda: {"context_id": work.context},
            "bo_create": lambda: {"bytes": PAGE, "memory": HOST},
            "bo_map": lambda: {"context_id": work.context, "handle": self._buffer.handle},
            "bo_unmap": self._mapped,
            "queue_create": lambda: {"context_id": work.context, "slots_log2": 6},
            "queue_destroy": lambda: {"queue_id": self._queue()},
            "submit": self._submission,
            "wait": lambda: {"queue_id": work.queue},
            "reset": lambda: {"kind": 1},
            "queue_reset": lambda: {"queue_id": work.queue},
            "queue_stats": lambda: {"queue_id": work.queue},
            "notify": lambda: {"event_fd": os.eventfd(0)},
        }
        return makers[name]() if name in makers else {}

    def call(self, name: str, data: bytes, size: int | None = None) -> tuple[int, bytes, bool]:
        """One ioctl right before the guard page: status, structure, canary before it whole."""
        page = self.arena.put_last(bytes([_CANARY]) * (PAGE - len(data)) + data)
        address = page + PAGE - len(data)
        request = self.interface.request(name, size)
        status = raw(self.work.accel.fd, request, address)
        after = self.arena.last(PAGE)
        whole = after[: PAGE - len(data)].count(_CANARY) == PAGE - len(data)
        return status, after[PAGE - len(data) :], whole

    def clean(self, name: str, made: bytes) -> None:
        """Give back what a call made, for there are not many."""
        if name == "queue_create":
            seen = self.interface.unpack(name, made)
            self.work.accel.do("queue_destroy", queue_id=seen.queue_id)

    def _mapped(self) -> dict[str, Any]:
        context, handle = self.work.context, self._buffer.handle
        va = self.work.accel.do("bo_map", context_id=context, handle=handle).va
        return {"context_id": context, "va": va}

    def _queue(self) -> int:
        made = self.work.accel.do("queue_create", context_id=self.work.context, slots_log2=6)
        return int(made.queue_id)

    def _submission(self) -> dict[str, Any]:
        slots = self._batch.put_last(nop())
        return {"queue_id": self.work.queue, "slots": slots, "slot_count": 1}


def edges(bdf: str) -> dict[str, Any]:
    """Every ioctl with its structure, and its batch, right before a page that is not there."""
    caller = _Caller(bdf)
    seen = {}
    for name in numbers():
        status, made, whole = caller.call(name, caller.interface.pack(name, **caller.fields(name)))
        seen[name] = [status, whole]
        if status == 0:
            caller.clean(name, made)
        if name == "reset":
            caller = _Caller(bdf)
    return seen


def overruns(bdf: str) -> dict[str, int]:
    """The same with the last byte behind that edge: everything must be EFAULT."""
    caller = _Caller(bdf)
    seen = {}
    for name in numbers():
        data = caller.interface.pack(name, **caller.fields(name))
        address = caller.arena.put_last(bytes(data[:-1]))
        seen[name] = raw(caller.work.accel.fd, caller.interface.request(name), address)
    short = caller.fields("submit") | {"slot_count": 2}
    seen["slots"] = caller.call("submit", caller.interface.pack("submit", **short))[0]
    syncs = caller.fields("submit") | {"in_sync_count": 1, "in_syncs": short["slots"] + 62}
    seen["in_syncs"] = caller.call("submit", caller.interface.pack("submit", **syncs))[0]
    return seen


def refused(bdf: str) -> list[list[Any]]:
    """Each unknown flag, and each byte of padding that is not zero: [what, errno]."""
    caller = _Caller(bdf)
    seen = []
    for name in numbers():
        for field, _, size in caller.interface.scalars(name):
            if field == "flags":
                known = known_flags(name)
                bits = [1 << bit for bit in range(8 * size) if not known >> bit & 1]
            elif field == "pad":
                bits = [1, 1 << 8 * size - 1]
            else:
                continue
            for value in bits:
                data = caller.interface.pack(name, **caller.fields(name) | {field: value})
                seen.append([f"{name}.{field}={value:#x}", caller.call(name, data)[0]])
    return seen


def sizes(bdf: str) -> dict[str, Any]:
    """Shorter and longer structures than ours, as other versions of the header have them."""
    caller = _Caller(bdf)
    seen = {}
    for name in numbers():
        if name == "reset":
            continue
        fields = caller.fields(name)
        data = bytes(caller.interface.pack(name, **fields))
        longer = caller.call(name, data + b"\xa5" * 16, len(data) + 16)
        if longer[0] == 0:
            caller.clean(name, longer[1][:-16])
        half = data[: len(data) // 2 & ~7]
        shorter = caller.call(name, half, len(half))
        seen[name] = [longer[0], longer[1][-16:] == b"\xa5" * 16, longer[2], shorter[2]]
    return seen


def zeroed(bdf: str) -> dict[str, Any]:
    """What an asking ioctl gives out twice, over zeroes and over rubbish: fields that differ."""
    caller = _Caller(bdf)
    seen = {}
    for name in _ASKING & set(numbers()):
        fields = caller.fields(name)
        inputs = {*fields, "flags", "pad"}
        clean = bytes(caller.interface.pack(name, **fields))
        dirty = bytearray(clean)
        for field, offset, size in caller.interface.scalars(name):
            if field not in inputs:
                dirty[offset : offset + size] = b"\xa5" * size
        after = caller.interface.unpack(name, caller.call(name, bytes(dirty))[1])
        rubbish = [
            field
            for field, _, size in caller.interface.scalars(name)
            if getattr(after, field) & (1 << 8 * size) - 1 == int("a5" * size, 16)
        ]
        seen[name] = rubbish
    return seen


CHECKS = (edges, overruns, refused, sizes, zeroed)

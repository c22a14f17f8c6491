# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Builders of events, event streams and ring files."""

from __future__ import annotations

import mmap
import os
from pathlib import Path
from typing import Any

import numpy as np

from pyaccel.spec import formats
from pyaccel.spec.formats import Direction, Opcode, Origin, Stage, Status

EVENT = np.dtype(formats.EVENT_DTYPE)
SERIAL = 0x00A0C00000000001
RECONSTRUCTED = (Stage.FETCH, Stage.START, Stage.FINISH)
COMMAND_STAGES = (
    Stage.SUBMIT,
    Stage.DOORBELL,
    Stage.FETCH,
    Stage.START,
    Stage.FINISH,
    Stage.COMPLETE,
    Stage.WAKE,
)


def event(stage: int, time_ns: int, sequence: int = 0, **fields: int) -> np.ndarray[Any, Any]:
    """One event record, as an array of one."""
    record = np.zeros(1, EVENT)
    record["stage"], record["time_ns"], record["sequence"] = stage, time_ns, sequence
    record["origin"] = Origin.RECONSTRUCTED if stage in RECONSTRUCTED else Origin.LIBRARY
    for name, value in ({"pid": 100, "tid": 100} | fields).items():
        record[name] = value
    return record


def command(
    sequence: int,
    at_ns: int,
    *,
    stages: tuple[Stage, ...] = COMMAND_STAGES,
    steps_ns: tuple[int, ...] = (0, 10, 30, 60, 100, 150, 210),
    **fields: int,
) -> np.ndarray[Any, Any]:
    """All events of one command, each stage `steps_ns` after `at_ns`."""
    by_stage = dict(zip(COMMAND_STAGES, steps_ns, strict=True))
    rows = [event(stage, at_ns + by_stage[stage], sequence, **fields) for stage in stages]
    return np.concatenate(rows)


def stream(
    count: int, *, endpoints: int = 2, queues: int = 4, block: int = 4096, seed: int = 1
) -> np.ndarray[Any, Any]:
    """About `count` events of a busy rack: complete commands, drained ring by ring.

    Each endpoint is one ring; a block of each is taken in turn, queues mixed within.
    """
    per_command = len(COMMAND_STAGES)
    commands = count // per_command
    rng = np.random.default_rng(seed)
    number = np.arange(commands)
    rows = np.zeros((commands, per_command), EVENT)
    endpoint = (number // block) % endpoints
    rows["endpoint"] = endpoint[:, None]
    rows["pid"] = (1000 + endpoint)[:, None]
    rows["tid"] = rows["pid"]
    queue = number % queues
    rows["queue"] = queue[:, None]
    key = endpoint * queues + queue
    order = np.argsort(key, kind="stable")
    starts = np.searchsorted(key[order], np.arange(endpoints * queues))
    sequence = np.empty(commands, np.int64)
    sequence[order] = np.arange(commands) - starts[key[order]] + 1
    rows["sequence"] = sequence[:, None]
    steps = rng.integers(50, 5000, (commands, per_command), dtype=np.int64)
    rows["time_ns"] = (number * 300)[:, None] + 1_000_000 + np.cumsum(steps, axis=1)
    rows["stage"] = np.array(COMMAND_STAGES)[None, :]
    rows["origin"] = np.where(
        np.isin(np.array(COMMAND_STAGES), RECONSTRUCTED), Origin.RECONSTRUCTED, Origin.LIBRARY
    )[None, :]
    kinds = np.array([Opcode.COPY, Opcode.MATMUL, Opcode.BINARY, Opcode.NOP])
    opcode = kinds[rng.integers(0, len(kinds), commands)]
    rows["opcode"] = opcode[:, None]
    sizes = np.where(opcode == Opcode.COPY, 1 << rng.integers(6, 22, commands), 0)
    rows["bytes"] = sizes[:, None]
    directions = rng.integers(Direction.HOST_TO_DEVICE, Direction.PEER + 1, commands)
    rows["direction"] = np.where(opcode == Opcode.COPY, directions, Direction.NONE)[:, None]
    rows["status"] = Status.OK
    return rows.reshape(-1)


def ring_header(capacity: int, **fields: Any) -> bytes:
    """A ring header; every field can be given, `magic` too."""
    values: dict[str, Any] = {
        "magic": formats.EVENT_RING_MAGIC,
        "version": 1,
        "record_bytes": formats.EVENT_BYTES,
        "capacity": capacity,
        "board_serial": SERIAL,
        "endpoint_index": 0,
        "pid": os.getpid(),
        "start_ns": 1,
    }
    return formats.EventRingHeader(**(values | fields)).pack()


class RingWriter:
    """The writer side of a ring, as libaxl does it: a shared mapping, head moved last."""

    def __init__(self, path: Path, capacity: int = 64, **fields: Any) -> None:
        self.path = path
        self.capacity = capacity
        size = formats.EVENT_RING_HEADER_BYTES + capacity * formats.EVENT_BYTES
        header = ring_header(capacity, **fields)
        path.write_bytes(bytes(8))
        with path.open("r+b") as file:
            file.truncate(size)
            self._map = mmap.mmap(file.fileno(), size)
        self._map[8 : len(header)] = header[8:]
        self._map[:8] = header[:8]  # the magic comes last: a reader may be looking already
        dtype = np.dtype(formats.EVENT_RING_HEADER_DTYPE)
        self.header = np.frombuffer(self._map, dtype, count=1)[0:1].view(np.recarray)
        self._records = np.frombuffer(self._map, EVENT, offset=formats.EVENT_RING_HEADER_BYTES)

    def write(self, events: np.ndarray[Any, Any]) -> int:
        """Write what fits, count the rest as dropped; returns how many fitted."""
        written = 0
        for record in events:
            head = int(self.header.head[0])
            if head - int(self.header.tail[0]) == self.capacity:
                self.header.dropped[0] += 1
                continue
            self._records[head & (self.capacity - 1)] = record
            self.header.head[0] = head + 1
            written += 1
        return written

    def close(self) -> None:
        """Mark the ring as finished."""
        self.header.closed[0] = 1

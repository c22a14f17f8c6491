# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A queue pair of the core with the device's side played by the test."""

from __future__ import annotations

from typing import Any

from pyaccel.spec.formats import COMPLETION_BYTES, SLOT_BYTES, Completion, Dtype, Opcode
from tests.build import commands as build

FIELDS = (
    *("sequence", "bytes", "submit_ns", "complete_ns", "fetch_ns", "start_ns", "finish_ns"),
    *("fetch_ticks", "start_ticks", "finish_ticks", "result", "status", "context", "opcode"),
    *("op", "direction", "error_recorded", "ticks_valid", "timing_valid"),
)


_TENSORS = {2: Opcode.FILL, 3: Opcode.UNARY, 4: Opcode.BINARY, 5: Opcode.TERNARY}
KIND_SHIFT = 40  # of a device virtual address, see axl_va.h


def command(slots: int = 1, **header: int) -> bytes:
    """A command of 1 to 5 slots, no two of them the same."""
    if slots == 1:
        return build.nop(**header)
    operands = [build.At(n << 12, Dtype.F32) for n in range(1, slots)]
    return build.tensor(_TENSORS[slots], (1,), operands, dtype=Dtype.F32, **header)


def copy(src: int, dst: int, length: int, **header: int) -> bytes:
    """A COPY from one kind of memory to another."""
    return build.copy(src << KIND_SHIFT, dst << KIND_SHIFT, length, **header)


class Ring:
    """axl_qp with helpers; `device_index` is where the device writes its next completion."""

    def __init__(self, core: Any, host: Any, *, start: bool = True, **config: int) -> None:
        self.core, self.host = core, host
        self.qp = core.new("struct axl_qp *")
        self.refusal = core.new("struct axl_qp_refusal *")
        self.ident = core.new("struct axl_ident *")
        self.config = core.new(
            "struct axl_qp_config *", {"sq_log2": 4, "cq_log2": 4, "irq_enable": True, **config}
        )
        assert core.axl_ident_read(host.os, self.ident) == 0
        self.error = core.error(core.axl_qp_init(self.qp, host.os, self.ident, self.config))
        if self.error == "ok" and start:
            assert core.axl_qp_start(self.qp) == 0
        self.device_index = 0

    @property
    def entries(self) -> int:
        """Completions that fit in the ring."""
        return 1 << self.qp.config.cq_log2

    @property
    def stats(self) -> dict[str, int]:
        """Counters that are not zero."""
        names = [name for name, _ in self.core.ffi.typeof("struct axl_qp_stats").fields]
        return {n: v for n in names if (v := getattr(self.qp.stats, n))}

    def push(self, what: bytes | None = None, **kwargs: int) -> str:
        """Push one command; the name of the result."""
        return self.push_batch([command() if what is None else what], **kwargs)

    def push_batch(self, commands: list[bytes], **kwargs: int) -> str:
        """Push commands in one piece; the name of the result."""
        slots = b"".join(commands)
        count = len(slots) // SLOT_BYTES
        room = self.core.new("struct axl_qp_room *")
        code = self.core.axl_qp_find_room(self.qp, count, room)
        if code:
            return self.core.error(code)
        self._fill(room, slots)
        batch = self.core.new("struct axl_qp_batch *", {"slot_count": count, **kwargs})
        code = self.core.axl_qp_accept(self.qp, batch, self.refusal)
        return self.core.error(code)

    def _fill(self, room: Any, slots: bytes) -> None:
        """Write slots into the room that was found for them."""
        first, rest = room.bytes
        assert first + rest == len(slots)
        assert first
        self.core.ffi.buffer(room.part[0], first)[:] = slots[:first]
        if rest:
            self.core.ffi.buffer(room.part[1], rest)[:] = slots[first:]

    def refused(self) -> tuple[int, int, str] | None:
        """The command that the last batch was refused for, its slot, the problem."""
        why = self.refusal
        if why.problem == self.core.ffi.NULL:
            return None
        return why.command, why.slot, self.core.string(why.problem).decode()

    def submit(self, count: int = 1) -> None:
        """Push `count` one-slot commands and ring."""
        for _ in range(count):
            assert self.push() == "ok"
        self.core.axl_qp_ring(self.qp)

    def slot(self, index: int) -> bytes:
        """What the device sees in a slot of the submission ring."""
        ring = self.core.ffi.buffer(self.qp.sq.cpu, self.qp.sq.bytes)
        return ring[index * SLOT_BYTES : (index + 1) * SLOT_BYTES]

    def write(self, entry: bytes, index: int) -> None:
        """Write raw bytes to the completion ring, as the device could at any time."""
        ring = self.core.ffi.buffer(self.qp.cq.cpu, self.qp.cq.bytes)
        at = index % self.entries * COMPLETION_BYTES
        ring[at : at + len(entry)] = entry

    def complete(self, sequence: int, *, flags: int = 0, **fields: int) -> None:
        """Write the device's next completion, with the phase it must have."""
        phase = 1 - (self.device_index // self.entries) % 2
        fields = {"queue": self.qp.config.index, **fields}
        entry = Completion(sequence=sequence, flags=flags | phase, **fields)
        self.write(entry.pack(), self.device_index)
        self.device_index += 1

    def poll(self, limit: int = 64) -> list[dict[str, int]]:
        """axl_qp_poll(), each entry as a dict."""
        return self._take(self.core.axl_qp_poll, limit)

    def abort(self, limit: int = 64) -> list[dict[str, int]]:
        """axl_qp_abort(), each entry as a dict."""
        return self._take(self.core.axl_qp_abort, limit)

    def _take(self, function: Any, limit: int) -> list[dict[str, int]]:
        """Call poll or abort; nothing is written beyond what it was given."""
        out = self.core.new("struct axl_cqe[]", limit + 1)
        guard = bytes(self.core.ffi.buffer(out[limit : limit + 1]))
        count = function(self.qp, out, limit)
        assert count <= limit
        assert bytes(self.core.ffi.buffer(out[limit : limit + 1])) == guard
        return [{name: getattr(out[i], name) for name in FIELDS} for i in range(count)]

    def sequences(self, limit: int = 64) -> list[tuple[int, int]]:
        """(sequence, status) of what poll() gives."""
        return [(c["sequence"], c["status"]) for c in self.poll(limit)]

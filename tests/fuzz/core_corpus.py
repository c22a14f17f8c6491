# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Seeds of the core's fuzz targets, made from the contract's own builders."""

from __future__ import annotations

import struct
from pathlib import Path

from pyaccel.spec import formats as f
from pyaccel.spec import regs
from pyaccel.spec.types import Register

PUSH, RING, COMPLETE, SCRIBBLE, POLL, RESTART = 0, 2, 3, 5, 6 | 16 << 3, 7
KEEP_ALL, NEXT_IN_ORDER = 2 | 4 | 8, 1 | 2 | 4 | 8 | 1 << 4


def queue_program(*steps: bytes, line: bytes = bytes(32)) -> bytes:
    """Input of core_qp: ring size, clock line, steps."""
    return b"\0" + line + b"".join(steps)


ONE_SLOT, THREE_SLOTS, BROKEN = 0, 1, 7


def push(*kinds: int) -> bytes:
    """Push a batch: one command of one slot if nothing else is said."""
    kinds = kinds or (ONE_SLOT,)
    return bytes([PUSH, len(kinds), *kinds])


def complete(how: int = NEXT_IN_ORDER, **fields: int) -> bytes:
    """Write a completion with the right phase."""
    return bytes([COMPLETE, how]) + f.Completion(**fields).pack()


def queue_seeds() -> dict[str, bytes]:
    """A good run, a gap, nonsense, a restart, times."""
    ring, poll, restart = bytes([RING]), bytes([POLL]), bytes([RESTART])
    line = struct.pack("<QQQQ", 1000, 1_000_000_000, 10 << 32, 500)
    pass_ = push() + ring + complete() + poll
    stray = bytes([SCRIBBLE, 0]) + f.Completion(sequence=1, flags=1).pack()
    return {
        "good": queue_program(pass_ * 40),
        "gap": queue_program(push() * 3, ring, complete(KEEP_ALL, sequence=3), poll),
        "wild": queue_program(push(), ring, complete(0, sequence=2**64 - 1, queue=9), poll),
        "restart": queue_program(
            push(*[THREE_SLOTS] * 3), push(*[THREE_SLOTS] * 2), push(), ring, restart, pass_
        ),
        "refused": queue_program(push(ONE_SLOT, BROKEN), push(), ring, complete(), poll),
        "stray": queue_program(push(), ring, stray, poll),
        "times": queue_program(
            push(), ring, complete(fetch_ticks=1005, start_delta=3, finish_delta=9), poll, line=line
        ),
    }


def _reset_values(first: int, count: int) -> bytes:
    """`count` bytes of BAR0 from offset `first`, with reset values."""
    image = bytearray(count)
    for register in regs.REGISTERS:
        at = register.offset - first
        if 0 <= at <= count - register.width // 8:
            image[at : at + register.width // 8] = _bytes(register, register.reset)
    return bytes(image)


def _bytes(register: Register, value: int) -> bytes:
    """A register value as the bytes in BAR0."""
    return value.to_bytes(register.width // 8, "little")


def block_seeds() -> dict[str, bytes]:
    """Registers after power-on, all-ones, and a recorded error."""
    ident = bytearray(_reset_values(regs.IDENT_MAGIC.offset, 0x30))
    ident[regs.IDENT_MEMORY_BYTES.offset :] = (1 << 30).to_bytes(8, "little")
    ctrl = _reset_values(regs.CTRL_CONTROL.offset, 0x20)
    telemetry = _reset_values(regs.TELEMETRY_VALID.offset, 0x50)
    clock = _reset_values(regs.CLOCK_FREQUENCY.offset, 0x18)
    error = bytearray(0x28)
    error[0:4] = regs.ERROR_STATUS.make(VALID=1, CODE=1, HAS_COMMAND=1).to_bytes(4, "little")
    head = bytes(64) + bytes(ident) + ctrl + bytes(12) + telemetry + clock
    return {
        "power_on": head + bytes(0x28) + bytes(400),
        "error": head + bytes(error) + bytes(400),
        "gone": b"\xff" * 700,
    }


def command_seeds() -> dict[str, bytes]:
    """One of each shape, and all of them in a row."""
    operand = f.CmdOperand(va=4096, strides=(1,) * 8, dtype=f.Dtype.F32).pack()
    tensor = f.CmdTensor(shape=(1,) * 8).pack()

    def head(opcode: f.Opcode, slots: int = 1, dtype: int = 0) -> bytes:
        return f.CmdHeader(opcode=opcode, slots=slots, dtype=dtype).pack()

    seeds = {
        "nop": head(f.Opcode.NOP) + bytes(48),
        "copy": head(f.Opcode.COPY) + f.CmdCopy(src_va=4096, length_bytes=64).pack(),
        "fence": head(f.Opcode.FENCE_WAIT) + f.CmdFence(va=8, value=1).pack(),
        "random": head(f.Opcode.RANDOM, 3, f.Dtype.F32) + tensor + operand + bytes(64),
    }
    for opcode, operands in ((f.Opcode.UNARY, 2), (f.Opcode.MATMUL, 4), (f.Opcode.GATHER, 3)):
        command = head(opcode, 1 + operands, f.Dtype.F32) + tensor + operand * operands
        seeds[opcode.name.lower()] = command
    return {**seeds, "all": b"".join(seeds.values())}


SEEDS = {"core_qp": queue_seeds, "core_blocks": block_seeds, "core_cmd": command_seeds}


def write_corpus(target: str, folder: Path) -> None:
    """Write the seeds of a fuzz target, one file each."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in SEEDS[target]().items():
        (folder / name).write_bytes(content)

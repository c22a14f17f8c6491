# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The command builders of axl_cmd.h make the bytes that the contract asks for."""

from __future__ import annotations

import subprocess
from pathlib import Path

from conftest import program

from pyaccel.spec.formats import FUSED_BINARY, Binary, Dtype, Opcode, Random, Reduce, Ternary, Unary
from tests.build import commands as cmd

SHAPE = (2, 3, 4)
A, B, C, D = (cmd.At(0x10000 * (i + 1), Dtype.F32) for i in range(4))
F32 = {"dtype": Dtype.F32}
EXPECTED = {
    "nop": cmd.nop(),
    "copy": cmd.copy(0x1000, 0x2000, 77),
    "fence_wait": cmd.fence(Opcode.FENCE_WAIT, 0x1000, 5, 9),
    "fence_signal": cmd.fence(Opcode.FENCE_SIGNAL, 0x1000, 5),
    "timestamp": cmd.fence(Opcode.TIMESTAMP, 0x1000),
    "fill": cmd.tensor(Opcode.FILL, SHAPE, [A], params=[0x3F800000], **F32),
    "cast": cmd.tensor(Opcode.CAST, SHAPE, [A, B], **F32),
    "unary": cmd.tensor(Opcode.UNARY, SHAPE, [A, B], op=Unary.EXP, **F32),
    "binary": cmd.tensor(
        Opcode.BINARY, SHAPE, [A, B, C], params=[cmd.f64(2)], op=Binary.ADD, **F32
    ),
    "ternary": cmd.tensor(
        Opcode.TERNARY, SHAPE, [A, B, C, D], params=[cmd.f64(1)], op=Ternary.FMA, **F32
    ),
    "immediate": cmd.tensor(
        Opcode.BINARY, SHAPE, [A, cmd.Immediate(0.5, Dtype.F32), C], op=Binary.MUL, **F32
    ),
    "fused": cmd.fused(
        SHAPE,
        [A, cmd.Immediate(0.5, Dtype.F32), C, D],
        cmd.fused_slots(
            [(Unary.EXP, 0), (FUSED_BINARY | Binary.MUL, 3, 2)],
            [4, 1],
            reduce=[0, 1 + Reduce.MAX],
            dims=[0, 0x80],
            constants=[cmd.f64(0.5)],
        ),
        **F32,
    ),
    "random": cmd.random(Random.UNIFORM, SHAPE, A, (0, 1), (1, 2, 3), **F32),
}


def test_builders_make_what_the_contract_says(asan: Path) -> None:
    """Each builder agrees byte for byte with an independent packer, without undefined behaviour."""
    done = subprocess.run(
        [program(asan, "builders")], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stderr == ""
    made = dict(line.split() for line in done.stdout.splitlines())
    assert made == {name: data.hex() for name, data in EXPECTED.items()}

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Bytes of commands, against the generated formats."""

from __future__ import annotations

import struct

import ml_dtypes
import numpy as np
import pytest

from pyaccel import packing
from pyaccel.commands import Commands
from pyaccel.dtypes import raw_bits
from pyaccel.spec.formats import (
    CMD_HEADER_BYTES,
    SLOT_BYTES,
    Binary,
    CmdCopy,
    CmdFence,
    CmdHeader,
    CmdOperand,
    CmdRandom,
    CmdTensor,
    CommandFlag,
    Dtype,
    Opcode,
    OperandFlag,
    Random,
    Reduce,
    Scatter,
    Ternary,
    Unary,
)
from pyaccel.tensor import Tensor

VA = 0x1234_5000
FLOAT_ONE = struct.unpack("<Q", struct.pack("<d", 1.0))[0]


class Memory:
    """Memory that nobody looks at."""

    def __init__(self, va: int = VA, nbytes: int = 1 << 16) -> None:
        self.va = va
        self.nbytes = nbytes


class Recorder(Commands):
    """Keeps what is appended."""

    def __init__(self) -> None:
        self.commands: list[bytes] = []
        self.buffers: list[object] = []

    def append(self, command: bytes, *buffers: object) -> int:
        """Keep it."""
        self.commands.append(command)
        self.buffers.extend(buffers)
        return len(self.commands) - 1


@pytest.fixture
def to() -> Recorder:
    """Where commands go."""
    return Recorder()


def header(command: bytes) -> CmdHeader:
    """Header of a packed command; its slots must be all there."""
    found = CmdHeader.unpack_from(command)
    assert len(command) == found.slots * SLOT_BYTES
    assert (found.context, found.sequence, found.reserved) == (0, 0, 0)
    return found


def body(command: bytes) -> CmdTensor:
    """Tensor part of slot 0."""
    return CmdTensor.unpack_from(command, CMD_HEADER_BYTES)


def operand(command: bytes, number: int) -> CmdOperand:
    """Operand slot, counted from 1."""
    return CmdOperand.unpack_from(command, number * SLOT_BYTES)


def tensor(*shape: int, dtype: object = "float32", **options) -> Tensor:
    """A tensor in memory of its own."""
    return Tensor(Memory(), shape, dtype, **options)


def test_nop_is_one_zeroed_slot(to) -> None:
    """A NOP is its header and nothing else."""
    assert to.nop() == 0

    assert header(to.commands[0]) == CmdHeader(opcode=Opcode.NOP, slots=1)
    assert not any(to.commands[0][CMD_HEADER_BYTES:])


def test_linear_copy_names_source_destination_and_bytes(to) -> None:
    """Contiguous tensors of one shape become one COPY of their bytes."""
    src, dst = tensor(4, 8), tensor(4, 8, offset=256)
    to.copy(dst, src, checksum=True)

    assert header(to.commands[0]).opcode == Opcode.COPY
    assert header(to.commands[0]).flags == CommandFlag.CHECKSUM
    assert CmdCopy.unpack_from(to.commands[0], CMD_HEADER_BYTES) == CmdCopy(VA, VA + 256, 128)


def test_copy_of_a_transposed_tensor_is_strided(to) -> None:
    """Where the layouts differ, COPY_STRIDED gets the strides of both."""
    to.copy(tensor(8, 4), tensor(4, 8).T)

    command = to.commands[0]
    assert header(command).opcode == Opcode.COPY_STRIDED
    assert body(command).shape == (1, 1, 1, 1, 1, 1, 8, 4)
    assert operand(command, 1).strides == (0, 0, 0, 0, 0, 0, 1, 8)
    assert operand(command, 2).strides == (0, 0, 0, 0, 0, 0, 4, 1)


def test_fill_holds_the_raw_bits_of_its_type(to) -> None:
    """FILL's parameter is the element as it lies in memory."""
    to.fill(tensor(3, dtype="int16"), -2)
    to.fill(tensor(3, dtype="bfloat16"), 1.0)

    assert body(to.commands[0]).params == (0xFFFE, 0)
    assert body(to.commands[1]).params == (0x3F80, 0)
    assert header(to.commands[1]).dtype == Dtype.BF16


def test_binary_broadcasts_and_names_its_op(to) -> None:
    """A broadcast dimension has stride 0; scale is a float64."""
    out = tensor(5, 3)
    to.binary("add", tensor(5, 3), tensor(3), out)

    command = to.commands[0]
    assert header(command)[:4] == (Opcode.BINARY, 0, 4, Binary.ADD)
    assert body(command) == CmdTensor((1,) * 6 + (5, 3), (FLOAT_ONE, 0))
    assert operand(command, 2).strides == (0,) * 7 + (1,)
    assert operand(command, 3) == CmdOperand(VA, (0,) * 6 + (3, 1), Dtype.F32)


def test_numbers_become_immediates(to) -> None:
    """A number is an operand that holds its own value in the compute type."""
    x = tensor(4, dtype="int32")
    to.binary("mul", x, -3, x)
    to.binary("mul", tensor(4), 2.5, tensor(4))

    first, second = operand(to.commands[0], 2), operand(to.commands[1], 2)
    assert (first.va, first.dtype) == (2**64 - 3, Dtype.I32)
    assert first.flags == second.flags == OperandFlag.IMMEDIATE
    assert second.va == struct.unpack("<Q", struct.pack("<d", 2.5))[0]
    assert body(to.commands[0]).params == (1, 0)


def test_negative_zero_is_not_zero(to) -> None:
    """The sign of a zero reaches the device, whichever zero came first."""
    x = tensor(4)
    for number in (0.0, -0.0):
        to.binary("mul", x, number, x)

    assert [operand(command, 2).va for command in to.commands] == [0, 1 << 63]


def test_matmul_lays_out_batch_m_n_k(to) -> None:
    """The last three of eight dimensions are m, n and k, batch before them."""
    to.matmul(tensor(2, 5, 7), tensor(7, 3), tensor(2, 5, 3), beta=1.0)

    command = to.commands[0]
    assert header(command).slots == 5
    assert body(command).shape == (1, 1, 1, 1, 2, 5, 3, 7)
    assert operand(command, 1).strides == (0, 0, 0, 0, 35, 7, 0, 1)
    assert operand(command, 2).strides == (0, 0, 0, 0, 0, 0, 1, 3)
    assert operand(command, 3).strides == (0, 0, 0, 0, 15, 3, 1, 0)
    assert operand(command, 4) == operand(command, 3)


def test_reduce_masks_dimensions_of_the_eight(to) -> None:
    """Bit i of the mask is dimension i of the padded eight; the output has stride 0 there."""
    to.reduce(Reduce.SUM, tensor(4, 6), tensor(6), axis=0)

    command = to.commands[0]
    assert body(command).params == (1 << 6, 0)
    assert operand(command, 2).strides == (0,) * 7 + (1,)


def test_gather_and_scatter_name_dimension_and_extent(to) -> None:
    """Parameters are the dimension among the eight and the extent of what is indexed."""
    index = tensor(4, 2, dtype="int64")
    to.gather(tensor(9, 2), index, tensor(4, 2), 0)
    to.scatter(tensor(4, 2), index, tensor(9, 2), -2, op=Scatter.ADD)

    assert body(to.commands[0]).params == body(to.commands[1]).params == (6, 9)
    assert header(to.commands[1]).op == Scatter.ADD
    assert operand(to.commands[0], 2).dtype == Dtype.I64


def test_random_ends_with_key_and_counter(to) -> None:
    """The last slot of RANDOM is cmd_random."""
    to.random(Random.UNIFORM, tensor(4), seed=5, offset=6, subsequence=7, second=2.0)

    command = to.commands[0]
    assert header(command).slots == 3
    assert CmdRandom.unpack_from(command, 2 * SLOT_BYTES) == CmdRandom(5, 6, 7)


def test_fences_name_their_word(to) -> None:
    """FENCE_WAIT, FENCE_SIGNAL and TIMESTAMP hold the address of a 64-bit word."""
    word = tensor(2, dtype="int64")[1]
    to.fence_wait(word, 9, timeout_us=50)
    to.fence_signal(word, 9)
    to.timestamp(word)

    found = [CmdFence.unpack_from(command, CMD_HEADER_BYTES) for command in to.commands]
    assert [header(c).opcode for c in to.commands] == [
        Opcode.FENCE_WAIT,
        Opcode.FENCE_SIGNAL,
        Opcode.TIMESTAMP,
    ]
    assert found == [CmdFence(VA + 8, 9, 50), CmdFence(VA + 8, 9), CmdFence(VA + 8, 0)]


def test_every_op_of_the_contract_can_be_named(to) -> None:
    """All operations of the generated enums are reachable by their lower-case names."""
    x, row = tensor(4), tensor(1)
    for op in Unary:
        to.unary(op.name.lower(), x, x)
    for op in Binary:
        to.binary(op.name.lower(), x, x, x)
    for op in Ternary:
        to.ternary(op.name.lower(), x, x, x, x)
    for op in Reduce:
        out = tensor(1, dtype="int64") if op.name.startswith("ARG") else row
        to.reduce(op.name.lower(), x, out)

    assert len(to.commands) == len(Unary) + len(Binary) + len(Ternary) + len(Reduce)


def test_operand_slots_are_packed_once_per_target(to) -> None:
    """The second use of a tensor finds its slot; the bytes are the same."""
    x, bias, out = tensor(5, 3), tensor(3), tensor(5, 3)
    to.binary("add", x, bias, out)
    to.binary("add", x, bias, out)

    assert to.commands[0] == to.commands[1]
    assert bias.operand((5, 3)) is bias.operand((5, 3))


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda q: q.binary("add", tensor(5), tensor(3), tensor(5)), "b of shape"),
        (lambda q: q.binary("add", tensor(5, 3), tensor(3), tensor(3)), "a of shape"),
        (lambda q: q.binary("plus", tensor(3), tensor(3), tensor(3)), "there are: add, sub"),
        (lambda q: q.binary("add", tensor(3, dtype="int8"), 2**63, tensor(3)), "no int64"),
        (lambda q: q.unary("relu", tensor(3), tensor(1).broadcast_to(3)), "elements meet"),
        (lambda q: q.matmul(tensor(2, 3), tensor(4, 5), tensor(2, 5)), "does not give"),
        (lambda q: q.matmul(tensor(3), tensor(3, 5), tensor(1, 5)), "two dimensions"),
        (lambda q: q.reduce("sum", tensor(4, 6), tensor(4), 0), "reducing"),
        (lambda q: q.reduce("sum", tensor(4, 6), tensor(4), (1, -1)), "twice"),
        (lambda q: q.reduce("max", tensor(0, 6), tensor(6), 0), "no elements"),
        (lambda q: q.reduce("argmax", tensor(4), tensor(1)), "int64"),
        (lambda q: q.gather(tensor(9), tensor(4), tensor(4), 0), "integer type"),
        (lambda q: q.gather(tensor(0), tensor(4, dtype="int8"), tensor(4), 0), "nothing to index"),
        (lambda q: q.gather(tensor(9), tensor(4, dtype="int8"), tensor(4), 1), "outside"),
        (lambda q: q.scatter(tensor(4, 2), tensor(4, 2, dtype="int8"), tensor(9, 1), 0), "differ"),
        (lambda q: q.copy(tensor(4), tensor(4, dtype="int64")), "cast"),
        (lambda q: q.copy(tensor(4, 4), tensor(4, 4).T, checksum=True), "contiguous"),
        (lambda q: q.fill(tensor(4, dtype="uint8"), 256), "does not fit"),
        (lambda q: q.fill(tensor(4, dtype="int32"), 1.5), "does not fit"),
        (lambda q: q.random("bits", tensor(4), seed=-1), "seed"),
        (lambda q: q.fence_wait(tensor(4), 1), "64-bit|int64"),
        (lambda q: q.fence_signal(tensor(1, dtype="int64"), -1), "does not fit"),
    ],
)
def test_wrong_operands_are_refused_before_packing(to, call, words: str) -> None:
    """What cannot work raises ValueError that says why, and nothing is appended."""
    with pytest.raises(ValueError, match=words):
        call(to)

    assert to.commands == []


def test_bfloat16_rounds_to_nearest_even() -> None:
    """Raw bits of bfloat16 agree with ml_dtypes on ties, infinities and NaN."""
    ties = [1.0 + 2**-8, 1.0 + 3 * 2**-8, -1.0 - 2**-8, 3.3e38, 3.4e38, float("inf"), 0.0, -0.0]
    expected = [int(np.array(v, ml_dtypes.bfloat16).view(np.uint16)) for v in ties]

    assert [raw_bits(value, Dtype.BF16) for value in ties] == expected
    assert raw_bits(1e300, Dtype.BF16) == 0x7F80
    assert raw_bits(float("nan"), Dtype.BF16) == 0x7FC0


def test_scalar_bits_refuse_fractions_for_integers() -> None:
    """An operation that computes in integers takes no fraction as a number."""
    with pytest.raises(ValueError, match="computes in integers"):
        packing.scalar_bits(0.5, Dtype.I32)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checking commands: everything the contract allows passes, each broken rule is named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaccel.spec import formats as f
from pyaccel.spec.formats import Direction, Dtype, Opcode
from tests.build import commands as build

VA_END = 1 << f.VA_BITS


def header(opcode, slots=1, **fields):
    """Packed command header."""
    return f.CmdHeader(opcode=opcode, slots=slots, **fields).pack()


def operand(dtype=Dtype.F32, **fields):
    """One operand slot."""
    fields = {"va": 0x10000, "strides": (1,) * 8, **fields}
    return f.CmdOperand(dtype=dtype, **fields).pack()


def tensor(opcode, operands, *, shape=(1,) * 8, params=(0, 0), tail=b"", **fields):
    """A tensor command."""
    slots = 1 + len(operands) + len(tail) // 64
    first = header(opcode, slots, **{"dtype": Dtype.F32, **fields})
    body = f.CmdTensor(shape=shape, params=params).pack()
    return first + body + b"".join(operands) + tail


def copy(**fields):
    """A COPY."""
    body = {"src_va": 0x1000, "dst_va": 0x2000, "length_bytes": 64, **fields}
    return header(Opcode.COPY) + f.CmdCopy(**body).pack()


def fence(opcode, **fields):
    """A fence command."""
    return header(opcode) + f.CmdFence(**{"va": 0x1000, **fields}).pack()


OPERANDS = {
    Opcode.COPY_STRIDED: (2, 1),
    Opcode.FILL: (1, 1),
    Opcode.CAST: (2, 1),
    Opcode.UNARY: (2, len(f.Unary)),
    Opcode.BINARY: (3, len(f.Binary)),
    Opcode.TERNARY: (4, len(f.Ternary)),
    Opcode.REDUCE: (2, len(f.Reduce)),
    Opcode.MATMUL: (3, 1),
    Opcode.GATHER: (3, 1),
    Opcode.SCATTER: (3, len(f.Scatter)),
    Opcode.RANDOM: (1, len(f.Random)),
    Opcode.FUSED: (2, 1),
}


TAILS = {Opcode.RANDOM: bytes(64), Opcode.FUSED: build.fused_slots([(f.Unary.EXP, 0)], [1])}
"""What follows the operands."""


def example(opcode, **fields):
    """A valid command of this opcode."""
    if opcode == Opcode.NOP:
        return header(opcode, **fields) + bytes(48)
    if opcode == Opcode.COPY:
        return header(opcode, **fields) + copy()[16:]
    if opcode in OPERANDS:
        operands = [operand()] * OPERANDS[opcode][0]
        return tensor(opcode, operands, tail=TAILS.get(opcode, b""), **fields)
    return header(opcode, **fields) + fence(opcode)[16:]


@pytest.fixture
def check(core):
    """Call axl_cmd_check(); the summary, whose `problem` is None or a sentence."""

    def call(command, slot_count=None):
        summary = core.new("struct axl_cmd_summary *")
        count = len(command) // 64 if slot_count is None else slot_count
        # A buffer of its own, exactly as long: reading beyond it is caught under ASan.
        slots = core.new("uint8_t[]", command)
        place = core.new("struct axl_cmd_place *", {"ring": slots, "mask": 2**32 - 1})
        code = core.axl_cmd_check(place, count, summary)
        problem = summary.problem
        text = None if problem == core.ffi.NULL else core.string(problem).decode()
        assert (code == 0) == (text is None)
        assert code in (0, core.AXL_ERR_INVAL)
        call.summary = summary
        return text

    return call


@pytest.mark.parametrize("opcode", list(Opcode))
def test_each_opcode_has_a_valid_example(check, opcode):
    """The summary repeats the header."""
    command = example(opcode)
    assert check(command) is None
    summary = check.summary
    header = summary.header
    assert (header.opcode, header.slots, header.dtype) == (opcode, len(command) // 64, command[6])


@pytest.mark.parametrize("opcode", list(Opcode))
def test_slots_are_exactly_those_of_the_opcode(check, opcode):
    """One slot more or fewer is refused; MATMUL may have one more for c, FUSED any operands."""
    command = example(opcode)
    slots = len(command) // 64
    allowed = {Opcode.MATMUL: {5}, Opcode.FUSED: {6}}.get(opcode, set())
    for wrong in {0, slots - 1, slots + 1, f.MAX_COMMAND_SLOTS + 1, 255} - allowed:
        changed = bytearray(command + bytes(64 * 300))
        changed[2] = wrong
        assert check(bytes(changed)) == "slots is not what the opcode takes"


@pytest.mark.parametrize("opcode", list(Opcode))
def test_cut_off_commands_are_refused(check, opcode):
    """Fewer slots left than the command has."""
    command = example(opcode)
    for left in range(1, len(command) // 64):
        assert check(command[: 64 * left]) == "command is cut off: fewer slots follow than it has"
    assert check(command[:64], 0) == "there is no slot"


@pytest.mark.parametrize("opcode", list(Opcode))
def test_ops_are_those_of_the_opcode(check, opcode):
    """Every op of the enum passes, the next one does not."""
    ops = OPERANDS.get(opcode, (0, 1))[1]
    assert all(check(example(opcode, op=op)) is None for op in range(ops))
    for op in (ops, 255):
        assert check(example(opcode, op=op)) == "op does not exist for this opcode"


@pytest.mark.parametrize("opcode", list(Opcode))
def test_flags_and_reserved_and_dtype_of_the_header(check, opcode):
    """INTERRUPT everywhere, CHECKSUM for COPY only, unknown bits nowhere."""
    assert check(example(opcode, flags=1)) is None
    takes_sum = check(example(opcode, flags=2)) is None
    assert takes_sum == (opcode == Opcode.COPY)
    assert "flags has a bit" in check(example(opcode, flags=4))
    assert "reserved byte" in check(example(opcode, reserved=1))
    assert "dtype" in check(example(opcode, dtype=len(Dtype)))
    if opcode not in OPERANDS:
        assert "dtype" in check(example(opcode, dtype=1))


@pytest.mark.parametrize("opcode", [len(Opcode), 200, 255])
def test_opcodes_that_do_not_exist(check, opcode):
    """Unknown opcodes are named as such."""
    assert check(header(opcode) + bytes(48)) == "opcode does not exist"


@pytest.mark.parametrize("opcode", list(Opcode))
def test_every_reserved_byte_is_checked(check, opcode):
    """Setting any reserved byte of any slot makes the command invalid."""
    command = example(opcode)
    reserved = {
        Opcode.NOP: range(16, 64),
        Opcode.COPY: range(40, 64),
        Opcode.FENCE_WAIT: range(36, 64),
        Opcode.FENCE_SIGNAL: range(36, 64),
        Opcode.TIMESTAMP: range(36, 64),
    }.get(opcode, range(0))
    slots = [*reserved]
    for n in range(OPERANDS.get(opcode, (0, 0))[0]):
        slots += range(64 * (n + 1) + 42, 64 * (n + 2))
    if opcode == Opcode.RANDOM:
        slots += range(64 * 2 + 24, 64 * 3)
    if opcode == Opcode.FUSED:
        # Of the first tail slot all that is not there, of the second all but an instruction.
        slots += [64 * 3 + 3, *(64 * 3 + at for at in range(5, 64) if at not in (8, 12))]
        slots += range(64 * 4 + 2, 64 * 5)
    for at in slots:
        changed = bytearray(command)
        changed[at] = 0x80
        assert check(bytes(changed)) is not None, f"byte {at} of {opcode.name}"


@pytest.mark.parametrize(
    "fields",
    [
        {"length_bytes": VA_END + 1},
        {"length_bytes": 2**64 - 1},
        {"src_va": VA_END - 63},
        {"dst_va": VA_END - 63},
        {"src_va": 2**64 - 64},
        {"src_va": VA_END + 1, "length_bytes": 0},
    ],
)
def test_copy_beyond_the_address_space(check, fields):
    """No sum of address and length overflows into validity."""
    assert check(copy(**fields)) == "copy reaches beyond the device virtual address space"


NOWHERE, DEVICE, HOST, PEER = (n << 40 for n in range(4))
WILD = 4 << 40


@pytest.mark.parametrize(
    ("src", "dst", "direction"),
    [
        (HOST, DEVICE, Direction.HOST_TO_DEVICE),
        (DEVICE, HOST, Direction.DEVICE_TO_HOST),
        (DEVICE, DEVICE, Direction.DEVICE_TO_DEVICE),
        (HOST, HOST, Direction.HOST_TO_HOST),
        (PEER, HOST, Direction.PEER),
        (DEVICE, PEER, Direction.PEER),
        (PEER, PEER, Direction.PEER),
        (NOWHERE, PEER, Direction.PEER),
        (NOWHERE, DEVICE, Direction.DEVICE_TO_DEVICE),
        (WILD, HOST, Direction.DEVICE_TO_HOST),
        (VA_END - 64, DEVICE, Direction.DEVICE_TO_DEVICE),
        (HOST, NOWHERE, Direction.NONE),
        (PEER, WILD, Direction.NONE),
        (HOST, VA_END - 64, Direction.NONE),
    ],
)
def test_the_direction_follows_from_the_addresses(check, src, dst, direction):
    """Their bits 47:40 say what is mapped there; of COPY and of tensor commands."""
    assert check(copy(src_va=src, dst_va=dst)) is None
    assert (check.summary.bytes, check.summary.direction) == (64, direction)
    operands = [operand(flags=1, va=PEER), operand(va=src), operand(va=dst)]
    assert check(tensor(Opcode.BINARY, operands)) is None
    assert check.summary.direction == direction


@pytest.mark.parametrize("opcode", sorted(OPERANDS))
@pytest.mark.parametrize("first", [0, 5, 6, 7, 2**32 - 2])
def test_commands_may_lie_in_a_ring(core, opcode, first):
    """A slot behind the last is the first of the ring, for every part of a command."""
    command, mask = example(opcode), 7
    count = len(command) // 64
    ring = bytearray(b"\xff" * (64 * (mask + 1)))
    for n in range(count):
        at = (first + n & mask) * 64
        ring[at : at + 64] = command[n * 64 : (n + 1) * 64]
    slots = core.new("uint8_t[]", bytes(ring))
    place = core.new("struct axl_cmd_place *", {"ring": slots, "mask": mask, "first": first})
    summary = core.new("struct axl_cmd_summary *")
    assert core.axl_cmd_check(place, count, summary) == 0
    last = (first + count - 1 & mask) * 64
    slots[last + 63] = 1
    if opcode != Opcode.RANDOM:
        assert core.axl_cmd_check(place, count, summary) == core.AXL_ERR_INVAL


@pytest.mark.parametrize("opcode", [Opcode.FENCE_WAIT, Opcode.FENCE_SIGNAL, Opcode.TIMESTAMP])
def test_fence_addresses(check, opcode):
    """8-byte aligned and inside the address space."""
    for va in (4, 0x1001, VA_END, 2**64 - 8):
        assert "fence address" in check(fence(opcode, va=va))
    assert check(fence(opcode, va=VA_END - 8)) is None
    assert check(fence(opcode, va=HOST)) is None
    writes = opcode != Opcode.FENCE_WAIT
    expected = (8, Direction.DEVICE_TO_HOST) if writes else (0, Direction.NONE)
    assert (check.summary.bytes, check.summary.direction) == expected


def test_fence_fields_of_other_fences(check):
    """timeout_us belongs to FENCE_WAIT, value not to TIMESTAMP."""
    assert check(fence(Opcode.FENCE_WAIT, timeout_us=5, value=2**64 - 1)) is None
    assert "timeout_us" in check(fence(Opcode.FENCE_SIGNAL, timeout_us=5))
    assert "value" in check(fence(Opcode.TIMESTAMP, value=1))


@pytest.mark.parametrize("opcode", sorted(OPERANDS))
def test_operands_are_checked_one_by_one(check, opcode):
    """Type, flags and address of every operand; only inputs may be immediate."""
    count, tail = OPERANDS[opcode][0], TAILS.get(opcode, b"")
    for n in range(count):
        good = [operand()] * count
        for wrong, text in (
            (operand(len(Dtype)), "dtype of an operand"),
            (operand(flags=2), "flags of an operand"),
            (operand(va=VA_END), "operand starts beyond"),
        ):
            assert text in check(tensor(opcode, [*good[:n], wrong, *good[n + 1 :]], tail=tail))
        immediate = [*good[:n], operand(flags=1, va=2**64 - 1), *good[n + 1 :]]
        problem = check(tensor(opcode, immediate, tail=tail))
        is_out = n == (0 if opcode in (Opcode.RANDOM, Opcode.FILL) else count - 1)
        assert problem == ("output operand is immediate" if is_out else None)


def test_matmul_may_add_c(check):
    """A fourth operand after out is an input, also as an immediate."""
    operands = [operand(va=HOST), operand(), operand(va=DEVICE), operand(flags=1)]
    assert check(tensor(Opcode.MATMUL, operands)) is None
    assert check.summary.direction == Direction.HOST_TO_DEVICE


def test_strided_copy_needs_equal_element_sizes(check):
    """Bytes move unchanged, so sizes agree; types may differ."""
    same = [operand(Dtype.F32), operand(Dtype.I32)]
    other = [operand(Dtype.F32), operand(Dtype.F16)]
    assert check(tensor(Opcode.COPY_STRIDED, same)) is None
    assert "differ in element size" in check(tensor(Opcode.COPY_STRIDED, other))


@pytest.mark.parametrize(
    ("opcode", "params", "text"),
    [
        (Opcode.REDUCE, 0x100, "mask of reduced dimensions"),
        (Opcode.REDUCE, 2**63, "mask of reduced dimensions"),
        (Opcode.GATHER, 8, "dimension is not below 8"),
        (Opcode.SCATTER, 2**64 - 1, "dimension is not below 8"),
    ],
)
def test_params_that_select_dimensions(check, opcode, params, text):
    """Dimensions are 0 to 7."""
    operands = [operand()] * OPERANDS[opcode][0]
    assert text in check(tensor(opcode, operands, params=(params, 0)))


@pytest.mark.parametrize(
    ("opcode", "shape", "params", "size"),
    [
        (Opcode.UNARY, (1, 1, 1, 1, 1, 2, 3, 4), 0, 24 * 4),
        (Opcode.UNARY, (1, 1, 1, 1, 0, 2, 3, 4), 0, 0),
        (Opcode.UNARY, (2**32 - 1,) * 8, 0, 2**64 - 1),
        (Opcode.UNARY, (1, 1, 1, 1, 1, 1, 2**31, 2**31), 0, 2**64 - 1),
        (Opcode.UNARY, (1, 1, 1, 1, 1, 1, 2**31, 2**30), 0, 2**63),
        (Opcode.REDUCE, (1, 1, 1, 1, 1, 2, 3, 4), 0b1000_0000, 6 * 4),
        (Opcode.REDUCE, (1, 1, 1, 1, 1, 2, 3, 4), 0xFF, 4),
        (Opcode.MATMUL, (1, 1, 1, 1, 5, 2, 3, 400), 0, 30 * 4),
    ],
)
def test_bytes_written_are_counted(check, opcode, shape, params, size):
    """Elements of the output times their size; too many saturate."""
    operands = [operand()] * OPERANDS[opcode][0]
    assert check(tensor(opcode, operands, shape=shape, params=(params, 0))) is None
    assert check.summary.bytes == size


ADD, WHERE = f.FUSED_BINARY | f.Binary.ADD, f.FUSED_TERNARY | f.Ternary.WHERE


def fused(code, stored, operands=3, **fields):
    """A FUSED command of so many operands."""
    tail = build.fused_slots(code, stored, **fields)
    return tensor(Opcode.FUSED, [operand()] * operands, tail=tail)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        (fused([(ADD, 0, 1)], [2]), None),
        (fused([(ADD, 0, 2)], [3], constants=[1]), None),
        (fused([(ADD, 0, 1)] * 16, [17]), None),
        (fused([(ADD, 0, 1)], [1, 0], 4, reduce=[1, 3], dims=[0x80, 0]), None),
        (fused([(WHERE, 0, 1, 2)], [3], 5), "stores a register that is no result"),
        (fused([(WHERE, 0, 1, 3)], [4], 5), None),
        (fused([], [2]), "instructions is not 1 to 16"),
        (fused([(ADD, 0, 1)], []), "outputs is not 1 to 4"),
        (fused([(ADD, 0, 1)], [2] * 4), "outputs is not 1 to 4"),
        (fused([(ADD, 0, 1)], [2], constants=[0] * 7), "constants is more than 6"),
        (fused([(ADD, 0, 2)], [2]), "a register that has no value yet"),
        (fused([(ADD, 0, 1), (ADD, 4, 0)], [2]), "a register that has no value yet"),
        (fused([(f.Unary.EXP, 0, 1)], [2]), "a register that its op does not take"),
        (fused([(len(f.Unary), 0)], [2]), "op of an instruction does not exist"),
        (fused([(f.FUSED_BINARY | len(f.Binary), 0)], [2]), "op of an instruction"),
        (fused([(f.FUSED_TERNARY | len(f.Ternary), 0)], [2]), "op of an instruction"),
        (fused([(f.FUSED_TERNARY | f.FUSED_BINARY, 0)], [2]), "op of an instruction"),
        (fused([(ADD, 0, 1)], [3]), "stores a register that is no result"),
        (fused([(ADD, 0, 1)], [1]), "stores a register that is no result"),
        (fused([(ADD, 0, 1)], [2], reduce=[1 + f.Reduce.ARGMAX]), "does not exist"),
        (fused([(ADD, 0, 1)], [2], reduce=[1 + len(f.Reduce)]), "does not exist"),
        (fused([(ADD, 0, 1)], [2], dims=[1]), "does not exist"),
    ],
)
def test_fused_commands_name_what_is_there(check, command, text):
    """Counts, ops, registers and reductions of the two slots after the operands."""
    problem = check(command)
    assert problem is None if text is None else text in problem


def test_every_output_of_a_fused_command_is_one(check):
    """The last operands are written; bytes are those of the first, without reduced dimensions."""
    tail = build.fused_slots([(ADD, 0, 1)], [2, 2], reduce=[1, 0], dims=[0b1100_0000, 0])
    places = [operand(va=HOST), operand(flags=1), operand(va=DEVICE), operand(va=DEVICE)]
    shape = (1, 1, 1, 1, 1, 2, 3, 4)
    assert check(tensor(Opcode.FUSED, places, tail=tail, shape=shape)) is None
    assert (check.summary.bytes, check.summary.direction) == (2 * 4, Direction.HOST_TO_DEVICE)
    for at in (2, 3):
        wrong = [*places[:at], operand(flags=1), *places[at + 1 :]]
        assert check(tensor(Opcode.FUSED, wrong, tail=tail)) == "output operand is immediate"


def test_dtype_sizes_are_those_of_the_contract(core):
    """One number per type, 0 beyond."""
    sizes = [core.axl_dtype_bytes(n) for n in range(len(Dtype) + 1)]
    assert sizes == [1, 1, 2, 4, 8, 2, 2, 4, 8, 1, 0]


@given(noise=st.binary(min_size=64, max_size=640), opcode=st.sampled_from(sorted(Opcode)))
def test_random_slots_are_judged_without_a_trap(core, noise, opcode):
    """Any bytes: a verdict, and a summary that stays within the slots given."""
    whole = bytes([opcode]) + noise[1 : len(noise) // 64 * 64]
    summary = core.new("struct axl_cmd_summary *")
    slots = core.new("uint8_t[]", whole)
    place = core.new("struct axl_cmd_place *", {"ring": slots, "mask": 2**32 - 1})
    if core.axl_cmd_check(place, len(whole) // 64, summary) == 0:
        assert 1 <= summary.header.slots <= len(whole) // 64


def test_commands_of_the_shared_builders_pass(check):
    """What the device's own tests send is what the core lets through."""
    memory = build.At(0x1000, Dtype.F32)
    number = build.Immediate(2.0, Dtype.F32)
    index = build.At(0x2000, Dtype.I64)
    kind = {"dtype": Dtype.F32}
    commands = [
        build.nop(5, context=3, flags=1),
        build.copy(0, 1 << 40, 1 << 30, flags=3),
        build.fence(Opcode.FENCE_WAIT, 64, 7, 1000),
        build.fence(Opcode.FENCE_SIGNAL, 64, 7),
        build.fence(Opcode.TIMESTAMP, 64),
        build.tensor(Opcode.COPY_STRIDED, (3, 4), [memory, memory]),
        build.tensor(Opcode.FILL, (3, 4), [memory], params=(1,)),
        build.tensor(Opcode.CAST, (3, 4), [memory, index], **kind),
        build.tensor(Opcode.BINARY, (3, 4), [memory, number, memory], **kind),
        build.tensor(Opcode.TERNARY, (3, 4), [memory, number, number, memory], op=5, **kind),
        build.tensor(Opcode.REDUCE, (3, 4), [memory, memory], params=(0xFF,), **kind),
        build.tensor(Opcode.MATMUL, (1, 1, 2, 3, 4), [memory, memory, memory, number], **kind),
        build.tensor(Opcode.GATHER, (3, 4), [memory, index, memory], params=(7, 9)),
        build.tensor(Opcode.SCATTER, (3, 4), [memory, index, memory], params=(6, 9), op=1),
        build.random(1, (3, 4), memory, (0.0, 1.0), (1, 2, 3), **kind),
    ]
    assert [check(command) for command in commands] == [None] * len(commands)

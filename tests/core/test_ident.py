# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Identity and control blocks of honest, broken and absent endpoints."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_CONTEXTS, MAX_PEERS, MAX_QUEUES

ALL_ONES = 2**32 - 1


def read(core, host):
    """(name of the result, struct axl_ident)."""
    ident = core.new("struct axl_ident *")
    core.ffi.memmove(ident, b"\xa5" * core.ffi.sizeof(ident[0]), core.ffi.sizeof(ident[0]))
    return core.error(core.axl_ident_read(host.os, ident)), ident


def is_zero(core, struct):
    """Whether all bytes are zero."""
    return not any(bytes(core.ffi.buffer(struct)))


def test_identity_is_decoded(core, host):
    """Each field lands where it belongs."""
    host.set(regs.IDENT_ENDPOINT, regs.IDENT_ENDPOINT.make(INDEX=1, COUNT=2))
    host.set(
        regs.IDENT_LIMITS,
        regs.IDENT_LIMITS.make(QUEUE_COUNT=8, RING_SIZE_LOG2=10, CONTEXT_COUNT=32),
    )
    error, ident = read(core, host)
    assert error == "ok"
    assert (ident.endpoint_index, ident.endpoint_count) == (1, 2)
    assert (ident.queue_count, ident.max_ring_log2, ident.context_count) == (8, 10, 32)
    assert (ident.board_serial, ident.memory_bytes) == (0x00A0C00000000001, 1 << 30)
    assert (ident.features, ident.peer_limit, ident.spec_version) == (0x3F, 64, 1)


def test_all_ones_is_gone(core, host):
    """An endpoint that left the bus is gone, not of a wrong version."""
    host.c.is_gone = 1
    error, ident = read(core, host)
    assert error == "gone"
    assert is_zero(core, ident)
    assert core.axl_is_gone(host.os)


@pytest.mark.parametrize("magic", [0, 0x41584C31, 0x314C5842, ALL_ONES - 1])
def test_foreign_magic_is_no_axl(core, host, magic):
    """Zero, swapped bytes and near misses are not our device."""
    host.set(regs.IDENT_MAGIC, magic)
    error, ident = read(core, host)
    assert error == "wrong_version"
    assert is_zero(core, ident)


@pytest.mark.parametrize("version", [0, 2, ALL_ONES])
def test_other_contract_versions_are_refused(core, host, version):
    """Only versions that the core knows are used."""
    host.set(regs.IDENT_SPEC_VERSION, version)
    assert read(core, host)[0] == "wrong_version"


@pytest.mark.parametrize(
    ("register", "value"),
    [
        (regs.IDENT_ENDPOINT, regs.IDENT_ENDPOINT.make(INDEX=2, COUNT=2)),
        (regs.IDENT_ENDPOINT, 0),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, QUEUE_COUNT=0)),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, QUEUE_COUNT=17)),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, CONTEXT_COUNT=0)),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, CONTEXT_COUNT=65)),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, RING_SIZE_LOG2=3)),
        (regs.IDENT_LIMITS, regs.IDENT_LIMITS.make(0x400E10, RING_SIZE_LOG2=15)),
        (regs.IDENT_PEER_LIMIT, 65),
        (regs.IDENT_MEMORY_BYTES, 0),
        (regs.IDENT_MEMORY_BYTES, 4097),
        (regs.IDENT_MEMORY_BYTES, 1 << 52),
        (regs.IDENT_MEMORY_BYTES, 2**64 - 1),
    ],
)
def test_impossible_limits_are_refused(core, host, register, value):
    """A limit that would index beyond a table is the device's fault, found at once."""
    host.set(register, value)
    error, ident = read(core, host)
    assert error == "device_nonsense"
    assert is_zero(core, ident)


@pytest.mark.parametrize("reads", range(1, 12))
def test_removal_while_reading_is_gone(core, host, reads):
    """Whichever read is the first to give all-ones, the result is never half an identity."""
    left = [reads]

    def hook(_offset, size, value):
        left[0] -= 1
        return value if left[0] > 0 else (1 << 8 * size) - 1

    host.on_read(hook)
    error, ident = read(core, host)
    assert error == "gone"
    assert is_zero(core, ident)


@given(words=st.lists(st.integers(0, ALL_ONES), min_size=10, max_size=10))
def test_garbage_never_passes_with_a_limit_out_of_range(core, words):
    """Whatever the block holds, what is accepted is within the core's tables."""
    host = core.host()
    for index, word in enumerate(words):
        host.bar0[8 + 4 * index : 12 + 4 * index] = word.to_bytes(4, "little")
    host.set(regs.IDENT_SPEC_VERSION, 1)
    error, ident = read(core, host)
    if error == "ok":
        assert 1 <= ident.queue_count <= MAX_QUEUES
        assert 1 <= ident.context_count <= MAX_CONTEXTS
        assert ident.peer_limit <= MAX_PEERS
    host.close()


def test_ready_is_waited_for(core, host):
    """READY that comes late is waited for; HALTED, gone and never are told apart."""
    late = regs.CTRL_STATUS.at()
    host.on_read(lambda at, _n, value: int(host.c.slept_us > 3000) if at == late else value)
    assert core.error(core.axl_ctrl_wait_ready(host.os, 10_000)) == "ok"
    host.on_read(lambda at, _n, value: 0 if at == late else value)
    assert core.error(core.axl_ctrl_wait_ready(host.os, 10_000)) == "timeout"
    host.on_read(lambda at, _n, value: 3 if at == late else value)
    assert core.error(core.axl_ctrl_wait_ready(host.os, 10_000)) == "device_nonsense"
    host.on_read(lambda _at, _n, _value: ALL_ONES)
    assert core.error(core.axl_ctrl_wait_ready(host.os, 10_000)) == "gone"


def test_enable_is_read_back(core, host):
    """The device must show what was written to CONTROL."""
    assert core.error(core.axl_ctrl_set_enabled(host.os, True)) == "ok"
    assert host.get(regs.CTRL_CONTROL) == 1
    assert core.error(core.axl_ctrl_set_enabled(host.os, False)) == "ok"
    assert host.get(regs.CTRL_CONTROL) == 0
    host.on_read(lambda at, _n, value: 0 if at == regs.CTRL_CONTROL.at() else value)
    assert core.error(core.axl_ctrl_set_enabled(host.os, True)) == "device_nonsense"
    host.c.is_gone = 1
    host.on_read(lambda _at, _n, value: value)
    assert core.error(core.axl_ctrl_set_enabled(host.os, True)) == "gone"


def test_generation_and_event_vector(core, host):
    """The generation is read; a vector that does not exist is refused."""
    host.set(regs.CTRL_GENERATION, 7)
    out = core.new("uint32_t *")
    assert core.error(core.axl_ctrl_generation(host.os, out)) == "ok"
    assert out[0] == 7
    assert core.error(core.axl_ctrl_set_event_vector(host.os, 16)) == "ok"
    assert host.get(regs.CTRL_EVENT_VECTOR) == 16
    assert core.error(core.axl_ctrl_set_event_vector(host.os, 17)) == "invalid_argument"
    host.set(regs.CTRL_GENERATION, ALL_ONES)
    assert core.error(core.axl_ctrl_generation(host.os, out)) == "ok"  # 2^32 - 1 resets
    host.c.is_gone = 1
    assert core.error(core.axl_ctrl_generation(host.os, out)) == "gone"


def test_error_names_are_distinct(core):
    """Every code has its own name; others are unknown."""
    names = [core.error(-code) for code in range(15)]
    assert len(set(names)) == 15
    assert names[14] == core.error(1) == "unknown"

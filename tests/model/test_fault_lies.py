# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Faults of a device that lies: what exactly is not true, and nothing else."""

from __future__ import annotations

import pytest

from diag.model.testing import step
from pyaccel.spec import regs
from pyaccel.spec.formats import COMPLETION_BYTES, MAGIC, Completion, CompletionFlag, Status
from tests.build.commands import nop
from tests.build.host import Bench


def submit(bench: Bench, count: int) -> list[Completion]:
    """Run nops 1..count and give the completions that came."""
    for sequence in range(1, count + 1):
        bench.queue.put(nop(sequence))
    bench.queue.ring()
    step(bench.endpoint, 3_000_000)
    return drain(bench)


def drain(bench: Bench) -> list[Completion]:
    """Completions that the host has not looked at."""
    found = []
    while (completion := bench.queue.poll()) is not None:
        found.append(completion)
    return found


def test_wrong_sequence_names_another_command(bench: Bench) -> None:
    """Only the sequence number differs."""
    bench.endpoint.faults.inject("wrong_sequence", delta=-1, after=2, count=2)
    assert [c.sequence for c in submit(bench, 5)] == [1, 2, 2, 3, 5]


@pytest.mark.parametrize(
    ("field", "changed"),
    [
        ("status", {"status": 0xFFFF}),
        ("queue", {"queue": 0xFF}),
        ("flags", {"flags": 0x7F}),
        ("times", {"fetch_ticks": 2**64 - 1, "start_delta": 2**32 - 1, "finish_delta": 0}),
    ],
)
def test_corrupt_completion_spoils_one_field(
    bench: Bench, field: str, changed: dict[str, int]
) -> None:
    """The others are right, and so are the neighbours."""
    bench.endpoint.faults.inject("corrupt_completion", field=field, after=1)
    before, spoilt, behind = submit(bench, 3)
    assert {name: getattr(spoilt, name) for name in changed} == changed
    assert [c.sequence for c in (before, spoilt, behind)] == [1, 2, 3]
    kept = {"status", "queue", "flags", "result"} - set(changed)
    assert all(getattr(spoilt, name) == getattr(before, name) for name in kept)
    assert before.status == behind.status == Status.OK


def test_corrupt_completion_of_random_bits_is_looked_at(bench: Bench) -> None:
    """Its phase is right in every lap of the ring; equal seeds give equal bits."""
    bench.endpoint.faults.inject("corrupt_completion", field="all", count=0, seed=3)
    first = [submit(bench, 5) for _ in range(20)]
    assert [len(found) for found in first] == [5] * 20
    other = Bench()
    other.endpoint.faults.inject("corrupt_completion", field="all", count=0, seed=3)
    assert [c.sequence for c in submit(other, 5)] == [c.sequence for c in first[0]]
    other.close()


def test_a_flipped_phase_hides_a_completion(bench: Bench) -> None:
    """The host sees nothing from there on, although all are in the ring."""
    bench.endpoint.faults.inject("phase_flip", after=2)
    assert [c.sequence for c in submit(bench, 5)] == [1, 2]
    ring = bench.host.at(bench.queue.cq_base, 5 * COMPLETION_BYTES)
    hidden = Completion.unpack_from(ring[2 * COMPLETION_BYTES :])
    assert (hidden.sequence, hidden.flags & CompletionFlag.PHASE) == (3, 0)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 0) == 5


def test_endless_completions_end_with_the_fault(bench: Bench) -> None:
    """The same one again and again, with an interrupt for each burst; then the truth."""
    number = bench.endpoint.faults.inject("endless_completions", burst=3, period_us=100, after=1)
    seen = [c.sequence for c in submit(bench, 2)]
    for _ in range(3):
        step(bench.endpoint)
        seen += [c.sequence for c in drain(bench)]
    assert seen[:2] == [1, 2]
    assert set(seen[2:]) == {2}
    assert len(seen) >= 2 + 3 * 3
    assert len(bench.host.interrupts) >= 3
    bench.endpoint.faults.clear(number)
    drain(bench)
    step(bench.endpoint, 2_000_000)
    assert drain(bench) == []


def test_endless_completions_overrun_what_the_host_has_not_read(bench: Bench) -> None:
    """The host's head does not stop them; a queue reset does."""
    bench.endpoint.faults.inject("endless_completions", burst=65536, period_us=100)
    bench.queue.put(nop(1))
    bench.queue.ring()
    step(bench.endpoint, 2_000_000)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 0) > 65536
    bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
    step(bench.endpoint, 2_000_000)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 0) == 0


def test_a_stuck_queue_ignores_its_reset(bench: Bench) -> None:
    """State and work stay; resets of other queues and the next one of this are done."""
    bench.endpoint.faults.inject("stuck_queue", queue=0)
    other = bench.driver.queue(1)
    assert len(submit(bench, 2)) == 2
    bench.driver.write(regs.CTRL_QUEUE_RESET, 3)
    state = [
        regs.QUEUE_STATUS.get(bench.driver.read(regs.QUEUE_STATUS, n), "STATE") for n in (0, 1)
    ]
    assert state == [regs.QueueState.READY, regs.QueueState.DISABLED]
    assert other.number == 1
    bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
    assert bench.driver.read(regs.QUEUE_STATUS, 0) == 0


def test_wild_ring_heads_are_read_everywhere(bench: Bench) -> None:
    """Both pointers of every queue; commands are executed as ever."""
    number = bench.endpoint.faults.inject("wild_ring_head", value=0xFFFF_FFFF)
    assert len(submit(bench, 2)) == 2
    for index in (0, 15):
        assert bench.driver.read(regs.QUEUE_SQ_HEAD, index) == 0xFFFF_FFFF
        assert bench.driver.read(regs.QUEUE_CQ_TAIL, index) == 0xFFFF_FFFF
    bench.endpoint.faults.clear(number)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 0) == 2


def test_huge_telemetry_reads_all_that_fits(bench: Bench) -> None:
    """Every register of the block, called valid; the heartbeat goes on."""
    number = bench.endpoint.faults.inject("huge_telemetry")
    read = bench.driver.read
    assert read(regs.TELEMETRY_TEMPERATURE) == 0x7FFF_FFFF
    assert read(regs.TELEMETRY_POWER) == read(regs.TELEMETRY_VALID) == 2**32 - 1
    assert read(regs.TELEMETRY_BYTES_PEER) == read(regs.TELEMETRY_PROGRESS) == 2**64 - 1
    bench.endpoint.clock._start_ns -= 10_000_000_000
    assert 100 <= read(regs.TELEMETRY_HEARTBEAT) < 2**32 - 1
    bench.endpoint.faults.clear(number)
    assert read(regs.TELEMETRY_POWER) < 200_000


@pytest.mark.parametrize(
    ("what", "register"),
    [
        ("magic", regs.IDENT_MAGIC),
        ("version", regs.IDENT_SPEC_VERSION),
        ("limits", regs.IDENT_LIMITS),
        ("memory", regs.IDENT_MEMORY_BYTES),
        ("endpoint", regs.IDENT_ENDPOINT),
        ("serial", regs.IDENT_BOARD_SERIAL),
    ],
)
def test_an_absurd_identity_is_one_register(
    bench: Bench, what: str, register: regs.Register
) -> None:
    """The rest of the block is as it was, and all of it once the fault is cleared."""
    block = [r for r in regs.REGISTERS if r.name.startswith("IDENT.")]
    before = {r.name: bench.driver.read(r) for r in block}
    number = bench.endpoint.faults.inject("absurd_identity", what=what)
    during = {r.name: bench.driver.read(r) for r in block}
    assert {name for name in before if before[name] != during[name]} == {register.name}
    bench.endpoint.faults.clear(number)
    assert {r.name: bench.driver.read(r) for r in block} == before
    assert bench.driver.read(regs.IDENT_MAGIC) == MAGIC

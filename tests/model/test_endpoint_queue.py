# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queues: rings, doorbells, completions, interrupts, and entries that cannot be right."""

from __future__ import annotations

import pytest

from diag.model.testing import HOST_BASE, Driver, FakeHost, step
from pyaccel.spec import regs
from pyaccel.spec.formats import MAX_COMMAND_SLOTS, CmdHeader, Dtype, Opcode, Status
from pyaccel.spec.regs import ErrorCode, QueueState
from tests.build.commands import copy, f64, fence, nop, tensor
from tests.build.host import DEVICE_VA, HOST_VA, Bench

M32 = 0xFFFFFFFF


def state(bench: Bench, number: int = 0) -> QueueState:
    """QUEUE.STATUS.STATE."""
    status = bench.driver.read(regs.QUEUE_STATUS, number)
    return QueueState(regs.QUEUE_STATUS.get(status, "STATE"))


def error_code(bench: Bench) -> ErrorCode:
    """ERROR.STATUS.CODE."""
    status = bench.driver.read(regs.ERROR_STATUS)
    return ErrorCode(regs.ERROR_STATUS.get(status, "CODE"))


def test_nop_completes_with_its_sequence_and_ordered_times(bench: Bench) -> None:
    """A completion carries sequence, queue, status and three times in order."""
    completion = bench.queue.run(nop(77))
    assert (completion.sequence, completion.queue, completion.status) == (77, 0, Status.OK)
    assert 0 <= completion.start_delta <= completion.finish_delta
    assert completion.fetch_ticks <= bench.endpoint.clock.ticks()


@pytest.mark.parametrize("shadow", [False, True])
def test_both_doorbells_start_the_queue(bench: Bench, shadow: bool) -> None:
    """A BAR0 write and a store to the shadow page followed by the eventfd do the same."""
    bench.queue.put(nop(1))
    (bench.queue.ring_shadow if shadow else bench.queue.ring)()
    assert bench.queue.wait().sequence == 1


def test_rings_wrap_many_times_with_multi_slot_commands(bench: Bench) -> None:
    """Commands of 1 and of 4 slots wrap over rings of 16 entries; order and phase hold."""
    queue = bench.driver.queue(1, sq_log2=4, cq_log2=4)
    va = bench.alloc(64)
    at = bench.out((4,), Dtype.F32)
    for sequence in range(200):
        if sequence % 3:
            command = nop(sequence)
        else:
            command = tensor(
                Opcode.BINARY, (4,), [at] * 3, params=[f64(1)], dtype=Dtype.F32, sequence=sequence
            )
        completion = queue.run(command)
        assert (completion.sequence, completion.status) == (sequence, Status.OK)
    assert va
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 1) == 200


def test_rings_may_span_host_mappings() -> None:
    """Rings of 16 KiB and 8 KiB over mappings of one page, over the wrap and after a change."""
    bench = Bench(split=4096)
    queue = bench.driver.queue(1, sq_log2=8, cq_log2=8)
    at = bench.out((4,), Dtype.F32)
    for sequence in range(600):
        if sequence % 100 == 50:
            bench.endpoint.dma_changed()
        command = nop(sequence)
        if sequence % 3 == 0:
            command = tensor(
                Opcode.BINARY, (4,), [at] * 3, params=[f64(1)], dtype=Dtype.F32, sequence=sequence
            )
        queue.put(command)
        if sequence % 7 == 6 or sequence == 599:
            queue.ring()
            for expected in range(sequence - sequence % 7, sequence + 1):
                completion = queue.wait()
                assert (completion.sequence, completion.status) == (expected, Status.OK)


def test_ring_that_misses_a_mapping_is_refused() -> None:
    """A ring whose last page is not mapped: RING_INVALID and DISABLED, no half of a queue."""
    bench = Bench(split=4096)
    end = HOST_BASE + len(bench.host.memory)
    bench.driver.write(regs.QUEUE_SQ_BASE, end - 2 * 4096, 3)
    bench.driver.write(regs.QUEUE_CQ_BASE, HOST_BASE, 3)
    bench.driver.write(regs.QUEUE_SIZE, 8 | 8 << 8, 3)
    bench.driver.write(regs.QUEUE_CONTROL, 1, 3)
    assert state(bench, 3) is QueueState.DISABLED
    assert error_code(bench) is ErrorCode.RING_INVALID


def test_indices_run_through_32_bits(bench: Bench) -> None:
    """Free-running indices wrap from 0xffffffff to 0."""
    queue, device = bench.queue, bench.endpoint.engine.queues[0]
    start = (1 << 32) - 64
    for end in (queue, device):
        end.head = start
    queue.tail = device.cq_tail = device.cq_head = start
    bench.endpoint.engine.doorbells[0] = bench.endpoint.engine.doorbells[1] = start
    for sequence in range(130):
        assert queue.run(nop(sequence)).sequence == sequence
    assert bench.driver.read(regs.QUEUE_SQ_HEAD, 0) == 66


def test_full_completion_ring_stops_the_queue_until_it_is_read(bench: Bench) -> None:
    """No completion is overwritten; the queue goes on by itself when there is room."""
    queue = bench.driver.queue(2, sq_log2=6, cq_log2=4)
    for sequence in range(40):
        queue.put(nop(sequence))
    queue.ring()
    step(bench.endpoint)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 2) == 16
    assert [queue.wait().sequence for _ in range(40)] == list(range(40))


def test_room_made_through_shadow_memory_alone_is_noticed(bench: Bench) -> None:
    """A head stored without a signal is found by the timer."""
    queue = bench.driver.queue(2, sq_log2=6, cq_log2=4)
    for sequence in range(17):
        queue.put(nop(sequence))
    queue.ring()
    bench.endpoint.engine.doorbells[2 * 1024 + 1] = 3
    step(bench.endpoint, 5_000_000)
    assert bench.driver.read(regs.QUEUE_CQ_TAIL, 2) == 17


@pytest.mark.parametrize("tail", [65, 1000, M32, 1 << 31])
def test_wild_submission_tail_halts_the_queue(bench: Bench, tail: int) -> None:
    """A tail more than a ring ahead, or behind, is RING_INVALID and stops the queue."""
    bench.driver.write(regs.DOORBELL_SQ_TAIL, tail, 0)
    assert state(bench) is QueueState.HALTED
    assert error_code(bench) is ErrorCode.RING_INVALID
    assert bench.driver.queue(1).run(nop(1)).status == Status.OK


def test_wild_completion_head_halts_the_queue(bench: Bench) -> None:
    """A head beyond what was written is RING_INVALID."""
    queue = bench.driver.queue(2, sq_log2=6, cq_log2=4)
    for sequence in range(17):
        queue.put(nop(sequence))
    bench.driver.write(regs.DOORBELL_CQ_HEAD, 999, 2)
    queue.ring()
    assert state(bench, 2) is QueueState.HALTED


@pytest.mark.parametrize("slots", [0, MAX_COMMAND_SLOTS + 1, 255])
def test_impossible_slot_count_completes_and_halts(bench: Bench, slots: int) -> None:
    """Where the next command starts is unknown: INVALID_FIELD, then HALTED."""
    completion = bench.queue.run(nop(5, slots=slots))
    assert (completion.sequence, completion.status) == (5, Status.INVALID_FIELD)
    assert state(bench) is QueueState.HALTED


def test_command_longer_than_what_was_published_halts(bench: Bench) -> None:
    """A header that claims slots beyond the tail is refused, not waited for."""
    assert bench.queue.run(nop(5, slots=3)).status == Status.INVALID_FIELD
    assert state(bench) is QueueState.HALTED


def test_halted_queue_works_again_after_a_queue_reset(bench: Bench) -> None:
    """QUEUE_RESET leaves DISABLED with indices at 0; the queue can be set up anew."""
    bench.queue.run(nop(5, slots=0))
    bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
    assert state(bench) is QueueState.DISABLED
    assert bench.driver.read(regs.QUEUE_SQ_HEAD, 0) == 0
    assert bench.driver.queue(0).run(nop(6)).status == Status.OK


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ({"reserved": 1}, Status.INVALID_FIELD),
        ({"flags": 2}, Status.INVALID_FIELD),
        ({"flags": 0x80}, Status.INVALID_FIELD),
        ({"op": 1}, Status.INVALID_FIELD),
        ({"dtype": 1}, Status.INVALID_FIELD),
        ({"opcode": len(Opcode)}, Status.INVALID_OPCODE),
        ({"opcode": 255}, Status.INVALID_OPCODE),
        ({"context": 64}, Status.INVALID_CONTEXT),
    ],
)
def test_bad_header_fails_its_command_only(
    bench: Bench, header: dict[str, int], status: Status
) -> None:
    """Each bad field has its status; the queue goes on and the error block says which."""
    command = CmdHeader(**({"slots": 1, "sequence": 9} | header)).pack().ljust(64, b"\0")
    assert bench.queue.run(command).status == status
    assert error_code(bench) is ErrorCode.COMMAND_INVALID
    assert bench.driver.read(regs.ERROR_SEQUENCE) == 9
    assert bench.queue.run(nop(10)).status == Status.OK


def test_reserved_bytes_of_a_copy_are_refused(bench: Bench) -> None:
    """A non-zero reserved word is INVALID_FIELD."""
    command = bytearray(copy(HOST_VA, DEVICE_VA, 8))
    command[63] = 1
    assert bench.run(bytes(command)).status == Status.INVALID_FIELD


def test_disabled_context_is_refused(bench: Bench) -> None:
    """A command that names addresses needs an enabled context."""
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8, context=5)).status == Status.INVALID_CONTEXT


@pytest.mark.parametrize(
    ("register", "value"),
    [
        (regs.QUEUE_SIZE, 3 | 6 << 8),
        (regs.QUEUE_SIZE, 6 | 15 << 8),
        (regs.QUEUE_SIZE, 255 | 6 << 8),
        (regs.QUEUE_SQ_BASE, 0x1_0000_0040),
        (regs.QUEUE_SQ_BASE, 0xDEAD_0000_0000),
        (regs.QUEUE_CQ_BASE, 0),
    ],
)
def test_impossible_rings_are_refused(bench: Bench, register: object, value: int) -> None:
    """Sizes, alignment and memory are checked: RING_INVALID and still DISABLED."""
    driver = bench.driver
    driver.queue(3)
    driver.write(regs.CTRL_QUEUE_RESET, 1 << 3)
    base = bench.host.alloc(1 << 16)
    driver.write(regs.QUEUE_SQ_BASE, base, 3)
    driver.write(regs.QUEUE_CQ_BASE, base, 3)
    driver.write(regs.QUEUE_SIZE, 6 | 6 << 8, 3)
    driver.write(register, value, 3)  # type: ignore[arg-type]
    driver.write(regs.QUEUE_CONTROL, 1, 3)
    assert state(bench, 3) is QueueState.DISABLED
    assert error_code(bench) is ErrorCode.RING_INVALID


def test_rings_cannot_be_moved_while_the_queue_runs(bench: Bench) -> None:
    """Writes to the ring registers of a READY queue are ignored."""
    before = bench.driver.read(regs.QUEUE_SQ_BASE, 0)
    bench.driver.write(regs.QUEUE_SQ_BASE, 0x5000, 0)
    bench.driver.write(regs.QUEUE_SIZE, 0, 0)
    assert bench.driver.read(regs.QUEUE_SQ_BASE, 0) == before
    assert bench.queue.run(nop(1)).status == Status.OK


def test_ring_whose_memory_went_away_halts_the_queue(bench: Bench) -> None:
    """After a mapping is removed the next fetch fails, and nothing else does."""
    host = bench.host
    bench.endpoint.dma_changed()
    host.writable = False
    bench.queue.put(nop(1))
    bench.queue.ring()
    assert state(bench) is QueueState.HALTED


def test_interrupt_only_for_commands_that_ask(bench: Bench) -> None:
    """INTERRUPT raises the queue's vector once, at once by default."""
    bench.queue.run(nop(1))
    assert bench.host.interrupts == []
    bench.queue.run(nop(2, flags=1))
    assert bench.host.interrupts == [1]
    assert bench.driver.read(regs.QUEUE_INTERRUPTS, 0) == 1


def test_coalescing_by_count_and_at_the_end_of_the_batch(bench: Bench) -> None:
    """COUNT 4 without a time: one interrupt per four, and one for the rest of the batch."""
    bench.driver.write(regs.QUEUE_COALESCE, 4, 0)
    for sequence in range(10):
        bench.queue.put(nop(sequence, flags=1))
    bench.queue.ring()
    assert bench.host.interrupts == [1, 1, 1]


def test_coalescing_by_time_raises_after_it(bench: Bench) -> None:
    """COUNT 100 and 2 ms: nothing at first, one interrupt later."""
    bench.driver.write(regs.QUEUE_COALESCE, 100 | 2000 << 16, 0)
    for sequence in range(3):
        bench.queue.put(nop(sequence, flags=1))
    bench.queue.ring()
    assert bench.host.interrupts == []
    step(bench.endpoint, 4_000_000)
    assert bench.host.interrupts == [1]


def test_queue_waiting_for_a_fence_lets_others_run(bench: Bench) -> None:
    """FENCE_WAIT holds its own queue; a signal from another queue releases it."""
    other = bench.driver.queue(1)
    va = bench.alloc(8)
    bench.queue.put(fence(Opcode.FENCE_WAIT, va, 5, sequence=1))
    bench.queue.put(nop(2))
    bench.queue.ring()
    status = bench.driver.read(regs.QUEUE_STATUS, 0)
    assert regs.QUEUE_STATUS.get(status, "WAITING") == 1
    assert other.run(nop(1)).status == Status.OK
    assert bench.queue.poll() is None
    assert other.run(fence(Opcode.FENCE_SIGNAL, va, 7)).status == Status.OK
    assert [bench.queue.wait().sequence for _ in range(2)] == [1, 2]
    assert bytes(bench.bytes(va, 8)) == (7).to_bytes(8, "little")


def test_fence_signalled_by_the_host_is_noticed(bench: Bench) -> None:
    """A plain store to host memory releases the queue."""
    va = bench.alloc(8, device=False)
    bench.queue.put(fence(Opcode.FENCE_WAIT, va, 1, sequence=1))
    bench.queue.ring()
    bench.bytes(va, 8)[0] = 1
    assert bench.queue.wait().status == Status.OK


def test_fence_wait_times_out(bench: Bench) -> None:
    """FENCE_TIMEOUT after timeout_us, and the queue goes on."""
    va = bench.alloc(8)
    assert bench.run(fence(Opcode.FENCE_WAIT, va, 1, 1000)).status == Status.FENCE_TIMEOUT
    assert bench.run(nop()).status == Status.OK
    assert error_code(bench) is ErrorCode.NONE


def test_fence_whose_page_is_unmapped_faults(bench: Bench) -> None:
    """A wait does not outlive its mapping."""
    va = bench.alloc(8)
    bench.queue.put(fence(Opcode.FENCE_WAIT, va, 1, sequence=3))
    bench.queue.ring()
    bench.table.unmap(va & -4096, 4096)
    bench.driver.write(regs.CONTEXT_CONTROL, 3, 0)
    assert bench.queue.wait().status == Status.PAGE_FAULT


def test_signal_never_lowers_the_word(bench: Bench) -> None:
    """max(old, value), as unsigned numbers."""
    va = bench.alloc(8)
    for value in (1 << 63, 5):
        bench.run(fence(Opcode.FENCE_SIGNAL, va, value))
    assert int.from_bytes(bench.bytes(va, 8), "little") == 1 << 63


def test_timestamp_writes_the_device_clock(bench: Bench) -> None:
    """Between the clock before and after."""
    va = bench.alloc(8)
    before = bench.endpoint.clock.ticks()
    assert bench.run(fence(Opcode.TIMESTAMP, va)).status == Status.OK
    ticks = int.from_bytes(bench.bytes(va, 8), "little")
    assert before <= ticks <= bench.endpoint.clock.ticks()


@pytest.mark.parametrize("va", [DEVICE_VA + 4, DEVICE_VA + 1])
def test_misaligned_fence_word_is_refused(bench: Bench, va: int) -> None:
    """INVALID_FIELD."""
    assert bench.run(fence(Opcode.FENCE_WAIT, va, 0)).status == Status.INVALID_FIELD


def test_nothing_is_fetched_before_the_device_is_enabled(bench: Bench) -> None:
    """CTRL.CONTROL.ENABLE gates fetching; work that waited is then done."""
    bench.driver.write(regs.CTRL_CONTROL, 0)
    bench.queue.put(nop(1))
    bench.queue.ring()
    assert bench.queue.poll() is None
    bench.driver.write(regs.CTRL_CONTROL, 1)
    assert bench.queue.wait().sequence == 1


def test_unexpected_exception_is_contained(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """INTERNAL, error block FIRMWARE, counted and logged; the next command is fine."""

    def broken(*_: object) -> int:
        raise ZeroDivisionError("broken on purpose")

    bench.endpoint.engine.handlers[Opcode.NOP] = broken
    assert bench.queue.run(nop(1)).status == Status.INTERNAL
    assert error_code(bench) is ErrorCode.FIRMWARE
    assert bench.endpoint.engine.internal_errors == 1
    assert "broken on purpose" in caplog.text
    assert bench.run(copy(HOST_VA, DEVICE_VA, 8)).status == Status.OK


def test_every_byte_of_a_hostile_ring_is_survived() -> None:
    """Random slots end in completions or a halted queue, never in an exception."""
    import random  # noqa: PLC0415 - only here

    noise = random.Random(3)
    bench = Bench()
    for round_ in range(300):
        slot = bytearray(noise.randbytes(64))
        slot[0] %= 18
        slot[2] = 1 + round_ % 5
        slot[4:6] = bytes(2)
        slot[7] = 0
        if round_ % 2:
            slot[1] = 0
            slot[6] %= 10
            slot[16:48] = (1).to_bytes(4, "little") * 8
        bench.queue.put(bytes(slot))
        for _ in range(round_ % 5):
            bench.queue.put(noise.randbytes(64))
        bench.queue.ring()
        step(bench.endpoint, 0)
        while bench.queue.poll():
            pass
        if state(bench) is not QueueState.READY or bench.endpoint.engine.queues[0].hold:
            bench.driver.write(regs.CTRL_QUEUE_RESET, 1)
            bench.host._next -= 4096 * 2
            bench.queue = bench.driver.queue(0)
    assert bench.endpoint.engine.internal_errors == 0
    bench.close()


def test_host_and_driver_are_public_test_aids() -> None:
    """diag.model.testing can be used without this test suite's bench."""
    assert FakeHost.__doc__
    assert Driver.__doc__

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queues on a real rack: batches, fences, failures, threads."""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import threading

import numpy as np
import pytest

import pyaccel
from pyaccel.spec.formats import Status
from tests.build.waiting import until


class Wild:
    """Memory that no context maps."""

    def __init__(self, va: int = 0x7000_0000_0000) -> None:
        self.va = va
        self.nbytes = 16
        self.tensor = pyaccel.Tensor(self, (4,))


def test_a_batch_is_one_doorbell(device, queue) -> None:
    """Commands of one submit are numbered consecutively and ring once."""
    with queue.batch() as batch:
        for _ in range(10):
            batch.nop()
    batch.fence.wait()
    stats = queue.stats()

    assert batch.fence.sequence - batch.fence.first == 9
    assert (stats.submitted, stats.completed, stats.doorbells) == (10, 10, 1)


def test_calls_on_the_queue_join_the_open_batch(queue) -> None:
    """Inside `with queue.batch()` the queue's own methods append to it; afterwards not."""
    with queue.batch() as outer:
        queue.nop()
        with queue.batch() as inner:
            queue.nop()
        queue.nop()
        assert (len(outer), len(inner)) == (2, 0)
    queue.nop()

    assert outer.fence.sequence - outer.fence.first == 1
    queue.submit().wait()


def test_an_exception_discards_the_batch(queue) -> None:
    """Nothing of a half-made batch reaches the device."""
    with pytest.raises(KeyError), queue.batch():
        raise KeyError(queue.nop())

    assert queue.stats().submitted == 0
    assert len(queue.batch()) == 0


def test_submitting_nothing_gives_a_fence_for_all_before(device, queue) -> None:
    """An empty submit waits for earlier work, or for nothing."""
    queue.submit().wait()
    queue.nop()
    fence = queue.submit()
    queue.submit().wait()

    assert fence.done


def test_results_tell_status_and_times(device, queue) -> None:
    """Each command's result has its opcode and times in order."""
    x = device.empty((64, 64))
    queue.fill(x, 1.0)
    queue.matmul(x, x, device.empty((64, 64)))
    fence = queue.submit()
    fill, product = fence.result(0), fence.result(-1)

    assert (fill.opcode, product.opcode) == ("fill", "matmul")
    assert product.status is Status.OK
    assert product.submit_ns <= product.fetch_ns <= product.start_ns <= product.finish_ns
    assert product.duration_ns > 0
    with pytest.raises(IndexError):
        fence.result(2)


def test_old_results_are_forgotten(device) -> None:
    """A queue remembers as many results as its ring has slots, and says so."""
    with device.queue(slots_log2=4) as queue:
        queue.nop()
        first = queue.submit()
        for _ in range(40):
            queue.nop()
            queue.submit().wait()
        with pytest.raises(LookupError, match="does not remember"):
            first.result()


def test_a_page_fault_names_the_command_and_faults_the_context(device, queue) -> None:
    """CommandError has endpoint, queue, sequence, opcode and status; recover() ends it."""
    x = device.empty((4,))
    queue.nop()
    queue.copy(x, Wild().tensor)
    queue.nop()
    fence = queue.submit()
    with pytest.raises(pyaccel.CommandError) as caught:
        fence.wait()
    error = caught.value

    assert (error.endpoint, error.queue, error.sequence) == (device.id, queue.index, 2)
    assert (error.opcode, error.status) == ("copy", "page_fault")
    assert device.context.is_faulted
    with pytest.raises(pyaccel.CommandError):
        fence.wait()
    queue.nop()
    with pytest.raises(pyaccel.ContextFaultedError):
        queue.submit().wait()
    device.context.recover()
    queue.nop()
    queue.submit().wait()


def test_a_failure_reaches_whoever_waits_later(device, queue) -> None:
    """A failed batch nobody waited for is raised once by a later fence, then by its own."""
    queue.copy(device.empty((4,)), Wild().tensor)
    failed = queue.submit()
    while not failed.done:
        pass
    device.context.recover()
    queue.nop()
    later = queue.submit()
    with pytest.raises(pyaccel.CommandError) as caught:
        later.wait()
    assert caught.value.sequence == failed.sequence
    later.wait()


def test_every_failed_batch_learns_of_its_own_failure(device, queue) -> None:
    """With several failures in flight each fence raises the first of its own commands."""
    table, out = device.empty((3,)), device.empty((1,))
    index = device.from_numpy(np.array([9], np.int32))
    fences = []
    for _ in range(3):
        queue.nop()
        queue.gather(table, index, out, 0)
        fences.append(queue.submit())
    for fence in reversed(fences):
        with pytest.raises(pyaccel.CommandError) as caught:
            fence.wait()
        assert caught.value.sequence == fence.sequence
        assert (caught.value.status, caught.value.result) == ("index_out_of_range", 9)


def test_another_context_is_not_touched_by_a_fault(device, queue) -> None:
    """A fault stops its own context; another context's queue works on."""
    other = device.create_context()
    with other.queue() as second:
        queue.copy(device.empty((4,)), Wild().tensor)
        with pytest.raises(pyaccel.CommandError):
            queue.submit().wait()
        second.fill(other.empty((4,)), 1.0)
        second.submit().wait()
        assert not other.is_faulted


def test_memory_of_another_context_cannot_be_reached(device, queue) -> None:
    """A tensor of one context used in a queue of another faults; nothing is read."""
    other = device.create_context()
    foreign = other.buffer(1 << 21)
    far = other.buffer(4096)
    del foreign
    out = device.empty((4,))
    queue.copy(out, far.tensor((4,)))

    with pytest.raises(pyaccel.CommandError, match="page_fault"):
        queue.submit().wait()


def test_a_lost_completion_is_reported_by_name(faulty, device, queue) -> None:
    """CommandLostError names the command whose completion never came."""
    faulty.inject("lost_completion", 0, after=2)
    for _ in range(5):
        queue.nop()
    fence = queue.submit()
    with pytest.raises(pyaccel.CommandLostError) as caught:
        fence.wait(10)

    assert caught.value.sequence == fence.first + 2
    assert (caught.value.endpoint, caught.value.queue) == (device.id, queue.index)
    assert queue.stats().lost == 1


@pytest.mark.rack_only("the kernel driver finds that and resets the queue by itself")
def test_a_lost_last_completion_is_found_by_a_probe(impatient, faulty, device, queue) -> None:
    """Nothing follows the lost completion; a wait without limit still names the command."""
    faulty.inject("lost_completion", 0, after=2)
    for _ in range(3):
        queue.nop()
    fence = queue.submit()
    with pytest.raises(pyaccel.CommandLostError) as caught:
        fence.wait()

    assert caught.value.sequence == fence.sequence


@pytest.mark.rack_only("the kernel driver finds hangs and resets the queue by itself")
def test_a_hung_queue_ends_the_wait(impatient, faulty, device, queue) -> None:
    """A wait without limit ends with QueueHungError; a queue reset gives the work up."""
    faulty.inject("hung_queue", 0)
    queue.nop()
    fence = queue.submit()
    with pytest.raises(pyaccel.QueueHungError):
        fence.wait()
    queue.reset()
    with pytest.raises(pyaccel.CommandAbortedError):
        fence.wait()
    queue.nop()
    queue.submit().wait()


def test_a_timeout_loses_nothing(device, queue) -> None:
    """CommandTimeoutError is a TimeoutError; the same fence can be waited for again."""
    word = device.empty((1,), "int64")
    queue.fence_wait(word, 1)
    fence = queue.submit()
    assert not fence.done
    with pytest.raises(TimeoutError) as caught:
        fence.wait(0.01)
    assert caught.value.sequence == fence.sequence
    word.write(1)
    fence.wait()

    assert fence.done


def test_a_fence_wait_can_time_out_in_the_device(device, queue) -> None:
    """FENCE_WAIT's own limit ends the command with fence_timeout."""
    queue.fence_wait(device.empty((1,), "int64"), 1, timeout_us=100)

    with pytest.raises(pyaccel.CommandError, match="fence_timeout"):
        queue.submit().wait()


def test_queues_order_each_other_with_fences(device, queue) -> None:
    """One queue waits in the device for what another signals."""
    word, x = device.empty((1,), "int64"), device.empty((8,))
    with device.queue() as other:
        queue.fence_wait(word, 3)
        queue.binary("add", x, 1.0, x)
        waiting = queue.submit()
        other.fill(x, 5.0)
        other.fence_signal(word, 3)
        other.submit().wait()
        waiting.wait()

    assert (x.read() == 6.0).all()


def test_a_full_ring_is_an_error_only_if_wanted(device) -> None:
    """block=False raises QueueFullError and keeps the commands; blocking waits for room."""
    word = device.empty((1,), "int64")
    with device.queue(slots_log2=4) as queue:
        queue.fence_wait(word, 1)
        queue.submit()
        with pytest.raises(pyaccel.QueueFullError):
            fill_up(queue)
        timer = threading.Timer(0.05, word.write, [1])
        timer.start()
        queue.submit().wait()
        timer.join()


def fill_up(queue: pyaccel.Queue) -> None:
    """Submit more than a ring of 16 takes."""
    for _ in range(64):
        queue.nop()
        queue.submit(block=False)


def test_a_batch_beyond_the_ring_is_refused(device) -> None:
    """BatchTooLargeError says what to do; the queue works on."""
    with device.queue(slots_log2=4) as queue:
        for _ in range(17):
            queue.nop()
        with pytest.raises(pyaccel.BatchTooLargeError, match="slots_log2"):
            queue.submit()
        queue.nop()
        queue.submit().wait()


def test_malformed_raw_commands_are_refused(queue) -> None:
    """append() takes whole commands; libaxl names what is wrong inside them."""
    with pytest.raises(ValueError, match="as many slots"):
        queue.append(bytes([0, 0, 2]) + bytes(61))
    queue.append(bytes([200, 0, 1]) + bytes(61))
    with pytest.raises(pyaccel.InvalidArgumentError):
        queue.submit()
    queue.nop()
    queue.submit().wait()


@pytest.mark.rack_only("the kernel driver chooses the queue")
def test_a_queue_can_be_chosen_once(device) -> None:
    """An index in use raises QueueUnavailableError."""
    with device.queue(5) as queue:
        assert queue.index == 5
        with pytest.raises(pyaccel.QueueUnavailableError):
            device.queue(5)


def test_taken_queues_are_unavailable(device) -> None:
    """One more than there are raises QueueUnavailableError."""
    queues = [device.queue() for _ in range(16)]
    with pytest.raises(pyaccel.QueueUnavailableError):
        device.queue()
    assert sorted(queue.index for queue in queues) == list(range(16))


def test_buffers_outlive_their_queue(device) -> None:
    """Closing a queue leaves the memory its commands wrote."""
    x = device.empty((16,))
    queue = device.queue()
    queue.fill(x, 3.0)
    queue.submit().wait()
    queue.close()

    assert (x.read() == 3.0).all()


def test_closing_a_queue_ends_a_wait_in_another_thread(device) -> None:
    """The waiter gets an AxlError; nothing crashes."""
    word = device.empty((1,), "int64")
    queue = device.queue()
    queue.fence_wait(word, 1)
    fence = queue.submit()
    caught: list[BaseException] = []

    def wait() -> None:
        try:
            fence.wait()
        except pyaccel.AxlError as error:
            caught.append(error)

    waiter = threading.Thread(target=wait)
    waiter.start()
    queue.close()
    waiter.join()
    word.write(1)

    assert len(caught) == 1


def test_threads_share_a_queue(device, queue) -> None:
    """Four threads, one queue: no command is lost and each fence is its own thread's."""
    x = [device.empty((64,)) for _ in range(4)]
    failures: list[BaseException] = []

    def work(mine: pyaccel.Tensor) -> None:
        try:
            for _ in range(50):
                queue.binary("add", mine, 1.0, mine)
                queue.binary("add", mine, 1.0, mine)
                fence = queue.submit()
                assert fence.sequence == fence.first + 1
                fence.wait()
        except BaseException as error:  # noqa: BLE001 - told below
            failures.append(error)

    threads = [threading.Thread(target=work, args=[tensor]) for tensor in x]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert failures == []
    assert all((tensor.read() == 100.0).all() for tensor in x)
    assert queue.stats().submitted == 400


def test_fences_can_be_awaited(device, queue) -> None:
    """Many fences of one queue are awaited at once, through its descriptor."""
    word, x = device.empty((1,), "int64"), device.empty((8,))

    async def main() -> None:
        queue.fence_wait(word, 1)
        fences = [queue.submit()]
        for _ in range(5):
            queue.binary("add", x, 1.0, x)
            fences.append(queue.submit())
        asyncio.get_running_loop().call_later(0.02, word.write, 1)
        await asyncio.gather(*(wait(fence) for fence in fences))

    async def wait(fence: pyaccel.Fence) -> None:
        await fence

    asyncio.run(main())
    assert (x.read() == 5.0).all()


def test_an_awaited_failure_is_raised(device, queue) -> None:
    """`await fence` raises what wait() would."""

    async def main() -> None:
        queue.copy(device.empty((4,)), Wild().tensor)
        await queue.submit()

    with pytest.raises(pyaccel.CommandError, match="page_fault"):
        asyncio.run(main())


def test_submitted_buffers_are_kept_until_the_work_ended(device, queue) -> None:
    """Dropping a tensor whose command is in flight frees nothing too early."""
    word, out = device.empty((1,), "int64"), device.empty((1024,))
    for _ in range(3):
        queue.fence_wait(word, 1)
        x = device.from_numpy(np.full(1024, 7, np.float32))
        queue.copy(out, x)
        fence = queue.submit()
        del x
        gc.collect()
    word.write(1)
    fence.wait()

    assert (out.read() == 7).all()


def test_an_endless_wait_can_be_interrupted(device, queue) -> None:
    """Ctrl-C reaches a thread that waits for ever; the work goes on."""
    word = device.empty((1,), "int64")
    queue.fence_wait(word, 1)
    fence = queue.submit()
    timer = threading.Timer(0.1, os.kill, [os.getpid(), signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        fence.wait()
    timer.join()
    word.write(1)
    fence.wait()


def test_asking_whether_it_is_done_lets_go_of_buffers(device, queue) -> None:
    """Whoever only polls keeps no memory of finished work."""
    before = device.memory_free
    queue.fill(device.empty((1024,)), 1.0)
    fence = queue.submit()
    while not fence.done:
        pass

    assert until(lambda: device.memory_free == before)


def test_the_device_survives_many_queues(device) -> None:
    """Queues can be made and closed again and again."""
    for _ in range(40):
        with device.queue() as queue:
            queue.nop()
            queue.submit().wait()


def test_batch_has_no_fence_before_it_was_submitted(queue) -> None:
    """The error says so; afterwards the fence is there."""
    batch = queue.batch()
    with pytest.raises(pyaccel.InvalidArgumentError, match="not submitted yet"):
        _ = batch.fence
    batch.nop()
    assert batch.submit() is batch.fence


@pytest.mark.parametrize("command", [b"", b"\1", bytes(63), bytes(64), b"\0\0\2" + bytes(61)])
def test_bytes_that_are_no_whole_slots_are_refused(queue, command: bytes) -> None:
    """ValueError also for what is too short to have a header."""
    with pytest.raises(ValueError, match="as many slots"):
        queue.append(command)


def test_memory_of_a_lost_command_comes_back_with_a_reset(faulty, device) -> None:
    """A buffer closed after a loss frees nothing until the queue was reset."""
    queue = device.queue()
    buffer = device.buffer(1 << 20)
    free = device.memory_free
    faulty.inject("lost_completion", 0)
    queue.fill(buffer.tensor((4,)), 1.0)
    queue.nop()
    with pytest.raises(pyaccel.CommandLostError, match=r"Queue\.reset"):
        queue.submit().wait()
    buffer.close()
    assert device.memory_free == free
    queue.reset()
    assert until(lambda: device.memory_free == free + (1 << 20))

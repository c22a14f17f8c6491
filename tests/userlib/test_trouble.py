# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""libaxl when the device misbehaves: faults of the model, dead processes, forks, threads."""

from __future__ import annotations

import errno
import re
import select
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from axl_binding import SOURCE, Axl, AxlError, Device, Queue
from conftest import program

from diag.model.rack.client import RackClient
from diag.model.rack.launch import RunningRack
from pyaccel.spec.formats import Opcode, Status
from tests.build import commands as cmd
from tests.build.waiting import until

URI = f"{SOURCE}#0"
ROUNDS = 12000


def run_driver(folder: Path, command: str, uri: str = URI) -> str:
    """Output of the test program; its sanitizer must have found nothing."""
    done = subprocess.run(
        [program(folder, "driver"), command, uri],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return done.stdout


def test_lost_completion_is_reported_with_its_sequence(device: Device, control: RackClient) -> None:
    """A completion that never came is LOST as soon as a later one did; the rest is fine."""
    queue = device.queue(device.context())
    control.call("fault.inject", fault="lost_completion", endpoint=0, set={"after": 2})
    last = queue.submit(cmd.nop() * 5)
    with pytest.raises(AxlError, match="lost") as failed:
        queue.wait(last)
    assert failed.value.code == errno.EIO
    lost = queue.take_error()
    assert (lost.sequence, lost.status) == (last - 2, Status.LOST)
    assert queue.result(last - 1).status == Status.OK
    assert queue.stats().lost == 1
    queue.wait(last)


def lose_one(device: Device, control: RackClient, queue: Queue) -> None:
    """Submit two commands of which the first is lost, and wait."""
    control.call("fault.inject", fault="lost_completion", endpoint=0)
    last = queue.submit(cmd.nop() * 2)
    with pytest.raises(AxlError, match="lost"):
        queue.wait(last)


def address_of_new(device: Device, context: object, memory: str) -> int:
    """Device address that a buffer of 1 MiB would get."""
    va = device.lib.axl_buffer_va(device.buffer(context, 1 << 20, memory))
    device.destroy_newest()
    return va


@pytest.mark.parametrize("way_out", ["queue reset", "queue destroy", "function reset"])
@pytest.mark.parametrize("memory", ["DEVICE", "HOST"])
def test_memory_of_a_lost_command_is_withheld(
    device: Device, control: RackClient, way_out: str, memory: str
) -> None:
    """Nobody gets its memory or its addresses before the queue or the function was reset."""
    context = device.context()
    queue, other = device.queue(context), device.queue(context)
    untouched = device.info().memory_free_bytes
    seen = device.buffer(context, 4096)
    buffer = device.buffer(context, 1 << 20, memory)
    va = device.lib.axl_buffer_va(buffer)
    device.bytes(buffer)[:4096] = b"old!" * 1024
    lose_one(device, control, queue)
    device.destroy_newest()
    again = device.buffer(context, 1 << 20, memory)
    assert device.lib.axl_buffer_va(again) != va
    device.bytes(again)[:] = b"new!" * (1 << 18)
    last = other.submit(cmd.copy(va, device.lib.axl_buffer_va(seen), 4096))
    if SOURCE == "kernel":  # the driver keeps the memory and takes its address away
        with pytest.raises(AxlError, match="page_fault"):
            other.wait(last)
    else:
        other.wait(last)
        assert bytes(device.bytes(seen)) == b"old!" * 1024
    device.destroy_newest()
    if way_out == "queue reset":
        device.axl.check(device.lib.axl_queue_reset(queue.c))
        assert until(lambda: address_of_new(device, context, memory) == va)
    elif way_out == "queue destroy":
        queue.destroy()
    else:
        device.axl.check(device.lib.axl_device_reset(device.c, 1))
    assert until(lambda: device.info().memory_free_bytes == untouched)


def test_withheld_memory_does_not_leak(asan: Path, rack: RunningRack, control: RackClient) -> None:
    """What nobody reset goes with its queue; LeakSanitizer finds nothing."""
    control.call("fault.inject", fault="lost_completion", endpoint=0)
    assert run_driver(asan, "lost") == f"wait: {errno.EIO}\n"


def test_memory_of_other_contexts_is_not_withheld(device: Device, control: RackClient) -> None:
    """A lost command can reach what its own context maps, and nothing else."""
    queue = device.queue(device.context())
    elsewhere = device.context()
    untouched = device.info().memory_free_bytes
    device.buffer(elsewhere, 1 << 20, "DEVICE")
    lose_one(device, control, queue)
    device.destroy_newest()
    assert until(lambda: device.info().memory_free_bytes == untouched)


@pytest.mark.rack_only("the kernel driver finds hangs and resets the queue by itself")
def test_hung_queue_is_found_and_a_queue_reset_helps(device: Device, control: RackClient) -> None:
    """axl_device_check() names the hang by progress; axl_queue_reset() gets out of it."""
    context = device.context()
    queue, other = device.queue(context), device.queue(context)
    control.call("fault.inject", fault="hung_queue", endpoint=0, queue=0)
    last = queue.submit(cmd.nop() * 3)
    assert until(lambda: device.check() == errno.EIO)
    assert "queue 0 hangs" in device.axl.last_error()
    device.axl.check(device.lib.axl_queue_reset(queue.c))
    with pytest.raises(AxlError) as failed:
        queue.wait(last)
    assert failed.value.code == errno.ECANCELED
    assert queue.take_error().status == Status.ABORTED
    queue.run(cmd.nop())
    other.run(cmd.nop())
    assert device.check() == 0


def test_waiter_of_a_hung_queue_is_woken_by_its_reset(device: Device, control: RackClient) -> None:
    """A thread that waits for ever returns when another resets the queue."""
    queue = device.queue(device.context())
    control.call("fault.inject", fault="hung_queue", endpoint=0, queue=0)
    last = queue.submit(cmd.nop())
    codes: list[int] = []
    waiter = threading.Thread(
        target=lambda: codes.append(-device.lib.axl_queue_wait(queue.c, last, -1))
    )
    waiter.start()
    time.sleep(0.05)
    device.axl.check(device.lib.axl_queue_reset(queue.c))
    waiter.join(20)
    assert codes == [errno.ECANCELED]


def test_lost_interrupt_only_delays(device: Device, control: RackClient) -> None:
    """A completion whose interrupt was lost is found all the same, and counted."""
    context = device.context()
    queue = device.queue(context)
    queue.run(cmd.nop())
    va, word = fence_word(device, context)
    last = queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1))
    with pytest.raises(AxlError):  # takes the nop's interrupt, should that be there still
        queue.wait(last, 0.001)
    assert queue.stats().missed_interrupts == 0
    control.call("fault.inject", fault="lost_interrupt", endpoint=0)
    thread = waiting(device, queue, last)
    word[:8] = (1).to_bytes(8, "little")
    thread.join(20)
    assert queue.result(last).status == Status.OK
    assert queue.stats().missed_interrupts == 1


def test_wrong_sequence_is_refused_not_believed(device: Device, control: RackClient) -> None:
    """A completion that names a command which is not in flight is counted as malformed."""
    queue = device.queue(device.context())
    control.call("fault.inject", fault="wrong_sequence", endpoint=0, set={"delta": 1000})
    last = queue.submit(cmd.nop() * 3)
    with pytest.raises(AxlError, match="lost"):
        queue.wait(last)
    assert queue.stats().malformed == 1
    assert queue.take_error().status == Status.LOST


@pytest.mark.rack_only("the kernel driver finds that and resets the endpoint by itself")
def test_stopped_heartbeat_is_firmware(device: Device, control: RackClient) -> None:
    """A heartbeat that stands still is EREMOTEIO, also when no queue has work."""
    assert device.check() == 0
    control.call("fault.inject", fault="heartbeat_stop", endpoint=0, set={"count": 0})
    assert until(lambda: device.check() == errno.EREMOTEIO)


def test_link_down_fails_everything_quickly(device: Device, control: RackClient) -> None:
    """All-ones: a sleeping waiter wakes, and every call answers ENODEV."""
    context = device.context()
    queue = device.queue(context)
    va = device.lib.axl_buffer_va(device.buffer(context, 4096))
    last = queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1))
    control.call("fault.inject", fault="link_down", endpoint=0)
    with pytest.raises(AxlError) as failed:
        queue.wait(last)
    assert failed.value.code == errno.ENODEV
    assert device.check() == errno.ENODEV
    for call in (
        lambda: queue.submit(cmd.nop()),
        lambda: queue.wait(last),
        lambda: device.buffer(context, 4096),
        device.context,
        lambda: device.queue(context),
        lambda: device.axl.check(device.lib.axl_device_reset(device.c, 1)),
    ):
        with pytest.raises(AxlError) as failed:
            call()
        assert failed.value.code == errno.ENODEV
    assert device.info().state == 3


def test_error_makes_the_event_descriptor_readable(device: Device) -> None:
    """A page fault signals the descriptor; reading the error block makes it quiet."""
    fd = device.axl.check(device.lib.axl_device_event_fd(device.c))
    device.check()
    assert not select.select([fd], [], [], 0)[0]
    queue = device.queue(device.context())
    with pytest.raises(AxlError):
        queue.run(cmd.copy(0x1000, 0x2000, 8))
    assert select.select([fd], [], [], 20)[0]
    error = device.axl.struct("axl_device_error", device.lib.axl_device_error, device.c, 1)
    assert (error.code, error.count, error.address) == (1, 1, 0x1000)
    assert not select.select([fd], [], [], 0)[0]


@pytest.mark.rack_only("behind the kernel's back an endpoint loses its configuration, too")
def test_reset_by_somebody_else_is_noticed(axl: Axl, device: Device, control: RackClient) -> None:
    """After a hot reset from outside, a check sets the endpoint up again; handles are stale."""
    context = device.context()
    queue = device.queue(context)
    control.call("endpoint.reset", endpoint=0)
    assert device.check() == 0
    assert device.info().address_state == 1
    with pytest.raises(AxlError) as failed:
        queue.submit(cmd.nop())
    assert failed.value.code == errno.ESTALE
    device.queue(device.context()).run(cmd.nop())


@pytest.mark.rack_only("the kernel driver has no server")
def test_killed_server_is_noticed_by_every_descriptor(
    axl: Axl, rack: RunningRack, control: RackClient
) -> None:
    """The worker dies: the waiter wakes, queue and event descriptors become readable."""
    with axl.open(f"{SOURCE}#2") as device:
        context = device.context()
        queue = device.queue(context)
        va = device.lib.axl_buffer_va(device.buffer(context, 4096))
        fds = [
            device.axl.check(device.lib.axl_queue_fd(queue.c)),
            device.axl.check(device.lib.axl_device_event_fd(device.c)),
        ]
        last = queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1))
        control.call("card.kill", card=1)
        for fd in fds:
            assert select.select([fd], [], [], 20)[0]
        with pytest.raises(AxlError) as failed:
            queue.wait(last)
        assert failed.value.code == errno.ENODEV
        assert device.check() == errno.ENODEV
    assert until(lambda: opens(axl, f"{SOURCE}#2"))


def opens(axl: Axl, uri: str) -> bool:
    """Whether an endpoint can be opened right now."""
    try:
        axl.open(uri).close()
    except AxlError:
        return False
    return True


def test_process_killed_mid_dma_leaves_a_clean_endpoint(
    axl: Axl, built: Path, rack: RunningRack
) -> None:
    """The next process opens the endpoint, finds its memory zeroed, and works."""
    holder = subprocess.Popen(
        [program(built, "driver"), "hold", f"{SOURCE}#1"], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        assert holder.stdout.readline() == "ready\n"
        holder.send_signal(signal.SIGKILL)
    assert until(lambda: opens(axl, f"{SOURCE}#1"))
    with axl.open(f"{SOURCE}#1") as device:
        buffer = device.buffer(device.context(), 8 << 20, "DEVICE")
        assert not any(bytes(device.bytes(buffer)))
        device.queue(device.context()).run(cmd.nop())


def test_forked_child_is_refused_and_parent_goes_on(built: Path, rack: RunningRack) -> None:
    """The child gets EOWNERDEAD with a reason; closing there does not disturb the parent."""
    out = run_driver(built, "fork")
    assert re.search(rf"child: {errno.EOWNERDEAD} .*before it forked", out)
    assert "parent: done=399 child=0" in out


def test_eight_threads_on_one_queue_under_tsan(tsan: Path, rack: RunningRack) -> None:
    """Submit and wait from 8 threads: no race, every command completes once."""
    assert run_driver(tsan, "threads") == (
        "done=3192 submitted=3192 completed=3192 failed=0 lost=0\n"
    )


def test_resets_under_tsan_while_threads_submit(tsan: Path, rack: RunningRack) -> None:
    """Ten resets with work in flight: no race; threads are refused and then work again."""
    assert run_driver(tsan, "resets").startswith("done=1 refused=1 ")


@pytest.mark.parametrize("command", ["threads", "resets", "tour"])
def test_no_memory_error_under_asan(asan: Path, rack: RunningRack, command: str) -> None:
    """Neither memory errors nor leaks nor undefined behaviour."""
    assert run_driver(asan, command)


def waiting(device: Device, queue: Queue, sequence: int) -> threading.Thread:
    """A thread that waits for ever, asleep by the time that this returns."""
    thread = threading.Thread(
        target=lambda: device.lib.axl_queue_wait(queue.c, sequence, -1), daemon=True
    )
    thread.start()
    time.sleep(0.05)
    return thread


def fence_word(device: Device, context: object) -> tuple[int, memoryview]:
    """Device address of a 64-bit word, and the word."""
    buffer = device.buffer(context, 4096)
    return device.lib.axl_buffer_va(buffer), device.bytes(buffer)


def test_descriptor_tells_of_what_a_waiter_took_in(device: Device) -> None:
    """A thread that waits takes the interrupt; the queue's descriptor is readable all the same."""
    context = device.context()
    queue = device.queue(context)
    fd = device.axl.check(device.lib.axl_queue_fd(queue.c))
    va, word = fence_word(device, context)
    thread = waiting(device, queue, queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1)))
    device.lib.axl_queue_poll(queue.c)
    assert not select.select([fd], [], [], 0)[0]
    word[:8] = (1).to_bytes(8, "little")
    thread.join(20)
    assert select.select([fd], [], [], 0)[0]
    assert device.lib.axl_queue_poll(queue.c) == 1
    assert not select.select([fd], [], [], 0)[0]


def test_polling_and_waiting_do_not_wake_each_other(device: Device) -> None:
    """While a thread waits for a command that takes long, the descriptor stays quiet."""
    context = device.context()
    queue = device.queue(context)
    fd = device.axl.check(device.lib.axl_queue_fd(queue.c))
    va, word = fence_word(device, context)
    thread = waiting(device, queue, queue.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1)))
    for _ in range(5):
        device.lib.axl_queue_poll(queue.c)
        assert not select.select([fd], [], [], 0.01)[0]
    word[:8] = (1).to_bytes(8, "little")
    thread.join(20)
    assert not thread.is_alive()


@pytest.fixture
def msi_device(axl: Axl, runtime: Path) -> Iterator[Device]:
    """An endpoint whose queues share interrupt vectors."""
    with RunningRack("2x2-msi", "umsi"), axl.open("rack:umsi#0") as device:
        assert device.info().vectors < 17
        yield device


def sharing(device: Device, context: object) -> tuple[Queue, Queue]:
    """Two queues with the same vector."""
    others = device.info().vectors - 1  # without that of events
    return device.queue(context, index=0), device.queue(context, index=max(others, 1))


@pytest.mark.rack_only("interrupts are taken in by the kernel driver")
def test_drained_interrupt_is_handed_over(msi_device: Device) -> None:
    """Who takes a shared interrupt that was not his wakes the queue it was for."""
    context = msi_device.context()
    mine, other = sharing(msi_device, context)
    fd = msi_device.axl.check(msi_device.lib.axl_queue_fd(other.c))
    va, _word = fence_word(msi_device, context)
    stuck = mine.submit(cmd.fence(Opcode.FENCE_WAIT, va, 1))
    done = other.submit(cmd.nop())
    assert select.select([fd], [], [], 20)[0]
    with pytest.raises(AxlError) as failed:
        mine.wait(stuck, 0.02)
    assert failed.value.code == errno.ETIMEDOUT
    assert select.select([fd], [], [], 0)[0]
    assert msi_device.lib.axl_queue_poll(other.c) == done
    msi_device.axl.check(msi_device.lib.axl_queue_reset(mine.c))


@pytest.mark.rack_only("interrupts are taken in by the kernel driver")
def test_no_wait_on_a_shared_vector_misses_its_interrupt(msi_device: Device) -> None:
    """Two threads on two queues with one vector: nobody has to look because nobody told him."""
    context = msi_device.context()
    queues = sharing(msi_device, context)

    def work(queue: Queue) -> None:
        for _ in range(ROUNDS):
            queue.run(cmd.nop())

    threads = [threading.Thread(target=work, args=(queue,)) for queue in queues]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    stats = [queue.stats() for queue in queues]
    assert [(s.completed, s.missed_interrupts) for s in stats] == [(ROUNDS, 0), (ROUNDS, 0)]


@pytest.mark.rack_only("starts a rack of its own")
def test_msi_only_rack(axl: Axl, runtime: Path, built: Path) -> None:
    """With fewer vectors queues share them, and nobody's completion is missed."""
    with RunningRack("2x2-msi", "umsi"):
        assert "done=3192 " in run_driver(built, "threads", "rack:umsi#0")
        with axl.open("rack:umsi#0") as device:
            assert device.info().vectors < 17
            context = device.context()
            queues = [device.queue(context) for _ in range(16)]
            for _ in range(5):
                sequences = [queue.submit(cmd.nop()) for queue in queues]
                for queue, sequence in zip(queues, sequences, strict=True):
                    queue.wait(sequence)

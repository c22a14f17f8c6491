# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Streams, events and asynchronous copies: what is ordered, and what is not.

A queue that hangs at a chosen command holds a stream as long as a test likes, so that order
is proven without looking at a clock.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import pytest
import torch

from pyaccel import testing
from pyaccel.spec.formats import Opcode

ELEMENTS = 1000
HELD_S = 0.05

Hold = Callable[[Opcode], None]


@pytest.fixture
def hold(rack: testing.Rack) -> Iterator[Hold]:
    """Holds the next command of a kind on axl:0, until the faults are cleared."""
    torch.axl.synchronize("axl:0")
    yield lambda opcode: rack.inject("hung_queue", endpoint=0, opcode=int(opcode)) and None
    rack.clear_faults()
    torch.axl.synchronize("axl:0")


@pytest.fixture
def pair() -> tuple[torch.Stream, torch.Stream]:
    """Two streams of axl:0 that are not each other, nor the default."""
    first, second = torch.axl.Stream(), torch.axl.Stream()
    assert len({first, second, torch.axl.default_stream()}) == 3
    return first, second


def filled_when_let_go(hold: Hold, stream: torch.Stream) -> torch.Tensor:
    """Zeros that the stream, which is held, will fill with ones."""
    data = torch.zeros(ELEMENTS, device="axl")
    torch.axl.synchronize()
    hold(Opcode.FILL)
    with torch.axl.stream(stream):
        return data.fill_(1)


def test_a_stream_is_current_inside_its_block_and_for_its_thread() -> None:
    """`with torch.axl.stream(s)` changes the current stream of this thread alone."""
    chosen, seen = torch.axl.Stream(), []
    with torch.axl.stream(chosen):
        assert torch.axl.current_stream() == chosen
        other = threading.Thread(target=lambda: seen.append(torch.axl.current_stream()))
        other.start()
        other.join()

    assert seen == [torch.axl.default_stream()]
    assert torch.axl.current_stream() == torch.axl.default_stream()


def test_without_waiting_a_consumer_may_read_old_data(rack, hold: Hold, pair) -> None:
    """Streams are independent: the second goes on while the first is held."""
    producer, consumer = pair
    data = filled_when_let_go(hold, producer)
    with torch.axl.stream(consumer):
        seen = data.clone().cpu()
    assert not producer.query()
    rack.clear_faults()
    producer.synchronize()

    assert seen.eq(0).all()
    assert data.cpu().eq(1).all()


@pytest.mark.parametrize("how", ["wait_event", "wait_stream"])
def test_with_waiting_a_consumer_never_reads_old_data(rack, hold: Hold, pair, how: str) -> None:
    """What follows wait_event or wait_stream starts when the producer is done."""
    producer, consumer = pair
    data = filled_when_let_go(hold, producer)
    if how == "wait_event":
        consumer.wait_event(producer.record_event())
    else:
        consumer.wait_stream(producer)
    with torch.axl.stream(consumer):
        seen = data.clone()
        held = not consumer.query()
        rack.clear_faults()
        read = seen.cpu()

    assert held
    assert read.eq(1).all()


def test_an_event_of_one_endpoint_holds_a_stream_of_another(rack, hold: Hold) -> None:
    """wait_event works between devices of a rack."""
    data = torch.zeros(ELEMENTS, device="axl:0")
    other = torch.axl.current_stream("axl:1")
    mark = torch.zeros(1, device="axl:1")
    torch.axl.synchronize()
    hold(Opcode.FILL)
    data.fill_(1)
    other.wait_event(torch.axl.current_stream("axl:0").record_event())
    mark.fill_(1)
    time.sleep(HELD_S)
    held = not other.query()
    rack.clear_faults()

    assert held
    assert mark.item() == 1


def test_events_tell_when_they_are_reached(rack, hold: Hold) -> None:
    """query() is False while a command before the event runs, and synchronize() waits."""
    data = torch.zeros(ELEMENTS, device="axl")
    torch.axl.synchronize()
    event = torch.axl.Event()
    hold(Opcode.FILL)
    data.fill_(1)
    event.record()
    before = event.query()
    rack.clear_faults()
    event.synchronize()

    assert not before
    assert event.query()


def test_elapsed_time_is_the_devices(rack, hold: Hold) -> None:
    """Milliseconds between two events include the time that the queue was held."""
    first, second = (torch.axl.Event(enable_timing=True) for _ in range(2))
    data = torch.zeros(ELEMENTS, device="axl")
    first.record()
    first.synchronize()
    hold(Opcode.FILL)
    data.fill_(1)
    second.record()
    time.sleep(HELD_S)
    rack.clear_faults()
    second.synchronize()

    assert first.elapsed_time(second) >= HELD_S * 1000
    assert second.elapsed_time(first) == -first.elapsed_time(second)


def test_events_without_time_say_so() -> None:
    """elapsed_time() of an event without timing, or not recorded, is an error with advice."""
    plain, timed = torch.axl.Event(), torch.axl.Event(enable_timing=True)
    plain.record()
    plain.synchronize()

    with pytest.raises((RuntimeError, ValueError), match=r"enable_timing|recorded"):
        timed.elapsed_time(plain)
    timed.record()
    timed.synchronize()
    with pytest.raises((RuntimeError, ValueError), match="enable_timing"):
        timed.elapsed_time(plain)


@pytest.mark.parametrize("recorded", [True, False])
def test_record_stream_keeps_memory_from_being_used_again(rack, hold: Hold, recorded: bool) -> None:
    """Memory that another stream still reads is used again only with record_stream() missing."""
    reader = torch.axl.Stream()
    data = torch.ones(123_457, device="axl")
    address = data.data_ptr()
    torch.axl.synchronize()
    hold(Opcode.COPY_STRIDED)
    with torch.axl.stream(reader):
        result = data.clone()
    if recorded:
        data.record_stream(reader)
    del data
    overwritten = torch.full((123_457,), 7.0, device="axl")
    reused = overwritten.data_ptr() == address
    torch.axl.current_stream().synchronize()
    rack.clear_faults()
    reader.synchronize()

    assert reused is not recorded
    assert result.cpu().eq(1 if recorded else 7).all()
    if recorded:
        assert torch.empty(123_457, device="axl").data_ptr() == address


def test_an_asynchronous_upload_reads_pinned_memory_itself(rack, hold: Hold) -> None:
    """to(non_blocking=True) from pinned memory returns at once; the device copies later."""
    source = torch.ones(ELEMENTS).pin_memory()
    torch.zeros(1, device="axl").item()
    hold(Opcode.COPY)
    device = source.to("axl", non_blocking=True)
    returned = not torch.axl.current_stream().query()
    source[0] = 7
    rack.clear_faults()

    assert source.is_pinned()
    assert returned
    assert device.cpu().tolist() == source.tolist()


def test_an_asynchronous_download_arrives_at_synchronisation(rack, hold: Hold) -> None:
    """copy_(non_blocking=True) into pinned memory is there after synchronize()."""
    device = torch.ones(ELEMENTS, device="axl")
    target = torch.zeros(ELEMENTS, pin_memory=True)
    torch.axl.synchronize()
    hold(Opcode.COPY)
    target.copy_(device, non_blocking=True)
    early = target.clone()
    rack.clear_faults()
    torch.axl.synchronize()

    assert early.eq(0).all()
    assert target.eq(1).all()


def test_an_upload_of_ordinary_memory_may_be_overwritten_at_once(rack, hold: Hold) -> None:
    """Memory that is not pinned is copied before to() returns, asynchronous or not."""
    source = torch.ones(ELEMENTS)
    torch.zeros(1, device="axl").item()
    hold(Opcode.COPY)
    device = source.to("axl", non_blocking=True)
    source.zero_()
    rack.clear_faults()

    assert device.cpu().eq(1).all()


def test_pinned_memory_in_flight_is_not_used_again(rack, hold: Hold) -> None:
    """A pinned tensor that is deleted while the device reads it keeps its memory until then."""
    source = torch.ones(54_321).pin_memory()
    address = source.data_ptr()
    torch.zeros(1, device="axl").item()
    hold(Opcode.COPY)
    device = source.to("axl", non_blocking=True)
    del source
    other = torch.zeros(54_321).pin_memory()
    apart = other.data_ptr() != address
    rack.clear_faults()

    assert apart
    assert device.cpu().eq(1).all()


def test_synchronize_waits_for_every_stream(rack, hold: Hold, pair) -> None:
    """torch.axl.synchronize() returns when all streams of the device are done."""
    data = torch.zeros(ELEMENTS, device="axl")
    torch.axl.synchronize()
    for index, chosen in enumerate(pair):
        with torch.axl.stream(chosen):
            data[index].fill_(1)
    torch.axl.synchronize()

    assert all(chosen.query() for chosen in pair)
    assert data[:2].cpu().tolist() == [1.0, 1.0]

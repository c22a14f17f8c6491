# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples of a running rack: what they hold, and what happens when the rack goes."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pyaccel
from diag.model.rack.launch import RunningRack, start_rack, stop_rack
from diag.topo.protocol import SourceError
from diag.topo.sources import open_sampler
from diag.topo.sources.rack import RackSource
from tests.build.racks import runtime_directory


@pytest.fixture(scope="module")
def running() -> Iterator[RunningRack]:
    """A rack of two cards."""
    with runtime_directory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(folder))
        with RunningRack("2x2") as rack:
            yield rack


def test_a_sample_holds_the_tree_that_accel_info_reads(running: RunningRack) -> None:
    """One request gives the same picture as the three that a snapshot takes."""
    source = RackSource(running.directory)
    assert source.sampler().sample().rack == source.read()


def test_work_moves_the_counters(running: RunningRack) -> None:
    """Bytes, commands and a queue in use are seen while a program copies."""
    sampler = open_sampler(f"rack:{running.directory.path}")
    before = sampler.sample()
    uri = next(d.uri for d in pyaccel.devices(sampler.name) if d.endpoint_index == 0)
    with pyaccel.open(uri) as device, device.queue() as queue:
        host, memory = device.empty((1024,), memory="host"), device.empty((1024,))
        queue.copy(memory, host)
        queue.submit().wait()
        after = sampler.sample()
    n = next(n for n, readings in after.readings.items() if readings.queues)
    moved = after.readings[n].telemetry
    then = before.readings[n].telemetry
    assert moved.bytes_host_to_device == (then.bytes_host_to_device or 0) + 4096
    assert (moved.commands_finished_count or 0) > (then.commands_finished_count or 0)
    used = (after.readings[n].queues or ())[0]
    assert used.in_flight is None
    assert "in_flight" in after.readings[n].unavailable
    assert (used.state, used.pending_slots) == ("ready", 0)
    assert used.completions_count
    assert after.time_ns > before.time_ns


def test_a_dead_card_is_gone_and_has_no_readings(running: RunningRack) -> None:
    """What nobody answered for is absent, not zero; it comes back with the card."""
    sampler = open_sampler(f"rack:{running.directory.path}")
    with running.client() as client:
        client.call("card.kill", card=1)
        sample = sampler.sample()
        while sample.rack.endpoints[2].health != "gone":
            sample = sampler.sample()
        assert set(sample.readings) == {0, 1}
        client.call("card.restart", card=1)
    again = sampler.sample()
    assert again.rack.endpoints[2].health == "online"
    assert again.rack.generation == (sample.rack.generation or 0) + 1


def test_a_rack_that_restarts_is_found_again(running: RunningRack) -> None:
    """A failure says what to do, and the next sample after it may succeed."""
    directory = start_rack("1x1", "other")
    sampler = open_sampler(f"rack:{directory.path}")
    try:
        assert len(sampler.sample().rack.endpoints) == 1
        stop_rack(directory)
        with pytest.raises(SourceError, match="accel-rack status"):
            sampler.sample()
        start_rack("1x1", "other")
        assert len(sampler.sample().rack.endpoints) == 1
    finally:
        stop_rack(directory)

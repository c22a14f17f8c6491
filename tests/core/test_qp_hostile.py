# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queue pairs with a device that writes what it likes."""

from __future__ import annotations

import struct
from contextlib import closing

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pyaccel.spec.formats import COMPLETION_STRUCT, Completion, Status
from tests.core.rings import Ring


@pytest.mark.parametrize(
    ("case", "fields"),
    [
        ("wrong queue", {"queue": 1}),
        ("sequence never submitted", {"sequence": 5}),
        ("sequence zero", {"sequence": 0}),
        ("wild sequence", {"sequence": 2**64 - 1}),
        ("sequence that differs by 2^32", {"sequence": 2**32 + 1}),
        ("unknown status", {"status": max(Status) + 1}),
        ("status beyond all", {"status": 0xFFFF}),
        ("status that only the host gives", {"status": Status.ABORTED}),
        ("status that only the host gives, too", {"status": Status.LOST}),
        ("unknown flag", {"flags": 4}),
    ],
)
def test_nonsense_is_counted_and_skipped(core, host, case, fields):
    """A completion with one wrong field ends nothing; the next good one is taken."""
    ring = Ring(core, host)
    ring.submit(4)
    ring.complete(**{"sequence": 1, **fields})
    assert ring.poll() == [], case
    assert ring.stats["malformed"] == 1
    assert core.axl_qp_in_flight(ring.qp) == 4
    ring.complete(1)
    assert ring.sequences() == [(1, Status.OK)]


def test_command_the_device_was_not_told_of_cannot_complete(core, host):
    """Pushed but not rung: a completion for it is nonsense."""
    ring = Ring(core, host)
    ring.submit(1)
    assert ring.push() == "ok"
    ring.complete(2)
    assert ring.poll() == []
    assert ring.stats["malformed"] == 1


def test_duplicate_is_malformed(core, host):
    """A command ends once, however often the device says so."""
    ring = Ring(core, host)
    ring.submit(2)
    ring.complete(1)
    ring.complete(1)
    ring.complete(2)
    assert ring.sequences() == [(1, Status.OK), (2, Status.OK)]
    assert ring.stats["malformed"] == 1


def test_late_completion_of_a_lost_command_is_malformed(core, host):
    """What was reported as lost stays lost."""
    ring = Ring(core, host)
    ring.submit(3)
    ring.complete(2)
    ring.complete(1)
    assert ring.sequences() == [(1, Status.LOST), (2, Status.OK)]
    assert ring.stats["malformed"] == 1


def test_wrong_phase_is_not_a_completion(core, host):
    """An entry of the wrong pass is not looked at, whatever it holds."""
    ring = Ring(core, host)
    ring.submit(1)
    ring.write(Completion(sequence=1, flags=0).pack(), 0)
    assert ring.poll() == []
    assert "malformed" not in ring.stats


def test_stale_entry_of_the_pass_before_is_not_taken_again(core, host):
    """After the ring went round, the old entry in the slot does not count."""
    ring = Ring(core, host)
    ring.submit(16)
    for sequence in range(1, 17):
        ring.complete(sequence)
    assert len(ring.poll()) == 16
    ring.submit(1)
    assert ring.poll() == []
    ring.write(Completion(sequence=17, flags=1).pack(), 16)  # the phase of the first pass
    assert ring.poll() == []
    ring.complete(17)
    assert ring.sequences() == [(17, Status.OK)]


def test_endless_completions_are_bounded_per_call(core, host):
    """A ring rewritten with valid phases for ever costs one ring of work per call."""
    ring = Ring(core, host)
    ring.submit(2)
    for call in range(1, 20):
        for _ in range(ring.entries):
            ring.complete(77)
        assert ring.poll() == []
        assert ring.stats["malformed"] == call * ring.entries
    ring.complete(1)
    assert ring.sequences() == [(1, Status.OK)]


@pytest.mark.parametrize("sequence", [77, 1], ids=["nonsense", "the same again"])
def test_completions_that_arrive_during_the_call_are_bounded(core, host, sequence):
    """A device that writes another entry for each one taken does not keep the host inside."""
    ring = Ring(core, host)
    ring.submit(2)
    ring.complete(1)
    calls = 0

    @core.ffi.callback("uint64_t(void *)")
    def time_ns(_os):
        nonlocal calls
        calls += 1
        # The poll has taken one entry when it asks for the time: fill the ring behind it.
        for _ in range(ring.entries):
            ring.complete(sequence)
        return 1000

    host.c.ops.time_ns = time_ns
    first = ring.poll()
    assert [c["sequence"] for c in first] == [1]
    assert (calls, ring.qp.cq_head) == (1, ring.entries)
    assert ring.stats["malformed"] == ring.entries - 1


def test_short_entry_is_not_seen(core, host):
    """Until the last word is there, the first words do not count."""
    ring = Ring(core, host)
    ring.submit(1)
    entry = Completion(sequence=1, flags=1).pack()
    ring.write(entry[:24], 0)
    assert ring.poll() == []
    ring.write(entry, 0)
    assert ring.sequences() == [(1, Status.OK)]


def test_wrong_endian_entry_is_refused(core, host):
    """The bytes of an entry in the other order are nonsense, not a crash."""
    ring = Ring(core, host)
    ring.submit(1)
    little = Completion(sequence=1, fetch_ticks=2, start_delta=3, flags=1)
    swapped = struct.pack(COMPLETION_STRUCT.format.replace("<", ">"), *little)
    ring.write(swapped, 0)
    assert ring.poll() == []
    assert ring.stats["malformed"] == 1


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_every_command_ends_exactly_once(core, data):
    """Whatever the device writes: in order, once each, and nothing that was not submitted."""
    with closing(core.host()) as host:
        ring = Ring(core, host)
        ended: list[int] = []
        pushed = 0
        for _ in range(data.draw(st.integers(1, 12))):
            room = core.axl_qp_space(ring.qp)
            count = data.draw(st.integers(0, room))
            ring.submit(count)
            pushed += count
            for _ in range(data.draw(st.integers(0, 20))):
                ring.complete(
                    data.draw(
                        st.integers(max(0, len(ended) - 2), pushed + 3) | st.integers(0, 2**64 - 1)
                    ),
                    queue=data.draw(st.sampled_from([0, 0, 0, 1, 255])),
                    status=data.draw(st.sampled_from([0, 0, 0, 5, 14, 17, 18, 65535])),
                    flags=data.draw(st.sampled_from([0, 0, 2, 128])),
                    start_delta=data.draw(st.integers(0, 2**32 - 1)),
                )
            ended += [c["sequence"] for c in ring.poll(data.draw(st.integers(0, 40)))]
            assert len(ended) + core.axl_qp_in_flight(ring.qp) == pushed
        core.axl_qp_stop(ring.qp)
        while rest := ring.abort(5):
            ended += [c["sequence"] for c in rest]
        assert ended == list(range(1, pushed + 1))


@settings(deadline=None, max_examples=100)
@given(noise=st.binary(min_size=512, max_size=512), submitted=st.integers(0, 16))
def test_random_bytes_in_the_ring_are_survived(core, noise, submitted):
    """Arbitrary ring contents end no command that was not submitted, and none twice."""
    with closing(core.host()) as host:
        ring = Ring(core, host)
        ring.submit(submitted)
        ring.write(noise, 0)
        ended = [c["sequence"] for _ in range(3) for c in ring.poll()]
        assert ended == list(range(1, len(ended) + 1))
        assert len(ended) <= submitted

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Samples that always come: sources that hang, fail and return, members that leave."""

from __future__ import annotations

import dataclasses
import json
import threading
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.topo.document import from_document, to_document
from diag.topo.findings import find
from diag.topo.model import LEFT, Port, Rack
from diag.topo.presence import Presence
from diag.topo.protocol import SourceError
from diag.topo.sampling import Readings, Sample, Telemetry
from diag.topo.sources.following import Follower
from tests.build.topologies import endpoint, port, rack


def sample(tree: Rack, time_ns: int = 1) -> Sample:
    """A sample with one reading per endpoint: its temperature is its index."""
    readings = {
        each.n: Readings(Telemetry(temperature_millicelsius=each.index)) for each in tree.endpoints
    }
    return Sample(time_ns, time_ns, tree, readings)


def tree(*indices: int, ports: tuple[Port, ...] = ()) -> Rack:
    """Endpoints of one card below one port, numbered as a source does: by their place."""
    made = (
        endpoint(n=n, index=index, count=8, bdf=f"0000:01:{index:02x}.0")
        for n, index in enumerate(indices)
    )
    return dataclasses.replace(rack(ports=ports), endpoints=tuple(made))


class Scripted:
    """A sampler that does what its script says, one step a call."""

    name = "scripted"

    def __init__(self, *steps: Sample | Exception | Callable[[], Sample]) -> None:
        self._steps = iter(steps)

    def sample(self) -> Sample:
        """The next step."""
        step = next(self._steps)
        if isinstance(step, Exception):
            raise step
        return step if isinstance(step, Sample) else step()


def healths(taken: Sample) -> dict[int, str]:
    """Health by number."""
    return {each.n: each.health for each in taken.rack.endpoints}


def test_a_source_that_answers_is_passed_on() -> None:
    """Nothing is changed and nothing is added."""
    given = sample(tree(0, 1))
    assert Follower(Scripted(given)).sample() == given


def test_a_source_that_hangs_is_stale_until_it_answers() -> None:
    """Everything is unknown meanwhile, and the late answer is the next sample."""
    go = threading.Event()

    def late() -> Sample:
        go.wait(60)
        return sample(tree(0, 1), 9)

    steps = sample(tree(0, 1)), late, sample(tree(0, 1), 10)
    follower = Follower(Scripted(*steps), patience_s=0.05)
    assert follower.sample().state == "live"
    hung = follower.sample()
    assert (hung.state, healths(hung), hung.readings) == ("stale", {0: "stale", 1: "stale"}, {})
    assert "scripted: no answer for" in (hung.reason or "")
    assert not hung.rack.live
    assert [each.rule for each in find(hung.rack)] == ["source-stale"]
    assert follower.sample().state == "stale"
    go.set()
    back = follower.sample()
    while back.state == "stale":
        back = follower.sample()
    assert (back.time_ns, healths(back)) == (9, {0: "online", 1: "online"})
    after = follower.sample()
    while after.state == "stale":
        after = follower.sample()
    assert after.time_ns == 10


def test_a_source_that_fails_is_gone_until_it_is_back() -> None:
    """What it held is drawn as gone with the reason; what it holds afterwards is all there is."""
    steps = sample(tree(0, 1)), SourceError("no such rack"), sample(tree(1))
    follower = Follower(Scripted(*steps))
    follower.sample()
    gone = follower.sample()
    assert (gone.state, gone.reason, healths(gone)) == (
        "gone", "no such rack", {0: "gone", 1: "gone"},
    )  # fmt: skip
    assert [each.rule for each in find(gone.rack)] == ["source-gone"]
    back = follower.sample()
    assert [each.index for each in back.rack.endpoints] == [1]


def test_a_source_that_was_never_there_is_an_empty_rack() -> None:
    """With the reason."""
    first = Follower(Scripted(SourceError("no rack is running"))).sample()
    assert (first.state, first.rack.endpoints) == ("gone", ())
    assert first.rack.live_reason == "no rack is running"


def test_an_error_of_ours_is_not_taken_for_a_rack_that_is_gone() -> None:
    """It comes out where somebody sees it."""
    follower = Follower(Scripted(ZeroDivisionError("ours")))
    with pytest.raises(ZeroDivisionError):
        follower.sample()


def test_what_left_the_tree_stays_in_it_without_values() -> None:
    """Gone with a reason, no value of the past; its readings are absent."""
    presence = Presence("test")
    presence.answered(sample(tree(0, 1)))
    left = presence.answered(sample(tree(0)))
    ghost = left.rack.endpoints[1]
    assert (ghost.health, ghost.health_reason, ghost.identity) == (
        "gone", LEFT, "card:0x00a0c00000000001/1",
    )  # fmt: skip
    assert (ghost.generation, ghost.link.speed, ghost.aer.fatal_count) == (None, None, None)
    assert ghost.unavailable["generation"] == LEFT
    assert set(left.readings) == {0}
    back = presence.answered(sample(tree(0, 1)))
    assert healths(back) == {0: "online", 1: "online"}


def test_numbers_stay_with_their_endpoints() -> None:
    """The source numbers by place; a reader's history must not change its owner."""
    presence = Presence("test")
    presence.answered(sample(tree(0, 1, 2)))
    later = presence.answered(sample(tree(2, 5)))
    assert {each.n: each.index for each in later.rack.endpoints} == {0: 0, 1: 1, 2: 2, 3: 5}
    temperatures = {n: r.telemetry.temperature_millicelsius for n, r in later.readings.items()}
    assert temperatures == {2: 2, 3: 5}


def test_the_ports_above_what_left_stay_with_it() -> None:
    """A switch that was pulled out is drawn until something else is at its place."""
    upper = port()
    lower = port(bdf="0000:01:00.0", kind="upstream", parent=upper.bdf, slot=None)
    leaf = endpoint(bdf="0000:02:00.0", parent=lower.bdf, path=(upper.bdf, lower.bdf))
    presence = Presence("test")
    presence.answered(sample(rack(leaf, ports=(upper, lower))))
    pulled = dataclasses.replace(rack(ports=(upper,)), endpoints=())
    left = presence.answered(sample(pulled)).rack
    assert [each.bdf for each in left.ports] == [upper.bdf, lower.bdf]
    assert left.ports[1].unavailable["link"] == LEFT
    assert [each.health for each in left.endpoints] == ["gone"]
    replaced = endpoint(serial=7, bdf="0000:02:00.0", parent=lower.bdf, path=leaf.path)
    again = presence.answered(sample(rack(replaced, ports=(upper, lower)))).rack
    assert [(each.key, each.n) for each in again.endpoints] == [(replaced.key, 1)]
    in_its_place = rack(endpoint(), ports=(upper,))
    assert presence.answered(sample(in_its_place)).rack.ports == (upper,)


def test_a_card_that_moved_is_not_gone() -> None:
    """It is the same endpoint at another place; another one that left is."""
    presence = Presence("test")
    presence.answered(sample(tree(0, 1)))
    moved = rack(endpoint(bdf="0000:01:07.0", count=8))
    seen = presence.answered(sample(moved)).rack.endpoints
    assert {(each.n, each.health, each.bdf) for each in seen} == {
        (0, "online", "0000:01:07.0"),
        (1, "gone", "0000:01:01.0"),
    }
    assert len(seen) == 2


def racks() -> st.SearchStrategy[Rack]:
    """Any of eight endpoints."""
    return st.lists(st.integers(0, 7), unique=True, max_size=8).map(lambda chosen: tree(*chosen))


@given(st.lists(racks(), min_size=1, max_size=12))
def test_whatever_comes_and_goes_the_tree_holds_together(history: list[Rack]) -> None:
    """Nothing is lost, numbers stay, what is there is as the source says, snapshots are valid."""
    presence, seen, numbers = Presence("test"), set[str](), dict[str, int]()
    for tree_now in history:
        taken = presence.answered(sample(tree_now))
        seen |= {each.key for each in tree_now.endpoints}
        assert {each.key for each in taken.rack.endpoints} == seen
        assert len({each.n for each in taken.rack.endpoints}) == len(seen)
        for each in taken.rack.endpoints:
            assert numbers.setdefault(each.key, each.n) == each.n
        there = {each.key: each for each in taken.rack.endpoints if each.health != "gone"}
        assert there == {
            each.key: dataclasses.replace(each, n=numbers[each.key]) for each in tree_now.endpoints
        }
    assert from_document(json.dumps(to_document(taken.rack)), "test") == taken.rack

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Answers of a rack that make no sense are told, never believed and never a traceback."""

from __future__ import annotations

import copy
import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.model.rack.runtime_dir import RackDir
from diag.topo.protocol import SourceError
from diag.topo.rack_rows import AnswerError, rows_by_number
from diag.topo.sources.rack import RackSource
from tests.build.racks import runtime_directory
from tests.build.topologies import topology_text

QUEUE = {
    "queue": 0, "state": "ready", "sq_slots": 64, "sq_pending_slots": None,
    "sq_fetched_slots": 1, "completions_count": 1, "interrupts_count": 0,
}  # fmt: skip
ROW = {
    "n": 0, "state": "online", "reason": None, "generation": 0, "reset_cause": "power_on",
    "address": {"state": "stale", "reason": None, "generation": 0}, "client_pid": None,
    "aer": {"correctable": 0}, "values": {"temperature_millicelsius": -5}, "unavailable": {},
    "queues": [QUEUE], "of_a_later_version": [],
}  # fmt: skip


def test_a_good_answer_is_its_rows() -> None:
    """Members of a later version do no harm."""
    assert rows_by_number({"endpoints": [ROW]}) == {0: ROW}


@pytest.mark.parametrize(
    "answer", [None, [], {}, {"endpoints": None}, {"endpoints": [1]}, {"endpoints": [{}]}]
)
def test_an_answer_without_rows_is_told(answer: Any) -> None:
    """Another program may have the socket."""
    with pytest.raises(AnswerError, match="no rows of endpoints"):
        rows_by_number(answer)


BAD = [
    ("n", "0"), ("n", -1), ("n", True), ("state", 1), ("generation", 1.5), ("client_pid", "x"),
    ("generation", 1 << 64), ("address", {"state": "stale"}), ("address", [1]),
    ("address", {**ROW["address"], "state": "odd"}), ("aer", {"fatal": "many"}), ("aer", 7),  # type: ignore[dict-item]
    ("values", {"power_milliwatt": "1"}), ("values", None), ("unavailable", {"x": 1}),
    ("queues", [{**QUEUE, "sq_slots": None}]), ("queues", [QUEUE] * 65), ("queues", [{}]),
]  # fmt: skip


@pytest.mark.parametrize(("member", "value"), BAD)
def test_a_member_that_makes_no_sense_is_named(member: str, value: Any) -> None:
    """With the place of its row."""
    bad = {**copy.deepcopy(ROW), member: value}
    with pytest.raises(AnswerError, match=rf"endpoints\[1\]\.{member}"):
        rows_by_number({"endpoints": [ROW, bad]})


@given(
    st.recursive(
        st.none() | st.integers() | st.text(),
        lambda x: st.lists(x) | st.dictionaries(st.sampled_from(["endpoints", *ROW]), x),
    )
)
def test_any_answer_is_rows_or_an_error(answer: Any) -> None:
    """Nothing but AnswerError comes out."""
    try:
        assert all(type(n) is int for n in rows_by_number(answer))
    except AnswerError:
        return


@contextmanager
def answering(result: Any) -> Iterator[RackDir]:
    """A rack whose control socket gives that result to whatever it is asked."""
    with runtime_directory() as folder, socket.socket(socket.AF_UNIX) as listener:
        directory = RackDir(folder)
        directory.topology.write_text(topology_text("1x1"))
        listener.bind(str(directory.control))
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, connection.makefile("rwb") as stream:
                for line in stream:
                    reply = {"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": result}
                    stream.write(json.dumps(reply).encode() + b"\n")
                    stream.flush()

        threading.Thread(target=serve, daemon=True).start()
        yield directory


def test_a_rack_that_talks_nonsense_is_drawn_from_its_file() -> None:
    """The tree is there, and why nothing else is."""
    with answering({"endpoints": [{**ROW, "address": "nowhere"}]}) as directory:
        rack = RackSource(directory).read()
    assert (rack.live, rack.endpoints[0].health) == (False, "unknown")
    assert "endpoints[0].address" in (rack.live_reason or "")


def test_a_sample_of_nonsense_is_an_error_of_the_source() -> None:
    """Not one of ours."""
    with answering({"rows": []}) as directory, pytest.raises(SourceError, match="another version"):
        RackSource(directory).sampler().sample()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Handles: when, and in which order, libaxl's objects are destroyed."""

from __future__ import annotations

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pyaccel
from pyaccel._native import Handle


def family(log: list[str]) -> list[Handle]:
    """A device, its context, and two children of that."""
    device = Handle("d", log.append, "the device")
    context = Handle("c", log.append, "the context", device)
    return [device, context, *(Handle(x, log.append, "a child", context) for x in "bq")]


@given(st.permutations(range(4)))
def test_parents_are_destroyed_after_their_children(order) -> None:
    """Whatever is closed first, each object is destroyed once and after what it holds."""
    log: list[str] = []
    handles = family(log)
    for index in order:
        handles[index].close()
        handles[index].close()

    assert sorted(log) == ["b", "c", "d", "q"]
    assert log.index("d") == 3
    assert log.index("c") == 2


def test_a_use_delays_destruction_and_refuses_the_next() -> None:
    """close() during a call destroys at the end of that call; new calls are refused."""
    log: list[str] = []
    handle = Handle("x", log.append, "the thing")
    with handle as pointer:
        handle.close()
        assert (pointer, log) == ("x", [])
        with pytest.raises(pyaccel.ClosedError, match="the thing is closed"):
            handle.pin()

    assert log == ["x"]


def test_dropping_the_last_reference_destroys() -> None:
    """A handle that nobody closed is closed at its end, and so is its parent."""
    log: list[str] = []
    handles = family(log)
    del handles

    assert sorted(log) == ["b", "c", "d", "q"]


def test_a_forked_child_destroys_nothing() -> None:
    """After fork() the child neither uses nor destroys what belongs to its parent."""
    log: list[str] = []
    handles = family(log)
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        for handle in handles:
            handle.close()
        os.write(writer, f"destroyed {len(log)}".encode())
        os._exit(0)
    os.waitpid(child, 0)

    assert os.read(reader, 100) == b"destroyed 0"
    os.close(reader)
    os.close(writer)
    handles[2].close()
    assert log == ["b"]

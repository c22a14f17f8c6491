# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Queues of axl.ko: results without a system call, events, resets by their owner, counters."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from pyaccel.spec.formats import Opcode, Status
from tests.linux.conftest import FIRST, FOURTH, SECOND, THIRD, Driver, compile_for_guest

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]


def inject(driver: Driver, endpoint: int, fault: str, **values: object) -> None:
    """Let the reference device misbehave on its first queue."""
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=endpoint, fault=fault, set=values, queue=0)


def test_results_tell_how_each_command_ended(driver: Driver) -> None:
    """Status, opcode and ordered times of each command; as many as the ring has slots are kept."""
    seen = driver.check("results", FIRST)

    assert seen["empty"]
    assert seen["statuses"] == [Status.OK, Status.OK, Status.PAGE_FAULT]
    assert seen["opcodes"] == [Opcode.NOP, Opcode.COPY, Opcode.COPY]
    assert seen["times"]
    assert all(times == sorted(times) and 0 not in times for times in seen["times"])
    assert seen["head"] == [27, 0, 16, [0] * 4]
    assert (seen["too_old"], seen["newest"]) == (True, [27, 12, None])


def test_results_cannot_be_written(driver: Driver) -> None:
    """No mapping is or becomes writable, longer than the results, or another file's."""
    assert driver.check("results_are_read_only", FIRST) == {
        "shared": errno.EACCES,
        "private": errno.EACCES,
        "mprotect": errno.EACCES,
        "still": 0,
        "other file": errno.EACCES,
        "too long": errno.EINVAL,
    }


def test_results_are_never_halves_of_two(driver: Driver) -> None:
    """An entry that is being overwritten says so: no reader takes a mix for a result."""
    compile_for_guest(Path(__file__).with_name("torn_results.c"), driver.lab.files.share)
    seen = driver.check("results_are_whole", SECOND)

    assert seen["wrong"] == 0
    assert seen["whole"] > 0
    assert seen["refused"] > 0


def test_results_outlive_queue_and_endpoint(driver: Driver) -> None:
    """Mappings show how the last commands ended, and why there will be no more."""
    assert driver.check("results_outlive", SECOND) == {
        "destroyed": [Status.ABORTED, -errno.ECANCELED],
        "removed": [Status.ABORTED, -errno.ENODEV],
        "untouched": True,
        "told": True,
    }


def test_an_eventfd_tells_of_completions(driver: Driver) -> None:
    """It is readable once a result can be seen, not before, and when the queue is reset."""
    assert driver.check("events", THIRD) == {
        "early": False,
        "waiting": False,
        "ended": True,
        "visible": True,
        "reset": True,
        "bad": errno.EBADF,
    }


def test_batches_without_interrupts_end_all_the_same(driver: Driver) -> None:
    """A wait finds them by looking; a full ring of them makes room; nothing counts as missed."""
    assert driver.check("quiet", THIRD) == {
        "waits": [0, 0, 0],
        "interrupts": 0,
        "missed": 0,
        "ended": [73, 73],
    }


def test_the_owner_may_reset_its_queue(driver: Driver) -> None:
    """Without privilege, as often as it likes: work is aborted, nobody else is disturbed."""
    assert driver.check("reset_own", FOURTH) == {
        "denied": errno.EPERM,
        "rounds": [[0, 0, Status.ABORTED, Status.ABORTED]] * 6,
        "after": Status.OK,
        "over": 0,
        "beside": [errno.ETIMEDOUT, 0, Status.OK],
        "aborted": 6,
        "generations": 0,
    }


@pytest.mark.parametrize("how", ["queue_reset", "queue_destroy"])
def test_memory_waits_for_a_lost_command(driver: Driver, how: str) -> None:
    """Nobody knows whether it is still at work: its memory is free after a queue reset only."""
    inject(driver, 0, "lost_completion")
    assert driver.check("lost", FIRST, how) == {
        "statuses": [Status.LOST, Status.OK],
        "held": 1 << 20,
        "given_back": 0,
        "lost": 1,
    }


def test_a_queue_counts(driver: Driver) -> None:
    """Commands, failures, doorbells, interrupts and bytes are what was done, to one."""
    seen = driver.check("stats", SECOND)

    assert seen["during"] == {
        "in_flight": 1,
        "submitted": 6,
        "completed": 5,
        "failed": 1,
        "lost": 0,
        "aborted": 0,
        "malformed": 0,
        "bad_times": 0,
        "doorbells": 3,
        "interrupts": seen["during"]["interrupts"],
        "missed_interrupts": 0,
        "bytes_submitted": 1064,
    }
    assert seen["during"]["interrupts"] <= 2
    assert (seen["in_flight"], seen["same"]) == (0, [True, True])


def test_a_missed_interrupt_is_counted(driver: Driver) -> None:
    """A waiter finds by itself what no interrupt told it, and counts that."""
    inject(driver, 1, "lost_interrupt")

    assert driver.check("missed_interrupt", SECOND) == {"status": 0, "missed": 1}


def test_a_file_is_told_what_happens_to_the_endpoint(driver: Driver) -> None:
    """An error, a reset, the removal: its newest eventfd is told, until it asks for none."""
    assert driver.check("notified", FOURTH) == {
        "early": False,
        "error": True,
        "reset": True,
        "ended": False,
        "removed": True,
        "old": False,
    }


def test_a_wait_survives_signals(driver: Driver) -> None:
    """Restarted with its deadline where the handler says so, else EINTR; the work goes on."""
    assert driver.check("signals", THIRD) == {
        "restarted": errno.ETIMEDOUT,
        "whole": True,
        "interrupted": errno.EINTR,
        "after": 0,
    }

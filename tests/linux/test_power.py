# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Sleep, of the system and of idle endpoints: nothing is lost unless the endpoint loses it."""

from __future__ import annotations

import errno
import time

import pytest

from pyaccel.spec.formats import Status
from tests.linux.conftest import FIRST, FOURTH, SECOND, THIRD, Driver
from tests.linux.faults import FRESH, check_with, clear_faults

# The first test waits for downloads, the build and the boot.
pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("quiet_kernel"),
]

SLEEPS = 5
CYCLES = 20


def test_work_survives_sleep(driver: Driver) -> None:
    """Copies that are slower than falling asleep end right; queues and memory stay as they are."""
    late = {"latency_us": 200_000, "count": 0}
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=0, fault="late_completion", set=late, queue=0)
    try:
        seen = driver.check("slept", FIRST, str(SLEEPS))
    finally:
        clear_faults(driver, 0)

    assert seen["rounds"] == [[0, Status.OK, True, Status.OK]] * SLEEPS
    assert (seen["slept"], seen["same_generation"], seen["state"]) == (True, True, "online")


def test_what_does_not_end_before_sleep_is_given_up(driver: Driver) -> None:
    """A command that waits for a frozen process is aborted; its queue and others go on."""
    start = driver.lab.kernel_log_bytes()
    seen = driver.check("given_up_asleep", SECOND)

    assert seen == {"status": 0, "failed": Status.ABORTED, "after": [Status.OK, Status.OK]}
    assert "still at work: commands in flight are given up" in driver.lab.kernel_log(start)


def test_an_endpoint_that_forgets_everything_asleep(driver: Driver) -> None:
    """Its memory is lost, which the generation says; it is set up again, and works."""

    def act() -> None:
        time.sleep(2)  # mostly it is asleep then; if not, its health check finds it
        with driver.rack() as rack:
            rack.call("endpoint.reset", endpoint=1)

    seen = check_with(driver, act, "forgot_asleep", SECOND)

    assert seen == {"lost": errno.ESTALE, "fresh": FRESH}


def test_an_idle_endpoint_sleeps(driver: Driver) -> None:
    """Each submission wakes it; its memory, queue and interrupts are as before."""
    seen = driver.check("slept_idle", FIRST, str(CYCLES))

    assert seen["rounds"] == [[True, Status.OK, True]] * CYCLES
    assert (seen["same_generation"], seen["fresh"]) == (True, FRESH)


def test_who_only_looks_does_not_wake_it(driver: Driver) -> None:
    """Sensors and registers are not to be had; what the driver knows is, and TELEMETRY wakes."""
    seen = driver.check("looked_at_asleep", SECOND)
    inputs = ("temp1_input", "power1_input")

    assert [seen["hwmon"][name] for name in inputs] == ["EAGAIN"] * 2
    assert seen["registers"] == errno.EAGAIN
    assert "\nasleep: 1\n" in seen["state"]
    assert (" closed=1 over=0 " in seen["queues"], seen["attribute"]) == (True, "online")
    assert seen["still"] == [True, None, True]
    assert (seen["telemetry"], seen["again"], seen["closed"]) == (True, True, True)
    assert all(int(seen["awake"][name]) > 0 for name in inputs)


def test_what_keeps_an_endpoint_awake(driver: Driver) -> None:
    """A command, a mapping of its memory, a peer that has it; not a dma-buf nobody uses."""
    assert driver.check("kept_awake", THIRD, FOURTH) == {
        "command": [True, True],
        "mapping": [True, True],
        "exported": [True],
        "mapping of a dma-buf": [True, True],
        "content": [True],
        "buffer of a peer": [True, True],
    }


def test_memory_of_a_peer_is_taken_from_one_asleep(driver: Driver) -> None:
    """It is not woken for that, nor are its registers touched, and it faults when it wakes."""
    start = driver.lab.kernel_log_bytes()
    seen = driver.check("peer_reset_asleep", FIRST, SECOND)

    assert seen == {
        "before": Status.OK,
        "asleep": [True, True],
        "after": [Status.PAGE_FAULT, 1, Status.OK],
    }
    assert "cannot be revoked" not in driver.lab.kernel_log(start)


def test_resets_of_an_endpoint_asleep(driver: Driver) -> None:
    """Woken, reset once and set up, it sleeps again."""
    wanted = [True, True, errno.ESTALE, FRESH, True, True]

    assert driver.check("reset_asleep", THIRD) == {"flr": wanted, "fatal": wanted}


def test_an_idle_endpoint_that_forgets_everything(driver: Driver) -> None:
    """Whoever wakes it learns that all is lost."""

    def act() -> None:
        with driver.rack() as rack:
            rack.call("endpoint.reset", endpoint=3)

    seen = check_with(driver, act, "forgot_in_d3", FOURTH)

    assert seen == {"asleep": [True, True], "lost": errno.ESTALE, "more": True, "fresh": FRESH}


def test_the_system_sleeps_while_an_endpoint_does(driver: Driver) -> None:
    """Both wake up; so does the endpoint when its driver is removed."""
    seen = driver.check("sleep_in_sleep", SECOND)

    assert seen == [True, Status.OK, True, errno.ENODEV, True, FRESH]


def test_sleep_at_once_under_load(driver: Driver) -> None:
    """With no delay at all it falls asleep between any two system calls."""
    seen = driver.check("slept_in_a_hurry", FIRST, "15")

    assert seen == [[Status.OK, 0]] * 45

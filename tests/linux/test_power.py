# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Sleep of the system: nothing is lost unless the endpoint loses it, and nothing hangs."""

from __future__ import annotations

import errno
import time

import pytest

from pyaccel.spec.formats import Status
from tests.linux.conftest import FIRST, SECOND, Driver
from tests.linux.faults import FRESH, check_with, clear_faults

# The first test waits for downloads, the build and the boot.
pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("quiet_kernel"),
]

SLEEPS = 5


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

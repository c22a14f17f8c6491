# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Resets that do not help, that nobody announced, or that follow each other."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.linux.conftest import FIRST, THIRD, Driver
from tests.linux.faults import FRESH, check_with, clear_faults

# The first test waits for downloads, the build and the boot.
pytestmark = [
    pytest.mark.guest,
    pytest.mark.timeout(400),
    pytest.mark.usefixtures("quiet_kernel"),
]


@contextmanager
def stuck_reset(driver: Driver, endpoint: int, count: int) -> Iterator[None]:
    """The firmware of an endpoint does not come up after so many resets (0: after any)."""
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=endpoint, fault="stuck_reset", set={"count": count})
    try:
        yield
    finally:
        clear_faults(driver, endpoint)


@pytest.mark.parametrize("how", ["driver", "flr", "bus"])
def test_an_endpoint_that_was_reset_behind_the_drivers_back(driver: Driver, how: str) -> None:
    """BARs, enables, queues and contexts are gone: its jobs are lost, and it works again."""
    start = driver.lab.kernel_log_bytes()

    def act() -> None:
        with driver.rack() as rack:
            rack.call("endpoint.reset", endpoint=0)

    seen = check_with(driver, act, "reset_behind", FIRST, how)

    assert seen == {"lost": errno.ESTALE, "more": True, "same": True, "fresh": FRESH}
    assert "configuration was lost: restored" in driver.lab.kernel_log(start)


def test_settings_survive_two_resets_of_different_kinds(driver: Driver) -> None:
    """What the driver's own reset restored is there for the kernel's next one as well."""
    seen = driver.check("reset_then_error", THIRD)

    assert seen.pop("after") == seen.pop("before")
    assert seen == FRESH


def test_resets_that_overlap_leave_an_endpoint_that_works(driver: Driver) -> None:
    """One of the driver's own never ends or undoes one of the kernel's, nor the reverse."""
    seen = driver.check("overlapping", FIRST)

    assert set(seen.pop("asked")) <= {0, errno.EAGAIN}
    # Each of sysfs counts; what was asked for meanwhile may have been served by it.
    assert seen.pop("generations") >= 5
    assert (seen.pop("lost"), seen.pop("settled")) == (errno.ESTALE, True)
    assert seen == FRESH


def test_a_bus_reset_helps_where_the_functions_did_not(driver: Driver) -> None:
    """A firmware that does not come up once costs one step of the escalation."""
    start = driver.lab.kernel_log_bytes()
    with stuck_reset(driver, 0, 1):
        seen = driver.check("stuck", FIRST)
    log = driver.lab.kernel_log(start)

    assert (seen["reset"], seen["lost"], seen["submit"]) == (0, errno.ESTALE, errno.ESTALE)
    assert (seen["context"], seen["state"]) == (0, "online")
    assert "action=reset_function failed: error=timeout" in log
    assert "action=reset_bus failed" not in log


def test_a_wedged_endpoint_answers_and_can_be_revived(driver: Driver) -> None:
    """No reset helps: jobs end, everything answers at once, and who insists gets it back."""
    start = driver.lab.kernel_log_bytes()
    with stuck_reset(driver, 2, 0):
        seen = check_with(driver, lambda: clear_faults(driver, 2), "wedged", THIRD)
    log = driver.lab.kernel_log(start)

    assert (seen["reset"], seen["lost"]) == (errno.ETIMEDOUT, errno.ESTALE)
    assert (seen["submit"], seen["context"]) == (errno.ESTALE, errno.EIO)
    assert (seen["state"], seen["fresh"]) == ("wedged", FRESH)
    assert "action=reset_bus failed: error=timeout" in log
    assert "no reset helped: wedged" in log

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Batches of axl.ko are copied into the ring itself: whole, or nothing of them."""

from __future__ import annotations

import errno

import pytest

from pyaccel.spec.formats import Status
from tests.linux.conftest import FIRST, SECOND, THIRD, Driver

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]


def test_slots_that_are_not_there_are_brought_in_or_refused(driver: Driver) -> None:
    """Untouched pages are fetched; what cannot be read is -EFAULT, and nothing was submitted."""
    assert driver.check("absent_slots", FIRST) == {
        "untouched": [0, 200, 0],
        "refused": [errno.EFAULT] * 6,
        "same": True,
        "after": [0, 4, 0],
    }


def test_batches_go_around_the_end_of_the_ring(driver: Driver) -> None:
    """From every slot of the ring, also in the middle of a command."""
    assert driver.check("wrapping", SECOND) == {"wrong": [], "commands": 16 * (8 + 1)}


def test_a_batch_with_a_command_that_is_none_leaves_nothing(driver: Driver) -> None:
    """Wherever it is in the batch: -EINVAL, no command runs, no number is used up."""
    assert driver.check("refused_batch", SECOND) == {
        "refused": True,
        "same": True,
        "untouched": True,
        "next": 2,
    }


def test_nobody_waits_for_slots_that_do_not_come(driver: Driver) -> None:
    """While a submitter sleeps on its slots others go on, and a reset; then it is told."""
    assert driver.check("stalled_slots", THIRD) == {
        "sleep": [True, True],
        "same queue": Status.OK,
        "other file": Status.OK,
        "supplied": 0,
        "generations": 1,
        "again": Status.OK,
        "still": -1,
        "stale": errno.ESTALE,
    }

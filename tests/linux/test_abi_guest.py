# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The edges of the interface, in the guest: every ioctl of the header, also those to come."""

from __future__ import annotations

import errno

import pytest

from tests.linux.conftest import THIRD, Driver
from tests.linux.uapi import numbers

pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]


def test_no_byte_outside_a_structure_is_touched(driver: Driver) -> None:
    """Each ioctl works with its structure before a guard page, and writes none before it."""
    assert driver.check("edges", THIRD) == {name: [0, True] for name in numbers()}


def test_every_byte_inside_must_be_there(driver: Driver) -> None:
    """A structure, batch or list that runs into the guard page is EFAULT."""
    seen = driver.check("overruns", THIRD)

    assert {what for what, status in seen.items() if status != errno.EFAULT} == set()
    assert set(seen) == {*numbers(), "slots", "in_syncs"}


def test_unknown_flags_and_padding_are_refused(driver: Driver) -> None:
    """Every bit that the header does not name is EINVAL, so that it can mean something later."""
    seen = driver.check("refused", THIRD)

    assert [case for case in seen if case[1] != errno.EINVAL] == []
    assert len(seen) > 100


def test_other_versions_of_the_header_are_served(driver: Driver) -> None:
    """A longer structure works and keeps its end; a shorter one is not written past."""
    seen = driver.check("sizes", THIRD)

    assert {name: row for name, row in seen.items() if row != [0, True, True, True]} == {}


def test_nothing_of_the_caller_s_rubbish_is_left(driver: Driver) -> None:
    """Every field that an ioctl gives out is written, also those that are zero."""
    assert {name for name, left in driver.check("zeroed", THIRD).items() if left} == set()

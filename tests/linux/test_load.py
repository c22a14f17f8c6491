# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Much work, and processes that die or vandalise beside it: nothing is lost or disturbed."""

from __future__ import annotations

import pytest

from tests.linux.conftest import ENDPOINTS, FIRST, Driver

pytestmark = [pytest.mark.guest, pytest.mark.timeout(1500), pytest.mark.usefixtures("quiet_kernel")]

COMMANDS = 100_000
KILLS = 4


def test_no_command_is_lost(driver: Driver) -> None:
    """100 000 commands on all endpoints: each numbered, ended and counted once, data right."""
    bdfs = [placed.bdf for placed in ENDPOINTS]
    seen = driver.check("many", str(COMMANDS), *bdfs, timeout_s=1200)

    assert seen["troubles"] == []
    assert seen["sent"] >= COMMANDS
    assert seen["numbered"] == seen["finished"] == seen["sent"]


def test_a_process_never_notices_another(driver: Driver) -> None:
    """Beside one that submits garbage, and others that are killed in a DMA: every byte right."""
    seen = driver.check("crowd", FIRST, str(KILLS), timeout_s=600)

    assert (seen["wrong"], seen["generations"], seen["kept_bytes"]) == (0, 0, 0)
    assert seen["vandal_alive"]
    assert min(seen["refused"], seen["faulted"]) >= KILLS

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What axl.ko tells who watches: fdinfo."""

from __future__ import annotations

import pytest

from tests.linux.conftest import FIRST, SECOND, Driver

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]


def numbers(fdinfo: dict[str, str], *keys: str) -> list[int]:
    """Values without their units."""
    return [int(fdinfo[key].split()[0]) for key in keys]


COMMANDS = ("axl-commands-submitted", "axl-commands-completed", "axl-commands-failed")


def test_fdinfo_counts_what_each_client_uses(driver: Driver) -> None:
    """Commands, bytes, engine time and memory of one file; another one's do not move."""
    seen = driver.check("usage", FIRST, SECOND)
    before, worked, destroyed = (seen[name] for name in ("before", "worked", "destroyed"))

    assert before["drm-driver"] == "axl"
    assert before["drm-pdev"] == FIRST
    assert before["drm-engine-capacity-compute"] == "16"
    assert before["drm-client-id"] != seen["idle"]["drm-client-id"]
    assert numbers(before, *COMMANDS, "drm-engine-compute", "axl-queues") == [0, 0, 0, 0, 1]
    assert numbers(worked, *COMMANDS, "axl-queues") == [4, 4, 1, 1]
    assert numbers(worked, "axl-bytes-submitted") == [3 * (256 << 10) + 4096]
    assert worked["drm-engine-compute"].endswith(" ns")
    assert numbers(worked, "drm-engine-compute")[0] > 0
    # A queue that is gone still counts.
    assert numbers(destroyed, *COMMANDS, "axl-queues") == [4, 4, 1, 0]
    assert destroyed["drm-engine-compute"] == worked["drm-engine-compute"]
    assert seen["idle"] == seen["neighbour"]
    assert numbers(seen["neighbour worked"], *COMMANDS) == [1, 1, 0]


def test_fdinfo_counts_memory_by_region(driver: Driver) -> None:
    """Own device memory, host memory (pinned pages included) and a peer's; what is exported."""
    seen = driver.check("usage", FIRST, SECOND)
    memory = seen["memory"]

    regions = [f"drm-total-{region}" for region in ("device", "memory", "peer")]
    assert numbers(seen["before"], *regions) == [0, 0, 0]
    assert numbers(seen["worked"], *regions) == [256, 256, 0]
    assert numbers(memory, *regions) == [256, 260, 256]
    assert numbers(memory, "drm-shared-device", "drm-shared-memory") == [0, 256]
    assert numbers(memory, "drm-resident-device", "drm-resident-memory") == [256, 260]
    assert {memory[region].split()[1] for region in regions} == {"KiB"}
    assert numbers(seen["destroyed"], *regions) == [0, 260, 256]

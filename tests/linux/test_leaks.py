# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fifty fatal recoveries and fifty reloads of the module: nothing piles up in the kernel.

Objects are counted by who allocated them (slub_debug=U), DMA mappings by the kernel's dma
tracepoints, memory without the free pages that each CPU keeps for itself.
"""

from __future__ import annotations

import errno
import re
from functools import partial
from statistics import median
from typing import Any

import pytest

from diag.lab.aer import inject
from diag.lab.rack import place_rack
from diag.lab.topology import port_id
from tests.linux.conftest import ENDPOINTS, FIRST, Driver
from tests.linux.rounds import rounds

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(600), pytest.mark.usefixtures("quiet_kernel")]

TIMES = 50
PAGE_KIB = 4


def assert_nothing_grew(before: dict[str, Any], after: dict[str, Any]) -> None:
    """No allocation is there half as many times more than it was repeated."""
    assert before["stacks"], "objects are not counted: slub_debug=U?"
    grown = {
        stack: (count, before["stacks"].get(stack, 0))
        for stack, count in after["stacks"].items()
        if count - before["stacks"].get(stack, 0) >= TIMES // 2
    }
    assert grown == {}
    assert after["mappings"], "DMA mappings are not counted"
    assert {device: count for device, count in after["mappings"].items() if count} == {}


def generations(driver: Driver) -> list[int]:
    """Of every endpoint."""
    folders = [f"/sys/bus/pci/devices/{placed.bdf}/axl/generation" for placed in ENDPOINTS]
    return [int(word) for word in driver.shell(f"cat {' '.join(folders)}").split()]


def assert_no_trend(used: list[int], usage: dict[str, Any]) -> None:
    """Kernel memory grew by less than a page each time; unknown where KASAN keeps freed memory."""
    if usage["quarantine"]:
        return
    assert median(used[-10:]) - median(used[:10]) < TIMES * PAGE_KIB, used


def once_more(driver: Driver, root: str) -> None:
    """The fatal error that was injected before; all is over afterwards."""
    start = driver.lab.kernel_log_bytes()
    line = {"command-line": f"pcie_aer_inject_error {port_id(root)} DLP"}
    with driver.lab.qmp() as connection:
        connection.execute("human-monitor-command", line)
    driver.wait_for_log(start, "device recovery successful")


def test_fifty_fatal_recoveries_leave_nothing_behind(driver: Driver) -> None:
    """At the root port, so that all endpoints recover, with a job in flight each time."""
    (root,) = [port for port in place_rack(driver.lab.config).ports if port.kind == "root"]
    start = driver.lab.kernel_log_bytes()
    inject(driver.lab, root, "data-link-protocol", "fatal")
    driver.wait_for_log(start, "device recovery successful")
    before, first = driver.check("kernel_usage"), generations(driver)

    with rounds(driver, [FIRST]) as busy:
        seen = [busy.during(partial(once_more, driver, root.bdf)) for _ in range(TIMES)]
    rows = [by_endpoint[FIRST] for by_endpoint in seen]
    after = driver.check("kernel_usage")

    assert generations(driver) == [count + TIMES for count in first]
    ends = {(row["fence"], row["wait"], row["generations"], row["fresh"]) for row in rows}
    assert ends == {(-errno.ECANCELED, errno.ESTALE, 1, True)}
    assert len({row["memory_free_bytes"] for row in rows}) == 1
    assert len({row["descriptors"] for row in rows}) == 1
    assert_nothing_grew(before, after)
    assert_no_trend([row["kernel_kib"] for row in rows], after)


def test_fifty_reloads_leave_nothing_behind(driver: Driver) -> None:
    """Load, bind, work, unload; of what the module allocated nothing outlives it."""
    seen = driver.check("reloads", str(TIMES), FIRST, timeout_s=400)

    assert_nothing_grew(seen["before"], seen["after"])
    # Allocated by a module that is not there any more: its functions have no names. Nor have
    # functions that others needed once, when they were loaded: those were there before.
    new = seen["after"]["stacks"].keys() - seen["before"]["stacks"].keys()
    assert [stack for stack in new if re.search(r"(: |< )0x", stack)] == []
    assert_no_trend(seen["kernel_kib"], seen["after"])
    assert {row["address_state"] for row in driver.check("identity").values()} == {1}

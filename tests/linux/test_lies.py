# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A device that lies: axl.ko contains every lie of the catalogue, and says so in the log."""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from diag.model import fault_lies
from diag.model.fault_base import Fault
from pyaccel.spec.formats import Status
from tests.linux.conftest import SECOND, Driver

pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]

WELL = [0, Status.OK]
LOST = [0, Status.LOST]
ABORTED = [0, Status.ABORTED]
COMPLETIONS = [
    ("wrong_sequence", {"delta": 1}, LOST, "refused=1 .*lost=1"),
    ("wrong_sequence", {"delta": 1 << 32}, LOST, "refused=1 .*lost=1"),
    ("corrupt_completion", {"field": "status"}, LOST, "refused=1 .*lost=1"),
    ("corrupt_completion", {"field": "queue"}, LOST, "refused=1 .*lost=1"),
    ("corrupt_completion", {"field": "flags"}, LOST, "refused=1 .*lost=1"),
    ("corrupt_completion", {"field": "all"}, LOST, "refused=1 .*lost=1"),
    ("corrupt_completion", {"field": "times"}, WELL, "refused=0 bad_times=[1-9].*lost=0"),
    ("phase_flip", {}, ABORTED, "recovery: action=reset_queue queue=0"),
]
"""Fault, its parameters, how the batch ends that it hits, what the log says of queue pair 0."""
IDENTITIES = {
    "magic": "no AXL endpoint: magic=0x4b4e554a",
    "version": "contract version 0x7fffffff",
    "limits": "impossible limits",
    "memory": "impossible limits: memory=0x1000000000000000",
    "endpoint": "impossible limits",
    "serial": "says card=0x0000000bad5e71a1, but its Device Serial Number is 0x00a0c0",
}
ELSEWHERE = {
    "endless_completions",
    "stuck_queue",
    "wild_ring_head",
    "huge_telemetry",
    "absurd_identity",
}


@contextmanager
def lying(driver: Driver, fault: str, queue: int | None = None, **values: object) -> Iterator[int]:
    """The second endpoint lies until the block ends; where the kernel log stands."""
    with driver.rack() as rack:
        where = {} if queue is None else {"queue": queue}
        rack.call("fault.inject", endpoint=1, fault=fault, set=values, **where)
        try:
            yield driver.lab.kernel_log_bytes()
        finally:
            rack.call("fault.clear", endpoint=1)


def test_every_lie_is_here() -> None:
    """No fault of the catalogue is without a test."""
    known = [value for value in vars(fault_lies).values() if isinstance(value, type)]
    names = {kind.name for kind in known if issubclass(kind, Fault) and kind.name}
    assert names == {name for name, *_ in COMPLETIONS} | ELSEWHERE


@pytest.mark.parametrize(("fault", "values", "first", "log"), COMPLETIONS)
def test_completions_are_not_believed(
    driver: Driver, fault: str, values: dict[str, object], first: list[int], log: str
) -> None:
    """The batch that it hits ends, the next ones run, and the queue beside never notices."""
    with lying(driver, fault, 0, **values) as start:
        seen = driver.check("believed", SECOND)

    assert seen == {
        "index": 0,
        "ends": [first, WELL, WELL],
        "missing": 0,
        "wrong_beside": 0,
        "state": "online",
    }
    driver.wait_for_log(start, rf"axl {SECOND}: (queue=0: completions )?{log}")


def test_endless_completions_cost_their_queue_at_most(driver: Driver) -> None:
    """They overwrite true ones: its batches end well or not, but they end; nobody else cares."""
    with lying(driver, "endless_completions", 0) as start:
        seen = driver.check("believed", SECOND)
        driver.wait_for_log(start, rf"axl {SECOND}: queue=0: completions refused=\d\d")
    after = driver.check("believed", SECOND)

    assert {status for status, _ in seen["ends"]} == {0}
    assert {failed for _, failed in seen["ends"]} <= {Status.OK, Status.LOST, Status.ABORTED}
    assert (seen["missing"], seen["wrong_beside"], seen["state"]) == (0, 0, "online")
    assert (after["ends"], after["wrong_beside"]) == ([WELL] * 3, 0)


def test_a_queue_that_does_not_stop_costs_a_function_reset(driver: Driver) -> None:
    """Its owner gets -EIO, everything before is stale, and the endpoint is as new."""
    with lying(driver, "stuck_queue", 0) as start:
        seen = driver.check("stuck_queue", SECOND)

    assert seen == {"answer": errno.EIO, "old": errno.ESTALE, "generations": 1, "fresh": 0}
    driver.wait_for_log(start, rf"axl {SECOND}: recovery: action=reset_function")


def test_ring_heads_are_not_asked_for(driver: Driver) -> None:
    """Registers that claim wild ring positions harm nobody: the rings themselves count."""
    with lying(driver, "wild_ring_head"):
        seen = driver.check("believed", SECOND)

    assert (seen["ends"], seen["wrong_beside"], seen["state"]) == ([WELL] * 3, 0, "online")


def test_impossible_sensors_are_withheld(driver: Driver) -> None:
    """No value is passed on that no card reaches; the log says so once, and when it ends."""
    with lying(driver, "huge_telemetry") as start:
        seen = [driver.check("sensors", SECOND) for _ in range(2)]
    after = driver.check("sensors", SECOND)

    for sample in seen:
        assert sample["valid"] == 0
        assert (sample["temperature_millicelsius"], sample["power_milliwatt"]) == (0, 0)
    assert after["valid"] == 15
    text = driver.wait_for_log(start, "impossible values of sensors=0x0")
    assert re.findall(r"impossible values of sensors=(0x\w+)", text) == ["0xf", "0x0"]


@pytest.mark.parametrize(("what", "log"), IDENTITIES.items())
def test_an_absurd_identity_is_not_driven(driver: Driver, what: str, log: str) -> None:
    """Such an endpoint gets no device file; with its true identity it is used again."""
    sysfs = f"/sys/bus/pci/drivers/axl; echo {SECOND}"
    driver.shell(f"cd {sysfs} >unbind")
    with lying(driver, "absurd_identity", what=what) as start:
        bound = driver.shell(f"cd {sysfs} >bind || echo refused")
        driver.wait_for_log(start, re.escape(log))
    driver.shell(f"cd {sysfs} >bind")

    assert bound.strip() == "refused"
    assert driver.check("copies", SECOND)["wrong"] == 0


def test_another_identity_after_a_reset_is_not_driven(driver: Driver) -> None:
    """It is another board, not a reset one: wedged, until the driver is bound anew."""
    folder = f"/sys/bus/pci/devices/{SECOND}"
    with lying(driver, "absurd_identity", what="serial") as start:
        driver.shell(f"echo flr >{folder}/reset_method; echo 1 >{folder}/reset")
        driver.wait_for_log(start, "identity changed: card=0x0000000bad5e71a1/1 was 0x00a0c0")
        driver.wait_for_log(start, rf"axl {SECOND}: no reset helped: wedged")
    driver.shell(f"cd /sys/bus/pci/drivers/axl; echo {SECOND} >unbind; echo {SECOND} >bind")

    assert driver.check("copies", SECOND)["wrong"] == 0

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Sleep of the system, with work in flight."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, attribute, held, open_at, until
from tests.linux.checks.reset_failures import fresh_work
from tests.linux.session import DEVICE, HOST, PAGE, Work, copy, nop

POWER = Path("/sys/power")
TEST_DELAY = Path("/sys/module/suspend/parameters/pm_test_delay")


def sleep_system(seconds: int = 0) -> None:
    """Put every device to sleep and wake it again; only the CPUs stay awake (pm_test)."""
    delay = TEST_DELAY.read_text()
    TEST_DELAY.write_text(str(seconds))
    (POWER / "pm_test").write_text("platform")
    try:
        (POWER / "state").write_text("freeze")
    finally:
        (POWER / "pm_test").write_text("none")
        TEST_DELAY.write_text(delay)


def slept(bdf: str, times: str) -> dict[str, Any]:
    """Every time with copies in flight that take longer than falling asleep."""
    work = Work(open_at(bdf))
    memory, target = work.buffer(PAGE, DEVICE), work.buffer(PAGE, HOST)
    generation = attribute(bdf, "generation")
    addressed = work.accel.do("get_info").address_generation
    rounds = []
    for number in range(int(times)):
        memory.cpu[:] = bytes([number + 1]) * PAGE
        sequence = work.submit(copy(memory.va, target.va, PAGE))
        sleep_system()
        status, made = work.wait(sequence)
        right = target.cpu[:] == memory.cpu[:] == bytes([number + 1]) * PAGE
        rounds.append([status, int(made.failed_status), right, work.run(nop())])
    info = work.accel.do("get_info")
    return {
        "rounds": rounds,
        "same_generation": attribute(bdf, "generation") == generation,
        "slept": info.address_generation - addressed >= int(times),
        "state": attribute(bdf, "state"),
    }


def given_up_asleep(bdf: str) -> dict[str, Any]:
    """A command that no process can let go on, since all are frozen."""
    work, sequence = held(bdf)
    beside = Work(work.accel)
    sleep_system()
    status, made = work.wait(sequence)
    return {
        "status": status,
        "failed": int(made.failed_status),
        "after": [work.run(nop()), beside.run(nop())],
    }


def forgot_asleep(bdf: str) -> dict[str, Any]:
    """The endpoint comes back as after power-on."""
    work, sequence = held(bdf)
    generation = int(attribute(bdf, "generation"))
    (SHARE / "held").touch()
    sleep_system(seconds=4)
    until((SHARE / "acted").exists)
    until(lambda: int(attribute(bdf, "generation")) > generation)
    return {"lost": work.wait(sequence)[0], "fresh": fresh_work(bdf)}


CHECKS = (slept, given_up_asleep, forgot_asleep)

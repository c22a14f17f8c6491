# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Random ioctls, mmaps and closes for a bounded time: --fuzz-seconds, --fuzz-seed."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from tests.linux.conftest import FOURTH, Driver, compile_for_guest
from tests.linux.fuzz_table import table
from tests.linux.uapi import numbers

pytestmark = [pytest.mark.guest, pytest.mark.timeout(600), pytest.mark.usefixtures("quiet_kernel")]

SEED = 20240501
LEFT_OVER = 4
"""Objects of one caller that may still wait to be given back."""
EXPECTED = {
    "OK", "EINVAL", "ENOENT", "EFAULT", "ENOMEM", "ENOSPC", "E2BIG", "EBUSY", "EBADF", "EPERM",
    "EACCES", "EAGAIN", "ETIMEDOUT", "ETIME", "ESTALE", "ECANCELED", "EINTR", "EEXIST", "EXDEV",
    "EOPNOTSUPP", "ENODATA",
}  # fmt: skip


@pytest.fixture
def seed(request: pytest.FixtureRequest, tmp_path: Path, driver: Driver) -> int:
    """What the fuzzer starts from; it is in the guest."""
    (tmp_path / "fuzz_table.h").write_text(table())
    source = Path(__file__).with_name("ioctl_fuzzer.c")
    compile_for_guest(source, driver.lab.files.share, "-pthread", f"-I{tmp_path}")
    given = request.config.getoption("--fuzz-seed")
    return SEED if given is None else int(given)


def of_the_module(usage: dict[str, Any]) -> dict[str, int]:
    """Objects that were allocated on behalf of the driver."""
    return {stack: count for stack, count in usage["stacks"].items() if "[axl]" in stack}


def test_fuzzed_ioctls_harm_nobody(
    driver: Driver, request: pytest.FixtureRequest, seed: int
) -> None:
    """No complaint of the kernel, nothing left behind, and a neighbour never notices."""
    seconds = request.config.getoption("--fuzz-seconds")
    before = driver.check("kernel_usage")
    seen = driver.check("fuzzed", FOURTH, str(seed), str(seconds), timeout_s=120 + 4 * seconds)
    after = driver.check("kernel_usage")

    say = f"seed {seed}: {seen['ends']}"
    print(say)  # noqa: T201 - shown when it fails
    assert seen["exit"] == 0, say
    assert (seen["wrong"], seen["generations"], seen["kept_bytes"]) == (0, 0, 0), say
    assert seen["copies"] > 0
    ends = [(name, int(number), int(count)) for name, number, count in seen["ends"]]
    assert {errno.errorcode.get(number, "OK") for _, number, _ in ends} <= EXPECTED, say
    well = {name for name, number, _ in ends if number == 0}
    assert well >= {*numbers(), "mmap"} - {"reset"}, say
    assert sum(count for _, _, count in ends) > 100 * seconds, say
    old, new = of_the_module(before), of_the_module(after)
    grown = {stack: count for stack, count in new.items() if count > old.get(stack, 0) + LEFT_OVER}
    assert grown == {}, say
    assert {device: count for device, count in after["mappings"].items() if count} == {}, say

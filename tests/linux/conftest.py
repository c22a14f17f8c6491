# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko, built and loaded in a guest with the 2x2 rack, booted once for all its tests.

AXL_LAB_KERNEL names another kernel for all of them, such as the debug kernel that
`accel-lab kernel build` makes.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from diag.lab.config import LabConfig
from diag.lab.driver import build, load, unload
from diag.lab.errors import CannotInstallError
from diag.lab.headers import headers_of
from diag.lab.kernel import DEBUG, DEFAULT_VERSION
from diag.lab.session import Session
from diag.lab.supervisor import CHECKOUT
from diag.model.rack.client import RackClient
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from tests.linux.uapi import HEADER, declarations

ENDPOINTS = enumerate_rack(load_rack("2x2")).endpoints
FIRST, SECOND, THIRD, FOURTH = (placed.bdf for placed in ENDPOINTS)

LAB_KERNEL = os.environ.get("AXL_LAB_KERNEL", DEFAULT_VERSION)
SLOWNESS = 5 if DEBUG in LAB_KERNEL else 1
"""How much longer everything may take than with a kernel as it is delivered."""

COMMAND_TIMEOUT_S = 120.0 * SLOWNESS
_POLL_S = 0.05
COUNTED_SLABS = "slub_debug=U,kmalloc-*,drm_*"
"""Lets the kernel say who allocated each object: leaks are counted, not guessed."""
QUEUE_TIMEOUT_MS = 2000 * SLOWNESS
"""Shorter than the driver's own, so that a hang is found within a test."""


class Driver:
    """The loaded driver: checks run in the guest, and the kernel log is watched."""

    def __init__(self, lab: Session, out: Path, parameters: Sequence[str] = ()) -> None:
        self.lab = lab
        self.out = out
        # Of the module; the last one of a name counts.
        self._parameters = [*_parameters(), *parameters]

    def shell(self, script: str) -> str:
        """What a shell script prints in the guest; it must succeed."""
        done = self.lab.guest.run(["sh", "-ec", script], timeout_s=COMMAND_TIMEOUT_S)
        assert done.status == 0, done.stderr.decode()
        return done.stdout.decode()

    def check(self, *arguments: str, timeout_s: float = COMMAND_TIMEOUT_S) -> Any:
        """What one check of guest_checks.py saw."""
        command = ["env", f"PYTHONPATH={CHECKOUT}", sys.executable]
        command += ["-m", "tests.linux.guest_checks", *arguments]
        done = self.lab.guest.run(command, timeout_s=timeout_s)
        assert done.status == 0, done.stderr.decode()
        return json.loads(done.stdout)

    def wait_for_log(self, start: int, pattern: str, count: int = 1) -> str:
        """The kernel log from byte `start` on, once so many lines match; it must come to that."""
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while True:
            text = self.lab.kernel_log(start)
            if len(re.findall(pattern, text)) >= count:
                return text
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{text}"
            time.sleep(_POLL_S)

    def rack(self) -> RackClient:
        """The control connection of the rack behind the guest."""
        return RackClient(self.lab.files.rack)

    def check_meanwhile(self, held: Path, action: Callable[[], object], *arguments: str) -> Any:
        """A check that creates the file `held` when its work is in flight: act then."""
        held.unlink(missing_ok=True)
        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(self.check, *arguments)
            while not held.exists() and not future.done():
                time.sleep(_POLL_S)
            action()
            return future.result()

    def load(self) -> None:
        """Insert the module."""
        load(self.lab, self.out / "linux/axl.ko", self._parameters)

    def unload(self) -> None:
        """Remove it again."""
        unload(self.lab)

    def check_leaks(self) -> None:
        """Nothing that the driver allocated is lost; the debug kernel knows."""
        kmemleak = "/sys/kernel/debug/kmemleak"
        if self.lab.guest.run(["test", "-e", kmemleak]).status:
            return
        self.unload()
        # kmemleak says nothing of what is younger than five seconds.
        found = self.shell(f"sleep 6; echo scan >{kmemleak}; echo scan >{kmemleak}; cat {kmemleak}")
        assert not found


def _parameters() -> list[str]:
    """Of the module."""
    parameters = [f"queue_timeout_ms={QUEUE_TIMEOUT_MS}"]
    if SLOWNESS > 1:
        parameters.append(f"heartbeat_timeout_ms={10_000 * SLOWNESS}")
    return parameters


def compile_for_guest(source: Path, folder: Path, *flags: str) -> None:
    """Build a program that needs nothing of the guest."""
    include = [f"-I{HEADER.parent}", f"-I{Path(__file__).with_name('stub')}"]
    command = ["gcc", "-O2", "-Wall", "-Wextra", "-static", *include, *flags, str(source)]
    subprocess.run([*command, "-o", str(folder / source.stem)], check=True)


@contextmanager
def loaded(module: Path, config: LabConfig, *parameters: str) -> Iterator[Driver]:
    """A guest of its own with the driver loaded, until the block ends; skips without QEMU.

    Where the configuration does not choose a kernel, AXL_LAB_KERNEL does.
    """
    if config.kernel == DEFAULT_VERSION:
        config = replace(config, kernel=LAB_KERNEL)
    # Not pytest's folder: its path is too long for a socket.
    runtime = Path(tempfile.mkdtemp(prefix="axl-"))
    patch = pytest.MonkeyPatch()
    patch.setenv("AXL_RUNTIME_DIR", str(runtime))
    session = Session("linux")
    patch.undo()
    try:
        session.up(config, bound=True)
        (session.files.share / "axl_accel.cdef").write_text(declarations())
        made = Driver(session, module, parameters)
        made.load()
        yield made
        made.check_leaks()
    except CannotInstallError as error:
        pytest.skip(f"no QEMU guest on this machine: {error}")
    finally:
        session.down()
        shutil.rmtree(runtime)


def find_or_skip(version: str) -> Path:
    """The headers of a kernel; skips where they cannot be installed."""
    try:
        return headers_of(version)
    except CannotInstallError as error:
        pytest.skip(f"no kernel headers on this machine: {error}")


def built(version: str) -> Path:
    """The folder in which axl.ko was built for a kernel, without a warning; skips as needed."""
    headers = find_or_skip(version)
    out = CHECKOUT / "build/linux" / headers.name
    done = build(headers, out)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "warning" not in done.stderr
    return out


@pytest.fixture(scope="session")
def headers() -> Path:
    """The kernel headers of the lab's kernel; skips where they cannot be installed."""
    return find_or_skip(LAB_KERNEL)


@pytest.fixture(scope="session")
def module() -> Path:
    """The folder in which axl.ko was built, without a warning."""
    return built(LAB_KERNEL)


@pytest.fixture(scope="session")
def driver(module: Path) -> Iterator[Driver]:
    """The guest with the 2x2 rack that most tests share."""
    with loaded(module, LabConfig("2x2", accel="tcg", append=COUNTED_SLABS)) as made:
        yield made


@pytest.fixture
def quiet_kernel(driver: Driver) -> Iterator[None]:
    """The test fails when the kernel complains while it runs."""
    start = driver.lab.kernel_log_bytes()
    yield
    assert driver.lab.check_kernel_log(start, (r"pcieport|aer_inject|AER: PCIe Bus Error",)) == []


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give the tests of this folder the time that a slow kernel needs."""
    for item in items:
        marker = item.get_closest_marker("timeout")
        if SLOWNESS > 1 and marker and item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(marker.args[0] * SLOWNESS), append=False)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""axl.ko, built and loaded in a guest with the 2x2 rack, booted once for all its tests."""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from diag.lab.config import LabConfig
from diag.lab.driver import build, load, unload
from diag.lab.errors import CannotInstallError
from diag.lab.headers import headers_of
from diag.lab.kernel import DEFAULT_VERSION
from diag.lab.session import Session
from diag.lab.supervisor import CHECKOUT
from diag.model.rack.client import RackClient
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from tests.linux.uapi import declarations

ENDPOINTS = enumerate_rack(load_rack("2x2")).endpoints
FIRST, SECOND, THIRD, FOURTH = (placed.bdf for placed in ENDPOINTS)

COMMAND_TIMEOUT_S = 120.0
_POLL_S = 0.05
QUEUE_TIMEOUT_MS = 2000
"""Shorter than the driver's own, so that a hang is found within a test."""


class Driver:
    """The loaded driver: checks run in the guest, and the kernel log is watched."""

    def __init__(self, lab: Session, out: Path) -> None:
        self.lab = lab
        self.out = out

    def shell(self, script: str) -> str:
        """What a shell script prints in the guest; it must succeed."""
        done = self.lab.guest.run(["sh", "-ec", script], timeout_s=COMMAND_TIMEOUT_S)
        assert done.status == 0, done.stderr.decode()
        return done.stdout.decode()

    def check(self, *arguments: str) -> Any:
        """What one check of guest_checks.py saw."""
        command = ["env", f"PYTHONPATH={CHECKOUT}", sys.executable]
        command += ["-m", "tests.linux.guest_checks", *arguments]
        done = self.lab.guest.run(command, timeout_s=COMMAND_TIMEOUT_S)
        assert done.status == 0, done.stderr.decode()
        return json.loads(done.stdout)

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
        load(self.lab, self.out / "linux/axl.ko", [f"queue_timeout_ms={QUEUE_TIMEOUT_MS}"])

    def unload(self) -> None:
        """Remove it again."""
        unload(self.lab)


@contextmanager
def loaded(module: Path, config: LabConfig) -> Iterator[Driver]:
    """A guest of its own with the driver loaded, until the block ends; skips without QEMU."""
    # Not pytest's folder: its path is too long for a socket.
    runtime = Path(tempfile.mkdtemp(prefix="axl-"))
    patch = pytest.MonkeyPatch()
    patch.setenv("AXL_RUNTIME_DIR", str(runtime))
    session = Session("linux")
    patch.undo()
    try:
        session.up(config, bound=True)
        (session.files.share / "axl_accel.cdef").write_text(declarations())
        made = Driver(session, module)
        made.shell("modprobe aer_inject")
        made.load()
        yield made
    except CannotInstallError as error:
        pytest.skip(f"no QEMU guest on this machine: {error}")
    finally:
        session.down()
        shutil.rmtree(runtime)


@pytest.fixture(scope="session")
def headers() -> Path:
    """The kernel headers of the lab's kernel; skips where they cannot be installed."""
    try:
        return headers_of(DEFAULT_VERSION)
    except CannotInstallError as error:
        pytest.skip(f"no kernel headers on this machine: {error}")


@pytest.fixture(scope="session")
def module(headers: Path) -> Path:
    """The folder in which axl.ko was built, without a warning."""
    out = CHECKOUT / "build/linux" / headers.name
    done = build(headers, out)
    assert done.returncode == 0, done.stderr[-4000:]
    assert "warning" not in done.stderr
    return out


@pytest.fixture(scope="session")
def driver(module: Path) -> Iterator[Driver]:
    """The guest with the 2x2 rack that most tests share."""
    with loaded(module, LabConfig("2x2", accel="tcg")) as made:
        yield made


@pytest.fixture
def quiet_kernel(driver: Driver) -> Iterator[None]:
    """The test fails when the kernel complains while it runs."""
    start = driver.lab.kernel_log_bytes()
    yield
    assert driver.lab.check_kernel_log(start, (r"pcieport|aer_inject|AER: PCIe Bus Error",)) == []

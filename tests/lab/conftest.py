# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A guest with the 2x2 rack, booted once for all tests that need one."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.lab.config import LabConfig
from diag.lab.errors import CannotInstallError
from diag.lab.session import Session


@pytest.fixture(scope="session")
def booted() -> Iterator[tuple[Session, list[str]]]:
    """The running guest, and what its kernel complained of while it booted."""
    # Not pytest's folder: its path is too long for a socket.
    runtime = Path(tempfile.mkdtemp(prefix="axl-"))
    saved = os.environ.get("AXL_RUNTIME_DIR")
    os.environ["AXL_RUNTIME_DIR"] = str(runtime)
    session = Session("test")
    try:
        session.up(LabConfig("2x2", accel="tcg"), bound=True)
        # Now: later the tests provoke complaints.
        yield session, session.check_kernel_log()
    except CannotInstallError as error:
        pytest.skip(f"no QEMU guest on this machine: {error}")
    finally:
        session.down()
        if saved is None:
            del os.environ["AXL_RUNTIME_DIR"]
        else:
            os.environ["AXL_RUNTIME_DIR"] = saved
        shutil.rmtree(runtime)


@pytest.fixture(scope="session")
def lab(booted: tuple[Session, list[str]]) -> Session:
    """The running guest; skips where QEMU or a kernel cannot be installed."""
    return booted[0]


@pytest.fixture(scope="session")
def boot_complaints(booted: tuple[Session, list[str]]) -> list[str]:
    """Lines of the kernel's log that are not expected of a boot."""
    return booted[1]

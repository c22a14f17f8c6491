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
def lab() -> Iterator[Session]:
    """The running guest; skips where QEMU or a kernel cannot be installed."""
    # Not pytest's folder: its path is too long for a socket.
    runtime = Path(tempfile.mkdtemp(prefix="axl-"))
    saved = os.environ.get("AXL_RUNTIME_DIR")
    os.environ["AXL_RUNTIME_DIR"] = str(runtime)
    session = Session("test")
    try:
        session.up(LabConfig("2x2", accel="tcg"), bound=True)
        yield session
    except CannotInstallError as error:
        pytest.skip(f"no QEMU guest on this machine: {error}")
    finally:
        session.down()
        if saved is None:
            del os.environ["AXL_RUNTIME_DIR"]
        else:
            os.environ["AXL_RUNTIME_DIR"] = saved
        shutil.rmtree(runtime)

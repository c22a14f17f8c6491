# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The kernel driver in a guest, and the C program that measures its ioctls there."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from diag.lab import driver
from diag.lab.config import LabConfig
from diag.lab.guest import GUEST_SHARE
from diag.lab.session import Session
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from tests.build.native import build

RACK = "1x1"
_TIMEOUT_S = 300.0


@contextmanager
def guest_driver() -> Iterator[Callable[[], dict[str, float]]]:
    """A guest with one endpoint and the driver loaded."""
    with _guest("tcg") as run:
        yield run


@contextmanager
def counted_driver() -> Iterator[Callable[[], dict[str, float]]]:
    """The same with a clock that counts instructions."""
    with _guest("icount", "instructions") as run:
        yield run


@contextmanager
def _guest(accel: str, *arguments: str) -> Iterator[Callable[[], dict[str, float]]]:
    with tempfile.TemporaryDirectory(prefix="axl-bench-") as folder:
        program = build("c", Path(folder) / "built") / "tests/bench/guest_submit"
        session = _session(Path(folder) / "run")
        config = LabConfig(RACK, accel=accel)
        try:
            session.up(config, bound=True)
            driver.load(session, driver.build_for(config.kernel))
            shutil.copy(program, session.files.share)
            yield lambda: _run(session, *arguments)
        finally:
            session.down()


def _session(runtime: Path) -> Session:
    """A session whose files lie in a folder of their own."""
    before = os.environ.get("AXL_RUNTIME_DIR")
    os.environ["AXL_RUNTIME_DIR"] = str(runtime)
    try:
        return Session("bench")
    finally:
        del os.environ["AXL_RUNTIME_DIR"]
        if before is not None:
            os.environ["AXL_RUNTIME_DIR"] = before


def _run(session: Session, *arguments: str) -> dict[str, float]:
    (endpoint,) = enumerate_rack(load_rack(RACK)).endpoints
    command = [f"{GUEST_SHARE}/guest_submit", "/dev/accel/accel0", endpoint.bdf, *arguments]
    done = session.guest.run(command, timeout_s=_TIMEOUT_S)
    if done.status:
        raise RuntimeError(f"guest_submit: status {done.status}: {done.stderr.decode()}")
    sample: dict[str, float] = json.loads(done.stdout)
    return sample

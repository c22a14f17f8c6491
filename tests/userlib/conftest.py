# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fixtures: libaxl compiled, and racks in a runtime directory of their own.

In the guest both are there already: the rack is the one behind the kernel driver.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from axl_binding import SOURCE, Axl, Device

from diag.model.rack.client import RackClient
from diag.model.rack.launch import RunningRack
from tests.build.guest_rack import BUILD, GuestRack, is_guest
from tests.build.native import build
from tests.build.racks import runtime_directory


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The ordinary build."""
    if is_guest():
        return Path(os.environ[BUILD])
    return build("c", tmp_path_factory.mktemp("c"))


@pytest.fixture(scope="session")
def asan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with AddressSanitizer and UndefinedBehaviorSanitizer."""
    if is_guest():
        return Path(os.environ[BUILD] + "-asan")
    return build("c-asan", tmp_path_factory.mktemp("c-asan"))


@pytest.fixture(scope="session")
def tsan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The build with ThreadSanitizer."""
    if is_guest():
        return Path(os.environ[BUILD] + "-tsan")
    return build("c-tsan", tmp_path_factory.mktemp("c-tsan"))


@pytest.fixture(scope="session")
def axl(built: Path) -> Axl:
    """The library."""
    return Axl(built)


@pytest.fixture(scope="session")
def runtime() -> Iterator[Path]:
    """The runtime directory of this folder's racks."""
    with runtime_directory() as folder:
        yield folder


@contextmanager
def environment_of(runtime: Path) -> Iterator[None]:
    """What libaxl and everything started meanwhile see of the environment."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AXL_RUNTIME_DIR", str(runtime))
        patch.delenv("AXL_VISIBLE_DEVICES", raising=False)
        patch.setenv("AXL_HANG_TIMEOUT_MS", "300")
        yield


@pytest.fixture(autouse=True)
def environment(runtime: Path) -> Iterator[None]:
    """Per test, not per session: tests of other folders run in between, with racks of theirs."""
    with environment_of(runtime):
        yield


@pytest.fixture(scope="session")
def rack_2x2(runtime: Path) -> Iterator[RunningRack | GuestRack]:
    """Two cards with two endpoints each; tests leave it as they found it."""
    if is_guest():
        yield GuestRack(runtime)
        return
    with ExitStack() as stack:
        with environment_of(runtime):
            rack = stack.enter_context(RunningRack("2x2", "u2x2", auto_restart=True))
        yield rack
        with environment_of(runtime):
            stack.close()


@pytest.fixture
def rack(rack_2x2: RunningRack | GuestRack) -> Iterator[RunningRack | GuestRack]:
    """The shared rack; faults are cleared afterwards."""
    yield rack_2x2
    with rack_2x2.client() as client:
        client.call("fault.clear")


@pytest.fixture
def control(rack: RunningRack | GuestRack) -> Iterator[RackClient | GuestRack]:
    """A control connection of the shared rack."""
    with rack.client() as client:
        yield client


@pytest.fixture
def device(axl: Axl, rack: RunningRack) -> Iterator[Device]:
    """Endpoint 0 of the shared rack."""
    with axl.open(f"{SOURCE}#0") as opened:
        yield opened


def program(folder: Path, name: str) -> str:
    """A test program of a build."""
    return os.fspath(folder / "tests/userlib" / name)

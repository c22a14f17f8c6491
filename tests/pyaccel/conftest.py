# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One rack for all tests of this folder; every test gets healthy endpoints.

It is an embedded one, or in the guest the one behind the kernel driver.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import pyaccel
from pyaccel import testing
from tests.build.guest_rack import GuestRack, is_guest


@pytest.fixture(scope="session")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[testing.Rack]:
    """Two cards with two endpoints each."""
    if is_guest():
        yield GuestRack(tmp_path_factory.mktemp("none"))
        return
    with testing.rack("2x2") as running:
        yield running


@pytest.fixture(autouse=True)
def environment(rack: testing.Rack, monkeypatch: pytest.MonkeyPatch) -> None:
    """Per test: tests of other folders run in between, with runtime directories of theirs."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(rack.runtime_dir))


@pytest.fixture
def faulty(rack: testing.Rack) -> Iterator[testing.Rack]:
    """The rack, for a test that injects faults; they are cleared afterwards."""
    yield rack
    rack.clear_faults()


@pytest.fixture
def impatient(monkeypatch) -> None:
    """Devices opened by the test call a queue hung after 300 ms without progress."""
    monkeypatch.setenv("AXL_HANG_TIMEOUT_MS", "300")


@pytest.fixture
def device(rack: testing.Rack) -> Iterator[pyaccel.Device]:
    """Endpoint 0, open."""
    with pyaccel.open(rack.uri(0)) as opened:
        yield opened


@pytest.fixture
def queue(device: pyaccel.Device) -> Iterator[pyaccel.Queue]:
    """A queue of endpoint 0."""
    with device.queue() as opened:
        yield opened

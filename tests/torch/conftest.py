# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""One rack for all tests of this folder. A process keeps the endpoints that it opened."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch

from pyaccel import testing


@pytest.fixture(scope="session")
def rack() -> Iterator[testing.Rack]:
    """Two cards with two endpoints each: axl:0 to axl:3."""
    with testing.rack("2x2") as running:
        yield running


@pytest.fixture(autouse=True)
def environment(rack: testing.Rack, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Every test finds the rack, seeds that it can rely on, and a count of fallbacks at zero."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(rack.runtime_dir))
    monkeypatch.delenv("AXL_VISIBLE_DEVICES", raising=False)
    torch.manual_seed(20)
    torch.axl.reset_fallbacks()
    yield
    torch.axl.synchronize()


@pytest.fixture
def faulty(rack: testing.Rack) -> Iterator[testing.Rack]:
    """The rack, for a test that injects faults; they are cleared afterwards."""
    yield rack
    rack.clear_faults()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fixtures of the reference device's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from diag.model.vfio_user.client import VfioUserClient
from tests.build.host import Bench
from tests.build.vfio_user import Served, serving


@pytest.fixture
def bench() -> Iterator[Bench]:
    """An endpoint with a queue, a context and mapped memory."""
    made = Bench()
    yield made
    made.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server with a recording function."""
    with serving(tmp_path / "ep.sock") as running:
        yield running


@pytest.fixture
def client(served: Served) -> Iterator[VfioUserClient]:
    """Its client."""
    with served.client() as connected:
        yield connected

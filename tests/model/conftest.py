# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fixtures of the reference device's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.build.host import Bench


@pytest.fixture
def bench() -> Iterator[Bench]:
    """An endpoint with a queue, a context and mapped memory."""
    made = Bench()
    yield made
    made.close()

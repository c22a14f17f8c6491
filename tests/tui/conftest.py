# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The application over samples that a test hands out one by one."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

import pytest

# Loaded before pytest-textual-snapshot renders anything: local time is on screen.
os.environ["TZ"] = "UTC"
time.tzset()


@pytest.fixture(autouse=True)
def _colours(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The caller's wish for no colours is not part of a test."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    return

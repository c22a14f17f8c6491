# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Fixtures of the compiler's tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch


@pytest.fixture
def fresh() -> Iterator[None]:
    """No graph of another test."""
    torch.compiler.reset()
    yield
    torch.compiler.reset()

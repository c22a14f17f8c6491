# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A pytest plugin around PyTorch's own tests, which are of an earlier version than PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch.testing._internal import common_cuda, common_device_type, common_mkldnn

# What they import and the installed version lacks.
if not hasattr(common_cuda, "tf32_is_not_fp32"):
    common_cuda.tf32_is_not_fp32 = lambda: True
if not hasattr(common_mkldnn, "bf32_on_and_off"):
    common_mkldnn.bf32_on_and_off = lambda *_tolerance: lambda test: test

# Else the first class of a file is named after PrivateUse1 and all others after axl.
common_device_type.PrivateUse1TestBase.device_type = "axl"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out what is for no device in particular."""
    generic = common_device_type.DeviceTypeTestBase
    kept = [each for each in items if issubclass(getattr(each, "cls", None) or object, generic)]
    config.hook.pytest_deselected(items=[each for each in items if each not in kept])
    items[:] = kept


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown() -> None:
    """What a test has the device do belongs to that test, also if it goes wrong later."""
    torch.axl.synchronize()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Which kernels the driver is built for, from their headers alone; no network."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.lab.headers import is_fit

FIT = """#
# Automatically generated file; DO NOT EDIT.
# Linux/x86 6.12.95 Kernel Configuration
#
CONFIG_DRM_ACCEL=y
CONFIG_PCI_MSI=y
"""


@pytest.mark.parametrize(
    ("found", "replaced", "fit"),
    [
        ("6.12.95", "6.12.95", True),
        ("6.12.95", "7.3.4", True),
        ("6.12.95", "6.9.1", False),
        ("Linux/x86 6.12.95", "", False),
        ("CONFIG_DRM_ACCEL=y", "# CONFIG_DRM_ACCEL is not set", False),
    ],
)
def test_kernels_that_cannot_have_the_driver_are_left_out(
    tmp_path: Path, found: str, replaced: str, fit: bool
) -> None:
    """Version and options decide, as far as the configuration tells."""
    (tmp_path / ".config").write_text(FIT.replace(found, replaced))

    assert is_fit(tmp_path) == fit

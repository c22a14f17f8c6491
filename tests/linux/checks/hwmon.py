# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Checks in the guest: sensors in hwmon."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tests.linux.checks.common import SHARE, attribute, held, until

INPUTS = ("temp1_input", "power1_input")
NAMES = ("name", "temp1_label", "power1_label", *INPUTS)


def _read(path: Path) -> str:
    # Not Python's own file objects: they take EAGAIN for "nothing yet".
    fd = os.open(path, os.O_RDONLY)
    try:
        return os.read(fd, 4096).decode().strip()
    except OSError as error:
        return errno.errorcode[error.errno or errno.EIO]
    finally:
        os.close(fd)


def hwmon(bdf: str) -> list[dict[str, str]]:
    """What each hwmon device of an endpoint says, or the name of the error."""
    folders = Path(f"/sys/bus/pci/devices/{bdf}/hwmon").glob("hwmon*")
    return [{name: _read(folder / name) for name in NAMES} for folder in folders]


def hwmon_gone(bdf: str) -> list[dict[str, str]]:
    """The same once the endpoint answers all-ones and the driver has noticed."""
    held(bdf)
    (SHARE / "held").touch()
    until(lambda: attribute(bdf, "state") == "gone")
    return hwmon(bdf)


CHECKS = (hwmon, hwmon_gone)

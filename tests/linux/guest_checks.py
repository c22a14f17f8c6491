# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is checked inside the guest: `python -m tests.linux.guest_checks NAME [ARGUMENT...]`.

Each check uses /dev/accel like any program and prints what it saw as one JSON value; the
tests on the host judge it. The checks are those that the modules in `checks/` list. Only
this file and its imports run in the guest.
"""

from __future__ import annotations

import importlib
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyaccel.spec.formats import Status

FOLDER = Path(__file__).with_name("checks")


def checks() -> dict[str, Callable[..., Any]]:
    """Every check by its name."""
    names = sorted(path.stem for path in FOLDER.glob("*.py"))
    modules = [importlib.import_module(f"tests.linux.checks.{name}") for name in names]
    found = [check for module in modules for check in getattr(module, "CHECKS", ())]
    by_name = {check.__name__: check for check in found}
    assert len(by_name) == len(found), "two checks of one name"
    return by_name


assert Status.OK == 0

if __name__ == "__main__":
    print(json.dumps(checks()[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - the result

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is checked inside the guest: `python -m tests.linux.guest_checks NAME [ARGUMENT...]`.

Each check uses /dev/accel like any program and prints what it saw as one JSON value; the
tests on the host judge it. Only this file and its imports run in the guest.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Any

from pyaccel.spec.formats import Status
from tests.linux.checks import (
    arguments,
    dmabufs,
    events,
    identity,
    memory,
    peers,
    pins,
    queue_resets,
    queues,
    resets,
    results,
    transfers,
)

MODULES = (
    arguments,
    dmabufs,
    events,
    identity,
    memory,
    peers,
    pins,
    queue_resets,
    queues,
    resets,
    results,
    transfers,
)
CHECKS: dict[str, Callable[..., Any]] = {
    check.__name__: check for module in MODULES for check in module.CHECKS
}

assert Status.OK == 0

if __name__ == "__main__":
    print(json.dumps(CHECKS[sys.argv[1]](*sys.argv[2:])))  # noqa: T201 - the result

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The rack as tests see it inside the guest: endpoints of the kernel driver.

`pytest -p tests.build.guest_rack` runs the tests of tests/userlib and tests/pyaccel over the
kernel driver instead of an embedded rack of their own. The guest cannot connect to the host,
so a request to the rack, such as a fault, is a file in a folder that both see.
"""

from __future__ import annotations

import itertools
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, Self

import pytest

from pyaccel import testing

CONTROL: Final = "AXL_TEST_CONTROL"
"""Names the folder of requests; set in the guest only."""
BUILD: Final = "AXL_TEST_BUILD"
"""Names a folder with libaxl compiled, and the test programs."""
_POLL_S = 0.02
_REPLY_TIMEOUT_S = 60.0
_DRIVER = Path("/sys/bus/pci/drivers/axl")
_numbers = itertools.count()


def is_guest() -> bool:
    """Whether the tests run in the guest, over the kernel driver."""
    return CONTROL in os.environ


def ask(folder: Path, method: str, params: dict[str, Any]) -> dict[str, Any]:
    """Have the host ask the rack; RackError if that refuses."""
    name = f"{os.getpid()}-{next(_numbers)}"
    draft, reply = folder / f"{name}.new", folder / f"{name}.reply"
    draft.write_text(json.dumps({"method": method, "params": params}))
    draft.rename(folder / f"{name}.request")
    deadline = time.monotonic() + _REPLY_TIMEOUT_S
    while not reply.exists():
        if time.monotonic() > deadline:
            raise testing.RackError(f"{method}: the host does not answer")
        time.sleep(_POLL_S)
    told: dict[str, Any] = json.loads(reply.read_text())
    if "error" in told:
        raise testing.RackError(f"{method}: {told['error']}")
    return told


class GuestRack(testing.Rack):
    """The rack behind the guest, by the names that the kernel driver gives its endpoints.

    Args:
        runtime_dir: an empty folder: no embedded rack is there.
    """

    def __init__(self, runtime_dir: Path) -> None:
        super().__init__("none", runtime_dir)
        self.source = "kernel"
        self._control = Path(os.environ[CONTROL])

    def call(self, method: str, **params: object) -> dict[str, Any]:
        """Ask the rack; clearing faults also brings endpoints back that they took away."""
        told = ask(self._control, method, params)
        if method == "fault.clear":
            revive()
        return told

    @contextmanager
    def client(self) -> Iterator[Self]:
        """A control connection: the rack itself."""
        yield self


def revive() -> None:
    """Bind the driver anew wherever it has given an endpoint up."""
    for link in sorted(_DRIVER.glob("*:*:*.*")):
        if (link / "axl/state").read_text().strip() not in ("wedged", "gone"):
            continue
        (_DRIVER / "unbind").write_text(link.name)
        (_DRIVER / "bind").write_text(link.name)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Leave out what is of embedded racks alone, and say why."""
    for item in items:
        marker = item.get_closest_marker("rack_only")
        if marker and is_guest():
            item.add_marker(pytest.mark.skip(reason=marker.args[0]))

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Something is done to endpoints that all have work in flight: what became of it, by endpoint."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.linux.conftest import COMMAND_TIMEOUT_S, Driver

_POLL_S = 0.02
_ALL_TIMEOUT_S = 900.0


class Rounds:
    """A process in the guest that keeps a batch in flight on each endpoint, round after round."""

    def __init__(self, place: Path, process: Future[Any]) -> None:
        self._place = place
        self._process = process
        self._number = 0

    def during(self, action: Callable[[], object]) -> dict[str, Any]:
        """What became of the work of each endpoint; `action` returns when all is over."""
        self._wait_for(f"ready-{self._number}")
        action()
        (self._place / f"go-{self._number}").touch()
        seen = self._wait_for(f"seen-{self._number}")
        self._number += 1
        return dict(json.loads(seen.read_text()))

    def _wait_for(self, name: str) -> Path:
        deadline = time.monotonic() + COMMAND_TIMEOUT_S
        while not (self._place / name).exists():
            if self._process.done():
                raise AssertionError(f"it ended before {name}: {self._process.result()}")
            assert time.monotonic() < deadline, f"no {name}"
            time.sleep(_POLL_S)
        return self._place / name


@contextmanager
def rounds(driver: Driver, bdfs: Iterable[str]) -> Iterator[Rounds]:
    """Such a process on these endpoints, until the block ends."""
    place = driver.lab.files.share / f"rounds-{time.monotonic_ns()}"
    place.mkdir()
    with ThreadPoolExecutor(1) as pool:
        process = pool.submit(driver.check, "rounds", place.name, *bdfs, timeout_s=_ALL_TIMEOUT_S)
        try:
            yield Rounds(place, process)
        finally:
            (place / "end").touch()
        process.result()

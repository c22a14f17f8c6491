# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Two samples with a copy of 4096 bytes between them: `python -m tests.linux.guest_sample`.

Runs in the guest; prints one line of JSON: state, readings before, readings after.
"""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import pyaccel
from diag.topo.sampling import Sample
from diag.topo.sources import follow
from diag.topo.sources.following import Follower
from diag.topo.sources.library_telemetry import NO_ANSWER

TRIES = 60
"""Of a second at most, each."""


def main() -> None:
    """Take them while the queue is still there."""
    follower = follow("kernel")
    before = live(follower)
    first = before.rack.endpoints[0].bdf
    uri = next(each.uri for each in pyaccel.devices("kernel") if each.bdf == first)
    with pyaccel.open(uri) as device, device.queue() as queue:
        host, memory = device.empty((1024,), memory="host"), device.empty((1024,))
        queue.copy(memory, host)
        queue.submit().wait()
        after = live(follower)
    print(json.dumps([before.state, rows(before), rows(after)]))  # noqa: T201 - the result


def live(follower: Follower) -> Sample:
    """The guest may be slow: what did not answer in time is asked again, for a while."""
    for _ in range(TRIES):
        sample = follower.sample()
        first = sample.readings.get(0)
        if sample.state == "live" and first and NO_ANSWER not in first.unavailable.values():
            break
    return sample


def rows(sample: Sample) -> dict[int, Any]:
    """Readings by number."""
    return {n: dataclasses.asdict(readings) for n, readings in sample.readings.items()}


if __name__ == "__main__":
    main()

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-top over the kernel driver's tree, as a folder of files shows it.

python -m tests.bench.top_over_sysfs ROOT: everything of `accel-top --source kernel` but for the
ioctls: an endpoint's telemetry is made here, and every figure of it is new with each sample.
"""

from __future__ import annotations

import itertools
import sys
from pathlib import Path

import pyaccel
from diag.topo.sources.following import Follower
from diag.topo.sources.kernel_sampler import KernelSampler
from diag.topo.sources.library_telemetry import LibraryTelemetry
from diag.tui.app import TopApp
from diag.tui.collector import Collector


class Busy:
    """An endpoint at work."""

    def __init__(self, uri: str) -> None:
        self._counts = itertools.count(sum(uri.encode()) % 97, 1009)

    def telemetry(self) -> pyaccel.Telemetry:
        """Everything is a little more than before."""
        n = next(self._counts)
        return pyaccel.Telemetry(
            temperature_millicelsius=40_000 + n % 9000, power_milliwatt=12_000 + n % 7000,
            clock_khz=1_000_000, utilisation_permille=n % 1000, memory_corrected=0,
            memory_uncorrected=0, heartbeat=n, progress=n * 7, bytes_host_to_device=n << 20,
            bytes_device_to_host=n << 19, bytes_device_to_device=n << 18, bytes_peer=n << 17,
            device_ticks=n, host_ns=n, clock_uncertainty_ns=0,
        )  # fmt: skip

    def close(self) -> None:
        """Nothing to let go."""


def main() -> None:
    """Command line."""
    root = Path(sys.argv[1])
    sampler = KernelSampler(root / "sys", root / "proc", LibraryTelemetry(Busy))
    TopApp(Collector(Follower(sampler))).run()


if __name__ == "__main__":
    main()

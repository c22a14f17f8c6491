# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Analysis of a large capture: events per second to per-queue percentiles, and memory.

    python -m tests.bench.trace_analysis [--events 10000000] [--rounds 3]

Prints one JSON object. The peer is a plain NumPy pass over the same columns (one minimum and
one maximum of each): what reading them costs at least. Memory is the peak resident size of
a process that analyses the capture, less that of one that only imports, over the file's size.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from diag.trace.capture import CaptureWriter
from diag.trace.model import RecorderCost
from diag.trace.schema import CaptureInfo, Note, to_batch
from tests.build.events import stream

CHUNK_EVENTS = 1 << 20
BATCH_EVENTS = 1 << 16

CHILD = """
import json, resource, sys, time
from pathlib import Path
import numpy as np
from diag.trace.capture import read_capture
from diag.trace.commands import match
from diag.trace.latency import group_by
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
start = time.perf_counter()
capture = read_capture(Path(sys.argv[1]))
if sys.argv[2] == "ours":
    commands, tally = match(capture.batches)
    groups = group_by(commands, ("endpoint", "queue"))
    found = len(groups)
else:
    found = 0
    for batch in capture.batches:
        for column in batch.columns:
            values = column.to_numpy()
            found += int(values.max() >= values.min())
seconds = time.perf_counter() - start
print(json.dumps({
    "seconds": seconds,
    "events_per_s": capture.event_count / seconds,
    "memory_ratio": (peak() - before) / capture.file_bytes,
    "found": found,
}))
"""


def write_capture(path: Path, events: int) -> int:
    """A synthetic capture of about that many events; returns how many."""
    info = CaptureInfo((), "bench", "bench", 0, 0, None, "bench")
    writer = CaptureWriter(path, info)
    for seed in range(-(-events // CHUNK_EVENTS)):
        block = stream(min(CHUNK_EVENTS, events - seed * CHUNK_EVENTS), seed=seed, endpoints=4)
        block["pid"] += 10 * seed
        for at in range(0, len(block), BATCH_EVENTS):
            writer.write([to_batch(block[at : at + BATCH_EVENTS])], Note())
    cost = RecorderCost(writer.event_count, writer.byte_count, 0, 0, 0, 0, None, "bench")
    writer.finish(cost)
    return writer.event_count


def run(path: Path, side: str) -> dict[str, Any]:
    """One measurement in a process of its own, so that peak memory is its own."""
    command = [sys.executable, "-c", CHILD, str(path), side]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    found: dict[str, Any] = json.loads(output)
    return found


def measure(events: int, rounds: int) -> dict[str, Any]:
    """Median and spread over interleaved rounds."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "bench.axt"
        count = write_capture(path, events)
        samples = [(run(path, "ours"), run(path, "peer")) for _ in range(rounds)]
        file_bytes = path.stat().st_size
    ours = [mine["events_per_s"] for mine, _ in samples]
    return {
        "name": "trace_analysis",
        "events": count,
        "file_bytes": file_bytes,
        "groups": samples[0][0]["found"],
        "events_per_s": statistics.median(ours),
        "events_per_s_spread": [min(ours), max(ours)],
        "peer_events_per_s": statistics.median(peer["events_per_s"] for _, peer in samples),
        "memory_ratio": max(mine["memory_ratio"] for mine, _ in samples),
        "target_events_per_s": 5e6,
        "target_memory_ratio": 2.0,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=10_000_000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    print(json.dumps(measure(options.events, options.rounds), indent=1))


if __name__ == "__main__":
    main()

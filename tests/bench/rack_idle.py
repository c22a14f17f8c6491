# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What an idle rack costs: memory of all its processes and share of a core.

python -m tests.bench.rack_idle [--rack 8x8] [--seconds 5]: prints one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import tempfile
import time
from pathlib import Path
from typing import Any

from diag.model.rack.launch import RunningRack


def pss_bytes(pid: int) -> int:
    """Proportional set size: shared pages are divided among those who share them."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    match = re.search(r"^Pss: +([0-9]+) kB", text, re.MULTILINE)
    assert match is not None, text
    return int(match[1]) * 1024


def cpu_ticks(pid: int) -> int:
    """User and system time, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def measure(rack: str = "8x8", seconds: float = 5.0) -> dict[str, Any]:
    """Start a rack, let it stand idle, and say what it cost meanwhile."""
    started = time.perf_counter()
    with RunningRack(rack, name="idle") as running:
        up_s = time.perf_counter() - started
        with running.client() as client:
            info = client.call("rack.info")
        pids = [info["pid"], *(worker["pid"] for worker in info["workers"])]
        endpoints = sum(len(worker["endpoints"]) for worker in info["workers"])
        time.sleep(0.5)
        before, begin = sum(map(cpu_ticks, pids)), time.perf_counter()
        time.sleep(seconds)
        used = (sum(map(cpu_ticks, pids)) - before) / os.sysconf("SC_CLK_TCK")
        share = 100 * used / (time.perf_counter() - begin)
        memory = sum(map(pss_bytes, pids))
    return {
        "rack": rack,
        "endpoints": endpoints,
        "processes": len(pids),
        "start_s": round(up_s, 3),
        "pss_bytes": memory,
        "cpu_percent": round(share, 3),
        "seconds": seconds,
    }


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rack", default="8x8")
    parser.add_argument("--seconds", type=float, default=5.0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="axl-bench-") as folder:
        os.environ["AXL_RUNTIME_DIR"] = folder
        print(json.dumps(measure(options.rack, options.seconds)))


if __name__ == "__main__":
    main()

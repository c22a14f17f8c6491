# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the kernel holds on behalf of the driver, counted; and a module that comes and goes."""

from __future__ import annotations

import re
import subprocess
import time
from collections import Counter
from pathlib import Path
from typing import Any

from tests.linux.checks.common import SHARE, TRACING, open_at
from tests.linux.session import DEVICE, HOST, PAGE, TIMEOUT_S, Work, copy
from tests.linux.syncobj import Syncobj

_SLABS = Path("/sys/kernel/debug/slab")
_CACHES = Path("/sys/kernel/slab")
_MODULE = Path("/sys/module/axl")
_AUTOPROBE = Path("/sys/bus/pci/drivers_autoprobe")
_BIND = Path("/sys/bus/pci/drivers/axl/bind")
_DUMPS = Path("/sys/class/devcoredump")
_DROP_CACHES = Path("/proc/sys/vm/drop_caches")
_GRACE_PERIOD_S = 3.0
"""Many times what RCU takes, also in an emulated guest on a busy machine."""
_MAPPING = TRACING / "events/dma"
_TAKES, _GIVES = ("dma_map_", "dma_alloc"), ("dma_unmap_", "dma_free")
_NO_KERNEL_MEMORY = ("MemFree", "Buffers", "Cached", "AnonPages", "SReclaimable")
_COUNTING = ("debugfs_file_get", "event_hist_trigger_parse")
"""Who allocated what counting itself costs."""
_TRIGGER = "hist:keys=device:size=128"


def _stacks() -> Counter[str]:
    """Objects by who allocated them: needs slub_debug=U."""
    found: Counter[str] = Counter()
    for path in _SLABS.glob("*/alloc_traces"):
        for block in path.read_text().split("\n\n"):
            head, *frames = block.strip().splitlines()[:9] or [""]
            match = re.match(r"\s*(\d+) (\S+)", head)
            if match and not any(name in block for name in _COUNTING):
                names = " < ".join(frame.strip() for frame in frames)
                found[f"{path.parent.name}: {names}"] += int(match[1])
    return found


def kernel_kib() -> int:
    """Memory that is neither free nor a process's nor a cache that can be dropped.

    MemFree lacks the free pages that each CPU keeps for itself, some MiB that come and go.
    """
    text = Path("/proc/meminfo").read_text()
    lines = dict(re.findall(r"^(\w+(?:\(\w+\))?): +(\d+)", text, re.MULTILINE))
    kept = re.findall(r"^ +count: +(\d+)", Path("/proc/zoneinfo").read_text(), re.MULTILINE)
    others = sum(int(lines[name]) for name in _NO_KERNEL_MEMORY)
    return int(lines["MemTotal"]) - others - sum(map(int, kept)) * PAGE // 1024


def _mappings() -> dict[str, int]:
    """DMA mappings by device, taken less given back, since they are counted."""
    balance: Counter[str] = Counter()
    for path in _MAPPING.glob("dma_*/hist"):
        name = path.parent.name
        sign = name.startswith(_TAKES) - name.startswith(_GIVES)
        if sign == 0 or name.endswith("_err"):
            continue
        for device, count in re.findall(
            r"\{ device: +(\S+) +\} hitcount: +(\d+)", path.read_text()
        ):
            balance[device] += sign * int(count)
    return dict(balance)


def _count_mappings(trigger: str) -> None:
    for path in _MAPPING.glob("dma_*/trigger"):
        path.write_text(trigger)


def _free_what_waits() -> None:
    """Memory given to kfree_rcu() is freed up to five seconds later, unless a shrinker asks.

    It asks twice: two batches wait for their grace period at a time (KFREE_N_BATCHES), and what
    comes while both do stays behind the first time. A file of sysfs that was closed is such memory.

    KASAN keeps what was freed in quarantine, where it counts as allocated; shrinking a cache
    lets it go.
    """
    for _ in range(2):
        _DROP_CACHES.write_text("2")
        time.sleep(_GRACE_PERIOD_S)
    for path in _CACHES.glob("*/shrink"):
        path.write_text("1")


def kernel_usage() -> dict[str, Any]:
    """What is in use now; DMA mappings are counted from here on."""
    _free_what_waits()
    mappings = _mappings()
    _count_mappings(f"!{_TRIGGER}")
    _count_mappings(_TRIGGER)
    return {"stacks": _stacks(), "mappings": mappings, "quarantine": _has_quarantine()}


def _has_quarantine() -> bool:
    """Whether freed memory stays away for a while: KASAN, to find who uses it nevertheless."""
    return " kasan_quarantine_put\n" in Path("/proc/kallsyms").read_text()


def _used(bdf: str) -> None:
    """A little of everything; all of it closed again."""
    work = Work(open_at(bdf))
    buffer, memory = work.buffer(PAGE, HOST), work.buffer(PAGE, DEVICE)
    fence = Syncobj(work.accel)
    work.submit(copy(buffer.va, memory.va, PAGE), out_sync=fence.handle)
    assert fence.wait(TIMEOUT_S) == 0
    buffer.cpu.close()
    memory.cpu.close()
    work.accel.close()


def _reload(values: list[str], bdf: str) -> None:
    subprocess.run(["rmmod", "axl"], check=True)
    subprocess.run(["insmod", SHARE / "axl.ko", *values], check=True)
    _BIND.write_text(bdf)
    _used(bdf)


def reloads(times: str, bdf: str) -> dict[str, Any]:
    """The module removed and inserted, with work on one endpoint each time, the only one bound."""
    folder = _MODULE / "parameters"
    values = [f"{path.name}={path.read_text().strip()}" for path in folder.iterdir()]
    used = []
    for data in _DUMPS.glob("devcd*/data"):
        # Meant to outlive the module that took them.
        data.write_text("1")
    _AUTOPROBE.write_text("0")
    try:
        _reload(values, bdf)
        before = kernel_usage()
        for _ in range(int(times)):
            _reload(values, bdf)
            used.append(kernel_kib())
        return {"before": before, "after": kernel_usage(), "kernel_kib": used}
    finally:
        _AUTOPROBE.write_text("1")
        subprocess.run(["rmmod", "axl"], check=True)
        subprocess.run(["insmod", SHARE / "axl.ko", *values], check=True)


CHECKS = (kernel_usage, reloads)

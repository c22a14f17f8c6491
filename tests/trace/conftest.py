# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A rack's runtime folder without a rack, and captures to look at."""

from __future__ import annotations

import numpy as np
import pytest

from diag.model.rack.runtime_dir import lock_rack, rack_dir, write_pid
from diag.trace.capture import CaptureWriter
from diag.trace.model import Endpoint, Loss, RecorderCost
from diag.trace.schema import CaptureInfo, Note, to_batch
from pyaccel.spec.formats import Stage
from tests.build.events import SERIAL, stream

LINK = "speed=4 width=16 max_speed=4 max_width=16"
TOPOLOGY = f"""axl-topology 1
rack name=1x2 generation=1
port bdf=0000:00:01.0 kind=root parent=- secondary=01 subordinate=01 {LINK} slot=1
endpoint n=0 bdf=0000:01:00.0 parent=0000:00:01.0 serial={SERIAL:#018x} index=0 count=2 card=0 \
slot=1 {LINK} path=0000:00:01.0 bar0=0x4000000000 bar2=0x4100000000 bar2_bytes=0x1000000 \
bar4=0x4000020000 irq=msix socket=ep0.sock
"""


@pytest.fixture
def rack(tmp_path, monkeypatch):
    """The folder of a rack that claims to be up; its supervisor is this process."""
    monkeypatch.setenv("AXL_RUNTIME_DIR", str(tmp_path / "run"))
    found = rack_dir("1x2", create=True)
    found.topology.write_text(TOPOLOGY)
    found.events_enable.write_bytes(bytes(4096))
    found.events.mkdir()
    lock = lock_rack(found)
    assert lock is not None
    write_pid(lock)
    return found


@pytest.fixture
def capture_path(tmp_path):
    """A capture of 1000 commands, one of them lost on endpoint 1, queue 2; 5 events dropped."""
    path = tmp_path / "run.axt"
    events = stream(7000, block=100)
    hole = (events["endpoint"] == 1) & (events["queue"] == 2) & (events["sequence"] == 60)
    events = events[~(hole & (events["stage"] > Stage.DOORBELL))]
    table = tuple(
        Endpoint(row, SERIAL, row, f"0000:0{5 + row}:00.0", f"card:{SERIAL:#018x}/{row}")
        for row in range(2)
    )
    info = CaptureInfo(table, "2x2", "lab", 1_000_000, 10**18, ("python", "train.py"), "test")
    writer = CaptureWriter(path, info)
    for start in range(0, len(events), 1000):
        writer.write([to_batch(events[start : start + 1000])], Note())
    writer.write([], Note(losses=(Loss("9-0.ring", 0, 9, 5, 10),)))
    end = int(np.max(events["time_ns"])) + 1000
    writer.finish(RecorderCost(len(events), writer.byte_count, 10**6, 10**8, 5, end, 0, "test"))
    return path

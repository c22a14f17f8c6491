# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""A machine of which this user may not read everything: what is missing says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from diag.lab.supervisor import CHECKOUT
from tests.build.sysfs import Sysfs

ROOT_PORT, EP = "0000:00:01.0", "0000:01:00.0"
PROGRAM = f"""
import sys
from pathlib import Path
from diag.topo.sources.kernel_sampler import KernelSampler
from diag.tui import detail
from diag.tui.picture import Painter

painter = Painter()
picture = painter.add(KernelSampler(Path(sys.argv[1]), proc=Path(sys.argv[2])).sample())
for block in detail.blocks(picture, painter.history, "{EP}"):
    for line in block.lines:
        print("".join(cell.text for cell in line).rstrip())
"""


def test_the_detail_says_what_may_not_be_read(tmp_path: Path) -> None:
    """A figure that is denied is a dash with the kernel's reason, beside those that are not."""
    machine = Sysfs(tmp_path / "sys")
    machine.bridge(ROOT_PORT, None, (1, 1))
    machine.endpoint(EP, ROOT_PORT)
    (tmp_path / "proc").mkdir()
    (machine.devices / EP / "axl/generation").chmod(0)
    # Root may read everything, unless it gives that up.
    less = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    command = [
        *(less if os.geteuid() == 0 else []),
        sys.executable, "-c", PROGRAM, str(machine.root), str(tmp_path / "proc"),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
    (generation,) = [line for line in done.stdout.splitlines() if line.startswith("generation")]
    assert generation.split(maxsplit=1)[1] == "—  generation: Permission denied"
    assert "card:0x00a0c00000000001/0" in done.stdout
    assert "committed" in done.stdout

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Who and where the endpoints are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.linux.checks.common import NODES, interface
from tests.linux.uapi import Accel


def identity() -> dict[str, Any]:
    """What every endpoint says of itself, by ioctl and in sysfs, by BDF."""
    seen: dict[str, Any] = {}
    types = interface()
    for node in NODES.iterdir():
        accel = Accel(types, node)
        info = accel.do("get_info")
        folder = Path("/sys/class/accel", node.name, "device").resolve()
        seen[folder.name] = {
            "serial": info.board_serial,
            "index": info.endpoint_index,
            "count": info.endpoint_count,
            "bdf": info.bdf,
            "slot": info.slot,
            "path": list(info.path[0 : info.path_depth]),
            "address_state": info.address_state,
            "peers": info.peer_count,
            "state": info.state,
            "vectors": info.vectors,
            "memory": [info.memory_address, info.memory_bytes],
            "bar2": [int(word, 16) for word in (folder / "resource").read_text().split()[6:8]],
            "link": [info.link_speed, info.link_width],
            "sysfs": {path.name: path.read_text().strip() for path in (folder / "axl").iterdir()},
        }
        accel.close()
    return seen


CHECKS = (identity,)

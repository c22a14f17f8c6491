# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What the supervisor itself does, without any worker."""

from __future__ import annotations

from pathlib import Path

import pytest

from diag.model.bus import BusError
from diag.model.memory import DeviceMemory
from diag.model.rack.runtime_dir import RackDir
from diag.model.rack.spec import load_rack
from diag.model.rack.supervisor import Supervisor

BAR2 = 0x40_0000_0000


@pytest.fixture
def supervisor(tmp_path: Path) -> Supervisor:
    """The supervisor of a 2x2 rack that has not started any worker."""
    return Supervisor(load_rack("2x2"), RackDir(tmp_path))


def test_peers_of_a_dead_card_get_unsupported_request(supervisor: Supervisor) -> None:
    """The addresses of a dead worker's endpoints decode no more; others still do."""
    size = supervisor.placement.endpoints[0].bar2_bytes
    supervisor.fabric.publish(0, BAR2, size, enabled=True)
    supervisor.fabric.publish(2, BAR2 + size, size, enabled=True)
    supervisor._group_changed(supervisor.groups[0])
    with pytest.raises(BusError):
        supervisor.fabric.locate(BAR2, 64)
    assert supervisor.fabric.locate(BAR2 + size, 64) == (2, 0)


def test_the_memory_of_a_dead_card_is_emptied(supervisor: Supervisor) -> None:
    """Nothing of one power cycle reaches the next, for every endpoint of the card."""
    memories = [
        DeviceMemory(supervisor.fabric.memory_fds[n], supervisor.fabric.sizes[n]) for n in range(3)
    ]
    for memory in memories:
        memory.view[:6] = b"secret"
    supervisor._group_changed(supervisor.groups[0])
    assert [bytes(memory.view[:6]) for memory in memories] == [bytes(6), bytes(6), b"secret"]


def test_groups_are_cards(supervisor: Supervisor) -> None:
    """By default one worker serves the endpoints of one card."""
    groups = [[endpoint.n for endpoint in group.endpoints] for group in supervisor.groups]
    assert groups == [[0, 1], [2, 3]]

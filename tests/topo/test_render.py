# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The tree, the table and single objects as text."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from diag.model.rack.runtime_dir import RackDir
from diag.printable import printable
from diag.topo.model import Rack
from diag.topo.protocol import SourceError
from diag.topo.render import Insight, render_endpoint, render_port, render_table, render_tree
from diag.topo.sources.rack import RackSource
from diag.topo.text import short_link, size
from tests.build.racks import runtime_directory
from tests.build.topologies import endpoint, link, port, rack, topology_text

MIXED_TREE = """\
└─ 00:01.0 root port slot 1  32GT/s x16
   └─ 01:00.0 switch
      ├─ 02:00.0 port slot 2  32GT/s x8 (can do 32GT/s x16) !
      │  └─ 03:00.0 card 0
      │     ├─ 04:00.0 port  32GT/s x8
      │     │  └─ 05:00.0 ep0 card:0x00a0c00000000021/0 — msix 256M
      │     └─ 04:01.0 port  32GT/s x8
      │        └─ 06:00.0 ep1 card:0x00a0c00000000021/1 — msix 512M
      └─ 02:01.0 port slot 3  16GT/s x8
         └─ 07:00.0 card 1
            ├─ 08:00.0 port  2.5GT/s x8 (can do 16GT/s x8) !
            │  └─ 09:00.0 ep2 card:0x00a0c00000000022/0 — msix 256M
            └─ 08:01.0 port  8GT/s x4
               └─ 0a:00.0 ep3 card:0x00a0c00000000022/1 — msi 256M
"""


def saved(tmp_path: Path, name: str) -> Rack:
    """A shipped rack as its topology file alone tells it."""
    directory = RackDir(tmp_path)
    directory.topology.write_text(topology_text(name))
    return RackSource(directory).read()


def test_the_mixed_rack_is_drawn_with_its_slow_links_marked(tmp_path: Path) -> None:
    """Speed, width, identity, interrupt and memory of everything; unknown is a dash."""
    assert MIXED_TREE in "\n".join(render_tree(saved(tmp_path, "2x2-mixed")))


@pytest.mark.parametrize("name", ["1x1", "2x2", "2x2-mixed", "8x8"])
def test_the_tree_fits_80_columns(tmp_path: Path, name: str) -> None:
    """No line of a shipped rack is wider, a long path of a socket aside."""
    lines = list(render_tree(saved(tmp_path, name)))
    assert max(len(line) for line in lines if "control.sock" not in line) <= 80
    assert sum(" ep" in line for line in lines) == sum(1 for _ in saved(tmp_path, name).endpoints)


def test_a_rack_without_its_control_socket_says_so(tmp_path: Path) -> None:
    """The topology file alone gives the tree; what only the rack knows is unknown."""
    read = saved(tmp_path, "1x1")
    assert not read.live
    first = read.endpoints[0]
    assert (first.health, first.generation, first.address) == ("unknown", None, None)
    assert set(first.unavailable) == {"generation", "address", "client_pid", "aer"}
    assert "(not asked:" in "\n".join(render_tree(read))


def test_a_control_socket_that_never_answers_costs_one_timeout(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stuck supervisor is like none: the tree is drawn from the topology file."""
    monkeypatch.setattr("diag.topo.sources.rack.TIMEOUT_S", 0.05)
    with runtime_directory() as folder, socket.socket(socket.AF_UNIX) as listener:
        directory = RackDir(folder)
        directory.topology.write_text(topology_text("1x1"))
        listener.bind(str(directory.control))
        listener.listen()
        read = RackSource(directory).read()
        assert not read.live
        assert "topology.get" in str(read.live_reason)
        with pytest.raises(SourceError, match=r"endpoint 0: .*registers\.get"):
            RackSource(directory).registers(0, "IDENT")


def test_an_endpoint_that_is_gone_stands_out() -> None:
    """Its state replaces the address state."""
    text = "\n".join(render_tree(rack(endpoint(health="gone", health_reason="killed"))))
    assert "01:00.0 ep0 card:0x00a0c00000000001/0 GONE msix 256M" in text
    assert "error: 0000:01:00.0: the endpoint is gone: killed" in text


def test_an_empty_slot_is_drawn(tmp_path: Path) -> None:
    """A port with nothing below it says so."""
    tree = rack(ports=(port(), port(bdf="0000:00:02.0", slot=2, secondary=2, subordinate=2)))
    lines = list(render_tree(tree))
    assert lines[-2:] == ["└─ 00:02.0 root port slot 2  16GT/s x16", "   └─ (empty)"]


def test_the_segment_is_shown_where_it_matters() -> None:
    """With more than segment 0 addresses are written in full."""
    tree = rack(
        endpoint(bdf="0001:01:00.0", parent="0001:00:01.0"), ports=(port(bdf="0001:00:01.0"),)
    )
    assert "0001:01:00.0 ep0" in "\n".join(render_tree(tree))


def test_the_table_has_one_line_per_endpoint() -> None:
    """Columns line up under their names."""
    header, row = render_table(rack(endpoint(client_pid=77), ports=(port(),)))
    assert header.split() == [
        "EP", "BDF", "SLOT", "IDENTITY", "LINK", "HEALTH", "ADDRESS", "IRQ", "MEMORY",
        "PEERS", "PID",
    ]  # fmt: skip
    assert row.index("online") == header.index("HEALTH")
    assert row.endswith("77")


def test_an_endpoint_in_depth_shows_registers_by_name() -> None:
    """Fields are named, enumerated values are words, unread blocks say why."""
    block = [
        {
            "name": "ADDR.STATUS",
            "indices": [],
            "width_bits": 32,
            "value": 0x101,
            "fields": {"STATE": 1, "CAPTURED_VALID": 1},
            "names": {"STATE": "COMMITTED"},
        }
    ]
    tree = rack()
    text = "\n".join(
        render_endpoint(
            tree,
            tree.endpoints[0],
            Insight("a snapshot", {"ADDR": block, "ERROR": "link-down"}),
            "rack:a\x1b",
        )
    )
    assert "STATUS                 0x00000101          STATE=COMMITTED CAPTURED_VALID=1" in text
    assert "ERROR  — (link-down)" in text
    assert "telemetry  — (a snapshot)" in text
    assert "used by      nobody" in text
    assert "opens as     rack:a\\x1b" in text


def test_a_port_in_depth_shows_buses_and_window() -> None:
    """What a bridge forwards."""
    text = "\n".join(render_port(rack(), port(link=link(width=4))))
    assert "buses below  01..01" in text
    assert "window       0x4000000000..0x40100fffff" in text
    assert "16GT/s x4 (can do 16GT/s x16)" in text


def test_control_characters_cannot_reach_the_terminal() -> None:
    """Text from devices and files is escaped."""
    evil = rack(endpoint(health="gone", health_reason="\x1b[2Jbye\u202e"), name="\x1b]0;owned\x07")
    for line in [*render_tree(evil), *render_table(evil)]:
        assert line.isprintable(), line
    assert printable("a\x1b") == "a\\x1b"
    assert len(printable("x" * 1000)) < 300


@pytest.mark.parametrize(
    ("count", "text"), [(None, "—"), (0, "0"), (4096, "4K"), (3 << 30, "3G"), (1025, "1025")]
)
def test_sizes_are_exact(count: int | None, text: str) -> None:
    """Units are used only where nothing is lost."""
    assert size(count) == text


def test_unknown_links_are_dashes() -> None:
    """Not 0 and not the best guess."""
    assert short_link(link(None, None)) == "—"
    assert short_link(link(4, None)) == "16GT/s x—"

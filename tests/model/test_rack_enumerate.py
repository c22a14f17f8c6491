# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Enumeration: bus numbers and addresses as PCI demands them, for any tree."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings

from diag.model.rack.enumerate import BAR_BASE, PlacementError, enumerate_rack
from diag.model.rack.placement import PlacedEndpoint, Placement, bdf_word
from diag.model.rack.spec import RackSpec, load_rack, parse_rack, shipped_racks
from diag.model.rack.topology_file import (
    HEADER,
    TopologyFileError,
    parse_topology,
    render_topology,
)
from pyaccel.spec.formats import BAR0_BYTES, BAR4_BYTES
from tests.build.racks import racks


def bus(bdf: str) -> int:
    """Bus number of an address."""
    return bdf_word(bdf) >> 8 & 0xFF


def bars(endpoint: PlacedEndpoint) -> list[tuple[int, int]]:
    """(address, size) of each BAR."""
    return [
        (endpoint.bar0, BAR0_BYTES),
        (endpoint.bar2, endpoint.bar2_bytes),
        (endpoint.bar4, BAR4_BYTES),
    ]


def check_buses(placement: Placement) -> None:
    """Every bridge's buses lie inside its parent's and are its own."""
    by_bdf = {port.bdf: port for port in placement.ports}
    assert len(by_bdf) == len(placement.ports)
    assert len({port.secondary for port in placement.ports}) == len(placement.ports)
    for port in placement.ports:
        assert port.secondary <= port.subordinate
        if port.parent is None:
            assert bus(port.bdf) == 0
            continue
        parent = by_bdf[port.parent]
        assert bus(port.bdf) == parent.secondary
        assert parent.secondary < port.secondary
        assert port.subordinate <= parent.subordinate


def check_endpoints(placement: Placement) -> None:
    """Endpoints hang below the port that their path ends with."""
    by_bdf = {port.bdf: port for port in placement.ports}
    for endpoint in placement.endpoints:
        assert endpoint.path[-1] == endpoint.parent
        assert bus(endpoint.bdf) == by_bdf[endpoint.parent].secondary
        parents = [by_bdf[bdf].parent for bdf in endpoint.path]
        assert parents == [None, *endpoint.path[:-1]]


def check_addresses(placement: Placement) -> None:
    """BARs are aligned, do not overlap, and lie in the window of every port above."""
    by_bdf = {port.bdf: port for port in placement.ports}
    taken: list[tuple[int, int]] = []
    for endpoint in placement.endpoints:
        for address, size in bars(endpoint):
            assert address >= BAR_BASE
            assert address % size == 0
            taken.append((address, address + size))
            for bdf in endpoint.path:
                port = by_bdf[bdf]
                assert port.window_base is not None
                assert port.window_limit is not None
                assert port.window_base <= address
                assert address + size - 1 <= port.window_limit
    taken.sort()
    assert all(low[1] <= high[0] for low, high in pairwise(taken))


def check_windows(placement: Placement) -> None:
    """Windows have the granularity of bridges, and siblings' windows are disjoint."""
    spans: dict[str | None, list[tuple[int, int]]] = {}
    for port in placement.ports:
        if port.window_base is None or port.window_limit is None:
            continue
        assert port.window_base % (1 << 20) == 0
        assert (port.window_limit + 1) % (1 << 20) == 0
        spans.setdefault(port.parent, []).append((port.window_base, port.window_limit))
    for siblings in spans.values():
        siblings.sort()
        assert all(low[1] < high[0] for low, high in pairwise(siblings))


@settings(max_examples=150, deadline=None)
@given(racks())
def test_any_tree_is_enumerated_as_pci_demands(spec: RackSpec) -> None:
    """Bus numbers nest, windows contain BARs, nothing overlaps, the file reads back."""
    placement = enumerate_rack(spec)
    check_buses(placement)
    check_endpoints(placement)
    check_addresses(placement)
    check_windows(placement)
    assert len(placement.endpoints) == spec.endpoint_count
    assert parse_topology(render_topology(placement)) == placement


@pytest.mark.parametrize("name", shipped_racks())
def test_a_shipped_rack_is_enumerated(name: str) -> None:
    """Every shipped rack fits the buses and the address space."""
    placement = enumerate_rack(load_rack(name))
    check_buses(placement)
    check_addresses(placement)


def test_the_2x2_rack_has_the_documented_addresses() -> None:
    """The first endpoint of 2x2 sits where the interface of the topology file shows it."""
    first = enumerate_rack(load_rack("2x2")).endpoints[0]
    assert first.bdf == "0000:05:00.0"
    assert first.path == (
        "0000:00:01.0",
        "0000:01:00.0",
        "0000:02:00.0",
        "0000:03:00.0",
        "0000:04:00.0",
    )
    assert (first.slot, first.card, first.index, first.count) == (2, 0, 0, 2)


def test_a_missing_endpoint_keeps_its_place_in_the_card() -> None:
    """An endpoint that is not present is left out, and its card still counts it."""
    text = (
        "axl-rack: 1\nroot-ports:\n  - card:\n      switch: yes\n"
        "      endpoints: [{present: no}, {}]\n"
    )
    placement = enumerate_rack(parse_rack(text, "r.yaml"))
    only = placement.endpoints[0]
    assert len(placement.endpoints) == 1
    assert (only.n, only.index, only.count) == (0, 1, 2)


def test_more_than_255_buses_are_refused() -> None:
    """A rack that needs more bus numbers than there are is told so."""
    text = "axl-rack: 1\nroot-ports:\n  - repeat: 8\n    card: {switch: yes, endpoints: 32}\n"
    with pytest.raises(PlacementError, match="more than 255 buses"):
        enumerate_rack(parse_rack(text, "r.yaml"))


def test_a_path_longer_than_the_path_table_is_refused() -> None:
    """ADDR.PATH has 16 rows."""
    text = "axl-rack: 1\nroot-ports:\n"
    line = "  - "
    for _ in range(8):
        text += f"{line}switch:\n{' ' * (len(line) + 4)}ports:\n"
        line = " " * (len(line) + 4) + "- "
    text += f"{line}card: {{endpoints: 1}}\n"
    with pytest.raises(PlacementError, match="more than 16 ports"):
        enumerate_rack(parse_rack(text, "r.yaml"))


GOOD = render_topology(enumerate_rack(load_rack("1x1")))
BAD_LINES = {
    "no header": (GOOD.replace(HEADER, "axl-topology 2"), "line 1 must be"),
    "cut short": (GOOD.rstrip("\n"), "cut short"),
    "unknown kind": (GOOD + "bridge bdf=0000:00:02.0\n", "line 5: unknown kind of line 'bridge'"),
    "no value": (GOOD.replace("kind=root", "kind"), "line 3: 'kind' is not key=value"),
    "twice": (GOOD.replace("kind=root", "kind=root kind=root"), "line 3: kind is given twice"),
    "missing": (
        GOOD.replace(" slot=1 speed", " speed").replace("index=0 ", ""),
        "index: is missing",
    ),
    "bad address": (GOOD.replace("bar0=0x", "bar0="), "line 4: bar0: .* does not match"),
    "bad bdf": (
        GOOD.replace("parent=0000:00:01.0", "parent=0:1.0"),
        "line 4: parent: .* is no bus",
    ),
    "no such parent": (GOOD.replace("parent=0000:00:01.0", "parent=0000:00:02.0"), "no port"),
    "socket elsewhere": (GOOD.replace("ep0.sock", "../ep0.sock"), "line 4: socket"),
    "control character": (GOOD.replace("irq=msix", "irq=ms\x1bix"), "line 4"),
    "huge number": (GOOD.replace("n=0", f"n={'9' * 5000}"), "line 4: n: .* does not match"),
    "second rack": (GOOD + "rack name=x generation=1\n", "exactly one line 'rack'"),
}


@pytest.mark.parametrize(("text", "reason"), BAD_LINES.values(), ids=BAD_LINES.keys())
def test_a_bad_topology_file_is_refused_with_its_line(text: str, reason: str) -> None:
    """The parser says which line is wrong and how."""
    with pytest.raises(TopologyFileError, match=reason):
        parse_topology(text)


def test_unknown_keys_of_the_topology_file_are_ignored() -> None:
    """A newer rack may say more."""
    text = GOOD.replace("irq=msix", "irq=msix colour=red")
    assert parse_topology(text) == parse_topology(GOOD)

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Dumps of lspci: of real machines, generated ones, and bad ones."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from diag.topo.document import from_document, to_document
from diag.topo.findings import find
from diag.topo.links import links
from diag.topo.lspci_tree import DumpError, rack_of_dump
from diag.topo.model import Bar, Rack
from diag.topo.protocol import SourceError
from diag.topo.render import Insight, render_endpoint, render_port, render_table, render_tree
from diag.topo.sources.file import FileSource
from tests.build.config_bytes import dump, function
from tests.build.trees import Tree, full_tree, trees


def everything(rack: Rack) -> str:
    """All that the tool can print of it."""
    lines = [*render_tree(rack), *render_table(rack)]
    for endpoint in rack.endpoints:
        lines += render_endpoint(rack, endpoint, Insight("none", {}), "")
    for port in rack.ports:
        lines += render_port(rack, port)
    return "\n".join(lines)


def test_this_machine_s_own_dump_is_its_sysfs(tmp_path: Path) -> None:
    """Two ways to the same functions."""
    text = subprocess.run(["lspci", "-Dvvvxxxx"], capture_output=True, check=False).stdout
    if not text:
        pytest.skip("this machine has no PCI devices")
    path = tmp_path / "dump"
    path.write_bytes(text)
    rack = FileSource(str(path)).read()
    shown = {path.name for path in Path("/sys/bus/pci/devices").iterdir()}
    assert {each.bdf for each in (*rack.ports, *rack.endpoints)} == shown


TEXT = """\tRegion 0: Memory at fe800000 (64-bit, non-prefetchable) [size=128K]
\tRegion 2: Memory at <unassigned> (64-bit, prefetchable) [size=256M]
\tRegion 4: I/O ports at 3000 [size=256]
\tNUMA node: 1
\tIOMMU group: 7
\tKernel driver in use: axl
"""


def test_the_text_of_a_dump_is_used_too() -> None:
    """Sizes of BARs, driver, NUMA node and IOMMU group are in no byte."""
    rack = rack_of_dump(dump([("0000:05:00.0", function("endpoint"))], TEXT), "dump")
    seen = rack.endpoints[0]
    assert seen.bars == (Bar(0, 0xFE80_0000, 128 << 10), Bar(2, None, 256 << 20))
    assert (seen.pci.driver, seen.pci.numa_node, seen.pci.iommu_group) == ("axl", 1, 7)
    assert [each.rule for each in find(rack)] == ["bar-unassigned"]


def switch(acs: int, count: int = 2) -> str:
    """Accelerators below one switch."""
    root = "0000:00:01.0", function("root", buses=(0, 1, 4))
    up = "0000:01:00.0", function("upstream", buses=(1, 2, 4))
    legs = [
        (f"0000:02:0{n}.0", function("downstream", buses=(2, 3 + n, 3 + n), acs=acs))
        for n in range(count)
    ]
    leaves = [(f"0000:0{3 + n}:00.0", function("endpoint")) for n in range(count)]
    return dump([root, up, *legs, *leaves], "\tKernel driver in use: other\n")


def test_acs_between_accelerators_is_found_from_the_bytes() -> None:
    """At each port that redirects, with the parameter that helps; not where none does."""
    found = find(rack_of_dump(switch(0x1C), "dump"))
    found = [each for each in found if each.rule == "acs-blocks-peers"]
    assert [each.subject for each in found] == ["0000:02:00.0", "0000:02:01.0"]
    assert "pci=disable_acs_redir=0000:02:00.0" in found[0].advice
    for harmless in (switch(0), switch(0x1C, count=1)):
        found = find(rack_of_dump(harmless, "dump"))
        assert [each for each in found if each.rule == "acs-blocks-peers"] == []


def test_the_largest_tree_comes_back_from_its_dump() -> None:
    """Six switches deep, 256 endpoints."""
    tree = full_tree()
    assert len(tree.endpoints()) == 256
    assert {len(path) for _, path in tree.endpoints()} == {13}
    check(tree)


@given(trees())
@settings(deadline=None, max_examples=25)
def test_any_tree_comes_back_from_its_dump(tree: Tree) -> None:
    """Whatever hangs below whatever."""
    check(tree)


def check(tree: Tree) -> None:
    """Parents, kinds, links, findings, snapshot and drawing."""
    rack = rack_of_dump(dump(tree.functions()), "dump")
    assert {(port.bdf, port.kind, port.parent) for port in rack.ports} == tree.ports()
    assert {(each.bdf, each.path) for each in rack.endpoints} == tree.endpoints()
    assert {link.upper.bdf for link in links(rack) if link.lower} == tree.occupied()
    slow = {each.subject for each in find(rack) if each.rule == "link-below-capability"}
    assert slow == tree.slow()
    assert from_document(json.dumps(to_document(rack)), "dump") == rack
    text = "\n".join(render_tree(rack))
    assert all(f" ep{each.n} " in text for each in rack.endpoints)


BAD = {
    "nothing": ("", "no valid JSON"),
    "no bytes": ("00:00.0 Host bridge: Intel\n00:01.0 PCI bridge: Intel\n", "functions without"),
    "too short": ("00:00.0 Host bridge: Intel\n00: 86 80\n", "make it with: lspci -vvvxxxx"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD)
def test_what_is_no_dump_is_told(tmp_path: Path, text: str, reason: str) -> None:
    """Which file, why, and how to make a good one."""
    path = tmp_path / "dump"
    path.write_text(text)
    with pytest.raises(SourceError, match=f"dump: .*{reason}"):
        FileSource(str(path)).read()


def test_rows_that_are_missing_end_the_bytes() -> None:
    """What follows them would be at the wrong offset."""
    lines = dump([("0000:05:00.0", function("endpoint"))]).splitlines()
    cut = [line for line in lines if not line.startswith("40:")]
    (seen,) = rack_of_dump("\n".join(cut), "dump").endpoints
    assert "the bytes end before it; dump with: lspci -vvvxxxx" in seen.unavailable["link"]


def test_buses_that_run_in_circles_end() -> None:
    """Each function is in the tree once."""
    loop = dump(
        [
            ("0000:01:00.0", function("downstream", buses=(1, 2, 2))),
            ("0000:02:00.0", function("downstream", buses=(2, 1, 1))),
        ]
    )
    assert sorted(port.bdf for port in rack_of_dump(loop, "x").ports) == [
        "0000:01:00.0",
        "0000:02:00.0",
    ]


@given(st.text(alphabet="0123456789abcdef: .x\n\x1bMR", max_size=300))
def test_any_text_is_a_dump_or_an_error(text: str) -> None:
    """Nothing but DumpError comes out."""
    try:
        rack = rack_of_dump(text, "dump")
    except DumpError:
        return
    assert rack.ports or rack.endpoints

# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What is different between two pictures of a rack."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner, Result

import diag.topo.cli
from diag.topo.diff import Change, compare, difference_document
from diag.topo.diff_schema import SCHEMA
from diag.topo.document import to_document
from diag.topo.model import Aer, Bar, Rack
from diag.topo.render_diff import render_difference
from tests.build.topologies import endpoint, link, port, rack

IDENTITY = "card:0x00a0c00000000001/0"


def info(*args: str, expect: int = 0) -> Result:
    """Run accel-info."""
    result = CliRunner().invoke(diag.topo.cli.app, list(args))
    assert result.exit_code == expect, result.output
    return result


def saved(tree: Rack, path: Path) -> str:
    """A snapshot in a file."""
    path.write_text(json.dumps(to_document(tree)), "utf-8")
    return str(path)


def test_the_same_rack_has_not_changed() -> None:
    """Not even when it was read from elsewhere."""
    difference = compare(rack(), dataclasses.replace(rack(), source="file:other"))
    assert difference.changes == ()
    assert list(render_difference(difference)) == ["nothing has changed"]


def test_a_slower_link_is_a_change_and_a_finding() -> None:
    """At the port, by the path of the document, with advice."""
    difference = compare(rack(), rack(ports=(port(link=link(width=8)),)))
    assert difference.changes == (Change("changed", "0000:00:01.0", "link.width", 16, 8),)
    assert [each.rule for each in difference.new_findings] == ["link-below-capability"]
    back = compare(rack(ports=(port(link=link(width=8)),)), rack())
    assert [each.rule for each in back.gone_findings] == ["link-below-capability"]


def test_a_card_in_another_slot_is_the_same_card() -> None:
    """Its identity names it: the addresses have changed, and no endpoint was lost."""
    moved = endpoint(bdf="0000:07:00.0", slot=4, n=3, card=2)
    changes = compare(rack(), rack(moved)).changes
    assert {(change.subject, change.member) for change in changes} == {
        (IDENTITY, "bdf"),
        (IDENTITY, "slot"),
    }


def test_a_missing_endpoint_is_told_with_where_it_was() -> None:
    """And the one that is new."""
    first, second = endpoint(count=2), endpoint(count=2, n=1, index=1, bdf="0000:02:00.0")
    lost = compare(rack(first, second), rack(first))
    assert lost.changes == (
        Change("disappeared", "card:0x00a0c00000000001/1", None, "0000:02:00.0"),
    )
    assert [each.rule for each in lost.new_findings] == ["card-incomplete"]
    found = compare(rack(first), rack(first, second))
    assert [change.kind for change in found.changes] == ["appeared"]


def test_counters_that_grew_say_by_how_much() -> None:
    """More errors at one end is a finding that neither picture has by itself."""
    before, after = (rack(ports=(port(aer=Aer(n, 0, 0)),)) for n in (3, 10))
    difference = compare(before, after)
    assert [change.growth for change in difference.changes] == [7]
    (finding,) = difference.new_findings
    assert (finding.rule, finding.severity) == ("errors-growing", "warning")
    assert "7 correctable" in finding.text
    assert any("3 -> 10 (+7)" in line for line in render_difference(difference))


def test_a_bar_is_told_apart_by_its_number() -> None:
    """Not by its place in the list."""
    before = rack(endpoint(bars=(Bar(0, 0x1000, 4096), Bar(2, 0x10_0000, 65536))))
    after = rack(endpoint(bars=(Bar(2, 0x20_0000, 65536),)))
    members = {change.member for change in compare(before, after).changes}
    assert members == {"bars[0].address", "bars[0].size_bytes", "bars[2].address"}


def test_hostile_text_reaches_no_terminal() -> None:
    """Names of drivers and reasons come from files of strangers."""
    tree = rack(endpoint(health_reason="\x1b[2J\u202e"))
    text = "\n".join(render_difference(compare(rack(), tree)))
    assert "\x1b" not in text
    assert "\u202e" not in text


@given(
    st.lists(st.integers(0, 7), unique=True, max_size=8),
    st.lists(st.integers(0, 7), unique=True, max_size=8),
)
def test_what_comes_and_goes_is_told_exactly(before: list[int], after: list[int]) -> None:
    """For any two sets of endpoints; the document fits its schema."""

    def tree(indices: list[int]) -> Rack:
        made = (endpoint(n=n, index=n, count=8, bdf=f"0000:01:{n:02x}.0") for n in indices)
        return dataclasses.replace(rack(), endpoints=tuple(made))

    old, new = tree(before), tree(after)
    difference = compare(old, new)
    told = {(change.kind, change.subject[-1]) for change in difference.changes}
    assert told == {
        *(("disappeared", str(n)) for n in set(before) - set(after)),
        *(("appeared", str(n)) for n in set(after) - set(before)),
    }
    jsonschema.validate(difference_document(difference, old, new), SCHEMA)


def test_the_tool_compares_with_a_snapshot(tmp_path: Path) -> None:
    """--diff FILE, for people and for programs; --check fails for what is new and wrong only."""
    slow = rack(ports=(port(link=link(width=8)),))
    good, bad = saved(rack(), tmp_path / "good"), saved(slow, tmp_path / "bad")
    text = info("--source", f"file:{bad}", "--diff", good).stdout
    assert "~ 0000:00:01.0\n    link.width              16 -> 8\n" in text
    assert "new: warning: 0000:00:01.0: the link below runs at" in text
    document = json.loads(info("--source", f"file:{bad}", "--diff", good, "--json").stdout)
    jsonschema.validate(document, SCHEMA)
    info("--source", f"file:{bad}", "--diff", good, "--check", expect=1)
    info("--source", f"file:{bad}", "--diff", bad, "--check")
    info("--source", f"file:{good}", "--diff", bad, "--check")


@pytest.mark.parametrize("extra", [["0"], ["--table"]])
def test_parts_of_trees_are_not_compared(tmp_path: Path, extra: list[str]) -> None:
    """Wrong usage, said so."""
    path = saved(rack(), tmp_path / "tree")
    text = info(*extra, "--source", f"file:{path}", "--diff", path, expect=2).stderr
    assert "--diff compares whole trees" in text


def test_a_broken_snapshot_is_named(tmp_path: Path) -> None:
    """The file to compare with may be anything."""
    good, broken = saved(rack(), tmp_path / "good"), tmp_path / "broken"
    broken.write_text('{"version": 2', "utf-8")
    text = info("--source", f"file:{good}", "--diff", str(broken), expect=1).stderr
    assert f"{broken}: no topology document" in text

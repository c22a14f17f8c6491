# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Snapshots: what is written reads back, and what strangers write is checked."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from diag.schemas import text
from diag.topo.document import (
    MAX_DEPTH,
    DocumentError,
    document_of,
    from_document,
    to_document,
)
from diag.topo.model import Bar
from diag.topo.protocol import SourceError
from diag.topo.render import render_tree
from diag.topo.schema import SCHEMA
from diag.topo.sources.file import FileSource
from tests.build.topologies import STALE, endpoint, link, rack

ROOT = Path(__file__).resolve().parents[2]
FULL = rack(
    endpoint(
        bars=(Bar(0, 0x40_0000_0000, 4096), Bar(2, (1 << 63) + 1, None)),
        address=STALE,
        link=link(None, 8),
        unavailable={"aer": "not counted"},
    )
)


def test_the_published_schema_is_the_one_in_use() -> None:
    """Run `python -m diag.schemas` after a change."""
    published = (ROOT / "docs/reference/topology.schema.json").read_text()
    assert published == text("topology.schema.json")
    jsonschema.Draft202012Validator.check_schema(json.loads(published))


def test_a_document_fits_the_schema_and_reads_back() -> None:
    """Nothing is lost, 64-bit addresses and reasons included."""
    document = to_document(FULL)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert from_document(json.dumps(document), "test") == FULL


def test_unknown_values_are_null_in_the_document() -> None:
    """Not available is null, never 0."""
    item = to_document(FULL)["endpoints"][0]
    assert item["link"]["speed"] is None
    assert item["bars"][1]["size_bytes"] is None
    assert item["aer"] == {"correctable_count": None, "nonfatal_count": None, "fatal_count": None}


def changed(path: str, value: Any) -> str:
    """The full document with one member changed; None removes it."""
    document = to_document(FULL)
    *steps, last = path.split(".")
    target: Any = document
    for step in steps:
        target = target[int(step) if step.isdigit() else step]
    if value is None:
        del target[last]
    else:
        target[last] = value
    return json.dumps(document)


def deep(count: int) -> str:
    """A document with nothing but `count` ports, each below the one before."""
    document = to_document(FULL)
    (port,) = document["ports"]
    places = [f"0000:{n:02x}:00.0" for n in range(count)]
    document["ports"] = [
        {**port, "bdf": place, "parent": above}
        for place, above in zip(places, [None, *places], strict=False)
    ]
    return json.dumps({**document, "endpoints": []})


BAD = {
    "not JSON": ("{", "no valid JSON"),
    "deep": ("[" * 100_000, "no valid JSON"),
    "a list": ("[]", r"\$: .* is not of type 'object'"),
    "other format": (changed("format", "x"), "format"),
    "newer version": (changed("version", 4), "version 4 is newer than what this tool reads, 3"),
    "older version": (changed("version", 2), "version 2, this tool reads 3: save it again"),
    "missing member": (changed("endpoints.0.bdf", None), r"endpoints\[0\].*'bdf' is a required"),
    "extra member": (changed("endpoints.0.colour", "red"), "colour"),
    "bad address": (changed("endpoints.0.bars.0.address", "0xg"), r"bars\[0\]\.address"),
    "bad bdf": (changed("ports.0.bdf", "00:01.0"), r"ports\[0\]\.bdf"),
    "huge slot": (changed("ports.0.slot", 10**30), r"ports\[0\]\.slot"),
    "bad health": (changed("endpoints.0.health", "fine"), "health"),
    "orphan": (changed("endpoints.0.parent", "0000:07:00.0"), "there is no port 0000:07:00.0"),
    "float for a number": (changed("ports.0.secondary", 1.0), r"ports\[0\]\.secondary"),
    "too deep": (deep(MAX_DEPTH + 1), "more than 64 ports above each other"),
    "port below itself": (changed("ports.0.parent", "0000:00:01.0"), "its parent is not above it"),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_document_is_refused_with_its_place(text: str, reason: str) -> None:
    """The message says which member is wrong."""
    with pytest.raises(DocumentError, match=reason) as caught:
        from_document(text, "test")
    assert len(str(caught.value)) < 400


def test_the_deepest_tree_that_is_accepted_can_be_drawn() -> None:
    """The limit is what the drawing holds out, too."""
    assert len(list(render_tree(from_document(deep(MAX_DEPTH), "test")))) > MAX_DEPTH


def test_one_endpoint_is_a_document_of_its_own() -> None:
    """It holds the endpoint, the ports above it and its findings, and reads back."""
    other = endpoint(n=1, bdf="0000:02:00.0", index=1)
    whole = rack(FULL.endpoints[0], other)
    document = document_of(whole, other)
    assert [item["n"] for item in document["endpoints"]] == [1]
    assert [item["bdf"] for item in document["ports"]] == [other.parent]
    assert FULL.endpoints[0].bdf not in {item["subject"] for item in document["findings"]}
    assert from_document(json.dumps(document), "test").endpoints == (other,)


def test_a_fifo_is_an_empty_file(tmp_path: Path) -> None:
    """Nobody waits for a writer that never comes."""
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(SourceError, match="no valid JSON"):
        FileSource(str(tmp_path / "fifo")).read()


@given(st.text(max_size=200))
def test_any_text_is_a_document_or_an_error(text: str) -> None:
    """Nothing but DocumentError comes out."""
    with pytest.raises(DocumentError):
        from_document(text, "test")


def test_a_missing_file_is_told_with_its_path(tmp_path: Path) -> None:
    """The source error names the file."""
    with pytest.raises(SourceError, match=r"nothing\.json: No such file"):
        FileSource(str(tmp_path / "nothing.json")).read()


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    """Binary data is not decoded at any price."""
    path = tmp_path / "x"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SourceError, match="is no text"):
        FileSource(str(path)).read()

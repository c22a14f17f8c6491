# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Dumps of real machines, held against what lspci itself makes of them."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path

import pytest

from diag.topo.document import from_document, to_document
from diag.topo.model import GIGATRANSFERS, Endpoint, Port, Rack
from diag.topo.render import render_table, render_tree
from diag.topo.sources.file import FileSource
from tests.build.pciutils import NotFetchedError, dumps

_LINK = re.compile(r"LnkSta:\s+Speed ([0-9.]+)GT/s.*?, Width x([0-9]+)")


@pytest.fixture(scope="module")
def machines() -> list[Path]:
    """The dumps that belong to the lspci of this machine."""
    version = subprocess.run(["lspci", "--version"], capture_output=True, text=True, check=True)
    try:
        return dumps(version.stdout.split()[-1])
    except NotFetchedError as error:
        pytest.skip(f"the source of pciutils could not be fetched: {error}")


def lspci(dump: Path, *options: str) -> str:
    """What lspci prints of a dump."""
    done = subprocess.run(
        ["lspci", "-F", str(dump), "-D", "-n", *options], check=True, capture_output=True
    )
    return done.stdout.decode("utf-8", "replace")


def places(rack: Rack) -> set[str]:
    """Every function with the ports above it, as `lspci -PP` writes that."""
    return {_place(rack, member) for member in (*rack.ports, *rack.endpoints)}


def _place(rack: Rack, member: Port | Endpoint) -> str:
    place, above = member.bdf, member
    while above.parent is not None:
        port = rack.port(above.parent)
        assert port is not None
        place, above = f"{port.bdf}/{place}", port
    first, *others = place.split("/")
    # It leaves the domain out of all but the first.
    return "/".join([first, *(other[5:] for other in others)])


def test_every_function_hangs_where_lspci_says(machines: list[Path]) -> None:
    """Bridges of conventional PCI, several domains, and broken capability lists included."""
    assert len(machines) > 20
    for dump in machines:
        expected = {line.split()[0] for line in lspci(dump, "-PP").splitlines() if line}
        assert places(FileSource(str(dump)).read()) == expected, dump.name


def test_links_run_as_lspci_says(machines: list[Path]) -> None:
    """Speed and width of every endpoint with a link; one that says nothing is not known."""
    count = 0
    for dump in machines:
        blocks = lspci(dump, "-vv").split("\n\n")
        told = {block.split()[0]: _LINK.search(block) for block in blocks if block.strip()}
        for endpoint in FileSource(str(dump)).read().endpoints:
            found, link = told[endpoint.bdf], endpoint.link
            if found is None:
                assert (link.speed, link.width) == (None, None), dump.name
            else:
                count += 1
                shown = GIGATRANSFERS[link.speed or 0], str(link.width)
                assert shown == found.groups(), f"{dump.name}: {endpoint.bdf}"
    assert count >= 10


def test_everything_of_them_can_be_shown_and_saved(machines: list[Path]) -> None:
    """The tree, the table, and the document back and forth."""
    for dump in machines:
        rack = FileSource(str(dump)).read()
        shown = "\n".join([*render_tree(rack), *render_table(rack)])
        assert all(each.bdf[5:] in shown for each in rack.endpoints), dump.name
        document = json.dumps(to_document(rack))
        back = from_document(document, rack.source)
        assert json.dumps(to_document(back)) == document, dump.name

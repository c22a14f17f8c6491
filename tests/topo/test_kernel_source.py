# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""The machine's own PCI tree, read from folders that look like its sysfs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from pathlib import Path

import jsonschema
import pytest

from diag.topo import sysfs as parse
from diag.topo.document import from_document, to_document
from diag.topo.findings import find
from diag.topo.model import Address, Aer, Bar, Endpoint, Link, Peer, Rack
from diag.topo.protocol import SourceError
from diag.topo.render import Insight, render_endpoint, render_port, render_table, render_tree
from diag.topo.schema import SCHEMA
from diag.topo.sources import attributes
from diag.topo.sources.kernel import KernelSource
from tests.build.sysfs import ACCELERATOR, NETWORK, NO_RESOURCE, Sysfs

CHECKOUT = Path(__file__).resolve().parents[2]
ROOT_PORT, EP, NIC = "0000:00:01.0", "0000:05:00.0", "0000:00:03.0"
SWITCH = ("0000:01:00.0", "0000:02:01.0")


@pytest.fixture
def machine(tmp_path: Path) -> Sysfs:
    """A root port, a switch, one endpoint of ours below it, and a network card beside."""
    made = Sysfs(tmp_path / "sys")
    made.bridge(ROOT_PORT, None, (1, 5))
    made.bridge(SWITCH[0], ROOT_PORT, (2, 5))
    made.bridge(SWITCH[1], SWITCH[0], (5, 5))
    made.endpoint(EP, SWITCH[1])
    made.function(NIC, None, **{"class": NETWORK, "vendor": "0x8086", "device": "0x1572"})
    made.bind(NIC, "i40e")
    made.slot("7", "0000:05:00")
    return made


def read(machine: Sysfs) -> Rack:
    """The tree, which must also fit the schema and read back from a snapshot."""
    rack = KernelSource(machine.root).read()
    document = to_document(rack)
    jsonschema.Draft202012Validator(SCHEMA).validate(document)
    assert from_document(json.dumps(document), rack.source) == rack
    return rack


def ours(machine: Sysfs) -> Endpoint:
    """The endpoint of ours."""
    return read(machine).endpoints[0]


def everything(rack: Rack) -> str:
    """All that the tool can print of it."""
    lines = [*render_tree(rack), *render_table(rack)]
    for endpoint in rack.endpoints:
        lines += render_endpoint(rack, endpoint, Insight("none", {}), "")
    for port in rack.ports:
        lines += render_port(rack, port)
    return "\n".join(lines)


def test_the_tree_is_what_sysfs_nests(machine: Sysfs) -> None:
    """Kinds of ports by their depth, slots by their bus, buses and windows."""
    ports = read(machine).ports

    assert [(p.bdf, p.kind, p.parent, p.slot) for p in ports] == [
        (ROOT_PORT, "root", None, None),
        (SWITCH[0], "upstream", ROOT_PORT, None),
        (SWITCH[1], "downstream", SWITCH[0], 7),
    ]
    assert (ports[0].secondary, ports[0].subordinate) == (1, 5)
    assert (ports[0].window_base, ports[0].window_limit) == (0x2_0000_0000, 0x2_FFFF_FFFF)


def test_an_endpoint_says_what_the_driver_says(machine: Sysfs) -> None:
    """Identity, address, health, BARs, counters and peers."""
    seen = ours(machine)

    assert (seen.identity, seen.card, seen.slot) == ("card:0x00a0c00000000001/0", 0, 7)
    assert seen.path == (ROOT_PORT, *SWITCH)
    assert (seen.health, seen.generation) == ("online", 2)
    assert seen.address == Address("committed", None, None)
    assert seen.bars == (Bar(0, 0xFE80_0000, 128 << 10), Bar(2, 0x2_F000_0000, 256 << 20))
    assert (seen.irq, seen.memory_bytes) == ("msix", 256 << 20)
    assert seen.link == Link(4, 16, 4, 16)
    assert seen.aer == Aer(3, 0, 0)
    assert seen.pci.driver == "axl"
    assert seen.peers == (
        Peer("card:0x00a0c00000000002/1", "0000:06:00.0", True, None),
        Peer("card:0x00a0c00000000003/0", "0000:07:00.0", False, "below another root port"),
    )


def test_devices_of_others_are_shown_with_their_driver(machine: Sysfs) -> None:
    """No identity, no invented health; ours are numbered first."""
    rack = read(machine)

    assert [(e.n, e.bdf) for e in rack.endpoints] == [(0, EP), (1, NIC)]
    nic = rack.endpoints[1]
    assert (nic.identity, nic.card, nic.health, nic.generation) == (None, None, "unknown", None)
    assert "not bound" in nic.unavailable["generation"]
    assert "00:03.0 ep1 8086:1572 i40e" in "\n".join(render_tree(rack))


def test_why_a_peer_is_not_reached_is_told(machine: Sysfs) -> None:
    """As a column, line by line in depth, and as a note."""
    rack = read(machine)

    assert " 1/2 " in list(render_table(rack))[1]
    text = "\n".join(render_endpoint(rack, rack.endpoints[0], Insight("none", {}), ""))
    assert "card:0x00a0c00000000002/1  0000:06:00.0  reachable" in text
    assert "0000:07:00.0  through host memory: below another root port" in text
    note = next(finding for finding in find(rack) if finding.rule == "peer-unreachable")
    assert note.severity == "note"
    assert "1 of 2 peers" in note.text


def test_link_errors_stand_beside_the_link(machine: Sysfs) -> None:
    """Both ends count; who has counted something shows it in the tree."""
    machine.attribute(NIC, "aer_dev_correctable", "TOTAL_ERR_COR 0")
    lines = list(render_tree(read(machine)))

    assert [line.endswith("errors 3/0/0") for line in lines if " ep0 " in line] == [True]
    assert [line.endswith("i40e") for line in lines if " ep1 " in line] == [True]


def test_both_ends_of_a_link_say_what_it_can_do(machine: Sysfs) -> None:
    """The weaker end is the limit; a link below that is a warning."""
    machine.attribute(EP, "max_link_width", "8")
    for bdf in (EP, SWITCH[1]):
        machine.attribute(bdf, "current_link_width", "4")
    rack = read(machine)

    assert rack.ports[2].link == Link(4, 4, 4, 8)
    assert [f.subject for f in find(rack) if f.rule == "link-below-capability"] == [SWITCH[1]]


def test_ends_that_disagree_are_not_judged(machine: Sysfs) -> None:
    """A rate that only one end reports is shown with the doubt, and is no warning."""
    machine.attribute(SWITCH[1], "current_link_speed", "2.5 GT/s PCIe")
    rack = read(machine)

    assert rack.ports[2].link == Link(1, 16, None, None)
    assert "the ends disagree: 2.5GT/s x16" in rack.ports[2].unavailable["link"]
    assert not [f for f in find(rack) if f.rule == "link-below-capability"]


def test_an_empty_port_has_no_link(machine: Sysfs) -> None:
    """What nothing is plugged into runs at no speed."""
    machine.bridge("0000:00:02.0", None, (6, 6))
    port = next(p for p in read(machine).ports if p.bdf == "0000:00:02.0")

    assert port.link == Link(None, None, 4, 16)


@pytest.mark.parametrize(
    ("state", "health"),
    [("resetting_bus", "resetting"), ("wedged", "wedged"), ("gone", "gone"), ("odd", "unknown")],
)
def test_states_of_the_driver_are_healths(machine: Sysfs, state: str, health: str) -> None:
    """A state that this tool does not know is unknown, with the word as the reason."""
    machine.attribute(EP, "axl/state", state)
    seen = ours(machine)

    assert seen.health == health
    assert (seen.health_reason is not None) == (health == "unknown")


def test_the_advice_for_a_lost_endpoint_is_linux_s(machine: Sysfs) -> None:
    """Removing and rescanning, not restarting a simulated card."""
    machine.attribute(EP, "axl/state", "gone")
    advice = next(f.advice for f in find(read(machine)) if f.rule == "endpoint-gone")

    assert f"/sys/bus/pci/devices/{EP}/remove" in advice


def test_an_accelerator_without_its_driver_is_an_error(machine: Sysfs) -> None:
    """It is found by its id, and what to do is said."""
    ids = {"class": ACCELERATOR, "vendor": "0x1af4", "device": "0x10f0"}
    machine.function("0000:00:04.0", None, **ids)
    finding = next(f for f in find(read(machine)) if f.rule == "no-driver")

    assert (finding.severity, finding.subject) == ("error", "0000:00:04.0")


def test_a_bar_without_an_address_is_an_error(machine: Sysfs) -> None:
    """Its address is unknown, not 0."""
    unset = "0x0000000000000000 0x000000000fffffff 0x000000002014220c"
    machine.attribute(NIC, "resource", f"{unset}\n" + "\n".join([NO_RESOURCE] * 12))
    rack = read(machine)

    assert rack.endpoints[1].bars == (Bar(0, None, 256 << 20),)
    assert "not assigned" in everything(rack)
    assert [f.subject for f in find(rack) if f.rule == "bar-unassigned"] == [NIC]


def test_what_may_not_be_read_is_told(machine: Sysfs) -> None:
    """Permission denied and missing files are reasons, not zeroes."""
    for name in ("generation", "peers"):
        (machine.devices / EP / "axl" / name).unlink()
    (machine.devices / EP / "axl/address_state").unlink()
    (machine.devices / EP / "axl/address_state").mkdir()
    (machine.devices / EP / "aer_dev_correctable").unlink()
    seen = ours(machine)

    assert (seen.generation, seen.address, seen.peers) == (None, None, None)
    assert seen.unavailable["generation"] == "generation: No such file or directory"
    assert seen.unavailable["address"] == "address_state: Is a directory"
    assert seen.aer.correctable_count is None
    assert seen.aer.fatal_count == 0


def test_permission_denied_is_a_reason(machine: Sysfs) -> None:
    """The kernel's word is passed on."""
    (machine.devices / EP / "axl/generation").chmod(0)
    program = (
        "import sys; from pathlib import Path; from diag.topo.sources.kernel import KernelSource;"
        "rack = KernelSource(Path(sys.argv[1])).read();"
        "print(rack.endpoints[0].unavailable['generation'])"
    )
    # Root may read everything, unless it gives that up.
    less = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"]
    command = [*(less if os.geteuid() == 0 else []), sys.executable, "-c", program, machine.root]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=CHECKOUT)
    assert done.stdout == "generation: Permission denied\n"


HOSTILE = [
    "\x1b[2J\x1b]0;owned\x07", "\u202e" * 5000, "9" * 5000, "-1", "0x", "\0" * 100, "\uff11\uff12",
    "0xffffffffffffffff", "TOTAL_ERR_COR -5", "card:0x0/0 x reachable", "1.5", "",
]  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_attributes_harm_nobody(machine: Sysfs, text: str) -> None:
    """Whatever an attribute says, the tree is drawn, fits its schema and drives no terminal."""
    for bdf in (ROOT_PORT, *SWITCH, EP, NIC):
        for path in (machine.devices / bdf).rglob("*"):
            if path.is_file() and path.name != "class":
                path.write_bytes(text.encode("utf-8", "surrogateescape"))
    rack = read(machine)

    assert everything(rack).replace("\n", "").isprintable()
    assert len(rack.ports) == 3


def test_bytes_that_are_no_text_are_no_error(machine: Sysfs) -> None:
    """Nothing usable, and why."""
    machine.attribute(EP, "axl/generation", b"\xff\xfe\x80")
    assert "nothing usable" in ours(machine).unavailable["generation"]


def test_a_list_of_peers_that_makes_no_sense_is_refused(machine: Sysfs) -> None:
    """None of it is believed."""
    machine.attribute(EP, "axl/peers", "card:0x00a0c00000000002/1 0000:06:00.0 perhaps")
    seen = ours(machine)

    assert seen.peers is None
    assert "makes no sense" in seen.unavailable["peers"]


def test_peers_that_did_not_fit_are_counted(machine: Sysfs) -> None:
    """The driver's list ends at a page; how many are missing is shown."""
    machine.attribute(
        EP, "axl/peers", "card:0x00a0c00000000002/1 0000:06:00.0 reachable\nand 3 more"
    )
    rack = read(machine)

    assert len(rack.endpoints[0].peers or ()) == 1
    assert "(and 3 more)" in everything(rack)


def test_an_attribute_that_never_answers_is_left_behind(
    machine: Sysfs, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One driver that hangs costs the patience once; everything else is there."""
    release = threading.Event()
    real = attributes._read

    def slow(path: str) -> str:
        if Path(path).parts[-2:] == ("axl", "state"):
            release.wait(60)
        return real(path)

    monkeypatch.setattr(attributes, "_read", slow)
    monkeypatch.setattr("diag.topo.sources.kernel.PATIENCE_S", 0.2)
    try:
        seen = ours(machine)
    finally:
        release.set()

    assert (seen.health, seen.health_reason) == ("stale", "state: no answer in time")
    assert seen.identity == "card:0x00a0c00000000001/0"
    assert seen.peers is None


def test_a_bus_of_conventional_pci_is_a_bridge(machine: Sysfs) -> None:
    """Without a PCI Express capability a bridge is no port, and neither is what is below."""
    machine.bridge("0000:00:1e.0", None, (8, 9))
    machine.bridge("0000:08:00.0", "0000:00:1e.0", (9, 9))
    for bdf in ("0000:00:1e.0", "0000:08:00.0"):
        for which in ("max", "current"):
            for what in ("speed", "width"):
                (machine.devices / bdf / f"{which}_link_{what}").unlink()
    kinds = {p.bdf: p.kind for p in read(machine).ports}

    assert (kinds["0000:00:1e.0"], kinds["0000:08:00.0"]) == ("bridge", "bridge")


def test_a_machine_without_pci_is_told(tmp_path: Path) -> None:
    """Where was looked, and what may be wrong."""
    with pytest.raises(SourceError, match="is sysfs mounted"):
        KernelSource(tmp_path).read()


def test_auto_is_the_driver_only_where_it_drives_something(machine: Sysfs, tmp_path: Path) -> None:
    """A loaded driver without a device is none."""
    assert KernelSource(machine.root).has_endpoints()
    (tmp_path / "empty/bus/pci/drivers/axl").mkdir(parents=True)
    assert not KernelSource(tmp_path / "empty").has_endpoints()


@pytest.mark.parametrize(
    ("name", "number"), [("7", 7), ("7-1", 7), ("0", 0), ("8192", None), ("A3", None), ("", None)]
)
def test_slot_names_are_numbers(name: str, number: int | None) -> None:
    """Names that firmware gave are not guessed at."""
    assert parse.slot_number(name) == number


@pytest.mark.parametrize(
    ("text", "lanes"), [("16", 16), ("0", None), ("63", None), ("255", None), (None, None)]
)
def test_widths_are_widths(text: str | None, lanes: int | None) -> None:
    """No link and all-ones have none."""
    assert parse.width(text) == lanes

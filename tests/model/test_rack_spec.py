# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Rack files: what is read, and how every mistake is told."""

from __future__ import annotations

import pytest

from diag.model.rack.spec import (
    FIRST_SERIAL,
    CardSpec,
    SwitchSpec,
    load_rack,
    parse_rack,
    shipped_racks,
)
from diag.model.rack.words import LinkSpec
from diag.model.rack.yaml_table import MAX_FILE_BYTES, RackFileError
from tests.build.racks import MINIMAL

SHAPES = {"1x1": 1, "2x2": 4, "2x2-msi": 4, "2x2-mixed": 4, "8x4": 32, "8x8": 64}


def edited(old: str, new: str) -> str:
    """The minimal rack file with one thing changed."""
    assert old in MINIMAL
    return MINIMAL.replace(old, new)


def test_every_promised_shape_is_shipped() -> None:
    """The shipped rack files are those that the documentation names."""
    assert shipped_racks() == sorted(SHAPES)


@pytest.mark.parametrize(("name", "count"), SHAPES.items())
def test_a_shipped_rack_has_the_endpoints_of_its_name(name: str, count: int) -> None:
    """Shape NxM has N cards with M endpoints each."""
    spec = load_rack(name)
    assert (spec.name, spec.endpoint_count) == (name, count)


def test_the_msi_rack_has_no_msix() -> None:
    """Every endpoint of 2x2-msi has MSI."""
    irqs = {endpoint.irq for card in load_rack("2x2-msi").cards() for endpoint in card.endpoints}
    assert irqs == {"msi"}


def test_the_mixed_rack_has_a_link_below_its_capability() -> None:
    """2x2-mixed has a port that trained narrower than it could."""
    switch = load_rack("2x2-mixed").root_ports[0].below
    assert isinstance(switch, SwitchSpec)
    assert switch.ports[0].link == LinkSpec(5, 8, 5, 16)


def test_a_minimal_file_gets_the_defaults() -> None:
    """What is left out is 16 GT/s x16, 256 MiB and MSI-X."""
    card = parse_rack(MINIMAL, "r.yaml").root_ports[0].below
    assert isinstance(card, CardSpec)
    assert card.serial == 0x11
    assert card.endpoints[0].memory_bytes == 256 << 20
    assert card.endpoints[0].irq == "msix"
    assert card.endpoints[0].link == LinkSpec(4, 16, 4, 16)


def test_repeated_ports_get_serials_and_slots_of_their_own() -> None:
    """A repeated port numbers cards and slots by itself."""
    text = edited(
        "  - slot: 1\n    card: {serial: 0x11, endpoints: 1}",
        "  - repeat: 3\n    card: {endpoints: 1}",
    )
    spec = parse_rack(text, "r.yaml")
    assert [card.serial for card in spec.cards()] == [FIRST_SERIAL + i for i in range(3)]
    assert [port.slot for port in spec.root_ports] == [1, 2, 3]


def test_fault_presets_keep_seed_and_parameters() -> None:
    """A preset names endpoint, queue, seed and parameters."""
    text = MINIMAL + (
        "faults:\n  - {fault: lost_completion, endpoint: 0, queue: 3, seed: 7,"
        " set: {after: 10, share: 0.5}}\n"
    )
    preset = parse_rack(text, "r.yaml").faults[0]
    assert (preset.fault, preset.queue, preset.seed) == ("lost_completion", 3, 7)
    assert preset.parameters == {"after": 10, "share": 0.5}


BAD = {
    "unknown key": (
        edited("serial", "seral"),
        r"r.yaml:5: .*card.seral: unknown key; did you mean 'serial'",
    ),
    "unknown top key": (MINIMAL + "colour: red\n", r"r.yaml:6: colour: unknown key"),
    "key given twice": (MINIMAL + "name: other\n", r"r.yaml:6: name: is given twice"),
    "missing version": (edited("axl-rack: 1\n", ""), r"missing key 'axl-rack'"),
    "wrong version": (
        edited("axl-rack: 1", "axl-rack: 2"),
        r"r.yaml:1: axl-rack: '2' is outside 1..1",
    ),
    "no root ports": ("axl-rack: 1\n", r"missing key 'root-ports'"),
    "empty port list": ("axl-rack: 1\nroot-ports: []\n", r"r.yaml:2: root-ports: has 0 entries"),
    "no endpoint": ("axl-rack: 1\nroot-ports:\n  - slot: 1\n", r"the rack has no endpoint"),
    "serial too wide": (edited("0x11", "0x1" + "0" * 16), r"serial: .* is no whole number"),
    "serial zero": (edited("0x11", "0"), r"serial: '0' is outside"),
    "huge number": (edited("0x11", "9" * 100_000), r"serial: '9+\.\.\.' is no whole number"),
    "negative": (edited("slot: 1", "slot: -1"), r"slot: '-1' does not match"),
    "slot out of range": (edited("slot: 1", "slot: 8192"), r"slot: '8192' is outside 0..8191"),
    "boolean as number": (
        edited("endpoints: 1", "endpoints: yes"),
        r"endpoints: 'yes' is no whole",
    ),
    "list as number": (edited("slot: 1", "slot: [1]"), r"slot: must be a single value"),
    "mapping as list": (edited("  - slot: 1\n", "  slot:\n"), r"root-ports: must be a list"),
    "word as mapping": (edited("{serial: 0x11, endpoints: 1}", "yes"), r"card: must be a mapping"),
    "two endpoints, no switch": (edited("endpoints: 1", "endpoints: 2"), r"needs 'switch: yes'"),
    "switch and card": (
        MINIMAL + "    switch: {ports: [{slot: 5}]}\n",
        r"to a switch or to a card",
    ),
    "too many endpoints": (
        edited("endpoints: 1", "switch: yes, endpoints: 33"),
        r"'33' is outside 1..32",
    ),
    "memory no size": (MINIMAL + "defaults: {memory: lots}\n", r"memory: 'lots' is no size"),
    "memory odd": (MINIMAL + "defaults: {memory: 3M}\n", r"3M is no power of two"),
    "memory huge": (MINIMAL + "defaults: {memory: 1T}\n", r"1T is outside 1M..16G"),
    "bad irq": (MINIMAL + "defaults: {irq: intx}\n", r"irq: 'intx' is none of msix, msi"),
    "trained above best": (
        MINIMAL + "defaults: {link: {speed: 5}}\n",
        r"speed: 5 is above max-speed 4",
    ),
    "impossible width": (MINIMAL + "defaults: {link: {width: 3}}\n", r"width: '3' is none of"),
    "bad name": (edited("name: test", "name: ../etc"), r"name: '../etc' does not match"),
    "bad grouping": (MINIMAL + "processes: threads\n", r"processes: 'threads' is none of"),
    "fault elsewhere": (
        MINIMAL + "faults: [{fault: x, endpoint: 1}]\n",
        r"endpoint: '1' is outside 0..0",
    ),
    "alias": ("a: &a [1]\nb: *a\n", r"r.yaml:2: aliases"),
    "alias bomb": (
        "a: &a [x,x]\nb: &b [*a,*a,*a]\nc: &c [*b,*b,*b]\nd: [*c,*c]\n",
        r"r.yaml:2: aliases",
    ),
    "python tag": (
        "a: !!python/object/apply:os.system ['true']\n",
        r"r.yaml:1: tag .* is not allowed",
    ),
    "deep lists": ("a: " + "[" * 100_000, r"more than 64 levels|no valid YAML"),
    "deep mappings": ("\n".join(" " * i + "a:" for i in range(200)), r"more than 64 levels"),
    "many values": ("a: [" + "1," * 30_000 + "]", r"more than 20000 values"),
    "large file": ("#" * (MAX_FILE_BYTES + 1), r"larger than 256 KiB"),
    "not YAML": ("a: [1\nb: 2\n", r"r.yaml:\d+: no valid YAML"),
    "tab": ("a:\n\t- b\n", r"r.yaml:2: no valid YAML"),
    "control character": ("a: \x01\n", r"no valid YAML"),
    "two documents": (MINIMAL + "---\n" + MINIMAL, r"no valid YAML|but found another document"),
    "empty": ("", r"is empty"),
    "only a word": ("hello\n", r"r.yaml:1: must be a mapping"),
    "key is a list": ("[1]: 2\n", r"keys must be words"),
    "repeated serial": (edited("slot: 1", "repeat: 2"), r"serial: cannot be repeated"),
    "slot used twice": (
        MINIMAL + "  - {slot: 1, card: {endpoints: 1}}\n",
        r"r.yaml:6: .*slot 1 is used twice",
    ),
    "serial used twice": (
        MINIMAL + "  - {slot: 2, card: {serial: 17, endpoints: 1}}\n",
        r"serial 0x0+11 is used twice",
    ),
}


@pytest.mark.parametrize(("text", "reason"), BAD.values(), ids=BAD.keys())
def test_a_bad_rack_file_is_refused_with_place_and_reason(text: str, reason: str) -> None:
    """Every mistake has a message that says where it is and what is wrong."""
    with pytest.raises(RackFileError, match=reason) as caught:
        parse_rack(text, "r.yaml")
    assert len(str(caught.value)) < 400


def test_a_missing_rack_is_told_with_the_shipped_ones() -> None:
    """An unknown name lists what there is."""
    with pytest.raises(RackFileError, match=r"no such rack; shipped are 1x1, 2x2"):
        load_rack("3x3")


def test_a_rack_may_not_exceed_256_endpoints() -> None:
    """Endpoints are counted over the whole rack."""
    text = "axl-rack: 1\nroot-ports:\n  - repeat: 9\n    card: {switch: yes, endpoints: 32}\n"
    with pytest.raises(RackFileError, match="more than 256 endpoints"):
        parse_rack(text, "r.yaml")

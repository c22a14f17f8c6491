# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""Errors and resets at every level of the tree, with work in flight on every endpoint."""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from diag.lab.aer import Severity, inject
from diag.lab.config import LabConfig
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.placement import PlacedEndpoint, PlacedPort
from diag.model.rack.spec import load_rack
from pyaccel.spec.formats import Status
from tests.linux.conftest import SLOWNESS, Driver, loaded
from tests.linux.rounds import Rounds, rounds

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

RACK = """\
axl-rack: 1
name: branches
description: cards with and without a switch of their own, behind an external one and not
root-ports:
  - slot: 1
    switch:
      ports:
        - slot: 2
          card: {serial: 0x00a0c00000000041, switch: yes, endpoints: 2}
        - slot: 3
          card: {serial: 0x00a0c00000000042, endpoints: 1}
  - slot: 4
    card: {serial: 0x00a0c00000000043, endpoints: 1}
"""
WHERE = (
    "endpoint on a card",
    "root port",
    "external switch, upstream",
    "endpoint alone",
    "external switch, downstream",
    "card's switch, upstream",
    "card's switch, downstream",
)
"""Endpoints between ports: aer_inject must not hide what ports report."""
ERRORS: dict[str, tuple[str, Severity | None]] = {
    "cor": ("receiver", None),
    "nonfatal": ("completion-timeout", "nonfatal"),
    "fatal": ("data-link-protocol", "fatal"),
}
LINES = {
    "cor": [],
    "nonfatal": ["error_detected: non-fatal", "mmio_enabled", "resume"],
    "fatal": [
        "error_detected: frozen, waiting for a reset",
        "slot_reset",
        "online again: generation={generation}",
        "resume",
    ],
}
"""What the driver logs of an endpoint that is concerned."""
TOLD = {"cor": "AER: Correct", "nonfatal": "device recovery", "fatal": "device recovery"}
"""The kernel's last line of it."""
WORDS = "error_detected|mmio_enabled|slot_reset|online again|resume|recovery|no reset|the endpoint"
RESETS: dict[str, str] = {
    "flr": "echo flr >{0}/reset_method; echo 1 >{0}/reset",
    "bus": "echo bus >{0}/reset_method; echo 1 >{0}/reset",
}
LOST = {
    "fence": -errno.ECANCELED,
    "wait": errno.ESTALE,
    "fence_at_last": -errno.ECANCELED,
    "goes_on": errno.ESTALE,
    "generations": 1,
}
KEPT = {
    "fence": 0,
    "wait": 0,
    "failed": Status.OK,
    "fence_at_last": 1,
    "goes_on": 0,
    "generations": 0,
}
ALWAYS = {"state": "online", "address_state": "committed", "fresh": True}


@dataclass(frozen=True, slots=True)
class Tree:
    """The rack, as it must be in the guest."""

    endpoints: tuple[PlacedEndpoint, ...]
    ports: tuple[PlacedPort, ...]

    def target(self, where: str) -> PlacedEndpoint | PlacedPort:
        """The port or endpoint of that name; ports are those above the first endpoint."""
        if where.startswith("endpoint"):
            return self.endpoints[0 if where == "endpoint on a card" else -1]
        level = [name for name in WHERE if not name.startswith("endpoint")].index(where)
        (port,) = [port for port in self.ports if port.bdf == self.endpoints[0].path[level]]
        return port

    def below(self, target: PlacedEndpoint | PlacedPort) -> set[str]:
        """Who recovers with `target`: all below it, or below the link that leads to it."""
        port = target.bdf
        if isinstance(target, PlacedEndpoint) or target.kind == "upstream":
            assert target.parent is not None
            port = target.parent
        return {placed.bdf for placed in self.endpoints if port in placed.path}


@pytest.fixture(scope="module")
def rack(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The rack file."""
    path = tmp_path_factory.mktemp("rack") / "branches.yaml"
    path.write_text(RACK)
    return path


@pytest.fixture(scope="module")
def tree(rack: Path) -> Tree:
    """Its ports and endpoints."""
    placed = enumerate_rack(load_rack(str(rack)))
    return Tree(placed.endpoints, placed.ports)


@pytest.fixture(scope="module")
def branched(module: Path, rack: Path) -> Iterator[Driver]:
    """The guest; no queue hangs while it waits for us."""
    config = LabConfig(str(rack), accel="tcg")
    with loaded(module, config, f"queue_timeout_ms={120_000 * SLOWNESS}") as made:
        yield made


@pytest.fixture(scope="module")
def busy(branched: Driver, tree: Tree) -> Iterator[Rounds]:
    """Work in flight on every endpoint."""
    with rounds(branched, [placed.bdf for placed in tree.endpoints]) as made:
        yield made


@pytest.fixture(autouse=True)
def quiet_kernel(branched: Driver) -> Iterator[None]:
    """Every test fails when the kernel complains while it runs."""
    start = branched.lab.kernel_log_bytes()
    yield
    allowed = (r"pcieport|aer_inject|AER: PCIe Bus Error",)
    assert branched.lab.check_kernel_log(start, allowed) == []


def totals(driver: Driver, kind: str) -> dict[str, int]:
    """How many messages of a kind each root port has received."""
    devices = "/sys/bus/pci/devices"
    text = driver.shell(f"grep -H . {devices}/*/aer_rootport_total_err_{kind}")
    return {bdf: int(count) for bdf, count in re.findall(r"devices/([^/]+)/\w+:(\d+)", text)}


def assert_ends(tree: Tree, seen: dict[str, Any], concerned: set[str]) -> None:
    """Work of the endpoints that were reset is lost and says so; nobody else noticed."""
    assert set(seen) == {placed.bdf for placed in tree.endpoints}
    for bdf, row in seen.items():
        wanted = {**(LOST if bdf in concerned else KEPT), **ALWAYS}
        assert {name: row[name] for name in wanted} == wanted, bdf


@pytest.mark.parametrize("kind", ERRORS)
@pytest.mark.parametrize("where", WHERE)
def test_an_error_concerns_those_below_it(
    branched: Driver, busy: Rounds, tree: Tree, where: str, kind: str
) -> None:
    """Callbacks, jobs, generation and counters are right there; the others never notice."""
    target = tree.target(where)
    name, severity = ERRORS[kind]
    before, start = totals(branched, kind), branched.lab.kernel_log_bytes()

    def act() -> None:
        inject(branched.lab, target, name, severity)
        branched.wait_for_log(start, TOLD[kind])

    seen = busy.during(act)
    log, after = branched.lab.kernel_log(start), totals(branched, kind)

    below = tree.below(target)
    assert_ends(tree, seen, below if kind == "fatal" else set())
    for bdf, row in seen.items():
        lines = [line.format(**row) for line in LINES[kind]] if bdf in below else []
        assert re.findall(rf"axl {bdf}: ((?:{WORDS}).*?)\r?\n", log) == lines, bdf
    root = target.path[0] if isinstance(target, PlacedEndpoint) else tree.endpoints[0].path[0]
    assert after == {**before, root: before[root] + 1}
    assert "recovery failed" not in log


@pytest.mark.parametrize("how", RESETS)
def test_a_reset_concerns_its_endpoint(
    branched: Driver, busy: Rounds, tree: Tree, how: str
) -> None:
    """Function-level and bus reset by the operating system; card and switch go on."""
    bdf = tree.endpoints[0].bdf
    command = RESETS[how].format(f"/sys/bus/pci/devices/{bdf}")

    assert_ends(tree, busy.during(lambda: branched.shell(command)), {bdf})


def heartless(driver: Driver, number: int, bdf: str) -> Callable[[], None]:
    """The endpoint's firmware stops for good; over when the driver has reset the function."""

    def act() -> None:
        start = driver.lab.kernel_log_bytes()
        with driver.rack() as rack:
            rack.call("fault.inject", endpoint=number, fault="heartbeat_stop", set={})
            driver.wait_for_log(start, rf"axl {bdf}: online again")
            rack.call("fault.clear", endpoint=number)

    return act


def test_a_heartbeat_that_stops_costs_a_function_reset(
    branched: Driver, busy: Rounds, tree: Tree
) -> None:
    """The firmware is dead, so its endpoint is reset and lives again; the others go on."""
    first = tree.endpoints[0]
    start = branched.lab.kernel_log_bytes()
    seen = busy.during(heartless(branched, first.n, first.bdf))

    assert_ends(tree, seen, {first.bdf})
    log = branched.lab.kernel_log(start)
    assert re.findall(r"axl (\S+): recovery: action=(\w+)", log) == [(first.bdf, "reset_function")]

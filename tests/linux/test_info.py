# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""accel-info in the guest: the tree that Linux and the driver show is the rack's."""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema
import pytest

from diag.lab.supervisor import CHECKOUT
from diag.model.rack.enumerate import enumerate_rack
from diag.model.rack.spec import load_rack
from diag.topo.schema import SCHEMA
from tests.linux.conftest import Driver

pytestmark = [pytest.mark.guest, pytest.mark.timeout(400)]

RACK = enumerate_rack(load_rack("2x2"))


def info(driver: Driver, *words: str) -> str:
    """What accel-info prints in the guest."""
    command = f"cd {CHECKOUT}; {sys.executable} -m diag.topo.cli"
    return driver.shell(f"{command} {' '.join(words)}")


def test_the_kernel_s_tree_is_the_rack(driver: Driver) -> None:
    """`auto` finds the driver; ports, paths, identities and addresses are the rack's."""
    document: dict[str, Any] = json.loads(info(driver, "--json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(document)

    assert document["source"] == "kernel"
    ports = {port["bdf"]: port for port in document["ports"]}
    for placed in RACK.ports:
        seen = ports[placed.bdf]
        assert (seen["kind"], seen["parent"]) == (placed.kind, placed.parent)
        assert (seen["secondary"], seen["subordinate"]) == (placed.secondary, placed.subordinate)
    endpoints = {each["bdf"]: each for each in document["endpoints"]}
    for placed in RACK.endpoints:
        seen = endpoints[placed.bdf]
        assert seen["n"] == placed.n
        assert seen["identity"] == f"card:0x{placed.serial:016x}/{placed.index}"
        assert (seen["path"], seen["slot"]) == (list(placed.path), placed.slot)
        assert (seen["health"], seen["address"]["state"]) == ("online", "committed")
        assert (seen["memory_bytes"], seen["irq"]) == (placed.bar2_bytes, placed.irq)
        assert seen["pci"]["driver"] == "axl"
        assert seen["aer"]["correctable_count"] is not None


def test_an_unbound_accelerator_is_found(driver: Driver) -> None:
    """--check fails and says which one has no driver; bound again, it has none to tell."""
    bdf, drivers = RACK.endpoints[3].bdf, "/sys/bus/pci/drivers/axl"
    driver.shell(f"echo {bdf} >{drivers}/unbind")
    text = info(driver, "--check", "|| true")
    driver.shell(f"echo {bdf} >{drivers}/bind")

    assert f"error: {bdf}: no driver is bound" in text
    assert "no driver is bound" not in info(driver, "--check", "|| true")


def test_a_live_view_sees_work_and_who_does_it(driver: Driver) -> None:
    """Telemetry through libaxl, queues and recoveries from debugfs, nothing unknown but clocks."""
    text = driver.shell(f"cd {CHECKOUT}; {sys.executable} -m tests.linux.guest_sample")
    state, before, after = json.loads(text.strip().splitlines()[-1])

    assert state == "live"
    assert set(after) == {"0", "1", "2", "3"}
    then, now = before["0"]["telemetry"], after["0"]["telemetry"]
    assert None not in then.values(), before["0"]["unavailable"]
    assert None not in now.values(), after["0"]["unavailable"]
    assert now["bytes_host_to_device"] == then["bytes_host_to_device"] + 4096
    assert now["commands_finished_count"] > then["commands_finished_count"]
    assert 0 < now["temperature_millicelsius"] < 150_000
    assert [queue["state"] for queue in after["0"]["queues"]] == ["ready"]
    assert after["0"]["queues"][0]["completions_count"] > 0
    assert before["0"]["recoveries"] is not None

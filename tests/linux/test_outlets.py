# SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only
"""What axl.ko tells who watches: fdinfo, uevents, debugfs, dumps, sensors."""

from __future__ import annotations

import errno
import re
from functools import partial

import pytest

from tests.linux.conftest import ENDPOINTS, FIRST, FOURTH, SECOND, THIRD, Driver

# The first test waits for downloads, the build and the boot.
pytestmark = [pytest.mark.guest, pytest.mark.timeout(400), pytest.mark.usefixtures("quiet_kernel")]


def numbers(fdinfo: dict[str, str], *keys: str) -> list[int]:
    """Values without their units."""
    return [int(fdinfo[key].split()[0]) for key in keys]


COMMANDS = ("axl-commands-submitted", "axl-commands-completed", "axl-commands-failed")


def test_fdinfo_counts_what_each_client_uses(driver: Driver) -> None:
    """Commands, bytes, engine time and memory of one file; another one's do not move."""
    seen = driver.check("client_usage", FIRST, SECOND)
    before, worked, destroyed = (seen[name] for name in ("before", "worked", "destroyed"))

    assert before["drm-driver"] == "axl"
    assert before["drm-pdev"] == FIRST
    assert before["drm-engine-capacity-compute"] == "16"
    assert before["drm-client-id"] != seen["idle"]["drm-client-id"]
    assert numbers(before, *COMMANDS, "drm-engine-compute", "axl-queues") == [0, 0, 0, 0, 1]
    assert numbers(worked, *COMMANDS, "axl-queues") == [4, 4, 1, 1]
    assert numbers(worked, "axl-bytes-submitted") == [3 * (256 << 10) + 4096]
    assert worked["drm-engine-compute"].endswith(" ns")
    assert numbers(worked, "drm-engine-compute")[0] > 0
    # A queue that is gone still counts, with what nobody had asked about before.
    assert numbers(destroyed, *COMMANDS, "axl-queues") == [5, 5, 2, 0]
    assert numbers(destroyed, "drm-engine-compute") >= numbers(worked, "drm-engine-compute")
    assert seen["idle"] == seen["neighbour"]
    assert numbers(seen["neighbour worked"], *COMMANDS) == [1, 1, 0]
    check_memory(seen)


def check_memory(seen: dict[str, dict[str, str]]) -> None:
    """Own device memory, host memory (pinned pages included) and a peer's; what is exported."""
    memory = seen["memory"]
    regions = [f"drm-total-{region}" for region in ("device", "memory", "peer")]
    assert numbers(seen["before"], *regions) == [0, 0, 0]
    assert numbers(seen["worked"], *regions) == [256, 256, 0]
    assert numbers(memory, *regions) == [256, 260, 256]
    assert numbers(memory, "drm-shared-device", "drm-shared-memory") == [0, 256]
    assert numbers(memory, "drm-resident-device", "drm-resident-memory") == [256, 260]
    assert {memory[region].split()[1] for region in regions} == {"KiB"}
    assert numbers(seen["destroyed"], *regions) == [0, 260, 256]


STATE_KEYS = ("AXL_STATE", "AXL_GENERATION", "WEDGED")


def told(events: list[dict[str, str]]) -> list[tuple[str | None, ...]]:
    """State, generation and what can be done about it, of each event."""
    assert {(event["ACTION"], event["SUBSYSTEM"]) for event in events} == {("change", "accel")}
    return [tuple(event.get(key) for key in STATE_KEYS) for event in events]


def generation(driver: Driver, bdf: str) -> int:
    """How many resets the endpoint has had."""
    return int(driver.shell(f"cat /sys/bus/pci/devices/{bdf}/axl/generation"))


def test_uevents_tell_of_resets(driver: Driver) -> None:
    """A listener on the netlink socket hears what is reset, and that it helped."""
    before = generation(driver, FIRST)
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=0, fault="hung_queue", set={}, queue=0)
    events = driver.check("told_resets", FIRST)

    assert told(events) == [
        ("resetting_queue", str(before), None),
        ("online", str(before), None),
        ("resetting_function", str(before), None),
        ("online", str(before + 1), None),
    ]


def test_uevents_tell_of_a_wedged_endpoint(driver: Driver) -> None:
    """With the key and the word that DRM has for it."""
    before = str(generation(driver, THIRD))
    with driver.rack() as rack:
        rack.call("fault.inject", endpoint=2, fault="absurd_identity", set={"what": "serial"})
        events = driver.check("told_wedge", THIRD)
        rack.call("fault.clear", endpoint=2)
    driver.shell(f"cd /sys/bus/pci/drivers/axl; echo {THIRD} >unbind; echo {THIRD} >bind")

    assert told(events) == [("resetting_bus", before, None), ("wedged", before, "bus-reset")]


def test_uevents_tell_of_a_lost_endpoint(driver: Driver) -> None:
    """All-ones: one event, and it is over."""
    before = str(generation(driver, FOURTH))
    held = driver.lab.files.share / "held"
    with driver.rack() as rack:
        lose = partial(rack.call, "endpoint.remove", endpoint=3)
        events = driver.check_meanwhile(held, lose, "told_gone", FOURTH)
        rack.call("endpoint.restore", endpoint=3)
    driver.shell(f"echo 1 >/sys/bus/pci/devices/{FOURTH}/remove; echo 1 >/sys/bus/pci/rescan")

    assert told(events) == [("gone", before, None)]


def fields(line: str) -> dict[str, str]:
    """The words `name=value` of a line."""
    return dict(word.split("=", 1) for word in line.split())


def test_debugfs_shows_work_in_flight(driver: Driver) -> None:
    """Identity, state, rings, commands, registers; readers neither wait for a reset nor break."""
    seen = driver.check("looked_at", THIRD)
    placed = ENDPOINTS[2]
    busy = seen["busy"]

    assert f"card: 0x{placed.serial:016x}\n" in busy["identity"]
    assert "state: online\n" in busy["state"]
    queue = fields(busy["queues"])
    assert (queue["closed"], queue["in_flight"], queue["submitted"]) == ("0", "21", "21")
    flights = [fields(line) for line in busy["in_flight"].splitlines()]
    # The sixteen oldest, and how many more there are.
    assert [row.get("opcode") for row in flights] == ["13", *["0"] * 15, None]
    assert flights[-1]["more"] == "5"
    registers = {
        line.split()[1]: int(line.split()[2], 16) for line in busy["registers"].splitlines()
    }
    assert registers["IDENT_BOARD_SERIAL"] == placed.serial
    assert registers["QUEUE_SQ_HEAD[0]"] >= 1
    assert {name for name in registers if re.search("DOORBELL|LATCH|COMMIT|_RESET$", name)} == set()
    assert set(seen["meanwhile"]) <= {f"{name}: text" for name in busy} | {"registers: EAGAIN"}
    assert "registers: EAGAIN" in seen["meanwhile"]
    assert (seen["after"]["queues"], seen["after"]["in_flight"]) == ("", "")
    steps = [fields(line) for line in seen["after"]["recoveries"].splitlines()][-4:]
    assert [(step["event"], step["action"], step["state"]) for step in steps] == [
        ("ask_function", "reset_function", "resetting_function"),
        ("done", "resume", "online"),
        ("ask_bus", "reset_bus", "resetting_bus"),
        ("done", "resume", "online"),
    ]
    assert seen["late"][0] is False
    assert seen["late"][1] != "OK"


def test_debugfs_of_a_lost_endpoint(driver: Driver) -> None:
    """What the driver knows is still there; registers are not made up."""
    held = driver.lab.files.share / "held"
    with driver.rack() as rack:
        lose = partial(rack.call, "endpoint.remove", endpoint=3)
        files = driver.check_meanwhile(held, lose, "looked_at_gone", FOURTH)
        rack.call("endpoint.restore", endpoint=3)
    driver.shell(f"echo 1 >/sys/bus/pci/devices/{FOURTH}/remove; echo 1 >/sys/bus/pci/rescan")

    assert files["registers"] == errno.ENODEV
    assert "state: gone\n" in files["state"]
    assert fields(files["recoveries"].splitlines()[-1])["action"] == "unplug"
    assert {type(text) for name, text in files.items() if name != "registers"} == {str}


def sections(text: str) -> dict[str, list[str]]:
    """The lines of each section of a dump; those before the first are of `head`."""
    found: dict[str, list[str]] = {"head": []}
    for line in filter(None, text.splitlines()):
        if line.startswith("["):
            found[line.strip("[]")] = []
        else:
            list(found.values())[-1].append(line)
    return found


def pairs(lines: list[str]) -> dict[str, str]:
    """Lines `name: value`."""
    return dict(line.split(": ", 1) for line in lines)


def test_a_hang_leaves_a_coredump(driver: Driver) -> None:
    """One dump of all that was known before the reset, although that reset escalated."""
    placed = ENDPOINTS[1]
    start = driver.lab.kernel_log_bytes()
    with driver.rack() as rack:
        for fault in ("hung_queue", "stuck_queue"):
            rack.call("fault.inject", endpoint=1, fault=fault, set={}, queue=0)
        seen = driver.check("dumped_hang", SECOND)
        rack.call("fault.clear", endpoint=1)
    dump = sections(seen["text"])
    head, identity, state = (pairs(dump[name]) for name in ("head", "identity", "state"))

    assert (seen["count"], seen["mode"], seen["after_asked"]) == (1, 0o600, 0)
    log = driver.lab.kernel_log(start)
    assert re.findall(rf"axl {SECOND}: coredump: incident=(\w+)", log) == ["queue_hung"]
    assert "recovery: action=reset_function" in log
    assert (head["axl-coredump"], head["incident"], head["queue"]) == ("1", "queue_hung", "0")
    assert head["kernel"] == driver.shell("uname -r").strip()
    assert (identity["bdf"], identity["card"]) == (SECOND, f"0x{placed.serial:016x}")
    assert state["state"] == "online"
    hung, beside = (fields(line) for line in dump["queues"])
    assert (hung["queue"], hung["in_flight"], hung["completed"]) == ("0", "3", "0")
    assert (beside["queue"], beside["in_flight"], beside["completed"]) == ("1", "0", "1")
    flights = [fields(line) for line in dump["in_flight"]]
    assert [(row["opcode"], row["bytes"]) for row in flights] == [("1", "256"), *[("0", "0")] * 2]
    registers = {line.split()[1]: int(line.split()[2], 16) for line in dump["registers"]}
    assert registers["IDENT_BOARD_SERIAL"] == placed.serial
    assert {"QUEUE_STATUS[0]", "QUEUE_STATUS[1]", "CONTEXT_ROOT[0]"} <= set(registers)
    assert list(dump)[-1] == "end"


def test_a_fatal_error_leaves_a_coredump(driver: Driver) -> None:
    """Access is stopped then: no register is read, but the commands are there."""
    seen = driver.check("dumped_fatal", THIRD)
    dump = sections(seen["text"])

    assert pairs(dump["head"])["incident"] == "frozen"
    assert [fields(line)["opcode"] for line in dump["in_flight"]] == ["13"]
    assert dump["registers"] == ["not read: access is stopped"]
    assert list(dump)[-1] == "end"


def test_hwmon_has_the_sensors(driver: Driver) -> None:
    """Temperature and power as the endpoint has them; withheld ones are no data, not zero."""
    with driver.rack() as rack:
        told = rack.call("registers.get", endpoint=1, block="TELEMETRY")["registers"]
        values = {row["name"]: row["value"] for row in told}
        (seen,) = driver.check("hwmon", SECOND)
        rack.call("fault.inject", endpoint=1, fault="huge_telemetry", set={})
        (impossible,) = driver.check("hwmon", SECOND)
        rack.call("fault.clear", endpoint=1)

    assert (seen["name"], seen["temp1_label"], seen["power1_label"]) == ("axl", "endpoint", "card")
    assert abs(int(seen["temp1_input"]) - values["TELEMETRY.TEMPERATURE"]) < 20_000
    assert abs(int(seen["power1_input"]) - 1000 * values["TELEMETRY.POWER"]) < 100_000_000
    assert (impossible["temp1_input"], impossible["power1_input"]) == ("ENODATA", "ENODATA")


def test_hwmon_of_a_lost_endpoint(driver: Driver) -> None:
    """All-ones are no temperature; where the endpoint comes back, sensors do."""
    held = driver.lab.files.share / "held"
    with driver.rack() as rack:
        lose = partial(rack.call, "endpoint.remove", endpoint=3)
        (gone,) = driver.check_meanwhile(held, lose, "hwmon_gone", FOURTH)
        rack.call("endpoint.restore", endpoint=3)
    driver.shell(f"echo 1 >/sys/bus/pci/devices/{FOURTH}/remove; echo 1 >/sys/bus/pci/rescan")
    (again,) = driver.check("hwmon", FOURTH)

    assert (gone["temp1_input"], gone["power1_input"]) == ("ENODEV", "ENODEV")
    assert int(again["temp1_input"]) > 0
